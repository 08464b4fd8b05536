-- depends_on: {{ ref('gate_results') }}
{{ config(alias='unit_economics') }}

with

unit_economics as (
    select * from {{ ref('unit_economics') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    unit_economics.period_grain,
    unit_economics.period_start,
    unit_economics.dimension,
    unit_economics.segment,
    'all' as within_dimension,
    'all' as within_segment,
    unit_economics.metric,
    unit_economics.unit,
    unit_economics.currency,
    unit_economics.value,
    unit_economics.low,
    unit_economics.high,
    unit_economics.spend_amount,
    unit_economics.new_mrr_amount,
    unit_economics.horizon_months,
    unit_economics.n,
    unit_economics.evidence,
    unit_economics.evidence_reason,
    unit_economics.caveat
from unit_economics
cross join run_context
