-- depends_on: {{ ref('gate_results') }}
{{ config(alias='lead_score_backtest') }}

with

lead_score_history as (
    select * from {{ ref('lead_score_history') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    lead_score_history.as_of_date,
    lead_score_history.person_id,
    lead_score_history.account_id,
    lead_score_history.stage,
    lead_score_history.fit_score,
    lead_score_history.intent_score,
    lead_score_history.engagement_score,
    lead_score_history.composite_score,
    lead_score_history.composite_band,
    lead_score_history.disqualifier,
    lead_score_history.pql_score,
    lead_score_history.pql_band,
    lead_score_history.probability,
    lead_score_history.probability_band,
    lead_score_history.model_version,
    lead_score_history.reason,
    lead_score_history.caveat
from lead_score_history
cross join run_context
where lead_score_history.as_of_date < run_context.as_of_date
