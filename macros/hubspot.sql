{#- The key of a HubSpot record. -#}
{% macro hubspot_key(id) -%}
    'hubspot:' || {{ id }}
{%- endmacro %}

{#- A record that HubSpot archived, or that Fivetran no longer finds. -#}
{% macro hubspot_is_deleted(record=none) -%}
    {%- set prefix = record ~ '.' if record else '' -%}
    (coalesce({{ prefix }}is_deleted, false) or coalesce({{ prefix }}fivetran_deleted, false))
{%- endmacro %}

{#- How HubSpot writes a stage's id in the name of a property. -#}
{% macro hubspot_in_property_name(stage_id) -%}
    replace(replace(lower({{ stage_id }}), '-', '_'), ' ', '_')
{%- endmacro %}

{#- Ids in a list, each a row: JSON (Airbyte, the API) or joined by semicolons, with or without a moment after each. -#}
{% macro hubspot_each_id(list) -%}
    {{ each_match(list, '([A-Za-z0-9_-]+)(?::[0-9]+)?') }}
{%- endmacro %}
