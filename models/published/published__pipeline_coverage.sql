-- depends_on: {{ ref('gate_results') }}
{{ config(alias='pipeline_coverage') }}

with

pipeline_coverage as (
    select * from {{ ref('pipeline_coverage') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    pipeline_coverage.period_grain,
    pipeline_coverage.period_start,
    pipeline_coverage.dimension,
    pipeline_coverage.segment,
    'all' as within_dimension,
    'all' as within_segment,
    pipeline_coverage.measure,
    pipeline_coverage.currency,
    pipeline_coverage.opportunity_count,
    pipeline_coverage.missing_amount_count,
    pipeline_coverage.overdue_count,
    pipeline_coverage.undated_count,
    pipeline_coverage.crm_probability_count,
    pipeline_coverage.amount::double as amount,
    pipeline_coverage.overdue_amount::double as overdue_amount,
    pipeline_coverage.undated_amount::double as undated_amount,
    pipeline_coverage.weighted_amount::double as weighted_amount,
    pipeline_coverage.weighted_low::double as weighted_low,
    pipeline_coverage.weighted_high::double as weighted_high,
    pipeline_coverage.target_amount::double as target_amount,
    pipeline_coverage.booked_amount::double as booked_amount,
    pipeline_coverage.coverage_ratio,
    pipeline_coverage.n,
    pipeline_coverage.evidence,
    pipeline_coverage.evidence_reason,
    pipeline_coverage.caveat
from pipeline_coverage
cross join run_context
