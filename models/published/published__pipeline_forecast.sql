-- depends_on: {{ ref('gate_results') }}
{{ config(alias='pipeline_forecast') }}

with

pipeline_forecast as (
    select * from {{ ref('pipeline_forecast') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    pipeline_forecast.period_grain,
    pipeline_forecast.period_start,
    pipeline_forecast.dimension,
    pipeline_forecast.segment,
    'all' as within_dimension,
    'all' as within_segment,
    pipeline_forecast.target_period,
    run_context.reporting_currency as currency,
    pipeline_forecast.booked_amount,
    pipeline_forecast.open_amount,
    pipeline_forecast.new_amount,
    pipeline_forecast.p10_amount,
    pipeline_forecast.p50_amount,
    pipeline_forecast.p90_amount,
    pipeline_forecast.static_amount,
    pipeline_forecast.same_day_last_quarter_amount,
    pipeline_forecast.mape,
    pipeline_forecast.mape_floor,
    pipeline_forecast.expected_wins,
    pipeline_forecast.n,
    pipeline_forecast.evidence,
    pipeline_forecast.evidence_reason,
    pipeline_forecast.caveat
from pipeline_forecast
cross join run_context
