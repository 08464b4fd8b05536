with

records as (
    {{ union_sources('people') }}
),

links as (
    select * from {{ ref('person_links') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

opportunity_links as (
    select * from {{ ref('opportunity_links') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

owners as (
    select * from {{ ref('owners') }}
),

free_email_domains as (
    select * from {{ ref('free_email_domains') }}
),

stage_labels as (
    select * from {{ ref('stage_labels') }}
    where entity = 'person'
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        links.person_number as entity_id,
        links.record_number,
        records.*,
        coalesce(records.is_deleted, false) as is_record_deleted,
        case when records.is_lead and not records.is_deleted then records.created_at end as lead_created_at
    from records
    inner join links on records.person_id = links.source_person_id
),

-- One person of several records: each attribute is the first filled one, of the source named first.
merged as (
    {{ merged_records(
        'linked',
        'person_number',
        [
            'account_id', 'opportunity_id', 'owner_id', 'email_domain', 'title', 'persona', 'motion', 'lead_source',
            'self_reported_source', 'country', 'region', 'industry', 'source_stage',
        ] + custom_columns('people') + ['employee_count', 'has_budget', 'has_authority', 'has_need', 'has_timeline'],
        own=['person_id'],
        least=['is_record_deleted', 'lead_created_at', 'created_at', 'converted_at'],
        greatest=['is_lead'],
    ) }}
),

-- The account of a company's domain, where only one account has it.
account_domains as (
    select
        accounts.domain,
        min(accounts.account_id) as account_id,
        min(accounts.account_number) as account_number
    from accounts
    left join free_email_domains on accounts.domain = free_email_domains.domain
    where accounts.domain is not null and free_email_domains.domain is null and not accounts.is_disqualified
    group by accounts.domain
    having count(*) = 1
),

flagged as (
    select
        merged.person_id,
        coalesce(account_links.account_id, merged.account_id, account_domains.account_id) as account_id,
        case
            when merged.account_id is not null then 'named'
            when account_domains.account_id is not null then 'email_domain'
        end as account_match_rule,
        coalesce(opportunity_links.opportunity_id, merged.opportunity_id) as opportunity_id,
        merged.owner_id,
        merged.title,
        merged.persona,
        merged.motion,
        merged.lead_source,
        merged.self_reported_source,
        merged.country,
        merged.region,
        merged.industry,
        merged.source_stage,
        {%- for column in custom_columns('people') %}
        merged.{{ column }},
        {%- endfor %}
        merged.person_number,
        case when merged.account_id is null then account_domains.account_number else account_links.account_number end
            as account_number,
        opportunity_links.opportunity_number,
        merged.employee_count,
        merged.record_count,
        merged.is_lead,
        merged.is_record_deleted as is_deleted,
        merged.has_budget,
        merged.has_authority,
        merged.has_need,
        merged.has_timeline,
        merged.created_at is null as is_missing_created_date,
        coalesce(merged.created_at::date > run_context.as_of_date, false) as is_created_after_as_of,
        merged.account_id is not null and account_links.account_id is null as is_unknown_account,
        merged.owner_id is not null and owners.owner_id is null as is_unknown_owner,
        merged.source_stage is not null and stage_labels.stage is null as is_unmapped_stage,
        coalesce(merged.converted_at < merged.created_at, false) as is_converted_before_created,
        merged.created_at,
        merged.lead_created_at,
        merged.converted_at,
        merged.created_at::date as created_date
    from merged
    cross join run_context
    left join account_links on merged.account_id = account_links.source_account_id
    left join owners on merged.owner_id = owners.owner_id
    left join opportunity_links on merged.opportunity_id = opportunity_links.source_opportunity_id
    left join account_domains on merged.account_id is null and merged.email_domain = account_domains.domain
    left join stage_labels on lower(merged.source_stage) = stage_labels.source_label
)

select
    *,
    is_deleted or is_created_after_as_of as is_disqualified
from flagged
