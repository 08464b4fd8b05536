-- depends_on: {{ ref('gate_results') }}
{{ config(alias='source_coverage') }}

select
    dimension,
    attribute,
    source,
    record_count,
    filled_count,
    coverage,
    is_as_was
from {{ ref('source_coverage') }}
