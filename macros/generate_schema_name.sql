{#- Schemas carry their own names: published.funnel_conversion, not main_published.funnel_conversion. -#}
{% macro generate_schema_name(custom_schema_name, node) -%}
    {{ (custom_schema_name or target.schema) | trim }}
{%- endmacro %}
