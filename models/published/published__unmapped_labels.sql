-- depends_on: {{ ref('gate_results') }}
{{ config(alias='unmapped_labels') }}

select
    kind,
    label,
    label_count,
    record_count
from {{ ref('unmapped_labels') }}
