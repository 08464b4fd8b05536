-- depends_on: {{ ref('gate_results') }}
{{ config(alias='pipeline_stage_map') }}

with

pipeline_stage_map as (
    select * from {{ ref('pipeline_stage_map') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    pipeline_stage_map.period_grain,
    pipeline_stage_map.period_start,
    pipeline_stage_map.dimension,
    pipeline_stage_map.segment,
    'all' as within_dimension,
    'all' as within_segment,
    pipeline_stage_map.stage,
    pipeline_stage_map.stage_order,
    pipeline_stage_map.order_rule,
    pipeline_stage_map.outcome,
    pipeline_stage_map.horizon_days,
    pipeline_stage_map.entered_count,
    pipeline_stage_map.outcome_count,
    pipeline_stage_map.other_outcome_count,
    pipeline_stage_map.open_count,
    pipeline_stage_map.outcome_rate,
    pipeline_stage_map.outcome_low,
    pipeline_stage_map.outcome_high,
    pipeline_stage_map.median_stage_days,
    pipeline_stage_map.median_stage_days_low,
    pipeline_stage_map.median_stage_days_high,
    pipeline_stage_map.n,
    pipeline_stage_map.evidence,
    pipeline_stage_map.evidence_reason,
    pipeline_stage_map.caveat
from pipeline_stage_map
cross join run_context
