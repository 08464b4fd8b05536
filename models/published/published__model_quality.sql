-- depends_on: {{ ref('gate_results') }}
{{ config(alias='model_quality') }}

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
from {{ ref('model_quality') }}
union all
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
from {{ ref('churn_quality') }}
