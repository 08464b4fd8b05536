-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
-- What was known of a lead when it came: of its records, those that were there then. The contact and the account that a
-- conversion makes are none of them, or what is filled would tell the outcome.
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

accounts as (
    select * from {{ ref('accounts') }}
    where not is_disqualified
),

free_email_domains as (
    select * from {{ ref('free_email_domains') }}
),

title_seniority as (
    select * from {{ ref('title_seniority') }}
),

leads as (
    select
        people.person_id,
        journeys.lead_date
    from people
    inner join journeys on people.person_id = journeys.person_id
),

known_records as (
    select
        leads.person_id as entity_id,
        leads.lead_date,
        person_links.record_number,
        case when not (records.is_lead and records.converted_at is not null) then account_links.account_id end
            as named_account_id,
        records.email_domain,
        records.title
        {%- for attribute in lead_attribute_kinds() %},
        records.{{ attribute }}::string as {{ attribute }}
        {%- endfor %}
    from records
    inner join person_links on records.person_id = person_links.source_person_id
    inner join leads on person_links.person_id = leads.person_id
    left join account_links on records.account_id = account_links.source_account_id
    where
        records.created_at is null
        or leads.lead_date is null
        or records.created_at::date <= leads.lead_date + 1
        or person_links.record_number = 1
),

merged as (
    {{ merged_records(
        'known_records',
        'person_id',
        ['named_account_id', 'email_domain', 'title'] + (lead_attribute_kinds() | list),
        {'lead_date': 'max(lead_date)'},
    ) }}
),

-- The account that had the domain first: later ones change nothing for a lead that came before.
account_domains as (
    select
        accounts.domain,
        min_by(accounts.account_id, (coalesce(accounts.created_at, timestamp '0001-01-01'), accounts.account_id))
            as account_id
    from accounts
    left join free_email_domains on accounts.domain = free_email_domains.domain
    where accounts.domain is not null and free_email_domains.domain is null
    group by accounts.domain
),

-- Rows that belong together stay together when a model is tested: that may know what came later.
companies as (
    select
        person_links.person_id,
        min(account_links.account_id) as account_id
    from records
    inner join person_links on records.person_id = person_links.source_person_id
    inner join account_links on records.account_id = account_links.source_account_id
    group by person_links.person_id
),

-- Rules are applied to each title once.
titles as (
    select distinct lower(title) as title_key
    from merged
    where title is not null
),

title_ranks as (
    select
        titles.title_key,
        title_seniority.seniority,
        row_number() over (
            partition by titles.title_key order by title_seniority.seniority_order, title_seniority.pattern
        ) as rule_number
    from titles
    inner join title_seniority on {{ matches('titles.title_key', 'title_seniority.pattern') }}
)

select
    merged.person_id,
    coalesce(merged.named_account_id, account_domains.account_id) as account_id,
    coalesce(
        case when free_email_domains.domain is null then merged.email_domain end,
        companies.account_id,
        merged.person_id
    ) as split_group,
    title_ranks.seniority,
    {%- for attribute in lead_attribute_kinds() %}
    merged.{{ attribute }},
    {%- endfor %}
    case
        when merged.email_domain is not null then (free_email_domains.domain is not null)::integer
    end as is_free_email,
    merged.lead_date,
    greatest(accounts.created_date, merged.lead_date) as account_known_date
from merged
left join companies on merged.person_id = companies.person_id
left join account_domains on merged.email_domain = account_domains.domain
left join accounts on coalesce(merged.named_account_id, account_domains.account_id) = accounts.account_id
left join free_email_domains on merged.email_domain = free_email_domains.domain
left join title_ranks on lower(merged.title) = title_ranks.title_key and title_ranks.rule_number = 1
