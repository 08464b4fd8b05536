with

owners as (
    {{ union_sources('owners') }}
)

select
    source,
    owner_id,
    owner_name,
    team,
    manager,
    region,
    {%- for column in custom_columns('owners') %}
    {{ column }},
    {%- endfor %}
    is_active
from owners
