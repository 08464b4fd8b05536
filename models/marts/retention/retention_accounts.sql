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
),

joined as (
    select
        closings.*,
        coalesce(openings.opening_mrr_amount, 0) as opening_mrr_amount,
        closings.missing_amount_count > 0 or coalesce(openings.missing_amount_count > 0, false) as is_excluded,
        coalesce(openings.source_currency <> closings.source_currency, false) as has_currency_change
    from closings
    left join openings
        on
            closings.period_grain = openings.period_grain
            and closings.period_start = openings.period_start
            and closings.window_name = openings.window_name
            and closings.account_id = openings.account_id
)

-- Yearly amounts (ARR) are twelve times the monthly ones: cents stay cents. Whose amount is unknown at either end is in
-- neither: to take 0 for it would be churn, or a customer won.
select
    joined.period_grain,
    joined.period_start,
    joined.window_name,
    joined.window_months,
    joined.is_unfinished,
    joined.account_id,
    {%- for dimension in var('dimensions') %}
    customer_segments.{{ dimension }},
    {%- endfor %}
    joined.is_excluded,
    joined.first_month > joined.opening_month and not joined.is_excluded as is_new,
    case when joined.is_excluded then 0 else 12 * joined.opening_mrr_amount end::decimal(18, 2) as opening_arr_amount,
    case when joined.is_excluded then 0 else 12 * joined.closing_mrr_amount end::decimal(18, 2) as closing_arr_amount,
    case when joined.is_excluded then 12 * joined.opening_mrr_amount else 0 end::decimal(18, 2)
        as excluded_opening_arr_amount,
    case when joined.is_excluded then 12 * joined.closing_mrr_amount else 0 end::decimal(18, 2)
        as excluded_closing_arr_amount,
    joined.has_currency_change
from joined
inner join customer_segments on joined.account_id = customer_segments.account_id
where joined.opening_mrr_amount > 0 or joined.closing_mrr_amount > 0 or joined.is_excluded
