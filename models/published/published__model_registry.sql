-- depends_on: {{ ref('gate_results') }}
{{ config(alias='model_registry') }}

select
    model_version,
    model_name,
    trained_on_date,
    status,
    model_kind,
    reason,
    caveat,
    target,
    horizon_days,
    first_example_date,
    last_example_date,
    example_count,
    lead_count,
    conversion_count,
    calibration_slope,
    calibration_slope_low,
    calibration_slope_high,
    leakage_alarms,
    decision,
    definitions_hash,
    card,
    model
from {{ ref('lead_models') }}
union all
select
    model_version,
    model_name,
    trained_on_date,
    status,
    model_kind,
    reason,
    caveat,
    target,
    horizon_days,
    first_example_date,
    last_example_date,
    example_count,
    lead_count,
    conversion_count,
    calibration_slope,
    calibration_slope_low,
    calibration_slope_high,
    leakage_alarms,
    decision,
    definitions_hash,
    card,
    model
from {{ ref('churn_models') }}
