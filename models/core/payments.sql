with

payments as (
    {{ union_sources('payments') }}
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
        payments.*,
        {{ amount_currency('payments') }} as amount_currency,
        run_context.reporting_currency,
        run_context.as_of_date
    from payments
    cross join run_context
),

linked as (
    select
        dated.source,
        dated.payment_id,
        account_links.account_id,
        dated.subscription_id,
        dated.status,
        dated.amount_currency as source_currency,
        dated.amount as source_amount,
        (dated.amount * {{ reporting_rate('dated.amount_currency', 'dated.reporting_currency') }})::decimal(18, 2)
            as amount,
        case when dated.paid_date <= dated.as_of_date then dated.paid_date end as paid_date,
        account_links.account_id is null as is_missing_account,
        dated.account_id is not null and account_links.account_id is null as is_unknown_reference,
        coalesce(dated.amount < 0 or dated.status like '%refund%', false) as is_refund,
        dated.due_date is null as is_missing_date,
        coalesce(dated.due_date > dated.as_of_date, false) as is_after_as_of,
        dated.due_date
    from dated
    left join account_links on dated.account_id = account_links.source_account_id
    {{ join_exchange_rates('dated.amount_currency', 'dated.reporting_currency', 'dated.due_date') }}
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
