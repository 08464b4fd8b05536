-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
-- Interval of the rates: Wilson's with the effective sample, as in funnel_conversion.
{% set cell = 'period_grain, period_start, dimension, segment, stage_key' -%}
with

day_counts as (
    select * from {{ ref('pipeline_stage_day_counts') }}
),

pipeline_stages as (
    select * from {{ ref('pipeline_stages') }}
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
),

primary_horizon as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

run_context as (
    select * from {{ ref('run_context') }}
),

evidence_reasons as (
    select * from {{ ref('evidence_reasons') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

-- Each outcome in turn, with the others competing.
outcome_day_counts as (
    {%- for outcome, others in {
        'advanced': 'lost_count + back_count', 'lost': 'advanced_count + back_count',
        'went_back': 'advanced_count + lost_count',
    }.items() %}
    {%- set column = 'back_count' if outcome == 'went_back' else outcome ~ '_count' %}
    select
        period_grain,
        period_start,
        dimension,
        segment,
        'all' as within_dimension,
        'all' as within_segment,
        stage_key as from_stage,
        '{{ outcome }}' as to_stage,
        outcome_days,
        {{ column }} as advanced_count,
        {{ column }} as timed_advanced_count,
        {{ others }} as lost_count,
        open_count,
        0 as imputed_count,
        mature_count
    from day_counts
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

incidences as (
    {{ aalen_johansen('outcome_day_counts', 'horizons') }}
),

exits as (
    select
        {{ cell }},
        outcome_days,
        advanced_count + lost_count + back_count as event_count,
        open_count as censored_count
    from day_counts
),

medians as (
    {{ median_time('exits', cell, 'thresholds') }}
),

known as (
    select
        *,
        segment in ('unknown', 'unmapped') as is_unknown
    from day_counts
),

completeness as (
    select
        period_grain,
        period_start,
        dimension,
        stage_key,
        1 - coalesce(
            sum(advanced_count + lost_count + back_count + open_count) filter (where is_unknown), 0
        )::double / sum(advanced_count + lost_count + back_count + open_count) as completeness_rate,
        {%- for outcome in ['advanced', 'lost', 'open'] %}
        1 - coalesce(sum({{ outcome }}_count) filter (where is_unknown), 0)::double
        / nullif(sum({{ outcome }}_count), 0) as {{ outcome }}_completeness_rate{{ ',' if not loop.last }}
        {%- endfor %}
    from known
    group by period_grain, period_start, dimension, stage_key
),

limits as (
    select
        incidences.*,
        pipeline_stages.label,
        pipeline_stages.stage_order,
        pipeline_stages.order_rule,
        medians.median_days as median_stage_days,
        medians.median_low_days as median_stage_days_low,
        medians.median_high_days as median_stage_days_high,
        completeness.completeness_rate,
        -- Missingness that follows the outcome biases every segment, once enough records are missing.
        coalesce(
            greatest(
                completeness.advanced_completeness_rate, completeness.lost_completeness_rate,
                completeness.open_completeness_rate
            ) - least(
                completeness.advanced_completeness_rate, completeness.lost_completeness_rate,
                completeness.open_completeness_rate
            ), 0
        ) > thresholds.maximum_outcome_completeness_gap
        and 1 - completeness.completeness_rate > thresholds.maximum_missing_share as is_missing_by_outcome,
        {{ wilson_limit('incidences.conversion_rate', 'incidences.effective_count', 'thresholds.confidence_z', -1) }}
            as outcome_low,
        {{ wilson_limit('incidences.conversion_rate', 'incidences.effective_count', 'thresholds.confidence_z', 1) }}
            as outcome_high
    from incidences
    cross join thresholds
    inner join pipeline_stages on incidences.from_stage = pipeline_stages.stage_key
    inner join completeness
        on
            incidences.period_grain = completeness.period_grain
            and incidences.period_start = completeness.period_start
            and incidences.dimension = completeness.dimension
            and incidences.from_stage = completeness.stage_key
    left join medians
        on
            incidences.period_grain = medians.period_grain
            and incidences.period_start = medians.period_start
            and incidences.dimension = medians.dimension
            and incidences.segment = medians.segment
            and incidences.from_stage = medians.stage_key
),

judged as (
    select
        limits.*,
        case
            when limits.period_start < run_context.history_starts_on then 'left_truncated'
            when limits.at_risk_count = 0 and not limits.is_resolved then 'too_early'
            when limits.entered_count < thresholds.minimum_n then 'insufficient_sample'
            when limits.is_missing_by_outcome then 'incomplete_data'
        end as suppressed_reason,
        case
            when limits.entered_count < thresholds.reportable_n then 'insufficient_sample'
            when
                limits.at_risk_count < thresholds.minimum_at_risk
                and limits.censored_count > 0
                and not limits.is_resolved
                then 'too_early'
            when
                limits.mature_count < thresholds.minimum_mature_share * limits.entered_count
                and limits.horizon_days >= primary_horizon.horizon_days
                and not limits.is_resolved
                then 'too_early'
            when limits.converted_count < thresholds.minimum_outcome_n then 'insufficient_sample'
            when limits.entered_count - limits.converted_count < thresholds.minimum_outcome_n
                then 'insufficient_sample'
            when limits.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
            when limits.outcome_high - limits.outcome_low > 2 * thresholds.maximum_half_width then 'wide_interval'
        end as directional_reason
    from limits
    cross join primary_horizon
    cross join run_context
    cross join thresholds
)

select
    period_grain,
    period_start,
    dimension,
    segment,
    label as stage,
    stage_order,
    order_rule,
    to_stage as outcome,
    horizon_days,
    entered_count,
    converted_count as outcome_count,
    lost_count as other_outcome_count,
    entered_count - converted_count - lost_count as open_count,
    {{ unless_suppressed('conversion_rate', 'suppressed_reason') }} as outcome_rate,
    {{ unless_suppressed('outcome_low', 'suppressed_reason') }} as outcome_low,
    {{ unless_suppressed('outcome_high', 'suppressed_reason') }} as outcome_high,
    {{ unless_suppressed('median_stage_days', 'suppressed_reason') }} as median_stage_days,
    {{ unless_suppressed('median_stage_days_low', 'suppressed_reason') }} as median_stage_days_low,
    {{ unless_suppressed('median_stage_days_high', 'suppressed_reason') }} as median_stage_days_high,
    entered_count as n,
    {{ evidence_columns('suppressed_reason', 'directional_reason') }}
from judged
{{ join_evidence_reasons('suppressed_reason', 'directional_reason') }}
