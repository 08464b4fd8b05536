{#- A query of the whole numbers from 0 to below `count`, in the column `number`. -#}
{% macro numbers(count) -%}
    {{ return(adapter.dispatch('numbers', 'segment_signals')(count)) }}
{%- endmacro %}

{% macro default__numbers(count) -%}
    select explode(sequence(0, {{ count }} - 1)) as number
{%- endmacro %}

{% macro duckdb__numbers(count) -%}
    select unnest(range({{ count }}))::integer as number
{%- endmacro %}
