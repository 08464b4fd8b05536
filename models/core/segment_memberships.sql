{%- set keys = {
    'accounts': 'account_id', 'people': 'person_id', 'opportunities': 'opportunity_id',
    'owners': 'owner_id', 'products': 'product_id',
} -%}
with

accounts as (
    select * from {{ ref('accounts') }}
),

people as (
    select * from {{ ref('people') }}
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

owners as (
    select * from {{ ref('stg_export__owners') }}
),

products as (
    select * from {{ ref('stg_export__products') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

segment_rules as (
    select * from {{ ref('segment_rules') }}
),

source_values as (
    {%- for dimension, attributes in var('dimensions').items() %}
    {%- set outer = loop %}
    {%- for attribute in attributes %}
    {%- set entity, column = attribute.split('.') %}
    select
        '{{ dimension }}' as dimension,
        '{{ attribute }}' as attribute,
        {{ keys[entity] }} as entity_id,
        {{ column }}::string as source_value
    from {{ entity }}
    where {{ column }} is not null
    {%- if not (outer.last and loop.last) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
),

-- Rules are applied to each value once, not to each record.
distinct_values as (
    select distinct
        dimension,
        source_value
    from source_values
),

matched as (
    select
        distinct_values.dimension,
        distinct_values.source_value,
        segment_rules.segment,
        row_number() over (
            partition by distinct_values.dimension, distinct_values.source_value
            order by segment_rules.source_value is null, segment_rules.segment
        ) as match_number
    from distinct_values
    inner join segment_rules
        on
            distinct_values.dimension = segment_rules.dimension
            and (
                lower(distinct_values.source_value) = lower(segment_rules.source_value)
                or (
                    segment_rules.source_value is null
                    and try_cast(distinct_values.source_value as double)
                    >= coalesce(segment_rules.lower_bound, -1e300)
                    and try_cast(distinct_values.source_value as double)
                    < coalesce(segment_rules.upper_bound, 1e300)
                )
            )
),

segments as (
    select
        distinct_values.dimension,
        distinct_values.source_value,
        coalesce(
            matched.segment,
            case when dimensions.rule_kind = 'value' then distinct_values.source_value end,
            'unmapped'
        ) as segment
    from distinct_values
    inner join dimensions on distinct_values.dimension = dimensions.dimension
    left join matched
        on
            distinct_values.dimension = matched.dimension
            and distinct_values.source_value = matched.source_value
            and matched.match_number = 1
)

select
    source_values.dimension,
    source_values.attribute,
    source_values.entity_id,
    source_values.source_value,
    segments.segment,
    -- Exports keep no history of these attributes, so today's value stands for every past date.
    false as is_as_was
from source_values
inner join segments
    on
        source_values.dimension = segments.dimension
        and source_values.source_value = segments.source_value
