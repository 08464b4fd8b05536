-- The var `spine` and the spine stages of the seed are the same stages in the same order.
with

declared as (
    {%- for stage in var('spine') %}
    select
        '{{ stage }}' as stage,
        {{ loop.index }} as position
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

seeded as (
    select
        stage,
        row_number() over (order by stage_order) as position
    from {{ ref('lifecycle_stages') }}
    where kind = 'spine'
)

select
    declared.stage as in_var,
    seeded.stage as in_seed
from declared
full outer join seeded on declared.stage = seeded.stage and declared.position = seeded.position
where declared.stage is null or seeded.stage is null
