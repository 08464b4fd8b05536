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
    select * from {{ ref('owners') }}
),

products as (
    select * from {{ ref('products') }}
),

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
        account_id as entity_id
    from {{ ref('account_links') }}
    union all
    select
        'people' as entity,
        source_person_id as source_entity_id,
        person_id as entity_id
    from {{ ref('person_links') }}
    union all
    select
        'opportunities' as entity,
        source_opportunity_id as source_entity_id,
        opportunity_id as entity_id
    from {{ ref('opportunity_links') }}
),

current_values as (
    {%- for attribute in dimension_attributes() %}
    {%- set entity, column = attribute.split('.') %}
    select
        '{{ attribute }}' as attribute,
        {{ keys[entity] }} as entity_id,
        {{ column }}::string as source_value
    from {{ entity }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- The last change of a day stands for the day. Amounts come from the history of the deal, in the reporting currency.
changes as (
    select
        attribute_history.entity || '.' || attribute_history.column_name as attribute,
        links.entity_id,
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
        opportunity_id as entity_id,
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
        entity_id,
        old_value,
        new_value,
        changed_at::date as changed_date,
        row_number() over changes as change_number,
        lead(changed_at::date) over changes as next_changed_date
    from changes
    where changed_at is not null
    window changes as (
        partition by attribute, entity_id order by changed_at, old_value nulls first, new_value nulls first
    )
),

tracked as (
    select distinct attribute from ordered
),

changed as (
    select distinct
        attribute,
        entity_id
    from ordered
),

-- Before the first change the value was its old one; after the last one it is what the record says today.
valued as (
    select
        attribute,
        entity_id,
        old_value as source_value,
        date '0001-01-01' as valid_from,
        changed_date as valid_to
    from ordered
    where change_number = 1
    union all
    select
        ordered.attribute,
        ordered.entity_id,
        case when ordered.next_changed_date is null then current_values.source_value else ordered.new_value end
            as source_value,
        ordered.changed_date as valid_from,
        coalesce(ordered.next_changed_date, date '9999-12-31') as valid_to
    from ordered
    inner join current_values
        on ordered.attribute = current_values.attribute and ordered.entity_id = current_values.entity_id
    where ordered.next_changed_date is null or ordered.changed_date < ordered.next_changed_date
    union all
    select
        current_values.attribute,
        current_values.entity_id,
        current_values.source_value,
        date '0001-01-01' as valid_from,
        date '9999-12-31' as valid_to
    from current_values
    left join changed
        on current_values.attribute = changed.attribute and current_values.entity_id = changed.entity_id
    where changed.entity_id is null
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

source_values as (
    select
        attributes.dimension,
        valued.attribute,
        valued.entity_id,
        valued.source_value,
        tracked.attribute is not null as is_as_was,
        valued.valid_from,
        valued.valid_to
    from valued
    inner join attributes on valued.attribute = attributes.attribute
    left join tracked on valued.attribute = tracked.attribute
    where valued.source_value is not null
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
    -- Where a source keeps no history of an attribute, today's value stands for every past date.
    source_values.is_as_was,
    source_values.valid_from,
    source_values.valid_to
from source_values
inner join segments
    on
        source_values.dimension = segments.dimension
        and source_values.source_value = segments.source_value
