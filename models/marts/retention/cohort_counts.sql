{%- set keys = 'cohort_quarter, exit_month, is_event' -%}
with

cohort_customers as (
    select
        *,
        coalesce(churned_month, followed_months) as exit_month,
        churned_month is not null as is_event
    from {{ ref('cohort_customers') }}
),

grouped as (
    select
        cohort_quarter,
        exit_month,
        is_event,
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        count(*) as customer_count
    from cohort_customers
    {{ group_by_each_dimension(keys) }}  -- noqa: PRS
),

run_context as (
    select * from {{ ref('run_context') }}
),

{{ cohorts_and_all() }},

exits as (
    select
        period_grain,
        period_start,
        dimension,
        segment,
        exit_month,
        sum(case when is_event then customer_count else 0 end) as event_count,
        sum(customer_count) as exit_count
    from cohorts
    group by period_grain, period_start, dimension, segment, exit_month
),

sizes as (
    select
        period_grain,
        period_start,
        dimension,
        segment,
        sum(exit_count) as customer_count,
        max(exit_month) as last_month
    from exits
    group by period_grain, period_start, dimension, segment
),

numbers as (
    {{ numbers(240) }}
),

ages as (
    select
        sizes.*,
        numbers.number as age_months
    from sizes
    inner join numbers on sizes.last_month >= numbers.number
)

-- At ties customers leave before they are censored: who is followed to a month is at risk in it.
select
    ages.period_grain,
    ages.period_start,
    ages.dimension,
    ages.segment,
    ages.age_months,
    ages.customer_count::bigint as customer_count,
    coalesce(exits.event_count, 0)::bigint as event_count,
    (
        ages.customer_count
        - coalesce(sum(exits.exit_count) over (
            partition by ages.period_grain, ages.period_start, ages.dimension, ages.segment
            order by ages.age_months
            rows between unbounded preceding and 1 preceding
        ), 0)
    )::bigint as at_risk_count
from ages
left join exits
    on
        ages.period_grain = exits.period_grain
        and ages.period_start = exits.period_start
        and ages.dimension = exits.dimension
        and ages.segment = exits.segment
        and ages.age_months = exits.exit_month
