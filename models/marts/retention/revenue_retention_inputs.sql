with

facts as (
    select * from {{ ref('revenue_retention_facts') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

retention_thresholds as (
    select max(value) filter (where threshold = 'maximum_customer_share') as maximum_customer_share
    from {{ ref('evidence_thresholds') }}
),

windows as (
    select
        *,
        {{ add_months('(' ~ period_end('period_grain', 'period_start') ~ ')', '-window_months') }} as window_start
    from facts
),

-- How many customers of the opening have a segment of the dimension.
known as (
    select
        period_grain,
        period_start,
        window_name,
        dimension,
        sum(case when segment not in ('unknown', 'unmapped') then opening_count else 0 end)::double
        / nullif(sum(opening_count), 0) as completeness_rate
    from facts
    group by period_grain, period_start, window_name, dimension
)

select
    facts.*,
    known.completeness_rate,
    case
        when facts.window_start < run_context.history_starts_on then 'left_truncated'
        when facts.opening_count < thresholds.minimum_n then 'insufficient_sample'
    end as suppressed_reason,
    case
        when facts.is_unfinished then 'too_early'
        when known.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
        when facts.excluded_count > thresholds.maximum_missing_share * (facts.opening_count + facts.excluded_count)
            then 'incomplete_data'
        when facts.currency_change_count > (1 - thresholds.minimum_completeness) * facts.opening_count
            then 'incomplete_data'
        when facts.largest_arr_amount > retention_thresholds.maximum_customer_share * facts.opening_arr_amount
            then 'insufficient_sample'
        when facts.opening_count < thresholds.reportable_n then 'insufficient_sample'
        when least(facts.churned_count, facts.opening_count - facts.churned_count) < thresholds.minimum_outcome_n
            then 'insufficient_sample'
    end as directional_reason,
    case
        when facts.is_unfinished then 'period_not_over'
        when known.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
        when facts.excluded_count > thresholds.maximum_missing_share * (facts.opening_count + facts.excluded_count)
            then 'missing_amounts_of_customers'
        when facts.currency_change_count > (1 - thresholds.minimum_completeness) * facts.opening_count
            then 'currency_changes'
        when facts.largest_arr_amount > retention_thresholds.maximum_customer_share * facts.opening_arr_amount
            then 'dominant_customer'
    end as directional_caveat
from windows as facts
cross join run_context
cross join thresholds
cross join retention_thresholds
left join known
    on
        facts.period_grain = known.period_grain
        and facts.period_start = known.period_start
        and facts.window_name = known.window_name
        and facts.dimension = known.dimension
