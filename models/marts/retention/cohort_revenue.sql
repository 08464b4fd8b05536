{%- set keys = 'cohort_quarter, age_months' -%}
with

cohort_customers as (
    select * from {{ ref('cohort_customers') }}
),

customer_months as (
    select * from {{ ref('customer_months') }}
    where not is_unfinished and missing_amount_count = 0
),

firsts as (
    select
        account_id,
        closing_mrr_amount as first_mrr_amount
    from customer_months
    where month_start = first_month
),

aged as (
    select
        cohort_customers.*,
        {{ months_between('customer_months.first_month', 'customer_months.month_start') }} as age_months,
        firsts.first_mrr_amount,
        customer_months.closing_mrr_amount,
        firsts.first_mrr_amount::double as first_mrr,
        customer_months.closing_mrr_amount::double as closing_mrr
    from customer_months
    inner join cohort_customers on customer_months.account_id = cohort_customers.account_id
    inner join firsts on customer_months.account_id = firsts.account_id
),

grouped as (
    select
        cohort_quarter,
        age_months,
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        count(*) as followed_count,
        sum(first_mrr_amount)::decimal(18, 2) as first_mrr_amount,
        sum(closing_mrr_amount)::decimal(18, 2) as closing_mrr_amount,
        sum((first_mrr * first_mrr)::decimal(38, 4)) as first_square_sum,
        sum((closing_mrr * closing_mrr)::decimal(38, 4)) as closing_square_sum,
        sum((first_mrr * closing_mrr)::decimal(38, 4)) as product_sum
    from aged
    {{ group_by_each_dimension(keys) }}  -- noqa: PRS
),

run_context as (
    select * from {{ ref('run_context') }}
),

{{ cohorts_and_all() }}

select
    period_grain,
    period_start,
    dimension,
    segment,
    age_months,
    sum(followed_count)::bigint as followed_count,
    sum(first_mrr_amount)::decimal(18, 2) as first_mrr_amount,
    sum(closing_mrr_amount)::decimal(18, 2) as closing_mrr_amount,
    sum(first_square_sum)::double as first_square_sum,
    sum(closing_square_sum)::double as closing_square_sum,
    sum(product_sum)::double as product_sum
from cohorts
group by period_grain, period_start, dimension, segment, age_months
