with

funnel_day_counts as (
    select
        *,
        segment in ('unknown', 'unmapped') or within_segment in ('unknown', 'unmapped') as is_unknown
    from {{ ref('funnel_day_counts') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

outcome_counts as (
    select
        period_grain,
        period_start,
        dimension,
        within_dimension,
        from_stage,
        to_stage,
        sum(advanced_count + lost_count + open_count) as entered_count,
        sum(advanced_count) as advanced_count,
        sum(lost_count) as lost_count,
        sum(open_count) as open_count,
        coalesce(sum(advanced_count) filter (where is_unknown), 0) as unknown_advanced_count,
        coalesce(sum(lost_count) filter (where is_unknown), 0) as unknown_lost_count,
        coalesce(sum(open_count) filter (where is_unknown), 0) as unknown_open_count
    from funnel_day_counts
    group by period_grain, period_start, dimension, within_dimension, from_stage, to_stage
),

completeness as (
    select
        period_grain,
        period_start,
        dimension,
        within_dimension,
        from_stage,
        to_stage,
        entered_count::bigint as entered_count,
        (unknown_advanced_count + unknown_lost_count + unknown_open_count)::bigint as unknown_count,
        1 - (unknown_advanced_count + unknown_lost_count + unknown_open_count)::double / entered_count
            as completeness_rate,
        1 - unknown_advanced_count::double / nullif(advanced_count, 0) as advanced_completeness_rate,
        1 - unknown_lost_count::double / nullif(lost_count, 0) as lost_completeness_rate,
        1 - unknown_open_count::double / nullif(open_count, 0) as open_completeness_rate
    from outcome_counts
)

select
    completeness.*,
    -- Missingness that follows the outcome biases every segment of the cohort, once enough records are missing.
    coalesce(
        greatest(advanced_completeness_rate, lost_completeness_rate, open_completeness_rate)
        - least(advanced_completeness_rate, lost_completeness_rate, open_completeness_rate), 0
    ) > thresholds.maximum_outcome_completeness_gap
    and 1 - completeness_rate > thresholds.maximum_missing_share as is_missing_by_outcome
from completeness
cross join thresholds
