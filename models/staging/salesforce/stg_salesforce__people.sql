-- noqa: disable=LT02
-- A lead and the contact that it became are two rows; `converted_person_id` ties them.
with

leads as (
    {{ salesforce_latest('lead') }}
),

contacts as (
    {{ salesforce_latest('contact') }}
),

renamed_leads as (
    select
        record_key as person_id,
        {{ salesforce_key('converted_account_id') }} as account_id,
        {{ salesforce_key('converted_opportunity_id') }} as opportunity_id,
        {{ salesforce_key('converted_contact_id') }} as converted_person_id,
        {{ salesforce_key('master_record_id') }} as merged_into_person_id,
        null::string as crm_person_id,
        {{ salesforce_key('owner_id') }} as owner_id,
        email_hash,
        email_domain,
        title,
        persona,
        motion,
        lead_source,
        self_reported_source,
        coalesce(country, country_code) as country,
        region,
        industry,
        status as source_stage,
        number_of_employees as employee_count,
        has_budget,
        has_authority,
        has_need,
        has_timeline,
        true as is_lead,
        {{ salesforce_is_deleted() }} as is_deleted,
        created_date as created_at,
        converted_date as converted_at,
        coalesce(last_modified_date, system_modstamp) as changed_at,
        duplicate_count
        {%- for column in custom_columns('people') %},
        {{ column }}
        {%- endfor %}
    from leads
),

renamed_contacts as (
    select
        record_key as person_id,
        {{ salesforce_key('account_id') }} as account_id,
        null::string as opportunity_id,
        null::string as converted_person_id,
        {{ salesforce_key('master_record_id') }} as merged_into_person_id,
        null::string as crm_person_id,
        {{ salesforce_key('owner_id') }} as owner_id,
        email_hash,
        email_domain,
        title,
        persona,
        motion,
        lead_source,
        self_reported_source,
        coalesce(mailing_country, mailing_country_code) as country,
        region,
        industry,
        null::string as source_stage,
        null::integer as employee_count,
        has_budget,
        has_authority,
        has_need,
        has_timeline,
        false as is_lead,
        {{ salesforce_is_deleted() }} as is_deleted,
        created_date as created_at,
        null::timestamp as converted_at,
        coalesce(last_modified_date, system_modstamp) as changed_at,
        duplicate_count
        {%- for column in custom_columns('people') %},
        {{ column }}
        {%- endfor %}
    from contacts
),

unioned as (
    select * from renamed_leads
    union all
    select * from renamed_contacts
)

select * from unioned
