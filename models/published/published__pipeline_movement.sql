-- depends_on: {{ ref('gate_results') }}
{{ config(alias='pipeline_movement') }}

with

pipeline_movement as (
    select * from {{ ref('pipeline_movement') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    pipeline_movement.period_grain,
    pipeline_movement.period_start,
    pipeline_movement.dimension,
    pipeline_movement.segment,
    'all' as within_dimension,
    'all' as within_segment,
    pipeline_movement.scope,
    pipeline_movement.currency,
    pipeline_movement.opening_amount,
    pipeline_movement.created_amount,
    pipeline_movement.reopened_amount,
    pipeline_movement.pulled_in_amount,
    pipeline_movement.pushed_out_amount,
    pipeline_movement.up_amount,
    pipeline_movement.down_amount,
    pipeline_movement.won_amount,
    pipeline_movement.lost_amount,
    pipeline_movement.closing_amount,
    pipeline_movement.opening_count,
    pipeline_movement.created_count,
    pipeline_movement.reopened_count,
    pipeline_movement.pulled_in_count,
    pipeline_movement.pushed_out_count,
    pipeline_movement.up_count,
    pipeline_movement.down_count,
    pipeline_movement.won_count,
    pipeline_movement.lost_count,
    pipeline_movement.closing_count,
    pipeline_movement.missing_amount_share,
    pipeline_movement.largest_deal_share,
    pipeline_movement.n,
    pipeline_movement.evidence,
    pipeline_movement.evidence_reason,
    pipeline_movement.caveat
from pipeline_movement
cross join run_context
