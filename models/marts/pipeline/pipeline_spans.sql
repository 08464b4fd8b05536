-- When each deal was open. Days count: a deal that closes on the day it opens was open for none.
with

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'opportunity'
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
    where kind <> 'outside'
),

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
),

won_stage as (
    select stage_order from {{ ref('lifecycle_stages') }}
    where stage = 'won'
),

-- Stages after the win are as good as won.
stages as (
    select
        lifecycle_stages.stage,
        case
            when lifecycle_stages.kind = 'end' then 'lost'
            when lifecycle_stages.stage_order >= won_stage.stage_order then 'won'
            else 'open'
        end as state
    from lifecycle_stages
    cross join won_stage
),

visited as (
    select
        pipeline_deals.deal_number,
        stages.state,
        stage_visits.visit_number,
        stage_visits.entered_date,
        lag(stages.state) over (
            partition by pipeline_deals.deal_number order by stage_visits.visit_number
        ) as previous_state
    from stage_visits
    inner join stages on stage_visits.stage = stages.stage
    inner join pipeline_deals on stage_visits.entity_id = pipeline_deals.opportunity_id
),

changed as (
    select
        *,
        lead(state) over changes as next_state,
        lead(entered_date) over changes as next_date,
        row_number() over changes as span_number
    from visited
    where previous_state is null or state <> previous_state
    window changes as (partition by deal_number order by visit_number)
)

-- A deal whose first stage is a closed one was created that day; one that goes from lost to won, or back, was reopened.
select
    deal_number,
    span_number,
    case when span_number = 1 then 'created' else 'reopened' end as opened_as,
    case when state = 'open' then next_state else state end as closed_as,
    entered_date as opened_date,
    case when state = 'open' then next_date else entered_date end as closed_date
from changed
where state = 'open' or previous_state is null or previous_state <> 'open'
