{#- What two spellings of one label have in common: lower case, no outer blanks. -#}
{% macro label_key(label) -%}
    lower(trim({{ label }}))
{%- endmacro %}
