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
converted as (
    select distinct
        opportunities.opportunity_id,
        history.source,
        history.source_stage,
        stage_labels.stage,
        history.forecast_category,
        (history.source_amount * opportunities.reporting_rate)::decimal(18, 2) as amount,
        history.probability,
        history.close_date,
        history.changed_at
    from history
    inner join links on history.opportunity_id = links.source_opportunity_id
    inner join opportunities on links.opportunity_id = opportunities.opportunity_id
    cross join run_context
    left join stage_labels on lower(history.source_stage) = stage_labels.source_label
    where history.changed_at::date <= run_context.as_of_date
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
