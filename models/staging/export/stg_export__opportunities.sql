with

opportunities as (
    select * from {{ source('export', 'opportunities') }}
),

renamed as (
    select
        opportunity_id,
        account_id,
        person_id,
        owner_id,
        product_id,
        stage as source_stage,
        opportunity_type as source_opportunity_type,
        lead_source,
        loss_reason,
        upper(currency) as currency,
        {%- for column in custom_columns('opportunities') %}
        {{ column }},
        {%- endfor %}
        amount as source_amount,
        coalesce(is_deleted, false) as is_deleted,
        close_date,
        created_at,
        closed_at,
        changed_at
    from opportunities
)

select * from renamed
