-- The first visit of each deal to each stage of the pipeline, and what came of it: any later stage or the win is an
-- advance, an earlier stage a step back. A deal that comes back to a stage is not counted there again.
with

pipeline_visits as (
    select * from {{ ref('pipeline_visits') }}
),

pipeline_stages as (
    select * from {{ ref('pipeline_stages') }}
),

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
    where opportunity_type = 'new_business'
),

-- Another spelling of the same label is the same visit.
changed as (
    select * from pipeline_visits
    where stage_order is distinct from previous_order
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
