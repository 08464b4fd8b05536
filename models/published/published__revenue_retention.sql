-- depends_on: {{ ref('gate_results') }}
{{ config(alias='revenue_retention') }}

with

revenue_retention as (
    select * from {{ ref('revenue_retention') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    revenue_retention.period_grain,
    revenue_retention.period_start,
    revenue_retention.dimension,
    revenue_retention.segment,
    'all' as within_dimension,
    'all' as within_segment,
    revenue_retention.window_name,
    revenue_retention.window_months,
    revenue_retention.basis,
    revenue_retention.currency,
    revenue_retention.opening_arr_amount,
    revenue_retention.new_amount,
    revenue_retention.expansion_amount,
    revenue_retention.contraction_amount,
    revenue_retention.churn_amount,
    revenue_retention.reactivation_amount,
    revenue_retention.closing_arr_amount,
    revenue_retention.churned_count,
    revenue_retention.expanded_count,
    revenue_retention.contracted_count,
    revenue_retention.new_count,
    revenue_retention.reactivated_count,
    revenue_retention.closing_count,
    revenue_retention.excluded_count,
    revenue_retention.grr,
    revenue_retention.grr_low,
    revenue_retention.grr_high,
    revenue_retention.nrr,
    revenue_retention.nrr_low,
    revenue_retention.nrr_high,
    revenue_retention.logo_retention,
    revenue_retention.logo_low,
    revenue_retention.logo_high,
    revenue_retention.nrr_low as low,
    revenue_retention.nrr_high as high,
    revenue_retention.n,
    revenue_retention.evidence,
    revenue_retention.evidence_reason,
    revenue_retention.caveat
from revenue_retention
cross join run_context
