-- depends_on: {{ ref('gate_results') }}
{{ config(alias='retention_contrasts') }}

with

retention_contrasts as (
    select * from {{ ref('retention_contrasts') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    retention_contrasts.period_grain,
    retention_contrasts.period_start,
    retention_contrasts.dimension,
    retention_contrasts.segment,
    'all' as within_dimension,
    'all' as within_segment,
    retention_contrasts.metric,
    retention_contrasts.comparator,
    retention_contrasts.rate,
    retention_contrasts.rest_rate,
    retention_contrasts.difference,
    retention_contrasts.low,
    retention_contrasts.high,
    retention_contrasts.p_value,
    retention_contrasts.q_value,
    retention_contrasts.is_signal,
    retention_contrasts.comparator_n,
    retention_contrasts.n,
    retention_contrasts.evidence,
    retention_contrasts.evidence_reason,
    retention_contrasts.caveat
from retention_contrasts
cross join run_context
