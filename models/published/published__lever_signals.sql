-- depends_on: {{ ref('gate_results') }}
{{ config(alias='lever_signals') }}

with

lever_signals as (
    select * from {{ ref('lever_signals') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    lever_signals.period_grain,
    lever_signals.period_start,
    lever_signals.dimension,
    lever_signals.segment,
    'all' as within_dimension,
    'all' as within_segment,
    lever_signals.basis,
    lever_signals.signal,
    lever_signals.lever,
    lever_signals.comparator,
    lever_signals.currency,
    lever_signals.unit,
    lever_signals.value,
    lever_signals.low,
    lever_signals.high,
    lever_signals.reference_value,
    lever_signals.threshold_value,
    lever_signals.difference,
    lever_signals.difference_low,
    lever_signals.difference_high,
    lever_signals.p_value,
    lever_signals.q_value,
    lever_signals.is_signal,
    lever_signals.text,
    lever_signals.n,
    lever_signals.evidence,
    lever_signals.evidence_reason,
    lever_signals.caveat
from lever_signals
cross join run_context
