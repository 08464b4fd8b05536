{#- Whether a text has a match of a regular expression anywhere. -#}
{% macro matches(text, pattern) -%}
    {{ return(adapter.dispatch('matches', 'segment_signals')(text, pattern)) }}
{%- endmacro %}

{% macro default__matches(text, pattern) -%}
    {{ text }} rlike {{ pattern }}
{%- endmacro %}

{% macro duckdb__matches(text, pattern) -%}
    regexp_matches({{ text }}, {{ pattern }})
{%- endmacro %}
