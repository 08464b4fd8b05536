with

campaign_spend as (
    select * from {{ source('export', 'campaign_spend') }}
),

renamed as (
    select
        {{ source_key('campaign_id') }} as campaign_id,
        channel,
        upper(currency) as currency,
        spend_amount,
        spend_date
    from campaign_spend
)

select * from renamed
