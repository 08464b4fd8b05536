with

accounts as (
    select * from {{ source('export', 'accounts') }}
),

renamed as (
    select
        account_id,
        {{ source_key('parent_account_id') }} as parent_account_id,
        {{ source_key('merged_into_account_id') }} as merged_into_account_id,
        {{ source_key('crm_account_id') }} as crm_account_id,
        {{ source_key('owner_id') }} as owner_id,
        {{ host_name('coalesce(domain, website)') }} as domain,
        industry,
        country,
        region,
        employee_count,
        annual_revenue_amount,
        is_churned,
        coalesce(is_deleted, false) as is_deleted,
        created_at,
        changed_at,
        {%- for column in custom_columns('accounts') %}
        {{ column }},
        {%- endfor %}
        0::bigint as duplicate_count
    from accounts
)

select * from renamed
