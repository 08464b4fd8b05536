{#-
    A reference of the export, as the key that the record has in its own system: an id that the mapping says is of
    Salesforce (`source: salesforce`) becomes the key that Salesforce's views make of it (`salesforce_key`). Other ids
    stay as they are. Of 'salesforce:' and 18 characters the last three are cut off.
-#}
{% macro source_key(id) -%}
    case
        when length({{ id }}) = 29 and {{ id }} like 'salesforce:%' then left({{ id }}, 26)
        else {{ id }}
    end
{%- endmacro %}
