-- depends_on: {{ ref('gate_results') }}
{{ config(alias='forecast_quality') }}

with

forecast_quality as (
    select * from {{ ref('forecast_quality') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    forecast_quality.target_period,
    forecast_quality.method,
    forecast_quality.metric,
    forecast_quality.value,
    forecast_quality.low,
    forecast_quality.high,
    forecast_quality.n,
    forecast_quality.caveat
from forecast_quality
cross join run_context
