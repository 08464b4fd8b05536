-- depends_on: {{ ref('gate_results') }}
{{ config(alias='definitions') }}

select
    kind,
    code,
    label,
    rule,
    owner_role,
    sla_days,
    valid_from,
    definition_hash
from {{ ref('definitions') }}
