{#- Prints, after a run that judged the gates, what is blocked and what to do about it. -#}
{% macro report_gates(results) -%}
    {%- if execute and flags.WHICH in ['build', 'run'] -%}
        {%- set judged = results | selectattr('node.name', 'equalto', 'gate_results')
            | selectattr('status', 'equalto', 'success') | list -%}
        {%- if judged -%}
            {%- set rows = run_query(
                "select gate, subject, check_name, coalesce(status, 'missing'), coalesce(detail, 'not observed') from "
                ~ judged[0].node.relation_name
                ~ " where status is null or status in ('blocked', 'flagged') order by status = 'flagged', 1, 3, 2"
            ).rows -%}
            {%- for row in rows if row[3] != 'flagged' -%}
                {%- do print(
                    'BLOCKED ' ~ row[0] ~ ' gate, ' ~ row[2] ~ ' of ' ~ row[1] ~ ': ' ~ row[4]
                    ~ '. Nothing is published and the last release stays. Mend the export or its definitions, or '
                    ~ 'change the threshold in gate_thresholds, then run dbt build again.'
                ) -%}
            {%- endfor -%}
            {%- for row in rows if row[3] == 'flagged' -%}
                {%- do print('Flagged ' ~ row[2] ~ ' of ' ~ row[1] ~ ': ' ~ row[4]) -%}
            {%- endfor -%}
        {%- endif -%}
    {%- endif -%}
{%- endmacro %}
