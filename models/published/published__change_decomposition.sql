-- depends_on: {{ ref('gate_results') }}
{{ config(alias='change_decomposition') }}

with

change_decomposition as (
    select * from {{ ref('change_decomposition') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    change_decomposition.period_grain,
    change_decomposition.period_start,
    change_decomposition.dimension,
    change_decomposition.segment,
    'all' as within_dimension,
    'all' as within_segment,
    change_decomposition.metric,
    change_decomposition.comparison,
    change_decomposition.total_change,
    change_decomposition.mix_effect,
    change_decomposition.rate_effect,
    change_decomposition.rate_effect_low,
    change_decomposition.rate_effect_high,
    change_decomposition.is_simpson,
    change_decomposition.standardised_rate,
    change_decomposition.standardised_low,
    change_decomposition.standardised_high,
    change_decomposition.n,
    change_decomposition.evidence,
    change_decomposition.evidence_reason,
    change_decomposition.caveat
from change_decomposition
cross join run_context
