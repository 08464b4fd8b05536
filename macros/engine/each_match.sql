{#- What a pattern's first group finds in a text, each match a row. -#}
{% macro each_match(text, pattern) -%}
    {{ return(adapter.dispatch('each_match', 'segment_signals')(text, pattern)) }}
{%- endmacro %}

{% macro default__each_match(text, pattern) -%}
    explode(regexp_extract_all({{ text }}, '{{ pattern }}', 1))
{%- endmacro %}

{% macro duckdb__each_match(text, pattern) -%}
    unnest(regexp_extract_all({{ text }}, '{{ pattern }}', 1))
{%- endmacro %}
