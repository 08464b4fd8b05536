-- noqa: disable=LT02
with

segment_memberships as (
    select
        attribute,
        bool_or(is_as_was) as is_as_was
    from {{ ref('segment_memberships') }}
    group by attribute
),

counted as (
    {%- for dimension, attributes in var('dimensions').items() %}
    {%- set outer = loop %}
    {%- for attribute in attributes %}
    {%- set entity, column = attribute.split('.') %}
    {%- set column = 'source_amount' if attribute == 'opportunities.amount' else column %}
    select
        '{{ dimension }}' as dimension,
        '{{ attribute }}' as attribute,
        source,
        count(*) as record_count,
        count({{ column }}) as filled_count
    from ({{ union_sources(entity) }}) as records
    group by source
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
