-- depends_on: {{ ref('gate_results') }}
{{ config(alias='segment_contrasts') }}

with

segment_contrasts as (
    select * from {{ ref('segment_contrasts') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    segment_contrasts.period_grain,
    segment_contrasts.period_start,
    segment_contrasts.dimension,
    segment_contrasts.segment,
    'all' as within_dimension,
    'all' as within_segment,
    segment_contrasts.metric,
    segment_contrasts.comparator,
    segment_contrasts.unit,
    segment_contrasts.difference,
    segment_contrasts.low,
    segment_contrasts.high,
    segment_contrasts.p_value,
    segment_contrasts.q_value,
    segment_contrasts.is_signal,
    segment_contrasts.shrunken_rate,
    segment_contrasts.comparator_n,
    segment_contrasts.n,
    segment_contrasts.evidence,
    segment_contrasts.evidence_reason,
    segment_contrasts.caveat
from segment_contrasts
cross join run_context
