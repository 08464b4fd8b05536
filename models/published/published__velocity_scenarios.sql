-- depends_on: {{ ref('gate_results') }}
{{ config(alias='velocity_scenarios') }}

with

velocity_scenarios as (
    select * from {{ ref('velocity_scenarios') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    velocity_scenarios.period_grain,
    velocity_scenarios.period_start,
    velocity_scenarios.dimension,
    velocity_scenarios.segment,
    'all' as within_dimension,
    'all' as within_segment,
    velocity_scenarios.basis,
    velocity_scenarios.lever,
    velocity_scenarios.change_pct,
    velocity_scenarios.currency,
    velocity_scenarios.velocity_per_day,
    velocity_scenarios.uplift_per_day,
    velocity_scenarios.uplift_low,
    velocity_scenarios.uplift_high,
    velocity_scenarios.is_causal,
    velocity_scenarios.size_length_correlation,
    velocity_scenarios.correlation_low,
    velocity_scenarios.correlation_high,
    velocity_scenarios.correlation_n,
    velocity_scenarios.n,
    velocity_scenarios.evidence,
    velocity_scenarios.evidence_reason,
    velocity_scenarios.caveat
from velocity_scenarios
cross join run_context
