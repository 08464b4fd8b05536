-- depends_on: {{ ref('gate_results') }}
{{ config(alias='funnel_bottlenecks') }}

with

funnel_bottlenecks as (
    select * from {{ ref('funnel_bottlenecks') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    funnel_bottlenecks.period_grain,
    funnel_bottlenecks.period_start,
    funnel_bottlenecks.dimension,
    funnel_bottlenecks.segment,
    'all' as within_dimension,
    'all' as within_segment,
    funnel_bottlenecks.from_stage,
    funnel_bottlenecks.to_stage,
    funnel_bottlenecks.converted_difference,
    funnel_bottlenecks.converted_low,
    funnel_bottlenecks.converted_high,
    funnel_bottlenecks.won_difference,
    funnel_bottlenecks.conversion_rank,
    funnel_bottlenecks.stage_days_difference,
    funnel_bottlenecks.stage_days_low,
    funnel_bottlenecks.stage_days_high,
    funnel_bottlenecks.stage_days_rank,
    funnel_bottlenecks.is_signal,
    funnel_bottlenecks.is_stage_days_signal,
    funnel_bottlenecks.stage_days_n,
    funnel_bottlenecks.stage_days_evidence,
    funnel_bottlenecks.stage_days_evidence_reason,
    funnel_bottlenecks.stage_days_caveat,
    funnel_bottlenecks.n,
    funnel_bottlenecks.evidence,
    funnel_bottlenecks.evidence_reason,
    funnel_bottlenecks.caveat
from funnel_bottlenecks
cross join run_context
