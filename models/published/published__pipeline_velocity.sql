-- depends_on: {{ ref('gate_results') }}
{{ config(alias='pipeline_velocity') }}

with

pipeline_velocity as (
    select * from {{ ref('pipeline_velocity') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    pipeline_velocity.period_grain,
    pipeline_velocity.period_start,
    pipeline_velocity.dimension,
    pipeline_velocity.segment,
    'all' as within_dimension,
    'all' as within_segment,
    pipeline_velocity.basis,
    pipeline_velocity.currency,
    pipeline_velocity.qualified_count,
    pipeline_velocity.win_rate,
    pipeline_velocity.mean_deal_amount,
    pipeline_velocity.mean_cycle_days,
    pipeline_velocity.velocity_per_day,
    pipeline_velocity.velocity_low,
    pipeline_velocity.velocity_high,
    pipeline_velocity.count_effect,
    pipeline_velocity.count_effect_low,
    pipeline_velocity.count_effect_high,
    pipeline_velocity.win_rate_effect,
    pipeline_velocity.win_rate_effect_low,
    pipeline_velocity.win_rate_effect_high,
    pipeline_velocity.deal_amount_effect,
    pipeline_velocity.deal_amount_effect_low,
    pipeline_velocity.deal_amount_effect_high,
    pipeline_velocity.cycle_days_effect,
    pipeline_velocity.cycle_days_effect_low,
    pipeline_velocity.cycle_days_effect_high,
    pipeline_velocity.expected_win_count,
    pipeline_velocity.n,
    pipeline_velocity.evidence,
    pipeline_velocity.evidence_reason,
    pipeline_velocity.caveat
from pipeline_velocity
cross join run_context
