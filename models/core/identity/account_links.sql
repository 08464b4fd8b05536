with

accounts as (
    {{ union_sources('accounts') }}
),

free_email_domains as (
    select * from {{ ref('free_email_domains') }}
),

records as (
    select
        accounts.source,
        accounts.source_order,
        accounts.account_id as record_id,
        accounts.merged_into_account_id as merged_into_id,
        null::string as converted_to_id,
        accounts.crm_account_id as cross_system_id,
        case when free_email_domains.domain is null then accounts.domain end as match_value,
        not accounts.is_deleted as is_preferred,
        accounts.created_at
    from accounts
    left join free_email_domains on accounts.domain = free_email_domains.domain
),

{{ identity_links('records', 'account', 'domain') }}
