with

accounts as (
    select * from {{ source('export', 'accounts') }}
),

renamed as (
    select
        account_id,
        parent_account_id,
        owner_id,
        industry,
        country,
        region,
        {%- for column in custom_columns('accounts') %}
        {{ column }},
        {%- endfor %}
        employee_count,
        annual_revenue_amount,
        coalesce(is_deleted, false) as is_deleted,
        created_at,
        changed_at
    from accounts
)

select * from renamed
