-- The columns of the var `dimensions` and the rows of the seed are the same dimensions.
with

declared as (
    {%- for dimension in var('dimensions') %}
    select '{{ dimension }}' as dimension
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    declared.dimension as in_var,
    dimensions.dimension as in_seed
from declared
full outer join {{ ref('dimensions') }} as dimensions on declared.dimension = dimensions.dimension
where declared.dimension is null or dimensions.dimension is null
