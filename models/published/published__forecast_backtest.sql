-- depends_on: {{ ref('gate_results') }}
{{ config(alias='forecast_backtest') }}

with

forecast_backtest as (
    select * from {{ ref('forecast_backtest') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    run_context.as_of_date,
    forecast_backtest.origin_date,
    forecast_backtest.target_period,
    forecast_backtest.method,
    run_context.reporting_currency as currency,
    forecast_backtest.window_start_date,
    forecast_backtest.window_end_date,
    forecast_backtest.booked_amount,
    forecast_backtest.actual_amount,
    forecast_backtest.p10_amount,
    forecast_backtest.p50_amount,
    forecast_backtest.p90_amount,
    forecast_backtest.pinball_loss,
    forecast_backtest.is_covered,
    forecast_backtest.caveat
from forecast_backtest
cross join run_context
