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

{#- A dataset's own columns of an entity: those that its dimensions read and that are none of ours. -#}
{% macro custom_columns(entity) -%}
    {%- set ours = {
        'accounts': [
            'account_id', 'parent_account_id', 'owner_id', 'industry', 'country', 'region', 'employee_count',
            'annual_revenue_amount',
        ],
        'people': [
            'person_id', 'account_id', 'opportunity_id', 'owner_id', 'title', 'persona', 'lead_source', 'country',
            'region', 'industry', 'employee_count',
        ],
        'opportunities': [
            'opportunity_id', 'account_id', 'person_id', 'owner_id', 'product_id', 'opportunity_type', 'lead_source',
            'loss_reason', 'amount',
        ],
        'owners': ['owner_id', 'owner_name', 'team', 'manager', 'region', 'is_active'],
        'products': ['product_id', 'product_name', 'product_series', 'list_price_amount'],
    } -%}
    {%- set columns = [] -%}
    {%- for attribute in dimension_attributes() -%}
        {%- set attribute_entity, column = attribute.split('.') -%}
        {%- if attribute_entity == entity and column not in ours[entity] -%}
            {%- do columns.append(column) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(columns) }}
{%- endmacro %}
