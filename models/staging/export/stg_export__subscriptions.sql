with

subscriptions as (
    select * from {{ source('export', 'subscriptions') }}
),

renamed as (
    select
        subscription_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('product_id') }} as product_id,
        plan,
        status,
        lower(billing_interval) as billing_interval,
        upper(currency) as currency,
        quantity,
        mrr_amount,
        coalesce(is_trial, false) as is_trial,
        coalesce(is_deleted, false) as is_deleted,
        started_date,
        ended_date,
        cancel_date,
        renewal_date,
        created_at
    from subscriptions
)

select * from renamed
