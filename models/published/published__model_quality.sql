-- depends_on: {{ ref('gate_results') }}
{{ config(alias='model_quality') }}

{% for signal in ['model_quality', 'churn_quality'] %}
{% if not loop.first %}union all{% endif %}
select
    model_version,
    model_name,
    split,
    dimension,
    segment,
    metric,
    value,
    low,
    high,
    n
from {{ ref(signal) }}
{% endfor %}
