-- Names, e-mail addresses and phone numbers stop here: no later model can publish them.
with

people as (
    select * from {{ source('export', 'people') }}
),

renamed as (
    select
        person_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('opportunity_id') }} as opportunity_id,
        null::string as converted_person_id,
        {{ source_key('merged_into_person_id') }} as merged_into_person_id,
        {{ source_key('crm_person_id') }} as crm_person_id,
        {{ source_key('owner_id') }} as owner_id,
        email_hash,
        email_domain,
        title,
        persona,
        motion,
        lead_source,
        self_reported_source,
        country,
        region,
        industry,
        status as source_stage,
        employee_count,
        has_budget,
        has_authority,
        has_need,
        has_timeline,
        coalesce(is_lead, true) as is_lead,
        coalesce(is_deleted, false) as is_deleted,
        created_at,
        converted_at,
        changed_at,
        {%- for column in custom_columns('people') %}
        {{ column }},
        {%- endfor %}
        0::bigint as duplicate_count
    from people
)

select * from renamed
