-- depends_on: {{ ref('gate_results') }}
{{ config(alias='score_contributions') }}

{% for signal in ['score_contributions', 'churn_contributions'] %}
{% if not loop.first %}union all{% endif %}
select
    as_of_date,
    model_version,
    entity_id,
    feature_group,
    contribution
from {{ ref(signal) }}
{% endfor %}
