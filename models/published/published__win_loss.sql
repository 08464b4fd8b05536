-- depends_on: {{ ref('gate_results') }}
{{ config(alias='win_loss') }}

with

win_loss as (
    select * from {{ ref('win_loss') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    win_loss.period_grain,
    win_loss.period_start,
    win_loss.dimension,
    win_loss.segment,
    'all' as within_dimension,
    'all' as within_segment,
    win_loss.outcome,
    win_loss.category,
    win_loss.reason,
    win_loss.deal_count,
    win_loss.share,
    win_loss.low,
    win_loss.high,
    win_loss.previous_share,
    win_loss.delta,
    win_loss.delta_low,
    win_loss.delta_high,
    win_loss.n,
    win_loss.evidence,
    win_loss.evidence_reason,
    win_loss.caveat
from win_loss
cross join run_context
