-- Intervals: Wilson's with the effective sample p(1-p)/variance, which is plain Wilson without censoring; where nobody
-- or everybody converted, with the records whose outcome at the horizon is known.
with

estimates as (
    select * from {{ ref('conversion_estimates') }}
),

dimension_completeness as (
    select * from {{ ref('dimension_completeness') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

primary_horizon as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

run_context as (
    select * from {{ ref('run_context') }}
),

evidence_reasons as (
    select
        evidence_reason,
        caveat
    from {{ ref('evidence_reasons') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

limits as (
    select
        estimates.*,
        {{ wilson_limit('conversion_rate', 'effective_count', 'thresholds.confidence_z', -1) }} as conversion_low,
        {{ wilson_limit('conversion_rate', 'effective_count', 'thresholds.confidence_z', 1) }} as conversion_high
    from estimates
    cross join thresholds
),

judged as (
    select
        limits.*,
        dimension_completeness.completeness_rate,
        case
            when limits.period_start < run_context.history_starts_on then 'left_truncated'
            when limits.at_risk_count = 0 and not limits.is_resolved then 'too_early'
            when limits.entered_count < thresholds.minimum_n then 'insufficient_sample'
            when dimension_completeness.is_missing_by_outcome then 'incomplete_data'
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
            when dimension_completeness.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
            when limits.conversion_high - limits.conversion_low > 2 * thresholds.maximum_half_width
                then 'wide_interval'
        end as directional_reason
    from limits
    cross join primary_horizon
    cross join run_context
    cross join thresholds
    inner join dimension_completeness
        using (period_grain, period_start, dimension, within_dimension, from_stage, to_stage)
),

measured as (
    select
        period_grain,
        period_start,
        dimension,
        segment,
        within_dimension,
        within_segment,
        from_stage,
        to_stage,
        horizon_days,
        entered_count,
        converted_count,
        lost_count,
        entered_count - converted_count - lost_count as open_count,
        {{ unless_suppressed('conversion_rate', 'suppressed_reason') }} as conversion_rate,
        {{ unless_suppressed('conversion_low', 'suppressed_reason') }} as conversion_low,
        {{ unless_suppressed('conversion_high', 'suppressed_reason') }} as conversion_high,
        {{ unless_suppressed('conversion_variance', 'suppressed_reason') }} as conversion_variance,
        {{ unless_suppressed('median_days', 'suppressed_reason') }} as median_days,
        {{ unless_suppressed('imputed_share', 'suppressed_reason') }} as imputed_share,
        entered_count as n,
        {{ evidence_columns('suppressed_reason', 'directional_reason') }}
    from judged
    {{ join_evidence_reasons('suppressed_reason', 'directional_reason') }}
),

-- Stages before the one from which a dimension is known: said, so that nobody looks for a number.
not_applicable as (
    select distinct
        measured.period_grain,
        measured.period_start,
        measured.dimension,
        measured.segment,
        measured.within_dimension,
        measured.within_segment,
        from_stages.stage as from_stage,
        to_stages.stage as to_stage,
        measured.horizon_days,
        null::bigint as entered_count,
        null::bigint as converted_count,
        null::bigint as lost_count,
        null::bigint as open_count,
        null::double as conversion_rate,
        null::double as conversion_low,
        null::double as conversion_high,
        null::double as conversion_variance,
        null::double as median_days,
        null::double as imputed_share,
        0::bigint as n,
        {{ evidence_columns("'not_applicable'", "'not_applicable'") }}
    from measured
    inner join dimensions on measured.dimension = dimensions.dimension
    inner join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    inner join lifecycle_stages as from_stages
        on from_stages.kind = 'spine' and known_from.stage_order > from_stages.stage_order
    inner join lifecycle_stages as to_stages on to_stages.kind = 'spine'
    {{ join_evidence_reasons("'not_applicable'", "'not_applicable'") }}
    where measured.within_dimension = 'all' and (from_stages.stage, to_stages.stage) in (
            {%- for from_stage, to_stage in transitions() %}
            ('{{ from_stage }}', '{{ to_stage }}'){{ ',' if not loop.last }}
            {%- endfor %}
        )
)

select * from measured
union all
select * from not_applicable
