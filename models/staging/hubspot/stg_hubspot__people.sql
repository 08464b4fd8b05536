-- Contacts are no leads by being there: their stage dates say when each became one (see the stage history).
with

contacts as (
    {{ latest_records(source('hubspot', 'contact'), 'id', 'landed.lastmodifieddate desc nulls last') }}
),

contact_companies as (
    select * from {{ source('hubspot', 'contact_company') }}
    where not coalesce(fivetran_deleted, false)
),

merge_audit as (
    select * from {{ source('hubspot', 'contact_merge_audit') }}
),

-- The contact that stays lists those that were merged into it.
merged_ids as (
    select
        id as contact_id,
        {{ hubspot_each_id('hs_calculated_merged_vids') }} as merged_id
    from {{ source('hubspot', 'contact') }}
    where hs_calculated_merged_vids is not null
    union all
    select
        id as contact_id,
        {{ hubspot_each_id('hs_merged_object_ids') }} as merged_id
    from {{ source('hubspot', 'contact') }}
    where hs_merged_object_ids is not null
    union all
    select
        contact_id,
        vid_to_merge as merged_id
    from merge_audit
),

merged as (
    select
        merged_id,
        max(contact_id) as contact_id
    from merged_ids
    where merged_id <> contact_id
    group by merged_id
),

-- Type 1 is the primary company.
main_companies as (
    select
        contact_id,
        coalesce(min(company_id) filter (where type_id = '1'), min(company_id)) as company_id
    from contact_companies
    group by contact_id
),

renamed as (
    select
        {{ hubspot_key('contacts.id') }} as person_id,
        {{ hubspot_key(
            "coalesce(contacts.associatedcompanyid, main_companies.company_id, "
            ~ "nullif(regexp_extract(contacts.companies, '[A-Za-z0-9_-]+', 0), ''))"
        ) }} as account_id,
        null::string as opportunity_id,
        null::string as converted_person_id,
        {{ hubspot_key('merged.contact_id') }} as merged_into_person_id,
        {{ salesforce_key('coalesce(contacts.salesforceleadid, contacts.salesforcecontactid)') }} as crm_person_id,
        {{ hubspot_key('contacts.hubspot_owner_id') }} as owner_id,
        contacts.email_hash,
        coalesce(contacts.email_domain, lower(contacts.hs_email_domain)) as email_domain,
        contacts.jobtitle as title,
        coalesce(contacts.persona, contacts.hs_persona) as persona,
        contacts.motion,
        coalesce(contacts.lead_source, contacts.hs_analytics_source) as lead_source,
        contacts.self_reported_source,
        coalesce(contacts.country, contacts.hs_country_region_code) as country,
        contacts.region,
        contacts.industry,
        contacts.lifecyclestage as source_stage,
        -- HubSpot offers ranges such as 5-25 there; a range is no number, and the company's count stands in for it.
        try_cast(contacts.numemployees as integer) as employee_count,
        contacts.has_budget,
        contacts.has_authority,
        contacts.has_need,
        contacts.has_timeline,
        false as is_lead,
        {{ hubspot_is_deleted('contacts') }} as is_deleted,
        contacts.createdate as created_at,
        null::timestamp as converted_at,
        contacts.lastmodifieddate as changed_at,
        {%- for column in custom_columns('people') %}
        contacts.{{ column }},
        {%- endfor %}
        contacts.duplicate_count
    from contacts
    left join merged on contacts.id = merged.merged_id
    left join main_companies on contacts.id = main_companies.contact_id
)

select * from renamed
