with

attribute_history as (
    select * from {{ source('export', 'attribute_history') }}
),

renamed as (
    select
        case lower(entity)
            when 'account' then 'accounts'
            when 'person' then 'people'
            when 'opportunity' then 'opportunities'
            else lower(entity)
        end as entity,
        {{ source_key('entity_id') }} as entity_id,
        lower(column_name) as column_name,
        old_value,
        new_value,
        changed_at
    from attribute_history
)

select * from renamed
