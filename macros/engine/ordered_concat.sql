{#- The texts of a group joined in their own order, so that the same rows always give the same text. -#}
{% macro ordered_concat(text, separator) -%}
    {{ return(adapter.dispatch('ordered_concat', 'segment_signals')(text, separator)) }}
{%- endmacro %}

{% macro default__ordered_concat(text, separator) -%}
    array_join(array_sort(collect_list({{ text }})), '{{ separator }}')
{%- endmacro %}

{% macro duckdb__ordered_concat(text, separator) -%}
    string_agg({{ text }}, '{{ separator }}' order by {{ text }})
{%- endmacro %}
