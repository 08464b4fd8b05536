with

products as (
    select * from {{ source('export', 'products') }}
),

renamed as (
    select
        product_id,
        product_name,
        product_series,
        {%- for column in custom_columns('products') %}
        {{ column }},
        {%- endfor %}
        list_price_amount
    from products
)

select * from renamed
