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

{#- A dataset's own columns of an entity: those that its dimensions or lead scores read and that are none of ours. -#}
{% macro custom_columns(entity) -%}
    {%- set ours = entity_shape(entity) | list + ['amount', 'opportunity_type', 'stage', 'status'] -%}
    {%- set columns = [] -%}
    {%- for attribute in dimension_attributes() -%}
        {%- set attribute_entity, column = attribute.split('.') -%}
        {%- if attribute_entity == entity and column not in ours -%}
            {%- do columns.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {%- for column in lead_attribute_kinds() if entity == 'people' -%}
        {%- if column not in ours and column not in columns -%}
            {%- do columns.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
