{%- set keys = 'period_grain, period_start, window_name' -%}
with

retention_accounts as (
    select * from {{ ref('retention_accounts') }}
)

select
    period_grain,
    period_start,
    window_name,
    max(window_months) as window_months,
    bool_or(is_unfinished) as is_unfinished,
    {{ grouped_dimension() }} as dimension,
    {{ grouped_segment() }} as segment,
    sum(opening_arr_amount)::decimal(18, 2) as opening_arr_amount,
    sum(case when is_new then closing_arr_amount else 0 end)::decimal(18, 2) as new_amount,
    sum(case
        when opening_arr_amount > 0 and closing_arr_amount > opening_arr_amount
            then closing_arr_amount - opening_arr_amount
        else 0
    end)::decimal(18, 2) as expansion_amount,
    sum(case
        when closing_arr_amount > 0 and closing_arr_amount < opening_arr_amount
            then opening_arr_amount - closing_arr_amount
        else 0
    end)::decimal(18, 2) as contraction_amount,
    sum(case when closing_arr_amount = 0 then opening_arr_amount else 0 end)::decimal(18, 2) as churn_amount,
    sum(case when not is_new and opening_arr_amount = 0 then closing_arr_amount else 0 end)::decimal(18, 2)
        as reactivation_amount,
    sum(closing_arr_amount)::decimal(18, 2) as closing_arr_amount,
    -- Of each customer what it kept of what it had: no customer's growth pays for another one's loss.
    sum(case when opening_arr_amount > 0 then least(opening_arr_amount, closing_arr_amount) else 0 end)::decimal(18, 2)
        as kept_arr_amount,
    sum(case when opening_arr_amount > 0 then closing_arr_amount else 0 end)::decimal(18, 2) as cohort_arr_amount,
    max(opening_arr_amount) as largest_arr_amount,
    count(*) filter (where opening_arr_amount > 0) as opening_count,
    count(*) filter (where opening_arr_amount > 0 and closing_arr_amount = 0) as churned_count,
    count(*) filter (where opening_arr_amount > 0 and closing_arr_amount > opening_arr_amount) as expanded_count,
    count(*) filter (where closing_arr_amount > 0 and closing_arr_amount < opening_arr_amount) as contracted_count,
    count(*) filter (where is_new) as new_count,
    count(*) filter (where not is_new and opening_arr_amount = 0 and closing_arr_amount > 0) as reactivated_count,
    count(*) filter (where closing_arr_amount > 0) as closing_count,
    count(*) filter (where is_excluded) as excluded_count,
    sum(excluded_opening_arr_amount)::decimal(18, 2) as excluded_opening_arr_amount,
    sum(excluded_closing_arr_amount)::decimal(18, 2) as excluded_closing_arr_amount,
    count(*) filter (where opening_arr_amount > 0 and has_currency_change) as currency_change_count
from retention_accounts
{{ group_by_each_dimension(keys) }}  -- noqa: PRS
