-- depends_on: {{ ref('gate_results') }}
{{ config(alias='model_registry') }}

{% for signal in ['lead_models', 'churn_models'] %}
{% if not loop.first %}union all{% endif %}
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
    entity_count,
    outcome_count,
    calibration_slope,
    calibration_slope_low,
    calibration_slope_high,
    leakage_alarms,
    decision,
    definitions_hash,
    card,
    model
from {{ ref(signal) }}
{% endfor %}
