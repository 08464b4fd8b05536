-- depends_on: {{ ref('gate_results') }}
{{ config(alias='retention_patterns') }}

with

retention_patterns as (
    select * from {{ ref('retention_patterns') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    retention_patterns.period_grain,
    retention_patterns.period_start,
    retention_patterns.dimension,
    retention_patterns.segment,
    'all' as within_dimension,
    'all' as within_segment,
    retention_patterns.pattern,
    retention_patterns.win_metric,
    retention_patterns.win_period_start,
    retention_patterns.win_difference,
    retention_patterns.win_low,
    retention_patterns.win_high,
    retention_patterns.retention_metric,
    retention_patterns.retention_difference,
    retention_patterns.retention_low,
    retention_patterns.retention_high,
    retention_patterns.n,
    retention_patterns.evidence,
    retention_patterns.evidence_reason,
    retention_patterns.caveat
from retention_patterns
cross join run_context
