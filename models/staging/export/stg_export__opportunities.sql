with

opportunities as (
    select * from {{ source('export', 'opportunities') }}
),

renamed as (
    select
        opportunity_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('person_id') }} as person_id,
        {{ source_key('crm_opportunity_id') }} as crm_opportunity_id,
        {{ source_key('owner_id') }} as owner_id,
        {{ source_key('product_id') }} as product_id,
        {{ source_key('campaign_id') }} as campaign_id,
        pipeline,
        stage as source_stage,
        opportunity_type as source_opportunity_type,
        lead_source,
        loss_reason,
        competitor,
        forecast_category,
        upper(currency) as currency,
        amount as source_amount,
        probability,
        null::boolean as is_closed,
        null::boolean as is_won,
        coalesce(is_deleted, false) as is_deleted,
        close_date,
        created_at,
        closed_at,
        changed_at,
        {%- for column in custom_columns('opportunities') %}
        {{ column }},
        {%- endfor %}
        0::bigint as duplicate_count
    from opportunities
)

select * from renamed
