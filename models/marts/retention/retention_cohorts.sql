{%- set cell = 'period_grain, period_start, dimension, segment' -%}
with

cohort_counts as (
    select * from {{ ref('cohort_counts') }}
),

cohort_revenue as (
    select * from {{ ref('cohort_revenue') }}
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

-- Kaplan and Meier's estimate and Greenwood's variance. A month in which everybody left ends the curve at 0.
summed as (
    select
        *,
        sum(case when event_count < at_risk_count then ln(1 - event_count::double / at_risk_count) end) over ages
            as log_survival,
        sum(
            case
                when event_count < at_risk_count
                    then event_count::double / (at_risk_count::double * (at_risk_count - event_count))
            end
        ) over ages as variance_sum,
        sum(case when event_count >= at_risk_count and at_risk_count > 0 then 1 else 0 end) over ages as ended_count
    from cohort_counts
    window ages as (partition by {{ cell }} order by age_months rows unbounded preceding)
),

survived as (
    select
        *,
        case when ended_count > 0 then 0 else exp(coalesce(log_survival, 0)) end as survival_rate,
        sqrt(coalesce(variance_sum, 0)) as log_error
    from summed
),

-- Limits on the log(-log) scale (Kalbfleisch and Prentice); where nobody has left, or everybody, Wilson's for those who
-- were followed for so long.
bounded as (
    select
        survived.*,
        case
            when survival_rate > 0 and survival_rate < 1
                then power(survival_rate, exp(thresholds.confidence_z * log_error / -ln(survival_rate)))
            else {{ wilson_limit('survival_rate', 'at_risk_count', 'thresholds.confidence_z', -1) }}
        end as survival_low,
        case
            when survival_rate > 0 and survival_rate < 1
                then power(survival_rate, exp(-thresholds.confidence_z * log_error / -ln(survival_rate)))
            else {{ wilson_limit('survival_rate', 'at_risk_count', 'thresholds.confidence_z', 1) }}
        end as survival_high
    from survived
    cross join thresholds
),

-- A ratio of sums over customers; its error is that of the residuals, its limits are taken on the log scale.
ratios as (
    select
        *,
        (closing_mrr_amount / nullif(first_mrr_amount, 0))::double as revenue_retention
    from cohort_revenue
),

kept as (
    select
        *,
        sqrt(greatest(
            closing_square_sum - 2 * revenue_retention * product_sum
            + revenue_retention * revenue_retention * first_square_sum, 0
        ) * followed_count / nullif(followed_count - 1, 0)) / nullif(first_mrr_amount::double, 0) as revenue_error
    from ratios
),

limited as (
    select
        kept.*,
        case
            when revenue_retention > 0
                then revenue_retention * exp(-thresholds.confidence_z * revenue_error / revenue_retention)
            else revenue_retention
        end as revenue_low,
        case
            when revenue_retention > 0
                then revenue_retention * exp(thresholds.confidence_z * revenue_error / revenue_retention)
            else revenue_retention
        end as revenue_high
    from kept
    cross join thresholds
),

judged as (
    select
        bounded.*,
        kept.followed_count,
        kept.first_mrr_amount,
        kept.closing_mrr_amount,
        kept.revenue_retention,
        kept.revenue_low,
        kept.revenue_high,
        case
            when bounded.period_grain = 'quarter' and bounded.period_start < run_context.history_starts_on
                then 'left_truncated'
            when bounded.customer_count < thresholds.minimum_n then 'insufficient_sample'
            when bounded.at_risk_count = 0 and bounded.ended_count = 0 then 'too_early'
            when kept.followed_count is null then 'too_early'
            when kept.followed_count < greatest(thresholds.minimum_at_risk, thresholds.minimum_n) then 'too_early'
        end as suppressed_reason,
        case
            when bounded.at_risk_count < thresholds.minimum_at_risk then 'too_early'
            when kept.followed_count < thresholds.reportable_n then 'insufficient_sample'
            when bounded.survival_high - bounded.survival_low > 2 * thresholds.maximum_half_width
                then 'wide_interval'
            when kept.revenue_high - kept.revenue_low > 2 * thresholds.maximum_half_width
                then 'wide_interval'
        end as directional_reason
    from bounded
    cross join run_context
    cross join thresholds
    left join limited as kept
        on
            bounded.period_grain = kept.period_grain
            and bounded.period_start = kept.period_start
            and bounded.dimension = kept.dimension
            and bounded.segment = kept.segment
            and bounded.age_months = kept.age_months
)

select
    judged.period_grain,
    judged.period_start,
    judged.dimension,
    judged.segment,
    judged.age_months,
    run_context.reporting_currency as currency,
    judged.customer_count,
    judged.at_risk_count,
    judged.event_count as churned_count,
    coalesce(judged.followed_count, 0) as followed_count,
    {{ unless_suppressed('judged.survival_rate', 'judged.suppressed_reason') }} as survival_rate,
    {{ unless_suppressed('least(judged.survival_low, judged.survival_rate)', 'judged.suppressed_reason') }}
        as survival_low,
    {{ unless_suppressed('greatest(judged.survival_high, judged.survival_rate)', 'judged.suppressed_reason') }}
        as survival_high,
    {%- for value in [
        'first_mrr_amount', 'closing_mrr_amount',
        'revenue_retention', 'revenue_low', 'revenue_high',
    ] %}
    {{ unless_suppressed('judged.' ~ value, 'judged.suppressed_reason') }} as {{ value }},
    {%- endfor %}
    coalesce(judged.followed_count, 0) as n,
    {{ evidence_columns('judged.suppressed_reason', 'judged.directional_reason') }}
from judged
cross join run_context
{{ join_evidence_reasons('judged.suppressed_reason', 'judged.directional_reason') }}
