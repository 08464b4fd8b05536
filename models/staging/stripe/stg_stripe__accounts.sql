-- A customer is an account here. Its company in a CRM is named in its metadata, in a column or in the JSON.
with

customers as (
    {{ latest_records(source('stripe', 'customer'), 'id') }}
),

named as (
    select
        *,
        coalesce(
            salesforce_account_id,
            {{ json_text('metadata', '$.salesforce_account_id') }},
            {{ json_text('metadata', '$.salesforce_id') }},
            {{ json_text('metadata', '$.sfdc_account_id') }}
        ) as salesforce_id,
        coalesce(
            hubspot_company_id,
            {{ json_text('metadata', '$.hubspot_company_id') }},
            {{ json_text('metadata', '$.hubspot_id') }}
        ) as hubspot_id,
        coalesce(
            crm_account_id,
            {{ json_text('metadata', '$.crm_account_id') }},
            {{ json_text('metadata', '$.crm_id') }}
        ) as crm_id
    from customers
),

-- Of an id that names no system the form tells: Salesforce's accounts begin with 001, HubSpot's ids are numbers.
renamed as (
    select
        {{ stripe_key('id') }} as account_id,
        null::string as parent_account_id,
        null::string as merged_into_account_id,
        coalesce(
            {{ salesforce_key('salesforce_id') }},
            {{ hubspot_key('hubspot_id') }},
            case
                when crm_id like '001%' and length(crm_id) in (15, 18) then {{ salesforce_key('crm_id') }}
                when try_cast(crm_id as bigint) is not null then {{ hubspot_key('crm_id') }}
                else crm_id
            end
        ) as crm_account_id,
        null::string as owner_id,
        coalesce({{ host_name('domain') }}, email_domain) as domain,
        industry,
        address_country as country,
        region,
        null::integer as employee_count,
        null::decimal(18, 2) as annual_revenue_amount,
        null::boolean as is_churned,
        {{ stripe_is_deleted() }} as is_deleted,
        created as created_at,
        null::timestamp as changed_at,
        {%- for column in custom_columns('accounts') %}
        {{ column }},
        {%- endfor %}
        duplicate_count
    from named
)

select * from renamed
