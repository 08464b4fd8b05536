with

facts as (
    select * from {{ ref('customer_scorecard_facts') }}
),

metrics as (
    select * from {{ ref('metrics') }}
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

-- A mean over observations, with the variance between customers: many tickets of one customer are one customer's.
estimated as (
    select
        *,
        value_sum / observation_count as value,
        sqrt(
            greatest(
                value_square_sum
                - 2 * value_sum / observation_count * product_sum
                + power(value_sum / observation_count, 2) * count_square_sum, 0
            ) * customer_count / nullif(customer_count - 1, 0)
        ) / observation_count as error
    from facts
),

-- Rates have Wilson's limits with the sample that their variance is worth.
sampled as (
    select
        estimated.*,
        metrics.unit,
        metrics.basis,
        case
            when error > 0 and value > 0 and value < 1 and metrics.unit = 'rate'
                then least(value * (1 - value) / (error * error), observation_count)
            else customer_count
        end as effective_n
    from estimated
    inner join metrics on estimated.metric = metrics.metric
),

bounded as (
    select
        sampled.*,
        case
            when unit = 'rate' then {{ wilson_limit('value', 'effective_n', 'thresholds.confidence_z', -1) }}
            when metric = 'tickets_per_customer' then greatest(value - thresholds.confidence_z * error, 0)
            else value - thresholds.confidence_z * error
        end as low,
        case
            when unit = 'rate' then {{ wilson_limit('value', 'effective_n', 'thresholds.confidence_z', 1) }}
            else value + thresholds.confidence_z * error
        end as high
    from sampled
    cross join thresholds
),

judged as (
    select
        bounded.*,
        case
            when bounded.period_start < run_context.history_starts_on then 'left_truncated'
            when bounded.customer_count < thresholds.minimum_n then 'insufficient_sample'
        end as suppressed_reason,
        case
            when {{ period_end('bounded.period_grain', 'bounded.period_start') }} > run_context.as_of_date + 1
                then 'too_early'
            when bounded.customer_count < thresholds.reportable_n then 'insufficient_sample'
            when bounded.unit = 'rate' and bounded.high - bounded.low > 2 * thresholds.maximum_half_width
                then 'wide_interval'
        end as directional_reason
    from bounded
    cross join run_context
    cross join thresholds
),

shown as (
    select
        *,
        {{ unless_suppressed('value', 'suppressed_reason') }} as shown_value,
        {{ unless_suppressed('least(low, value)', 'suppressed_reason') }} as shown_low,
        {{ unless_suppressed('greatest(high, value)', 'suppressed_reason') }} as shown_high
    from judged
)

select
    current_period.period_grain,
    current_period.period_start,
    current_period.dimension,
    current_period.segment,
    current_period.metric,
    current_period.unit,
    current_period.basis,
    current_period.shown_value as value,
    current_period.shown_low as low,
    current_period.shown_high as high,
    previous_period.shown_value as previous_value,
    current_period.shown_value - previous_period.shown_value as delta,
    current_period.shown_value - previous_period.shown_value - sqrt(
        power(current_period.shown_value - current_period.shown_low, 2)
        + power(previous_period.shown_high - previous_period.shown_value, 2)
    ) as delta_low,
    current_period.shown_value - previous_period.shown_value + sqrt(
        power(current_period.shown_high - current_period.shown_value, 2)
        + power(previous_period.shown_value - previous_period.shown_low, 2)
    ) as delta_high,
    year_ago.shown_value as year_ago_value,
    current_period.customer_count as n,
    {{ evidence_columns('current_period.suppressed_reason', 'current_period.directional_reason') }}
from shown as current_period
left join shown as previous_period
    on
        {{ add_months('current_period.period_start', -3) }} = previous_period.period_start
        and current_period.dimension = previous_period.dimension
        and current_period.segment = previous_period.segment
        and current_period.metric = previous_period.metric
left join shown as year_ago
    on
        {{ add_months('current_period.period_start', -12) }} = year_ago.period_start
        and current_period.dimension = year_ago.dimension
        and current_period.segment = year_ago.segment
        and current_period.metric = year_ago.metric
{{ join_evidence_reasons('current_period.suppressed_reason', 'current_period.directional_reason') }}
