with

companies as (
    {{ latest_records(source('hubspot', 'company'), 'id', 'landed.hs_lastmodifieddate desc nulls last') }}
),

-- The company that stays lists those that were merged into it.
merged_ids as (
    select
        id as company_id,
        {{ hubspot_each_id('hs_merged_object_ids') }} as merged_id
    from {{ source('hubspot', 'company') }}
    where hs_merged_object_ids is not null
),

merged as (
    select
        merged_id,
        max(company_id) as company_id
    from merged_ids
    where merged_id <> company_id
    group by merged_id
),

renamed as (
    select
        {{ hubspot_key('companies.id') }} as account_id,
        {{ hubspot_key('companies.hs_parent_company_id') }} as parent_account_id,
        {{ hubspot_key('merged.company_id') }} as merged_into_account_id,
        {{ salesforce_key('companies.salesforceaccountid') }} as crm_account_id,
        {{ hubspot_key('companies.hubspot_owner_id') }} as owner_id,
        {{ host_name('coalesce(companies.domain, companies.website)') }} as domain,
        companies.industry,
        coalesce(companies.country, companies.hs_country_code) as country,
        companies.region,
        round(companies.numberofemployees)::integer as employee_count,
        companies.annualrevenue as annual_revenue_amount,
        null::boolean as is_churned,
        {{ hubspot_is_deleted('companies') }} as is_deleted,
        companies.createdate as created_at,
        companies.hs_lastmodifieddate as changed_at,
        {%- for column in custom_columns('accounts') %}
        companies.{{ column }},
        {%- endfor %}
        companies.duplicate_count
    from companies
    left join merged on companies.id = merged.merged_id
)

select * from renamed
