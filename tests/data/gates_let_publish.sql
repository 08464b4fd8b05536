-- A check that is missing, unknown, NULL or blocked stops everything that is published.
select
    gate_index.gate,
    gate_index.subject,
    gate_index.check_name,
    gate_results.status,
    gate_results.detail
from {{ ref('gate_index') }} as gate_index
left join {{ ref('gate_results') }} as gate_results
    on
        gate_index.gate = gate_results.gate
        and gate_index.subject = gate_results.subject
        and gate_index.check_name = gate_results.check_name
where
    gate_results.status is null
    or gate_results.status not in ('pass', 'flagged', 'insufficient_sample', 'too_early', 'not_applicable')
