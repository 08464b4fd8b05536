{#- The last value that is filled up to a row of a window. -#}
{% macro last_filled(value, window_name) -%}
    {{ return(adapter.dispatch('last_filled', 'segment_signals')(value, window_name)) }}
{%- endmacro %}

{% macro default__last_filled(value, window_name) -%}
    last_value({{ value }}) ignore nulls over {{ window_name }}
{%- endmacro %}

{% macro duckdb__last_filled(value, window_name) -%}
    last_value({{ value }} ignore nulls) over {{ window_name }}
{%- endmacro %}
