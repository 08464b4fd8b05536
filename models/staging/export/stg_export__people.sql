-- Names, e-mail addresses and phone numbers stop here: no later model can publish them.
with

people as (
    select * from {{ source('export', 'people') }}
),

renamed as (
    select
        person_id,
        account_id,
        opportunity_id,
        owner_id,
        title,
        persona,
        lead_source,
        country,
        region,
        industry,
        status as source_stage,
        {%- for column in custom_columns('people') %}
        {{ column }},
        {%- endfor %}
        employee_count,
        coalesce(is_deleted, false) as is_deleted,
        created_at,
        converted_at,
        changed_at
    from people
)

select * from renamed
