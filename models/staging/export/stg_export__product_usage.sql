with

product_usage as (
    select * from {{ source('export', 'product_usage') }}
),

renamed as (
    select
        usage_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('person_id') }} as person_id,
        subscription_id,
        feature,
        usage_count,
        active_user_count,
        usage_date
    from product_usage
)

select * from renamed
