with

touches as (
    select * from {{ source('export', 'touches') }}
),

renamed as (
    select
        coalesce(touch_id, source_file || ':' || source_row) as touch_id,
        {{ source_key('person_id') }} as person_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('campaign_id') }} as campaign_id,
        channel,
        touch_type,
        page,
        email_hash,
        has_responded,
        occurred_at
    from touches
)

select * from renamed
