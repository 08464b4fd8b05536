-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
-- What was known of a lead when it came, as the records of that day say it now; lead_features undoes later changes.
with

lead_records as (
    select
        *,
        person_id as entity_id
    from {{ ref('lead_records') }}
),

accounts as (
    select * from {{ ref('accounts') }}
    where not is_disqualified
),

free_email_domains as (
    select * from {{ ref('free_email_domains') }}
),

lead_titles as (
    select * from {{ ref('lead_titles') }}
),

merged as (
    {{ merged_records(
        'lead_records',
        'person_id',
        ['named_account_id', 'email_domain', 'first_title'] + (lead_attribute_kinds() | list),
        greatest=['lead_date'],
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
)

-- Rows that belong together stay together when a model is tested: by what was known when the lead came, for the account
-- that a conversion makes would move its rows from one fold to another.
select
    merged.person_id,
    coalesce(merged.named_account_id, account_domains.account_id) as account_id,
    coalesce(
        case when free_email_domains.domain is null then merged.email_domain end,
        merged.named_account_id,
        merged.person_id
    ) as split_group,
    lead_titles.seniority,
    {%- for attribute in lead_attribute_kinds() %}
    merged.{{ attribute }},
    {%- endfor %}
    case
        when merged.email_domain is not null then (free_email_domains.domain is not null)::integer
    end as is_free_email,
    merged.lead_date,
    greatest(accounts.created_date, merged.lead_date) as account_known_date
from merged
left join account_domains on merged.email_domain = account_domains.domain
left join accounts on coalesce(merged.named_account_id, account_domains.account_id) = accounts.account_id
left join free_email_domains on merged.email_domain = free_email_domains.domain
left join lead_titles on lower(merged.first_title) = lead_titles.title_key
