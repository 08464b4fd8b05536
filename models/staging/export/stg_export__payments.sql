with

payments as (
    select * from {{ source('export', 'payments') }}
),

renamed as (
    select
        coalesce(payment_id, source_file || ':' || source_row) as payment_id,
        {{ source_key('account_id') }} as account_id,
        subscription_id,
        lower(status) as status,
        upper(currency) as currency,
        amount,
        due_date,
        paid_date
    from payments
)

select * from renamed
