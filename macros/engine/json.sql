{#- The text at a path of a JSON document; NULL where there is none, or the text is no JSON. -#}
{% macro json_text(document, path) -%}
    {{ return(adapter.dispatch('json_text', 'segment_signals')(document, path)) }}
{%- endmacro %}

{% macro default__json_text(document, path) -%}
    get_json_object({{ document }}, '{{ path }}')
{%- endmacro %}

{% macro duckdb__json_text(document, path) -%}
    case when json_valid({{ document }}) then json_extract_string({{ document }}, '{{ path }}') end
{%- endmacro %}

{#- The items of a JSON list, each a row of JSON text. -#}
{% macro each_json_item(document) -%}
    {{ return(adapter.dispatch('each_json_item', 'segment_signals')(document)) }}
{%- endmacro %}

{% macro default__each_json_item(document) -%}
    explode(from_json({{ document }}, 'array<string>'))
{%- endmacro %}

{% macro duckdb__each_json_item(document) -%}
    unnest(case when json_valid({{ document }}) then json_extract({{ document }}, '$[*]')::varchar[] end)
{%- endmacro %}
