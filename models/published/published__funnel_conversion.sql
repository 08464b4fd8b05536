-- depends_on: {{ ref('gate_results') }}
{{ config(alias='funnel_conversion') }}

with

funnel_conversion as (
    select * from {{ ref('funnel_conversion') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    funnel_conversion.period_grain,
    funnel_conversion.period_start,
    funnel_conversion.dimension,
    funnel_conversion.segment,
    funnel_conversion.within_dimension,
    funnel_conversion.within_segment,
    funnel_conversion.from_stage,
    funnel_conversion.to_stage,
    funnel_conversion.horizon_days,
    funnel_conversion.entered_count,
    funnel_conversion.converted_count,
    funnel_conversion.lost_count,
    funnel_conversion.open_count,
    funnel_conversion.conversion_rate,
    funnel_conversion.conversion_low,
    funnel_conversion.conversion_high,
    funnel_conversion.median_days,
    funnel_conversion.imputed_share,
    funnel_conversion.n,
    funnel_conversion.evidence,
    funnel_conversion.evidence_reason,
    funnel_conversion.caveat
from funnel_conversion
cross join run_context
