{#- Which records of an entity are the same one, across and within systems: one row per record, with the record that
    stands for all of them and the rule that says so. Two records are the same where they share a token; what shares
    tokens with one of them is the same too. The rules, in the order in which one is named:
      merged_record    the source itself merged it into another one
      conversion       a lead and the contact that it became: two leads of one contact are one person
      cross_system_id  it names the key of the same record in another system
      <value_rule>     it has a value in common (the keyed hash of an e-mail address, a company's domain)
    A value that more than `most_records` records have is a shared mailbox or a placeholder, and matches nothing.
    The record that stands for a group is of the source named first; there the preferred, then the earliest.
    <entity>_number is the group as a number, which joins and sorts faster than its key; no two entities share one.

    records: a relation of source, source_order, record_id, merged_into_id, converted_to_id, cross_system_id,
    match_value, is_preferred, created_at. -#}
{% macro identity_links(records, entity, value_rule, most_records=10) -%}
{%- set passes = 4 -%}
{%- set entities = ['account', 'person', 'opportunity'] -%}
ranked as (
    select
        *,
        row_number() over (
            order by source_order, is_preferred desc, created_at nulls last, record_id
        ) as record_rank
    from {{ records }}
),

named as (
    {%- for column in ['merged_into_id', 'converted_to_id', 'cross_system_id'] %}
    select
        record_rank,
        {{ loop.index }} as rule_order,
        {{ column }} as named_id
    from ranked
    where {{ column }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

named_ranks as (
    select
        named.record_rank,
        named.rule_order,
        named.named_id,
        ranked.record_rank as named_rank
    from named
    left join ranked on named.named_id = ranked.record_id
),

-- Tokens are numbers, which join faster than text: of a record its rank, of a missing record or a value one below zero.
missing_records as (
    select
        named_id,
        -2 * row_number() over (order by named_id) as token
    from named_ranks
    where named_rank is null
    group by named_id
    having count(*) > 1
),

common_values as (
    select
        match_value,
        -2 * min(record_rank) - 1 as token
    from ranked
    where match_value is not null
    group by match_value
    having count(*) between 2 and {{ most_records }}
),

tokens as (
    select distinct
        named_rank as record_rank,
        null::integer as rule_order,
        named_rank as token
    from named_ranks
    where named_rank is not null
    union all
    select
        record_rank,
        rule_order,
        named_rank as token
    from named_ranks
    where named_rank is not null
    union all
    select
        named_ranks.record_rank,
        named_ranks.rule_order,
        missing_records.token
    from named_ranks
    inner join missing_records on named_ranks.named_id = missing_records.named_id
    where named_ranks.named_rank is null
    union all
    select
        ranked.record_rank,
        4 as rule_order,
        common_values.token
    from ranked
    inner join common_values on ranked.match_value = common_values.match_value
),

shared as (
    select
        token,
        min(rule_order) as rule_order,
        min(record_rank) as label_0
    from tokens
    group by token
    having min(record_rank) < max(record_rank)
),

links as (
    select
        tokens.record_rank,
        shared.rule_order,
        shared.label_0 as label
    from tokens
    inner join shared on tokens.token = shared.token
),

record_labels as (
    select
        record_rank,
        min(label) as label,
        max(label) as last_label,
        min(rule_order) as rule_order
    from links
    group by record_rank
),

-- Most records have one label by now. What follows joins the labels that a record has in common, which are few.
links_0 as (
    select distinct
        links.record_rank,
        links.label as token,
        links.label
    from links
    inner join record_labels on links.record_rank = record_labels.record_rank
    where record_labels.label < record_labels.last_label
),
{% for pass in range(1, passes + 1) %}
record_labels_{{ pass }} as (
    select
        record_rank,
        min(label) as label
    from links_{{ pass - 1 }}
    group by record_rank
),

token_labels_{{ pass }} as (
    select
        links_{{ pass - 1 }}.token,
        min(record_labels_{{ pass }}.label) as label
    from links_{{ pass - 1 }}
    inner join record_labels_{{ pass }}
        on links_{{ pass - 1 }}.record_rank = record_labels_{{ pass }}.record_rank
    group by links_{{ pass - 1 }}.token
),

links_{{ pass }} as (
    select
        links_0.record_rank,
        links_0.token,
        token_labels_{{ pass }}.label
    from links_0
    inner join token_labels_{{ pass }} on links_0.token = token_labels_{{ pass }}.token
),
{% endfor %}
joined_labels as (
    select
        token as label,
        min(label) as leading_rank
    from links_{{ passes }}
    group by token
),

groups as (
    select
        record_labels.record_rank,
        record_labels.rule_order,
        coalesce(joined_labels.leading_rank, record_labels.label) as leading_rank
    from record_labels
    left join joined_labels on record_labels.label = joined_labels.label
),

numbered as (
    select
        record_rank,
        rule_order,
        leading_rank,
        row_number() over (partition by leading_rank order by record_rank) as record_number
    from groups
)

select
    ranked.source,
    ranked.record_id as source_{{ entity }}_id,
    coalesce(leaders.record_id, ranked.record_id) as {{ entity }}_id,
    (
        {{ entities | length }} * coalesce(numbered.leading_rank, ranked.record_rank) + {{ entities.index(entity) }}
    )::integer as {{ entity }}_number,
    case
        when numbered.leading_rank is null or numbered.leading_rank = ranked.record_rank then 'own_record'
        else case numbered.rule_order
            when 1 then 'merged_record'
            when 2 then 'conversion'
            when 3 then 'cross_system_id'
            else '{{ value_rule }}'
        end
    end as match_rule,
    coalesce(numbered.record_number, 1) as record_number
from ranked
left join numbered on ranked.record_rank = numbered.record_rank
left join ranked as leaders on numbered.leading_rank = leaders.record_rank
{%- endmacro %}

{#- One row per group of linked records: `own` columns are those of its first record, `columns` the first filled value in
    the order of the records, `least` and `greatest` columns that of all records (of flags: all of them, any of them),
    and how many they are. `linked` holds entity_id, record_number and the columns.
    Few groups have a fourth record: only there columns are aggregated, which costs most. -#}
{% macro merged_records(linked, entity_key, columns, own=[], least=[], greatest=[]) -%}
    {%- set merges = [('coalesce', columns), ('least', least), ('greatest', greatest)] %}
    select
        first_records.entity_id as {{ entity_key }},
        {%- for column in own %}
        first_records.{{ column }},
        {%- endfor %}
        {%- for merge, merged_columns in merges %}
        {%- for column in merged_columns %}
        {{ merge }}(
            first_records.{{ column }}, second_records.{{ column }}, third_records.{{ column }}, later_records.{{ column }}
        ) as {{ column }},
        {%- endfor %}
        {%- endfor %}
        1
        + (second_records.entity_id is not null)::integer
        + (third_records.entity_id is not null)::integer
        + coalesce(later_records.record_count, 0) as record_count
    from {{ linked }} as first_records
    left join {{ linked }} as second_records
        on first_records.entity_id = second_records.entity_id and second_records.record_number = 2
    left join {{ linked }} as third_records
        on first_records.entity_id = third_records.entity_id and third_records.record_number = 3
    left join (
        select
            entity_id,
            {%- for column in columns %}
            min_by({{ column }}, record_number) filter (where {{ column }} is not null) as {{ column }},
            {%- endfor %}
            {%- for column in least %}
            min({{ column }}) as {{ column }},
            {%- endfor %}
            {%- for column in greatest %}
            max({{ column }}) as {{ column }},
            {%- endfor %}
            count(*) as record_count
        from {{ linked }}
        where record_number > 3
        group by entity_id
    ) as later_records on first_records.entity_id = later_records.entity_id
    where first_records.record_number = 1
{%- endmacro %}
