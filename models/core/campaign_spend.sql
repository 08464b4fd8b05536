with

campaign_spend as (
    {{ union_sources('campaign_spend') }}
),

exchange_rates as (
    {{ exchange_rate_periods() }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

dated as (
    select
        campaign_spend.*,
        {{ amount_currency('campaign_spend') }} as amount_currency,
        run_context.reporting_currency,
        run_context.as_of_date
    from campaign_spend
    cross join run_context
)

select
    dated.source,
    dated.campaign_id,
    dated.channel,
    dated.amount_currency as source_currency,
    dated.spend_amount as source_spend_amount,
    (dated.spend_amount * {{ reporting_rate('dated.amount_currency', 'dated.reporting_currency') }})::decimal(18, 2)
        as spend_amount,
    coalesce(dated.spend_amount < 0, false) as is_negative_amount,
    coalesce(dated.spend_date > dated.as_of_date, false) as is_disqualified,
    dated.spend_date
from dated
{{ join_exchange_rates('dated.amount_currency', 'dated.reporting_currency', 'dated.spend_date') }}
