{#- Aalen-Johansen cumulative incidence of advancing at each horizon, with losing as the competing event and open records
    censored (Aalen and Johansen 1978). At ties events precede censorings. Variance: the Greenwood-type estimator for
    competing risks (Marubini and Valsecchi 1995, eq. 10.12), which is p(1-p)/n without censoring.

    A whole select from day counts per cell and transition, and from horizons (horizon_days). -#}
{% macro aalen_johansen(day_counts, horizons) -%}
{%- set cell = 'period_grain, period_start, dimension, segment, within_dimension, within_segment, from_stage, to_stage' -%}
with

risk_sets as (
    select
        *,
        advanced_count + lost_count as event_count,
        (sum(advanced_count + lost_count + open_count) over (
            partition by {{ cell }}
            order by outcome_days desc
        ))::double as at_risk_count
    from {{ day_counts }}
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

-- Sums of decimals: sums of floats depend on the order of the rows, and the same rows must give the same release.
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
        sum(mature_count)::bigint as mature_count,
        sum(imputed_count)::double / sum(advanced_count + lost_count + open_count) as imputed_share,
        {%- for name, term in {
            'conversion_rate': 'increment',
            'timed_conversion_rate': 'timed_increment',
            'sum_hazard': 'hazard_variance',
            'sum_incidence_hazard': 'incidence * hazard_variance',
            'sum_squared_incidence_hazard': 'incidence * incidence * hazard_variance',
            'sum_covariance': 'covariance',
            'sum_incidence_covariance': 'incidence * covariance',
            'sum_increment_variance': 'increment_variance',
        }.items() %}
        coalesce(sum(({{ term }})::decimal(38, 18)) filter (where outcome_days <= horizon_days), 0)::double
            as {{ name }}{{ ',' if not loop.last }}
        {%- endfor %}
    from incidence
    cross join {{ horizons }} as horizons
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
)

select
    intervals.period_grain,
    intervals.period_start,
    intervals.dimension,
    intervals.segment,
    intervals.within_dimension,
    intervals.within_segment,
    intervals.from_stage,
    intervals.to_stage,
    intervals.horizon_days,
    intervals.entered_count,
    intervals.converted_count,
    intervals.lost_count,
    intervals.censored_count,
    intervals.at_risk_count,
    intervals.mature_count,
    intervals.is_resolved,
    intervals.imputed_share,
    least(intervals.conversion_rate, 1.0) as conversion_rate,
    greatest(intervals.conversion_variance, 0.0) as conversion_variance,
    intervals.effective_count,
    medians.median_days
from intervals
left join medians
    using ({{ cell }}, horizon_days)
{%- endmacro %}
