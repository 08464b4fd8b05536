with

opportunity_history as (
    select * from {{ source('export', 'opportunity_history') }}
),

-- Trackers repeat a row when a field changes that is not here.
deduplicated as (
    select distinct
        {{ source_key('opportunity_id') }} as opportunity_id,
        stage as source_stage,
        forecast_category,
        amount as source_amount,
        probability,
        close_date,
        changed_at
    from opportunity_history
)

select * from deduplicated
