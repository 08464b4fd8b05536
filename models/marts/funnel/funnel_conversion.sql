{% set cell -%}
    period_grain, period_start, dimension, segment, within_dimension, within_segment, from_stage, to_stage
{%- endset -%}
-- Aalen-Johansen cumulative incidence of advancing, with losing as the competing event and open records censored
-- (Aalen and Johansen 1978). At ties events precede censorings. Variance: the Greenwood-type estimator for competing
-- risks (Marubini and Valsecchi 1995, eq. 10.12), which is p(1-p)/n without censoring; the interval is Wilson's with
-- the effective sample p(1-p)/variance.
with

funnel_day_counts as (
    select * from {{ ref('funnel_day_counts') }}
),

dimension_completeness as (
    select * from {{ ref('dimension_completeness') }}
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

risk_sets as (
    select
        *,
        advanced_count + lost_count as event_count,
        (sum(advanced_count + lost_count + open_count) over (
            partition by {{ cell }}
            order by outcome_days desc
        ))::double as at_risk_count
    from funnel_day_counts
),

survival as (
    select
        *,
        exp(coalesce(sum(case when event_count < at_risk_count then ln(1 - event_count / at_risk_count) end) over (
            partition by {{ cell }}
            order by outcome_days rows between unbounded preceding and 1 preceding
        ), 0)) as survival_before
    from risk_sets
),

increments as (
    select
        *,
        survival_before * advanced_count / at_risk_count as increment,
        survival_before * timed_advanced_count / at_risk_count as timed_increment,
        -- Where the last record at risk has its event, the term below is multiplied by zero.
        case
            when event_count < at_risk_count
                then event_count / (at_risk_count * (at_risk_count - event_count))
            else 0
        end as hazard_variance,
        survival_before * advanced_count / (at_risk_count * at_risk_count) as covariance,
        survival_before * survival_before * advanced_count * (at_risk_count - advanced_count)
        / (at_risk_count * at_risk_count * at_risk_count) as increment_variance
    from survival
),

incidence as (
    select
        *,
        sum(increment) over cell as incidence,
        sum(timed_increment) over cell as timed_incidence
    from increments
    window cell as (
        partition by {{ cell }}
        order by outcome_days
        rows between unbounded preceding and current row
    )
),

at_horizon as (
    select
        incidence.period_grain,
        incidence.period_start,
        incidence.dimension,
        incidence.segment,
        incidence.within_dimension,
        incidence.within_segment,
        incidence.from_stage,
        incidence.to_stage,
        horizons.horizon_days,
        sum(advanced_count + lost_count + open_count)::bigint as entered_count,
        coalesce(sum(advanced_count) filter (where outcome_days <= horizon_days), 0)::bigint as converted_count,
        coalesce(sum(lost_count) filter (where outcome_days <= horizon_days), 0)::bigint as lost_count,
        coalesce(sum(open_count) filter (where outcome_days < horizon_days), 0)::bigint as censored_count,
        coalesce(
            sum(advanced_count + lost_count + open_count) filter (where outcome_days >= horizon_days), 0
        )::bigint as at_risk_count,
        coalesce(
            bool_or(event_count = at_risk_count) filter (where outcome_days < horizon_days), false
        ) as is_resolved,
        sum(imputed_count)::double / sum(advanced_count + lost_count + open_count) as imputed_share,
        coalesce(sum(increment) filter (where outcome_days <= horizon_days), 0) as conversion_rate,
        coalesce(sum(timed_increment) filter (where outcome_days <= horizon_days), 0) as timed_conversion_rate,
        coalesce(sum(hazard_variance) filter (where outcome_days <= horizon_days), 0) as sum_hazard,
        coalesce(sum(incidence * hazard_variance) filter (where outcome_days <= horizon_days), 0)
            as sum_incidence_hazard,
        coalesce(
            sum(incidence * incidence * hazard_variance) filter (where outcome_days <= horizon_days), 0
        ) as sum_squared_incidence_hazard,
        coalesce(sum(covariance) filter (where outcome_days <= horizon_days), 0) as sum_covariance,
        coalesce(sum(incidence * covariance) filter (where outcome_days <= horizon_days), 0)
            as sum_incidence_covariance,
        coalesce(sum(increment_variance) filter (where outcome_days <= horizon_days), 0) as sum_increment_variance
    from incidence
    cross join horizons
    group by
        incidence.period_grain, incidence.period_start, incidence.dimension, incidence.segment,
        incidence.within_dimension, incidence.within_segment,
        incidence.from_stage, incidence.to_stage, horizons.horizon_days
),

-- Median time of those who convert within the horizon; conversions through a skipped stage have no known time.
medians as (
    select
        at_horizon.period_grain,
        at_horizon.period_start,
        at_horizon.dimension,
        at_horizon.segment,
        at_horizon.within_dimension,
        at_horizon.within_segment,
        at_horizon.from_stage,
        at_horizon.to_stage,
        at_horizon.horizon_days,
        min(incidence.outcome_days)::double as median_days
    from at_horizon
    inner join incidence
        on
            at_horizon.period_grain = incidence.period_grain
            and at_horizon.period_start = incidence.period_start
            and at_horizon.dimension = incidence.dimension
            and at_horizon.segment = incidence.segment
            and at_horizon.within_dimension = incidence.within_dimension
            and at_horizon.within_segment = incidence.within_segment
            and at_horizon.from_stage = incidence.from_stage
            and at_horizon.to_stage = incidence.to_stage
            and at_horizon.horizon_days >= incidence.outcome_days
    where
        incidence.timed_advanced_count > 0
        and incidence.timed_incidence >= at_horizon.timed_conversion_rate / 2 - 1e-12
    group by all
),

variance as (
    select
        *,
        conversion_rate * conversion_rate * sum_hazard
        - 2 * conversion_rate * sum_incidence_hazard
        + sum_squared_incidence_hazard
        - 2 * (conversion_rate * sum_covariance - sum_incidence_covariance)
        + sum_increment_variance as conversion_variance
    from at_horizon
),

intervals as (
    select
        variance.*,
        case
            when variance.converted_count = 0
                or 1 - variance.conversion_rate < 1e-12
                or variance.conversion_variance <= 0
                then greatest(variance.entered_count - variance.censored_count, 1)
            else least(
                    variance.conversion_rate * (1 - variance.conversion_rate) / variance.conversion_variance,
                    variance.entered_count
                )
        end::double as effective_count
    from variance
),

limits as (
    select
        intervals.*,
        medians.median_days,
        {{ wilson_limit('conversion_rate', 'effective_count', 'thresholds.confidence_z', -1) }} as conversion_low,
        {{ wilson_limit('conversion_rate', 'effective_count', 'thresholds.confidence_z', 1) }} as conversion_high
    from intervals
    cross join thresholds
    left join medians
        using ({{ cell }}, horizon_days)
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
            when limits.converted_count < thresholds.minimum_outcome_n then 'insufficient_sample'
            when limits.entered_count - limits.converted_count < thresholds.minimum_outcome_n
                then 'insufficient_sample'
            when dimension_completeness.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
            when limits.conversion_high - limits.conversion_low > 2 * thresholds.maximum_half_width
                then 'wide_interval'
        end as directional_reason
    from limits
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
        {{ unless_suppressed('least(conversion_rate, 1.0)', 'suppressed_reason') }} as conversion_rate,
        {{ unless_suppressed('conversion_low', 'suppressed_reason') }} as conversion_low,
        {{ unless_suppressed('conversion_high', 'suppressed_reason') }} as conversion_high,
        {{ unless_suppressed('conversion_variance', 'suppressed_reason') }} as conversion_variance,
        {{ unless_suppressed('median_days', 'suppressed_reason') }} as median_days,
        {{ unless_suppressed('imputed_share', 'suppressed_reason') }} as imputed_share,
        entered_count as n,
        {{ evidence_columns('suppressed_reason', 'directional_reason') }}
    from judged
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
    where measured.within_dimension = 'all' and (from_stages.stage, to_stages.stage) in (
            {%- for from_stage, to_stage in transitions() %}
            ('{{ from_stage }}', '{{ to_stage }}'){{ ',' if not loop.last }}
            {%- endfor %}
        )
)

select * from measured
union all
select * from not_applicable
