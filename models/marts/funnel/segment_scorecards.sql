{%- set cell = 'period_grain, period_start, dimension, segment' -%}
with

funnel_conversion as (
    select * from {{ ref('funnel_conversion') }}
    where within_dimension = 'all' and coalesce(evidence_reason, '') <> 'not_applicable'
),

funnel_day_counts as (
    select * from {{ ref('funnel_day_counts') }}
    where within_dimension = 'all'
),

stage_exit_facts as (
    select * from {{ ref('stage_exit_facts') }}
),

velocity_facts as (
    select * from {{ ref('velocity_facts') }}
),

metrics as (
    select * from {{ ref('metrics') }}
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

closed_history as (
    select * from {{ ref('closed_history') }}
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

primary_conversion as (
    select funnel_conversion.*
    from funnel_conversion
    inner join horizons on funnel_conversion.horizon_days = horizons.horizon_days
),

closed_facts as (
    select * from velocity_facts
    where basis = 'closed'
),

-- Interval of a count: Byar's approximation of the exact Poisson limits. Of a sum: compound Poisson. Of a mean:
-- Student's, by the delta method on the log scale, as in `lever_signals`.
entered_counts as (
    select
        {{ cell }},
        from_stage || '_count' as metric,
        sum(advanced_count + lost_count + open_count)::bigint as n
    from funnel_day_counts
    where (from_stage, to_stage) in (
            {%- for stage in var('spine')[:-1] %}
            ('{{ stage }}', '{{ var("spine")[loop.index] }}'){{ ',' if not loop.last }}
            {%- endfor %}
        )
    group by {{ cell }}, from_stage
    union all
    select
        {{ cell }},
        '{{ var("spine")[-1] }}_count' as metric,
        won_count as n
    from closed_facts
),

counts as (
    select
        {{ cell }},
        metric,
        n::double as value,
        case when n > 0
                then
                    n * power(1 - 1.0 / (9 * n) - thresholds.confidence_z / (3 * sqrt(n)), 3)
            else 0
        end as low,
        (n + 1) * power(1 - 1.0 / (9 * (n + 1)) + thresholds.confidence_z / (3 * sqrt(n + 1)), 3) as high,
        n
    from entered_counts
    cross join thresholds
),

sums as (
    select
        {{ cell }},
        'won_amount' as metric,
        amount_sum as value,
        greatest(amount_sum - thresholds.confidence_z * sqrt(amount_square_sum), 0) as low,
        amount_sum + thresholds.confidence_z * sqrt(amount_square_sum) as high,
        amount_count as n
    from closed_facts
    cross join thresholds
),

moments as (
    select
        {{ cell }},
        'mean_deal_amount' as metric,
        amount_count as n,
        amount_sum as total,
        amount_square_sum as square_total
    from closed_facts
    union all
    select
        {{ cell }},
        'mean_cycle_days' as metric,
        cycle_count as n,
        cycle_days_sum as total,
        cycle_days_square_sum as square_total
    from closed_facts
    union all
    select
        {{ cell }},
        from_stage || '_stage_days' as metric,
        exit_count as n,
        stage_days_sum as total,
        stage_days_square_sum as square_total
    from stage_exit_facts
),

-- Relative to the mean, half of the interval on the log scale: skewed amounts have no limit below 0.
spreads as (
    select
        {{ cell }},
        metric,
        n,
        total / nullif(n, 0) as value,
        coalesce(
            {{ student_quantile('thresholds.confidence_z', 'n - 1') }}
            * sqrt(greatest(square_total - total * total / nullif(n, 0), 0) / nullif(n - 1, 0) / nullif(n, 0))
            / nullif(total / nullif(n, 0), 0),
            case when total = 0 then 0 end
        ) as half
    from moments
    cross join thresholds
),

means as (
    select
        {{ cell }},
        metric,
        value,
        value * exp(-half) as low,
        value * exp(half) as high,
        n
    from spreads
),

closed_rates as (
    select
        *,
        won_count::double / nullif(qualified_count, 0) as rate
    from closed_facts
),

win_rates as (
    select
        {{ cell }},
        'win_rate' as metric,
        rate as value,
        {{ wilson_limit('rate', 'qualified_count', 'thresholds.confidence_z', -1) }} as low,
        {{ wilson_limit('rate', 'qualified_count', 'thresholds.confidence_z', 1) }} as high,
        qualified_count as n,
        least(won_count, qualified_count - won_count) as outcome_count
    from closed_rates
    cross join thresholds
),

of_the_period as (
    select
        *,
        null::bigint as outcome_count
    from counts
    union all
    select
        *,
        null::bigint as outcome_count
    from sums
    union all
    select
        *,
        null::bigint as outcome_count
    from means
    union all
    select * from win_rates
),

completed as (
    select
        *,
        1 - coalesce(sum(n) filter (where segment in ('unknown', 'unmapped')) over (
            partition by period_grain, period_start, dimension, metric
        ), 0)::double / nullif(sum(n) over (partition by period_grain, period_start, dimension, metric), 0)
            as completeness_rate
    from of_the_period
),

judged as (
    select
        completed.period_grain,
        completed.period_start,
        completed.dimension,
        completed.segment,
        completed.metric,
        completed.value,
        completed.low,
        completed.high,
        completed.n,
        case
            when completed.period_start < run_context.history_starts_on then 'left_truncated'
            when metrics.basis = 'closed' and completed.period_start < closed_history.closed_starts_on
                then 'left_truncated'
            when {{ period_end('completed.period_grain', 'completed.period_start') }} > run_context.as_of_date + 1
                then 'too_early'
            when completed.n < thresholds.minimum_n then 'insufficient_sample'
        end as suppressed_reason,
        case
            when completed.n < thresholds.reportable_n then 'insufficient_sample'
            when completed.outcome_count < thresholds.minimum_outcome_n then 'insufficient_sample'
            when completed.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
            when metrics.unit = 'rate' and completed.high - completed.low > 2 * thresholds.maximum_half_width
                then 'wide_interval'
            when
                metrics.unit <> 'rate'
                and completed.high - completed.low > 2 * thresholds.maximum_relative_half_width * abs(completed.value)
                then 'wide_interval'
        end as directional_reason
    from completed
    inner join metrics on completed.metric = metrics.metric
    cross join run_context
    cross join closed_history
    cross join thresholds
),

-- Counts of a cohort are complete only when every record of it was followed to the horizon.
converted_counts as (
    select
        primary_conversion.period_grain,
        primary_conversion.period_start,
        primary_conversion.dimension,
        primary_conversion.segment,
        primary_conversion.from_stage || '_to_' || primary_conversion.to_stage || '_count' as metric,
        converted_count::double as value,
        case when converted_count > 0
                then converted_count * power(
                        1 - 1.0 / (9 * converted_count) - thresholds.confidence_z / (3 * sqrt(converted_count)), 3
                    )
            else 0
        end as low,
        (converted_count + 1) * power(
            1 - 1.0 / (9 * (converted_count + 1)) + thresholds.confidence_z / (3 * sqrt(converted_count + 1)), 3
        ) as high,
        primary_conversion.n,
        case
            when primary_conversion.evidence = 'suppressed' then primary_conversion.evidence_reason
            when
                {{ period_end('primary_conversion.period_grain', 'primary_conversion.period_start') }}
                + primary_conversion.horizon_days > run_context.as_of_date + 1
                then 'too_early'
        end as suppressed_reason,
        case
            when primary_conversion.evidence = 'directional' then primary_conversion.evidence_reason
        end as directional_reason
    from primary_conversion
    cross join thresholds
    cross join run_context
),

conversion_rates as (
    select
        {{ cell }},
        from_stage || '_to_' || to_stage || '_rate' as metric,
        conversion_rate as value,
        conversion_low as low,
        conversion_high as high,
        n,
        case when evidence = 'suppressed' then evidence_reason end as suppressed_reason,
        case when evidence = 'directional' then evidence_reason end as directional_reason
    from primary_conversion
),

unioned as (
    select * from judged
    union all
    select * from converted_counts
    union all
    select * from conversion_rates
),

dated as (
    select
        *,
        case period_grain
            when 'month' then {{ add_months('period_start', -1) }}
            else {{ add_months('period_start', -3) }}
        end as previous_start,
        {{ add_months('period_start', -12) }} as year_ago_start,
        {{ period_end('period_grain', 'period_start') }} as period_end
    from unioned
),

-- The value stands by itself; what changed since the period before is not told where it was measured otherwise.
compared_alike as (
    select
        dated.*,
        {{ is_definition_changed('dated', 'dated.previous_start', 'dated.period_end') }} as is_definition_changed,
        {{ is_definition_changed('dated', 'dated.year_ago_start', 'dated.period_end') }}
            as is_definition_changed_in_year
    from dated
),

reasoned as (
    select
        *,
        case when is_definition_changed then 'definition_changed' else directional_reason end as told_reason
    from compared_alike
),

published as (
    select
        {{ cell }},
        metric,
        previous_start,
        year_ago_start,
        is_definition_changed,
        is_definition_changed_in_year,
        {{ unless_suppressed('value', 'suppressed_reason') }} as value,
        {{ unless_suppressed('low', 'suppressed_reason') }} as low,
        {{ unless_suppressed('high', 'suppressed_reason') }} as high,
        n,
        {{ evidence_columns('suppressed_reason', 'told_reason') }}
    from reasoned
    {{ join_evidence_reasons('suppressed_reason', 'told_reason') }}
),

-- Difference of two independent estimates from their own intervals: Newcombe 1998, method 10 (MOVER).
compared as (
    select
        published.*,
        previous.value as previous_value,
        published.value - previous.value as delta,
        published.value - previous.value - sqrt(
            power(published.value - published.low, 2) + power(previous.high - previous.value, 2)
        ) as delta_low,
        published.value - previous.value + sqrt(
            power(published.high - published.value, 2) + power(previous.value - previous.low, 2)
        ) as delta_high,
        year_ago.value as year_ago_value
    from published
    left join published as previous
        on
            published.period_grain = previous.period_grain
            and published.dimension = previous.dimension
            and published.segment = previous.segment
            and published.metric = previous.metric
            and published.previous_start = previous.period_start
            and not published.is_definition_changed
    left join published as year_ago
        on
            published.period_grain = year_ago.period_grain
            and published.dimension = year_ago.dimension
            and published.segment = year_ago.segment
            and published.metric = year_ago.metric
            and published.year_ago_start = year_ago.period_start
            and not published.is_definition_changed_in_year
)

select
    compared.period_grain,
    compared.period_start,
    compared.dimension,
    compared.segment,
    compared.metric,
    case metrics.unit when 'amount' then run_context.reporting_currency else metrics.unit end as unit,
    metrics.basis,
    compared.value,
    compared.low,
    compared.high,
    compared.previous_value,
    compared.delta,
    compared.delta_low,
    compared.delta_high,
    compared.year_ago_value,
    compared.n,
    compared.evidence,
    compared.evidence_reason,
    coalesce(compared.caveat, evidence_reasons.caveat) as caveat
from compared
inner join metrics on compared.metric = metrics.metric
cross join run_context
left join evidence_reasons
    on
        evidence_reasons.evidence_reason = 'closed_deals_only'
        and metrics.basis = 'closed'
        and metrics.metric in ('win_rate', 'mean_cycle_days')
