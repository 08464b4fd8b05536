with

campaigns as (
    {{ salesforce_latest('campaign') }}
)

select
    record_key as campaign_id,
    name as campaign_name,
    type as channel,
    upper(currency_iso_code) as currency,
    budgeted_cost as budget_amount,
    actual_cost as cost_amount,
    start_date as started_date,
    end_date as ended_date
from campaigns
