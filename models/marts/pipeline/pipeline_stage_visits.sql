-- The first visit of each deal to each stage of the pipeline, and what came of it: any later stage or the win is an
-- advance, an earlier stage a step back. A deal that comes back to a stage is not counted there again.
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

journeys as (
    select * from {{ ref('journeys') }}
    where
        opportunity_type = 'new_business' and is_primary and opportunity_id is not null
        and opportunity_date is not null
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
        stage_visits.entity_id as opportunity_id,
        labels.stage_order,
        labels.state,
        stage_visits.visit_number,
        stage_visits.entered_date
    from stage_visits
    inner join journeys on stage_visits.entity_id = journeys.opportunity_id
    inner join labels
        on
            stage_visits.stage = labels.stage
            and coalesce(stage_visits.source_stage, '') = coalesce(labels.source_stage, '')
),

-- Another spelling of the same label is the same visit.
changed as (
    select * from labelled
    qualify
        lag(stage_order) over (partition by opportunity_id order by visit_number) is null
        or stage_order <> lag(stage_order) over (partition by opportunity_id order by visit_number)
),

followed as (
    select
        *,
        lead(state) over visits as next_state,
        lead(stage_order) over visits as next_order,
        lead(entered_date) over visits as next_date
    from changed
    window visits as (partition by opportunity_id order by visit_number)
),

first_visits as (
    select
        opportunity_id,
        stage_order,
        min(visit_number) as visit_number
    from changed
    where state = 'open'
    group by opportunity_id, stage_order
)

select
    followed.opportunity_id,
    pipeline_stages.stage_key,
    followed.stage_order,
    case
        when followed.next_state is null then 'open'
        when followed.next_state = 'lost' then 'lost'
        when followed.next_state = 'won' or followed.next_order > followed.stage_order then 'advanced'
        else 'went_back'
    end as outcome,
    followed.entered_date,
    followed.next_date as left_date
from followed
inner join first_visits
    on
        followed.opportunity_id = first_visits.opportunity_id
        and followed.visit_number = first_visits.visit_number
inner join pipeline_stages on followed.stage_order = pipeline_stages.stage_order
