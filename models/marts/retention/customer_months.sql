{%- set months_kept = 240 -%}
with

subscriptions as (
    select
        account_id,
        mrr_amount,
        quantity,
        source_currency,
        is_trial,
        coalesce(mrr_amount, 0) <= 0 as is_unpriced,
        started_date,
        coalesce(ended_date, date '9999-12-31') as ended_date
    from {{ ref('subscriptions') }}
    where not is_disqualified and not is_ended_before_started and account_id is not null
),

run_context as (
    select * from {{ ref('run_context') }}
),

first_starts as (
    select date_trunc('month', min(started_date))::date as first_month
    from subscriptions
),

numbers as (
    {{ numbers(months_kept) }}
),

-- A month closes on its last day, the newest one on the as-of date.
months as (
    select
        {{ add_months("date_trunc('month', run_context.as_of_date)::date", '-numbers.number') }} as month_start,
        least(
            {{ add_months("date_trunc('month', run_context.as_of_date)::date", '1 - numbers.number') }} - 1,
            run_context.as_of_date
        ) as closing_date
    from numbers
    cross join run_context
    cross join first_starts
    where
        {{ add_months("date_trunc('month', run_context.as_of_date)::date", '-numbers.number') }}
        >= first_starts.first_month
),

-- What runs at the end of a month: a subscription runs from its first day to the day before it ends. Trials, and
-- amounts of 0, below 0 or unknown, are no recurring revenue; they are counted.
running as (
    select
        subscriptions.account_id,
        months.month_start,
        sum(case when not subscriptions.is_trial and not subscriptions.is_unpriced then subscriptions.mrr_amount end)
        ::decimal(18, 2) as closing_mrr_amount,
        sum(
            case
                when not subscriptions.is_trial and not subscriptions.is_unpriced and subscriptions.quantity > 0
                    then subscriptions.quantity
            end
        )::double as seat_count,
        count(*) filter (where not subscriptions.is_trial and not subscriptions.is_unpriced) as subscription_count,
        count(*) filter (where subscriptions.is_trial) as trial_count,
        count(*) filter (where not subscriptions.is_trial and subscriptions.mrr_amount is null) as missing_amount_count,
        count(*) filter (where not subscriptions.is_trial and subscriptions.mrr_amount < 0) as negative_amount_count,
        count(distinct case when not subscriptions.is_unpriced then subscriptions.source_currency end)
            as currency_count,
        min(case when not subscriptions.is_unpriced then subscriptions.source_currency end) as source_currency
    from subscriptions
    inner join months
        on
            subscriptions.started_date <= months.closing_date
            and subscriptions.ended_date > months.closing_date
    group by subscriptions.account_id, months.month_start
),

paying_since as (
    select
        account_id,
        min(month_start) as first_month
    from running
    where closing_mrr_amount > 0
    group by account_id
),

filled as (
    select
        paying_since.account_id,
        paying_since.first_month,
        months.month_start,
        months.closing_date,
        coalesce(running.closing_mrr_amount, 0)::decimal(18, 2) as closing_mrr_amount,
        coalesce(lag(running.closing_mrr_amount) over account_months, 0)::decimal(18, 2) as opening_mrr_amount,
        coalesce(running.seat_count, 0) as seat_count,
        coalesce(running.subscription_count, 0) as subscription_count,
        coalesce(running.trial_count, 0) as trial_count,
        coalesce(running.missing_amount_count, 0)
        + case when running.closing_mrr_amount is null then coalesce(running.negative_amount_count, 0) else 0 end
            as missing_amount_count,
        running.source_currency,
        coalesce(
            running.currency_count > 1
            or running.source_currency <> lag(running.source_currency) over account_months, false
        ) as has_currency_change
    from paying_since
    inner join months on paying_since.first_month <= months.month_start
    left join running
        on paying_since.account_id = running.account_id and months.month_start = running.month_start
    window account_months as (partition by paying_since.account_id order by months.month_start)
)

select
    account_id,
    first_month,
    month_start,
    closing_date,
    source_currency,
    opening_mrr_amount,
    case when month_start = first_month then closing_mrr_amount else 0 end::decimal(18, 2) as new_amount,
    case
        when opening_mrr_amount > 0 and closing_mrr_amount > opening_mrr_amount
            then closing_mrr_amount - opening_mrr_amount
        else 0
    end::decimal(18, 2) as expansion_amount,
    case
        when closing_mrr_amount > 0 and closing_mrr_amount < opening_mrr_amount
            then opening_mrr_amount - closing_mrr_amount
        else 0
    end::decimal(18, 2) as contraction_amount,
    case when closing_mrr_amount = 0 then opening_mrr_amount else 0 end::decimal(18, 2) as churn_amount,
    case
        when month_start > first_month and opening_mrr_amount = 0 then closing_mrr_amount else 0
    end::decimal(18, 2) as reactivation_amount,
    closing_mrr_amount,
    seat_count,
    subscription_count,
    trial_count,
    missing_amount_count,
    has_currency_change,
    {{ add_months('month_start', 1) }} > closing_date + 1 as is_unfinished
from filled
