{{ config(alias='gate_results') }}

select
    gate,
    subject,
    check_name,
    observed,
    threshold,
    status,
    row_count,
    defect_count,
    detail
from {{ ref('gate_results') }}
