with

subscriptions as (
    {{ union_sources('subscriptions') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

exchange_rates as (
    {{ exchange_rate_periods() }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

dated as (
    select
        subscriptions.*,
        {{ amount_currency('subscriptions') }} as amount_currency,
        subscriptions.currency is null and run_context.source_currency is null as is_unnamed_currency,
        run_context.reporting_currency,
        run_context.as_of_date,
        coalesce(subscriptions.started_date, run_context.as_of_date) as rate_date
    from subscriptions
    cross join run_context
),

converted as (
    select
        dated.*,
        account_links.account_id as linked_account_id,
        {{ reporting_rate('dated.amount_currency', 'dated.reporting_currency') }} as reporting_rate
    from dated
    left join account_links on dated.account_id = account_links.source_account_id
    {{ join_exchange_rates('dated.amount_currency', 'dated.reporting_currency', 'dated.rate_date') }}
),

-- What ends after the as-of date has not ended yet.
flagged as (
    select
        source,
        subscription_id,
        coalesce(linked_account_id, account_id) as account_id,
        product_id,
        plan,
        status,
        billing_interval,
        amount_currency as source_currency,
        quantity,
        mrr_amount as source_mrr_amount,
        (mrr_amount * reporting_rate)::decimal(18, 2) as mrr_amount,
        coalesce(is_trial, false) as is_trial,
        coalesce(is_deleted, false) as is_deleted,
        account_id is null as is_missing_account,
        account_id is not null and linked_account_id is null as is_unknown_account,
        coalesce(quantity < 0, false) as is_negative_quantity,
        mrr_amount is null as is_missing_amount,
        -- Items of Stripe are overwritten: what a subscription paid before is not kept.
        source = 'stripe' and mrr_amount is not null as is_amount_of_today,
        coalesce(mrr_amount < 0, false) as is_negative_amount,
        mrr_amount is not null and reporting_rate is null as is_unknown_currency,
        mrr_amount is not null and reporting_rate is not null and is_unnamed_currency as is_assumed_currency,
        started_date is null as is_missing_start,
        coalesce(ended_date < started_date, false) as is_ended_before_started,
        coalesce(started_date > as_of_date, false) as is_started_after_as_of,
        started_date,
        case when ended_date <= as_of_date then ended_date end as ended_date,
        case when cancel_date <= as_of_date then cancel_date end as cancel_date,
        renewal_date
    from converted
),

counted as (
    select
        *,
        is_deleted or is_started_after_as_of or is_missing_start as is_disqualified
    from flagged
),

-- Beside the earlier ones of the same account: trials and rows that do not count are left out.
compared as (
    select
        source,
        subscription_id,
        row_number() over same_terms > 1
        and started_date < max(coalesce(ended_date, date '9999-12-31')) over (
            partition by account_id, product_id, plan, source_mrr_amount, source_currency
            order by started_date, subscription_id
            rows between unbounded preceding and 1 preceding
        ) as is_overlapping,
        started_date > max(coalesce(ended_date, date '9999-12-31')) over (
            partition by account_id
            order by started_date, subscription_id
            rows between unbounded preceding and 1 preceding
        ) as is_after_gap,
        started_date = max(coalesce(ended_date, date '9999-12-31')) over (
            partition by account_id
            order by started_date, subscription_id
            rows between unbounded preceding and 1 preceding
        ) + 1 as is_after_one_day,
        source_currency <> lag(source_currency) over (
            partition by account_id order by started_date, subscription_id
        ) as is_currency_change
    from counted
    where not is_disqualified and not is_trial and mrr_amount > 0 and account_id is not null
    window same_terms as (
        partition by account_id, product_id, plan, source_mrr_amount, source_currency
        order by started_date, subscription_id
    )
)

select
    counted.*,
    coalesce(compared.is_overlapping, false) as is_overlapping,
    coalesce(compared.is_after_gap, false) as is_after_gap,
    coalesce(compared.is_after_one_day, false) as is_after_one_day,
    coalesce(compared.is_currency_change, false) as is_currency_change
from counted
left join compared on counted.source = compared.source and counted.subscription_id = compared.subscription_id
