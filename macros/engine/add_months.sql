{#- A date so many calendar months later (negative: earlier), as a date. -#}
{% macro add_months(date, months) -%}
    {{ return(adapter.dispatch('add_months', 'segment_signals')(date, months)) }}
{%- endmacro %}

{% macro default__add_months(date, months) -%}
    add_months({{ date }}, {{ months }})
{%- endmacro %}

{% macro duckdb__add_months(date, months) -%}
    ({{ date }} + to_months({{ months }}))::date
{%- endmacro %}
