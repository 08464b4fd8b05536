-- depends_on: {{ ref('gate_results') }}
{{ config(alias='churn_risk') }}

with

churn_risk as (
    select * from {{ ref('churn_risk') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    churn_risk.account_id,
    churn_risk.currency,
    churn_risk.arr_amount,
    churn_risk.probability,
    churn_risk.risk_band,
    churn_risk.arr_at_risk_amount,
    churn_risk.days_to_renewal,
    churn_risk.renewal_stratum,
    churn_risk.model_version,
    churn_risk.reason,
    churn_risk.caveat
from churn_risk
cross join run_context
