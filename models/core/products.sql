with

products as (
    {{ union_sources('products') }}
)

select
    source,
    product_id,
    product_name,
    product_series,
    {%- for column in custom_columns('products') %}
    {{ column }},
    {%- endfor %}
    list_price_amount
from products
