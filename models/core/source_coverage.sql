-- noqa: disable=LT02
{%- set entities = {} %}
{%- for attribute in dimension_attributes() %}
    {%- set entity, column = attribute.split('.') %}
    {%- do entities.setdefault(entity, []).append(column) %}
{%- endfor %}
with

segment_memberships as (
    select
        attribute,
        bool_or(is_as_was) as is_as_was
    from {{ ref('segment_memberships') }}
    group by attribute
),
{% for entity, columns in entities.items() %}
{{ entity }}_counts as (
    select
        source,
        {%- for column in columns %}
        count({{ 'source_amount' if [entity, column] == ['opportunities', 'amount'] else column }}) as {{ column }},
        {%- endfor %}
        count(*) as record_count
    from ({{ union_sources(entity) }}) as records
    group by source
),
{% endfor %}
counted as (
    {%- for dimension, attributes in var('dimensions').items() %}
    {%- set outer = loop %}
    {%- for attribute in attributes %}
    {%- set entity, column = attribute.split('.') %}
    select
        '{{ dimension }}' as dimension,
        '{{ attribute }}' as attribute,
        source,
        record_count,
        {{ column }} as filled_count
    from {{ entity }}_counts
    {%- if not (outer.last and loop.last) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
)

select
    counted.dimension,
    counted.attribute,
    counted.source,
    counted.record_count,
    counted.filled_count,
    counted.filled_count::double / counted.record_count as coverage,
    coalesce(segment_memberships.is_as_was, false) as is_as_was
from counted
left join segment_memberships on counted.attribute = segment_memberships.attribute
