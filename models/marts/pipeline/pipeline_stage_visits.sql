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

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
    where opportunity_type = 'new_business'
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
        labels.stage_order,
        labels.state,
        stage_visits.visit_number,
        stage_visits.entered_date
    from stage_visits
    inner join pipeline_deals on stage_visits.entity_id = pipeline_deals.opportunity_id
    inner join labels
        on
            stage_visits.stage = labels.stage
            and coalesce(stage_visits.source_stage, '') = coalesce(labels.source_stage, '')
),

-- Another spelling of the same label is the same visit.
changed as (
    select * from labelled
    qualify stage_order is distinct from lag(stage_order) over (partition by deal_number order by visit_number)
),

followed as (
    select
        *,
        lead(state) over visits as next_state,
        lead(stage_order) over visits as next_order,
        lead(entered_date) over visits as next_date
    from changed
    window visits as (partition by deal_number order by visit_number)
),

first_visits as (
    select
        deal_number,
        stage_order,
        min(visit_number) as visit_number
    from changed
    where state = 'open'
    group by deal_number, stage_order
)

select
    pipeline_deals.opportunity_id,
    followed.deal_number,
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
        followed.deal_number = first_visits.deal_number
        and followed.visit_number = first_visits.visit_number
inner join pipeline_deals on followed.deal_number = pipeline_deals.deal_number
inner join pipeline_stages on followed.stage_order = pipeline_stages.stage_order
