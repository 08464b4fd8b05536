with

campaigns as (
    {{ union_sources('campaigns') }}
),

exchange_rates as (
    {{ exchange_rate_periods() }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

dated as (
    select
        campaigns.*,
        {{ amount_currency('campaigns') }} as amount_currency,
        run_context.reporting_currency,
        coalesce(campaigns.started_date, run_context.as_of_date) as rate_date
    from campaigns
    cross join run_context
)

select
    dated.source,
    dated.campaign_id,
    dated.campaign_name,
    dated.channel,
    (dated.budget_amount * {{ reporting_rate('dated.amount_currency', 'dated.reporting_currency') }})::decimal(18, 2)
        as budget_amount,
    (dated.cost_amount * {{ reporting_rate('dated.amount_currency', 'dated.reporting_currency') }})::decimal(18, 2)
        as cost_amount,
    dated.started_date,
    dated.ended_date
from dated
{{ join_exchange_rates('dated.amount_currency', 'dated.reporting_currency', 'dated.rate_date') }}
