-- depends_on: {{ ref('gate_results') }}
{{ config(alias='segment_scorecards') }}

with

segment_scorecards as (
    select * from {{ ref('segment_scorecards') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    segment_scorecards.period_grain,
    segment_scorecards.period_start,
    segment_scorecards.dimension,
    segment_scorecards.segment,
    'all' as within_dimension,
    'all' as within_segment,
    segment_scorecards.metric,
    segment_scorecards.unit,
    segment_scorecards.basis,
    segment_scorecards.value,
    segment_scorecards.low,
    segment_scorecards.high,
    segment_scorecards.previous_value,
    segment_scorecards.delta,
    segment_scorecards.delta_low,
    segment_scorecards.delta_high,
    segment_scorecards.year_ago_value,
    segment_scorecards.n,
    segment_scorecards.evidence,
    segment_scorecards.evidence_reason,
    segment_scorecards.caveat
from segment_scorecards
cross join run_context
