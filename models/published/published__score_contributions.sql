-- depends_on: {{ ref('gate_results') }}
{{ config(alias='score_contributions') }}

select
    as_of_date,
    model_version,
    entity_id,
    feature_group,
    contribution
from {{ ref('score_contributions') }}
union all
select
    as_of_date,
    model_version,
    entity_id,
    feature_group,
    contribution
from {{ ref('churn_contributions') }}
