-- depends_on: {{ ref('gate_results') }}
{{ config(alias='segment_patterns') }}

with

segment_patterns as (
    select * from {{ ref('segment_patterns') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    segment_patterns.period_grain,
    segment_patterns.period_start,
    segment_patterns.dimension,
    segment_patterns.segment,
    'all' as within_dimension,
    'all' as within_segment,
    segment_patterns.pattern,
    segment_patterns.early_metric,
    segment_patterns.early_difference,
    segment_patterns.early_low,
    segment_patterns.early_high,
    segment_patterns.late_metric,
    segment_patterns.late_difference,
    segment_patterns.late_low,
    segment_patterns.late_high,
    segment_patterns.n,
    segment_patterns.evidence,
    segment_patterns.evidence_reason,
    segment_patterns.caveat
from segment_patterns
cross join run_context
