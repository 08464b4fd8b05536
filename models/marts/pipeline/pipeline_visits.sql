-- The visits of each deal to its stages, read once for what follows: when it was open, and what came of each stage.
with

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'opportunity'
),

pipeline_stages as (
    select * from {{ ref('pipeline_stages') }}
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

-- Each spelling once.
spellings as (
    select
        stage_visits.stage,
        stage_visits.source_stage,
        case
            when lifecycle_stages.kind = 'end' then 'lost'
            when lifecycle_stages.stage_order >= won_stage.stage_order then 'won'
            else 'open'
        end as state,
        coalesce({{ label_key('stage_visits.source_stage') }}, {{ label_key('lifecycle_stages.label') }}) as stage_key
    from stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    cross join won_stage
    group by all
),

labels as (
    select
        spellings.*,
        pipeline_stages.stage_order
    from spellings
    inner join pipeline_stages on spellings.stage_key = pipeline_stages.stage_key
),

labelled as (
    select
        pipeline_deals.deal_number,
        stage_visits.visit_number,
        labels.stage_order,
        labels.state,
        stage_visits.entered_date
    from stage_visits
    inner join pipeline_deals on stage_visits.entity_number = pipeline_deals.opportunity_number
    inner join labels
        on
            stage_visits.stage = labels.stage
            and coalesce(stage_visits.source_stage, '') = coalesce(labels.source_stage, '')
)

select
    *,
    lag(state) over visits as previous_state,
    lag(stage_order) over visits as previous_order
from labelled
window visits as (partition by deal_number order by visit_number)
