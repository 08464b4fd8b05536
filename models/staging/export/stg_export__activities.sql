with

activities as (
    select * from {{ source('export', 'activities') }}
),

renamed as (
    select
        coalesce(activity_id, source_file || ':' || source_row) as activity_id,
        case
            when lower(activity_type) in ('call', 'email', 'meeting', 'task', 'note') then lower(activity_type)
            when lower(activity_type) like '%call%' then 'call'
            when lower(activity_type) like '%mail%' then 'email'
            when lower(activity_type) like '%meeting%' or lower(activity_type) like '%demo%' then 'meeting'
            else 'other'
        end as activity_type,
        case when lower(direction) in ('inbound', 'outbound') then lower(direction) end as direction,
        {{ source_key('person_id') }} as person_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('opportunity_id') }} as opportunity_id,
        {{ source_key('owner_id') }} as owner_id,
        coalesce(is_completed, true) as is_completed,
        occurred_at,
        -- What has no status was written down after it took place. A status is that of the day of the export.
        case
            when lower(activity_type) like '%mail%' or lower(activity_type) like '%meeting%'
                or lower(activity_type) like '%demo%' or lower(direction) = 'inbound' or is_completed is null
                then occurred_at
            when completed_at is not null then greatest(occurred_at, completed_at)
        end as known_at
    from activities
)

select * from renamed
