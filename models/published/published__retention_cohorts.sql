-- depends_on: {{ ref('gate_results') }}
{{ config(alias='retention_cohorts') }}

with

retention_cohorts as (
    select * from {{ ref('retention_cohorts') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    retention_cohorts.period_grain,
    retention_cohorts.period_start,
    retention_cohorts.dimension,
    retention_cohorts.segment,
    'all' as within_dimension,
    'all' as within_segment,
    retention_cohorts.age_months,
    retention_cohorts.currency,
    retention_cohorts.customer_count,
    retention_cohorts.at_risk_count,
    retention_cohorts.churned_count,
    retention_cohorts.followed_count,
    retention_cohorts.survival_rate,
    retention_cohorts.survival_low,
    retention_cohorts.survival_high,
    retention_cohorts.first_mrr_amount,
    retention_cohorts.closing_mrr_amount,
    retention_cohorts.revenue_retention,
    retention_cohorts.revenue_low,
    retention_cohorts.revenue_high,
    retention_cohorts.n,
    retention_cohorts.evidence,
    retention_cohorts.evidence_reason,
    retention_cohorts.caveat
from retention_cohorts
cross join run_context
