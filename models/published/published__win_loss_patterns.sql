-- depends_on: {{ ref('gate_results') }}
{{ config(alias='win_loss_patterns') }}

with

win_loss_patterns as (
    select * from {{ ref('win_loss_patterns') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    win_loss_patterns.period_grain,
    win_loss_patterns.period_start,
    win_loss_patterns.dimension,
    win_loss_patterns.segment,
    'all' as within_dimension,
    'all' as within_segment,
    win_loss_patterns.attribute,
    win_loss_patterns.attribute_value,
    win_loss_patterns.rest_value,
    win_loss_patterns.basis,
    win_loss_patterns.win_rate,
    win_loss_patterns.rest_win_rate,
    win_loss_patterns.difference,
    win_loss_patterns.low,
    win_loss_patterns.high,
    win_loss_patterns.p_value,
    win_loss_patterns.q_value,
    win_loss_patterns.is_signal,
    win_loss_patterns.rest_n,
    win_loss_patterns.n,
    win_loss_patterns.evidence,
    win_loss_patterns.evidence_reason,
    win_loss_patterns.caveat
from win_loss_patterns
cross join run_context
