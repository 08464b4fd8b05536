-- depends_on: {{ ref('gate_results') }}
{{ config(alias='lead_scores') }}

with

lead_score_history as (
    select * from {{ ref('lead_score_history') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select lead_score_history.*
from lead_score_history
cross join run_context
where lead_score_history.as_of_date = run_context.as_of_date
