-- depends_on: {{ ref('gate_results') }}
{{ config(alias='customer_scorecards') }}

with

customer_scorecards as (
    select * from {{ ref('customer_scorecards') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    customer_scorecards.period_grain,
    customer_scorecards.period_start,
    customer_scorecards.dimension,
    customer_scorecards.segment,
    'all' as within_dimension,
    'all' as within_segment,
    customer_scorecards.metric,
    customer_scorecards.unit,
    customer_scorecards.basis,
    customer_scorecards.value,
    customer_scorecards.low,
    customer_scorecards.high,
    customer_scorecards.previous_value,
    customer_scorecards.delta,
    customer_scorecards.delta_low,
    customer_scorecards.delta_high,
    customer_scorecards.year_ago_value,
    customer_scorecards.n,
    customer_scorecards.evidence,
    customer_scorecards.evidence_reason,
    customer_scorecards.caveat
from customer_scorecards
cross join run_context
