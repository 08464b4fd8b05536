{#- The transitions of the spine, consecutive ones and end to end, as [from, to] pairs. -#}
{% macro transitions() -%}
    {%- set spine = var('spine') -%}
    {%- set pairs = [] -%}
    {%- for stage in spine[:-1] -%}
        {%- do pairs.append([stage, spine[loop.index]]) -%}
    {%- endfor -%}
    {%- if spine | length > 2 -%}
        {%- do pairs.append([spine[0], spine[-1]]) -%}
    {%- endif -%}
    {{ return(pairs) }}
{%- endmacro %}
