with

owners as (
    select * from {{ source('export', 'owners') }}
),

renamed as (
    select
        owner_id,
        owner_name,
        team,
        manager,
        region,
        {%- for column in custom_columns('owners') %}
        {{ column }},
        {%- endfor %}
        coalesce(is_active, true) as is_active
    from owners
)

select * from renamed
