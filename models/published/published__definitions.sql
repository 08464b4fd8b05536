-- depends_on: {{ ref('gate_results') }}
{{ config(alias='definitions') }}

select
    kind,
    code,
    label,
    rule,
    valid_from,
    definition_hash
from {{ ref('definitions') }}
