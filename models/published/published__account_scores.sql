-- depends_on: {{ ref('gate_results') }}
{{ config(alias='account_scores') }}

select
    as_of_date,
    account_id,
    open_lead_count,
    senior_lead_count,
    composite_score,
    composite_band,
    probability_low,
    probability_high,
    model_version,
    reason
from {{ ref('account_scores') }}
