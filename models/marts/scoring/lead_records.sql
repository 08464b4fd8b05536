-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
-- Of a lead's records those that were there on the day on which it came. The contact and the account that a conversion
-- makes are none of them, or what is filled would tell the outcome.
with

records as (
    {{ union_sources('people') }}
),

person_links as (
    select * from {{ ref('person_links') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

people as (
    select * from {{ ref('people') }}
    where not is_disqualified
),

journeys as (
    select * from {{ ref('journeys') }}
    where person_id is not null
),

attribute_history as (
    {{ union_sources('attribute_history') }}
),

-- The first change of a title says what it was when the record came.
first_titles as (
    select
        entity_id as source_person_id,
        old_value as title
    from attribute_history
    where entity = 'people' and column_name = 'title'
    qualify row_number() over (partition by entity_id order by changed_at, old_value) = 1
),

linked as (
    select
        people.person_id,
        journeys.lead_date,
        records.person_id as source_person_id,
        person_links.record_number,
        records.created_at,
        case when not (records.is_lead and records.converted_at is not null) then account_links.account_id end
            as named_account_id,
        records.email_domain,
        records.title,
        case when first_titles.source_person_id is null then records.title else first_titles.title end as first_title
        {%- for attribute in lead_attribute_kinds() %},
        records.{{ attribute }}::string as {{ attribute }}
        {%- endfor %},
        row_number() over (
            partition by people.person_id order by records.created_at nulls first, person_links.record_number
        ) as arrival_number
    from records
    inner join person_links on records.person_id = person_links.source_person_id
    inner join people on person_links.person_id = people.person_id
    inner join journeys on people.person_id = journeys.person_id
    left join account_links on records.account_id = account_links.source_account_id
    left join first_titles on records.person_id = first_titles.source_person_id
)

-- Where no record was there on that day, the first one that came stands for it. Numbered again without gaps.
select
    person_id,
    lead_date,
    source_person_id,
    row_number() over (partition by person_id order by record_number) as record_number,
    named_account_id,
    email_domain,
    title,
    first_title
    {%- for attribute in lead_attribute_kinds() %},
    {{ attribute }}
    {%- endfor %}
from linked
where
    created_at is null
    or lead_date is null
    or created_at::date <= lead_date
    or arrival_number = 1
