-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

customer_months as (
    select * from {{ ref('customer_months') }}
    where not is_unfinished
),

customer_segments as (
    select * from {{ ref('customer_segments') }}
),

aged as (
    select
        *,
        {{ months_between('first_month', 'month_start') }} as age_months
    from customer_months
)

-- A customer has left at the end of the first month without recurring revenue; an unknown amount is no end. Whether it
-- came back later is told by reactivation, not here: survival ends once.
select
    aged.account_id,
    {{ period_start('aged.first_month', 'quarter') }} as cohort_quarter,
    {%- for dimension in var('dimensions') %}
    customer_segments.{{ dimension }},
    {%- endfor %}
    max(aged.age_months) as followed_months,
    min(case when aged.closing_mrr_amount = 0 and aged.missing_amount_count = 0 then aged.age_months end)
        as churned_month
from aged
inner join customer_segments on aged.account_id = customer_segments.account_id
group by all
