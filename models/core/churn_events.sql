with

churn_events as (
    {{ union_sources('churn_events') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

subscriptions as (
    select * from {{ ref('subscriptions') }}
    where not is_disqualified
),

exchange_rates as (
    {{ exchange_rate_periods() }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

dated as (
    select
        churn_events.*,
        {{ amount_currency('churn_events') }} as amount_currency,
        run_context.reporting_currency,
        run_context.as_of_date
    from churn_events
    cross join run_context
),

-- Events on a day about which a subscription of the account ended, or its end was told.
ended as (
    select distinct dated.churn_event_id
    from dated
    inner join account_links on dated.account_id = account_links.source_account_id
    inner join subscriptions
        on
            account_links.account_id = subscriptions.account_id
            and coalesce(subscriptions.cancel_date, subscriptions.ended_date)
            between dated.churn_date - 31 and dated.churn_date + 31
),

linked as (
    select
        dated.source,
        dated.churn_event_id,
        account_links.account_id,
        dated.reason,
        dated.is_reactivation,
        (
            dated.refund_amount * {{ reporting_rate('dated.amount_currency', 'dated.reporting_currency') }}
        )::decimal(18, 2) as refund_amount,
        account_links.account_id is null as is_missing_account,
        dated.account_id is not null and account_links.account_id is null as is_unknown_reference,
        ended.churn_event_id is null as is_without_end,
        dated.churn_date is null as is_missing_date,
        coalesce(dated.churn_date > dated.as_of_date, false) as is_after_as_of,
        dated.churn_date
    from dated
    left join account_links on dated.account_id = account_links.source_account_id
    left join ended on dated.churn_event_id = ended.churn_event_id
    {{ join_exchange_rates('dated.amount_currency', 'dated.reporting_currency', 'dated.churn_date') }}
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
