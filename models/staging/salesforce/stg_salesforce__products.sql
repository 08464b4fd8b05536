-- noqa: disable=LT02
with

products as (
    {{ salesforce_latest('product2') }}
),

renamed as (
    select
        record_key as product_id,
        name as product_name,
        family as product_series,
        list_price as list_price_amount
        {%- for column in custom_columns('products') %},
        {{ column }}
        {%- endfor %}
    from products
)

select * from renamed
