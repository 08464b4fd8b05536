with

opportunities as (
    {{ union_sources('opportunities') }}
),

records as (
    select
        source,
        source_order,
        opportunity_id as record_id,
        null::string as merged_into_id,
        null::string as converted_to_id,
        crm_opportunity_id as cross_system_id,
        null::string as match_value,
        not is_deleted as is_preferred,
        created_at
    from opportunities
),

{{ identity_links('records', 'opportunity', 'cross_system_id') }}
