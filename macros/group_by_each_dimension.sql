{#- One pass that groups by the keys alone (the total) and by the keys with each dimension.
    The linter's dialect does not know grouping sets: its callers say `noqa: PRS`. -#}
{% macro group_by_each_dimension(keys) -%}
    group by grouping sets (
        ({{ keys }})
        {%- for dimension in var('dimensions') %},
        ({{ keys }}, {{ dimension }})
        {%- endfor %}
    )
{%- endmacro %}

{#- The dimension that a row of such a pass is grouped by, 'all' for the total. -#}
{% macro grouped_dimension() -%}
    case
        {%- for dimension in var('dimensions') %}
        when grouping({{ dimension }}) = 0 then '{{ dimension }}'
        {%- endfor %}
        else 'all'
    end
{%- endmacro %}

{#- The segment of that dimension, 'all' (or what is given) for the total. -#}
{% macro grouped_segment(total="'all'") -%}
    case
        {%- for dimension in var('dimensions') %}
        when grouping({{ dimension }}) = 0 then {{ dimension }}
        {%- endfor %}
        else {{ total }}
    end
{%- endmacro %}
