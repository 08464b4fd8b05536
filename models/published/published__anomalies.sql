-- depends_on: {{ ref('gate_results') }}
{{ config(alias='anomalies') }}

with

anomalies as (
    select * from {{ ref('anomalies') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    anomalies.period_grain,
    anomalies.period_start,
    anomalies.dimension,
    anomalies.segment,
    'all' as within_dimension,
    'all' as within_segment,
    anomalies.metric,
    anomalies.horizon_days,
    anomalies.observed,
    anomalies.expected,
    anomalies.expected_low,
    anomalies.expected_high,
    anomalies.p_value,
    anomalies.q_value,
    anomalies.direction,
    anomalies.is_flagged,
    anomalies.power,
    anomalies.drift_q_value,
    anomalies.drift_direction,
    anomalies.is_drifting,
    anomalies.n,
    anomalies.evidence,
    anomalies.evidence_reason,
    anomalies.caveat
from anomalies
cross join run_context
