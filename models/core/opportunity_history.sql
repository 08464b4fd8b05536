with

history as (
    {{ union_sources('opportunity_history') }}
),

links as (
    select
        source_opportunity_id,
        opportunity_number,
        record_number
    from {{ ref('opportunity_links') }}
),

opportunities as (
    select
        opportunity_number,
        reporting_rate
    from {{ ref('opportunities') }}
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
        links.opportunity_number,
        links.record_number,
        history.source,
        history.source_stage,
        history.forecast_category,
        history.source_amount,
        history.probability,
        history.close_date,
        history.changed_at
    from history
    inner join links on history.opportunity_id = links.source_opportunity_id
    cross join run_context
    where history.changed_at::date <= run_context.as_of_date
),

distinct_labels as (
    select distinct
        source,
        source_stage,
        forecast_category
    from happened
),

-- Few texts of many rows: as numbers they sort and compare many times faster.
labels as (
    select
        distinct_labels.source,
        distinct_labels.source_stage,
        distinct_labels.forecast_category,
        min(stage_labels.stage) as stage,
        dense_rank() over (order by distinct_labels.source_stage nulls first)::integer as stage_rank,
        row_number() over (
            order by
                distinct_labels.forecast_category nulls first,
                distinct_labels.source,
                distinct_labels.source_stage nulls first
        )::integer as label_number
    from distinct_labels
    left join stage_labels on lower(distinct_labels.source_stage) = stage_labels.source_label
    group by distinct_labels.source, distinct_labels.source_stage, distinct_labels.forecast_category
),

-- Two systems that tell of one deal disagree about its amounts and plans, and so do two records of one system: the
-- history is that of the record which is believed first.
believed as (
    select
        happened.opportunity_number,
        min(happened.record_number) as record_number,
        max(opportunities.reporting_rate) as reporting_rate
    from happened
    inner join opportunities on happened.opportunity_number = opportunities.opportunity_number
    group by happened.opportunity_number
),

-- Trackers repeat a row when a field changes that is not here.
converted as (
    select distinct
        happened.opportunity_number,
        labels.stage_rank,
        labels.label_number,
        (happened.source_amount * believed.reporting_rate)::decimal(18, 2) as amount,
        happened.probability,
        happened.close_date,
        happened.changed_at
    from happened
    inner join believed
        on
            happened.opportunity_number = believed.opportunity_number
            and happened.record_number = believed.record_number
    inner join labels
        on
            happened.source = labels.source
            and happened.source_stage is not distinct from labels.source_stage
            and happened.forecast_category is not distinct from labels.forecast_category
),

ordered as (
    select
        *,
        lag(amount) over changes as previous_amount,
        row_number() over changes as change_number,
        lag(close_date) over changes as previous_close_date,
        lead(changed_at) over changes as next_changed_at
    from converted
    window changes as (
        partition by opportunity_number
        order by
            changed_at, stage_rank, amount nulls first, close_date nulls first, probability nulls first, label_number
    )
)

select
    labels.source,
    labels.source_stage,
    labels.stage,
    labels.forecast_category,
    ordered.opportunity_number,
    ordered.amount,
    ordered.previous_amount,
    ordered.probability,
    ordered.change_number,
    ordered.close_date,
    ordered.previous_close_date,
    ordered.changed_at,
    ordered.next_changed_at
from ordered
inner join labels on ordered.label_number = labels.label_number
