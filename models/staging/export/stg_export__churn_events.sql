with

churn_events as (
    select * from {{ source('export', 'churn_events') }}
),

renamed as (
    select
        coalesce(churn_event_id, source_file || ':' || source_row) as churn_event_id,
        {{ source_key('account_id') }} as account_id,
        lower(reason) as reason,
        coalesce(is_reactivation, false) as is_reactivation,
        upper(currency) as currency,
        refund_amount,
        churn_date
    from churn_events
)

select * from renamed
