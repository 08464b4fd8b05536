{#- Calendar months from the first day of one month to that of a later one. -#}
{% macro months_between(start_month, end_month) -%}
    (
        12 * (extract(year from {{ end_month }}) - extract(year from {{ start_month }}))
        + extract(month from {{ end_month }}) - extract(month from {{ start_month }})
    )::integer
{%- endmacro %}
