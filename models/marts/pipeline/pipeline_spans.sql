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

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_id is not null and is_primary and opportunity_date is not null
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
        stage_visits.entity_id as opportunity_id,
        stages.state,
        stage_visits.visit_number,
        stage_visits.entered_date,
        lag(stages.state) over (
            partition by stage_visits.entity_id order by stage_visits.visit_number
        ) as previous_state
    from stage_visits
    inner join stages on stage_visits.stage = stages.stage
    inner join journeys on stage_visits.entity_id = journeys.opportunity_id
),

changed as (
    select
        *,
        lead(state) over changes as next_state,
        lead(entered_date) over changes as next_date,
        row_number() over changes as span_number
    from visited
    where previous_state is null or state <> previous_state
    window changes as (partition by opportunity_id order by visit_number)
)

-- A deal whose first stage is a closed one was created that day; one that goes from lost to won, or back, was reopened.
select
    opportunity_id,
    span_number,
    case when span_number = 1 then 'created' else 'reopened' end as opened_as,
    case when state = 'open' then next_state else state end as closed_as,
    entered_date as opened_date,
    case when state = 'open' then next_date else entered_date end as closed_date
from changed
where state = 'open' or previous_state is null or previous_state <> 'open'
