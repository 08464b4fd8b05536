with

campaigns as (
    select * from {{ source('export', 'campaigns') }}
),

renamed as (
    select
        campaign_id,
        campaign_name,
        channel,
        upper(currency) as currency,
        budget_amount,
        cost_amount,
        started_date,
        ended_date
    from campaigns
)

select * from renamed
