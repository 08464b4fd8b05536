{#- The date columns of some stages, comma separated: lead_date, mql_date ... with a prefix before each. -#}
{% macro stage_dates(stages, prefix='') -%}
    {%- for stage in stages -%}
        {{ prefix }}{{ stage }}_date{{ ', ' if not loop.last }}
    {%- endfor -%}
{%- endmacro %}
