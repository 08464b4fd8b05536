{%- set keys = {
    'accounts': ['null::string', 'account_number'],
    'people': ['null::string', 'person_number'],
    'opportunities': ['null::string', 'opportunity_number'],
    'owners': ['owner_id', 'null::integer'],
    'products': ['product_id', 'null::integer'],
} -%}
with

dimensions as (
    select * from {{ ref('dimensions') }}
),

segment_rules as (
    select * from {{ ref('segment_rules') }}
),

attribute_history as (
    {{ union_sources('attribute_history') }}
),

opportunity_history as (
    select * from {{ ref('opportunity_history') }}
),

links as (
    select
        'accounts' as entity,
        source_account_id as source_entity_id,
        account_number as entity_number
    from {{ ref('account_links') }}
    union all
    select
        'people' as entity,
        source_person_id as source_entity_id,
        person_number as entity_number
    from {{ ref('person_links') }}
    union all
    select
        'opportunities' as entity,
        source_opportunity_id as source_entity_id,
        opportunity_number as entity_number
    from {{ ref('opportunity_links') }}
),

-- Records are named in every place, for as a common table the engine would copy them.
current_values as (
    {%- for attribute in dimension_attributes() %}
    {%- set entity, column = attribute.split('.') %}
    {%- set key, number = keys[entity] %}
    select
        '{{ attribute }}' as attribute,
        {{ key }} as entity_id,
        {{ column }}::string as source_value,
        {{ number }} as entity_number
    from {{ ref(entity) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- The last change of a day stands for the day. Amounts come from the history of the deal, in the reporting currency.
changes as (
    select
        attribute_history.entity || '.' || attribute_history.column_name as attribute,
        links.entity_number,
        attribute_history.old_value,
        attribute_history.new_value,
        attribute_history.changed_at
    from attribute_history
    inner join links
        on attribute_history.entity = links.entity and attribute_history.entity_id = links.source_entity_id
    where
        attribute_history.entity || '.' || attribute_history.column_name in (
            {%- for attribute in dimension_attributes() if attribute != 'opportunities.amount' %}
            '{{ attribute }}'{{ ',' if not loop.last }}
            {%- else %}
            'none'
            {%- endfor %}
        )
    union all
    select
        'opportunities.amount' as attribute,
        opportunity_number as entity_number,
        previous_amount::string as old_value,
        amount::string as new_value,
        changed_at
    from opportunity_history
    where
        change_number > 1
        and previous_amount is distinct from amount
        and {{ 'true' if 'opportunities.amount' in dimension_attributes() else 'false' }}
),

ordered as (
    select
        attribute,
        entity_number,
        old_value,
        new_value,
        changed_at::date as changed_date,
        row_number() over changes as change_number,
        lead(changed_at::date) over changes as next_changed_date
    from changes
    where changed_at is not null
    window changes as (
        partition by attribute, entity_number order by changed_at, old_value nulls first, new_value nulls first
    )
),

tracked as (
    select distinct attribute from ordered
),

-- Before the first change the value was its old one; after the last one it is what the record says today.
valued as (
    select
        attribute,
        null::string as entity_id,
        entity_number,
        old_value as source_value,
        date '0001-01-01' as valid_from,
        changed_date as valid_to
    from ordered
    where change_number = 1
    union all
    select
        attribute,
        null::string as entity_id,
        entity_number,
        new_value as source_value,
        changed_date as valid_from,
        next_changed_date as valid_to
    from ordered
    where changed_date < next_changed_date
    union all
    select
        current_values.attribute,
        current_values.entity_id,
        current_values.entity_number,
        current_values.source_value,
        coalesce(ordered.changed_date, date '0001-01-01') as valid_from,
        date '9999-12-31' as valid_to
    from current_values
    left join ordered
        on
            current_values.attribute = ordered.attribute
            and current_values.entity_number = ordered.entity_number
            and ordered.next_changed_date is null
),

attributes as (
    select
        dimension,
        attribute
    from (
        values
        {%- for dimension, attributes in var('dimensions').items() %}
        {%- set outer = loop %}
        {%- for attribute in attributes %}
        ('{{ dimension }}', '{{ attribute }}'){{ ',' if not (outer.last and loop.last) }}
        {%- endfor %}
        {%- endfor %}
    ) as attributes (dimension, attribute)
),

-- Rules are applied to each value once, not to each record.
attribute_values as (
    {%- for attribute in dimension_attributes() %}
    {%- set entity, column = attribute.split('.') %}
    select
        '{{ attribute }}' as attribute,
        {{ column }}::string as source_value
    from {{ ref(entity) }}
    group by {{ column }}
    union all
    {%- endfor %}
    select
        attribute,
        old_value as source_value
    from ordered
    union all
    select
        attribute,
        new_value as source_value
    from ordered
),

distinct_values as (
    select distinct
        attributes.dimension,
        attributes.attribute,
        attribute_values.source_value
    from attribute_values
    inner join attributes on attribute_values.attribute = attributes.attribute
    where attribute_values.source_value is not null
),

matched as (
    select
        distinct_values.dimension,
        distinct_values.attribute,
        distinct_values.source_value,
        segment_rules.segment,
        row_number() over (
            partition by distinct_values.dimension, distinct_values.attribute, distinct_values.source_value
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
        distinct_values.attribute,
        distinct_values.source_value,
        tracked.attribute is not null as is_as_was,
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
            and distinct_values.attribute = matched.attribute
            and distinct_values.source_value = matched.source_value
            and matched.match_number = 1
    left join tracked on distinct_values.attribute = tracked.attribute
)

select
    segments.dimension,
    valued.attribute,
    valued.entity_id,
    valued.source_value,
    segments.segment,
    valued.entity_number,
    -- Where a source keeps no history of an attribute, today's value stands for every past date.
    segments.is_as_was,
    valued.valid_from,
    valued.valid_to
from valued
inner join segments
    on
        valued.attribute = segments.attribute
        and valued.source_value = segments.source_value
