{#-
    A reference of the export, as the key that the record has in its own system: an id that the mapping says is of
    Salesforce (`source: salesforce`) becomes the key that Salesforce's views make of it. Other ids stay as they are.
-#}
{% macro source_key(id) -%}
    case
        when {{ id }} like 'salesforce:%' then {{ salesforce_key('substr(' ~ id ~ ', 12)') }}
        else {{ id }}
    end
{%- endmacro %}
