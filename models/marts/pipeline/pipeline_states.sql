with recursive

deal_values as (
    select * from {{ ref('deal_values') }}
),

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

months as (
    select {{ period_start('min(valid_from)', 'month') }} as month_start
    from deal_values
    union all
    select {{ add_months('months.month_start', 1) }} as month_start
    from months
    cross join run_context
    where {{ add_months('months.month_start', 1) }} <= run_context.as_of_date
),

-- Ends of months, and the as-of date instead of the end of the month that holds it.
state_dates as (
    select
        months.month_start,
        least({{ add_months('months.month_start', 1) }} - 1, run_context.as_of_date) as state_date
    from months
    cross join run_context
)

select
    pipeline_deals.opportunity_id,
    deal_values.deal_number,
    pipeline_deals.opportunity_type,
    deal_values.amount,
    deal_values.opened_date,
    deal_values.close_date,
    state_dates.month_start,
    state_dates.state_date
from state_dates
inner join deal_values
    on
        state_dates.state_date >= deal_values.valid_from
        and state_dates.state_date < coalesce(deal_values.valid_to, date '9999-12-31')
inner join pipeline_deals on deal_values.deal_number = pipeline_deals.deal_number
