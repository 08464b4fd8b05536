with

products as (
    {{ latest_records(source('stripe', 'product'), 'id', 'landed.updated desc nulls last') }}
),

renamed as (
    select
        {{ stripe_key('id') }} as product_id,
        name as product_name,
        product_series,
        {%- for column in custom_columns('products') %}
        {{ column }},
        {%- endfor %}
        list_price as list_price_amount
    from products
)

select * from renamed
