{#- The attributes that hold the dimensions, as 'entity.column', each once. -#}
{% macro dimension_attributes() -%}
    {%- set attributes = [] -%}
    {%- for dimension in var('dimensions') -%}
        {%- for attribute in var('dimensions')[dimension] if attribute not in attributes -%}
            {%- do attributes.append(attribute) -%}
        {%- endfor -%}
    {%- endfor -%}
    {{ return(attributes) }}
{%- endmacro %}

{#- A dataset's own columns of an entity: the `custom_` attributes that its dimensions read. -#}
{% macro custom_columns(entity) -%}
    {%- set columns = [] -%}
    {%- for attribute in dimension_attributes() -%}
        {%- set parts = attribute.split('.') -%}
        {%- if parts[0] == entity and parts[1].startswith('custom_') -%}
            {%- do columns.append(parts[1]) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
