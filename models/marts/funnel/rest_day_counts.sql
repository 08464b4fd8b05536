{{ config(materialized='view') }}

-- The rest of the population beside each segment that is large enough to be compared with it.
with

funnel_day_counts as (
    select * from {{ ref('funnel_day_counts') }}
    where within_dimension = 'all'
),

thresholds as (
    {{ evidence_thresholds() }}
),

totals as (
    select * from funnel_day_counts
    where dimension = 'all'
),

segments as (
    select
        period_grain,
        period_start,
        dimension,
        segment,
        from_stage,
        to_stage
    from funnel_day_counts
    where dimension <> 'all'
    group by period_grain, period_start, dimension, segment, from_stage, to_stage
    having sum(advanced_count + lost_count + open_count) >= (select minimum_n from thresholds)
),

-- Days on which every record of the total is of the segment hold nobody of the rest.
rest as (
    select
        segments.period_grain,
        segments.period_start,
        segments.dimension,
        segments.segment,
        segments.from_stage,
        segments.to_stage,
        totals.outcome_days,
        totals.advanced_count - coalesce(own.advanced_count, 0) as advanced_count,
        totals.timed_advanced_count - coalesce(own.timed_advanced_count, 0) as timed_advanced_count,
        totals.lost_count - coalesce(own.lost_count, 0) as lost_count,
        totals.open_count - coalesce(own.open_count, 0) as open_count,
        totals.imputed_count - coalesce(own.imputed_count, 0) as imputed_count,
        totals.mature_count - coalesce(own.mature_count, 0) as mature_count
    from segments
    inner join totals
        on
            segments.period_grain = totals.period_grain
            and segments.period_start = totals.period_start
            and segments.from_stage = totals.from_stage
            and segments.to_stage = totals.to_stage
    left join funnel_day_counts as own
        on
            segments.period_grain = own.period_grain
            and segments.period_start = own.period_start
            and segments.dimension = own.dimension
            and segments.segment = own.segment
            and segments.from_stage = own.from_stage
            and segments.to_stage = own.to_stage
            and totals.outcome_days = own.outcome_days
)

select
    period_grain,
    period_start,
    dimension,
    segment,
    'all' as within_dimension,
    'all' as within_segment,
    from_stage,
    to_stage,
    outcome_days,
    advanced_count,
    timed_advanced_count,
    lost_count,
    open_count,
    imputed_count,
    mature_count
from rest
where advanced_count + lost_count + open_count > 0
