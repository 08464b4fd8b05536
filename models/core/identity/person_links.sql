with

people as (
    {{ union_sources('people') }}
),

records as (
    select
        source,
        source_order,
        person_id as record_id,
        merged_into_person_id as merged_into_id,
        converted_person_id as converted_to_id,
        crm_person_id as cross_system_id,
        email_hash as match_value,
        is_lead and not is_deleted as is_preferred,
        created_at
    from people
),

{{ identity_links('records', 'person', 'email_hash') }}
