{#- A sum of floats in a fixed order, so that the same rows always give the same bits. Spark sums in no order. -#}
{% macro ordered_sum(value, order_by) -%}
    {{ return(adapter.dispatch('ordered_sum', 'segment_signals')(value, order_by)) }}
{%- endmacro %}

{% macro default__ordered_sum(value, order_by) -%}
    sum({{ value }})
{%- endmacro %}

{% macro duckdb__ordered_sum(value, order_by) -%}
    sum({{ value }} order by {{ order_by }})
{%- endmacro %}
