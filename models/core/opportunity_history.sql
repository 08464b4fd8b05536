with

history as (
    {{ union_sources('opportunity_history') }}
),

links as (
    select * from {{ ref('opportunity_links') }}
),

opportunities as (
    select * from {{ ref('opportunities') }}
    where not is_disqualified
),

stage_labels as (
    select * from {{ ref('stage_labels') }}
    where entity = 'opportunity'
),

run_context as (
    select * from {{ ref('run_context') }}
),

-- What happened after the as-of date has not happened yet.
happened as (
    select
        links.opportunity_id as entity_id,
        links.record_number,
        history.*
    from history
    inner join links on history.opportunity_id = links.source_opportunity_id
    cross join run_context
    where history.changed_at::date <= run_context.as_of_date
),

-- Two systems that tell of one deal disagree about its amounts and plans, and so do two records of one system: the
-- history is that of the record which is believed first.
believed as (
    select * from happened
    qualify record_number = min(record_number) over (partition by entity_id)
),

converted as (
    select distinct
        opportunities.opportunity_id,
        believed.source,
        believed.source_stage,
        stage_labels.stage,
        believed.forecast_category,
        (believed.source_amount * opportunities.reporting_rate)::decimal(18, 2) as amount,
        believed.probability,
        believed.close_date,
        believed.changed_at
    from believed
    inner join opportunities on believed.entity_id = opportunities.opportunity_id
    left join stage_labels on lower(believed.source_stage) = stage_labels.source_label
)

select
    opportunity_id,
    source,
    source_stage,
    stage,
    forecast_category,
    amount,
    lag(amount) over changes as previous_amount,
    probability,
    row_number() over changes as change_number,
    close_date,
    lag(close_date) over changes as previous_close_date,
    changed_at,
    lead(changed_at) over changes as next_changed_at
from converted
window changes as (
    partition by opportunity_id
    order by
        changed_at, source_stage nulls first, amount nulls first, close_date nulls first, probability nulls first,
        forecast_category nulls first, source
)
