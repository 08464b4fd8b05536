-- noqa: disable=LT02
with

accounts as (
    {{ salesforce_latest('account') }}
),

renamed as (
    select
        record_key as account_id,
        {{ salesforce_key('parent_id') }} as parent_account_id,
        {{ salesforce_key('master_record_id') }} as merged_into_account_id,
        null::string as crm_account_id,
        {{ salesforce_key('owner_id') }} as owner_id,
        {{ host_name('coalesce(domain, website)') }} as domain,
        industry,
        coalesce(billing_country, billing_country_code) as country,
        region,
        number_of_employees as employee_count,
        annual_revenue as annual_revenue_amount,
        null::boolean as is_churned,
        {{ salesforce_is_deleted() }} as is_deleted,
        created_date as created_at,
        coalesce(last_modified_date, system_modstamp) as changed_at,
        duplicate_count
        {%- for column in custom_columns('accounts') %},
        {{ column }}
        {%- endfor %}
    from accounts
)

select * from renamed
