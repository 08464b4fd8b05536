-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

customer_months as (
    select * from {{ ref('customer_months') }}
),

customer_segments as (
    select * from {{ ref('customer_segments') }}
),

months as (
    select distinct
        month_start,
        closing_date,
        is_unfinished
    from customer_months
),

-- A window ends with a month, or with a quarter's last month. It spans the period itself, or the year up to its end.
windows as (
    {%- for grain, months in [('month', 1), ('quarter', 3)] %}
    {%- for window, length in [('period', months), ('trailing_year', 12)] %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start('month_start', grain) }} as period_start,
        '{{ window }}' as window_name,
        {{ length }} as window_months,
        max(month_start) as closing_month,
        {{ add_months(period_start('month_start', grain), months - length - 1) }} as opening_month,
        max(closing_date) as closing_date,
        max({{ add_months('month_start', 1) }})
        < {{ add_months(period_start('month_start', grain), months) }}
        or bool_or(is_unfinished) as is_unfinished
    from months
    group by {{ period_start('month_start', grain) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

first_months as (
    select min(month_start) as first_month
    from months
),

-- A year that began before any customer did has no opening.
opened as (
    select windows.*
    from windows
    cross join first_months
    where windows.window_name = 'period' or windows.opening_month >= first_months.first_month
),

openings as (
    select
        opened.period_grain,
        opened.period_start,
        opened.window_name,
        customer_months.account_id,
        customer_months.closing_mrr_amount as opening_mrr_amount,
        customer_months.missing_amount_count,
        customer_months.source_currency
    from opened
    inner join customer_months on opened.opening_month = customer_months.month_start
),

closings as (
    select
        opened.period_grain,
        opened.period_start,
        opened.window_name,
        opened.window_months,
        opened.opening_month,
        opened.closing_date,
        opened.is_unfinished,
        customer_months.account_id,
        customer_months.first_month,
        customer_months.closing_mrr_amount,
        customer_months.missing_amount_count,
        customer_months.source_currency
    from opened
    inner join customer_months on opened.closing_month = customer_months.month_start
)

-- Yearly amounts (ARR) are twelve times the monthly ones: cents stay cents.
select
    closings.period_grain,
    closings.period_start,
    closings.window_name,
    closings.window_months,
    closings.is_unfinished,
    closings.account_id,
    {%- for dimension in var('dimensions') %}
    customer_segments.{{ dimension }},
    {%- endfor %}
    closings.first_month > closings.opening_month as is_new,
    (12 * coalesce(openings.opening_mrr_amount, 0))::decimal(18, 2) as opening_arr_amount,
    (12 * closings.closing_mrr_amount)::decimal(18, 2) as closing_arr_amount,
    closings.missing_amount_count > 0 or coalesce(openings.missing_amount_count > 0, false) as has_missing_amount,
    coalesce(openings.source_currency <> closings.source_currency, false) as has_currency_change
from closings
inner join customer_segments on closings.account_id = customer_segments.account_id
left join openings
    on
        closings.period_grain = openings.period_grain
        and closings.period_start = openings.period_start
        and closings.window_name = openings.window_name
        and closings.account_id = openings.account_id
where coalesce(openings.opening_mrr_amount, 0) > 0 or closings.closing_mrr_amount > 0
