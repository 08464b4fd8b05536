-- What came into force with the first definitions is no change. Stages, their labels, opportunity types and the primary
-- horizon touch every metric; rules of a dimension, the metrics of that dimension.
with

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

stage_map as (
    select * from {{ ref('stage_map') }}
),

opportunity_types as (
    select * from {{ ref('opportunity_types') }}
),

horizons as (
    select * from {{ ref('horizons') }}
    where is_primary
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

segment_rules as (
    select * from {{ ref('segment_rules') }}
),

metrics as (
    select * from {{ ref('metrics') }}
),

-- No dimension: every one and the total. No metric: every one.
in_force as (
    {%- for relation in ['lifecycle_stages', 'stage_map', 'opportunity_types', 'horizons'] %}
    select
        null::varchar as dimension,
        null::varchar as metric,
        valid_from
    from {{ relation }}
    union all
    {%- endfor %}
    {%- for relation in ['dimensions', 'segment_rules'] %}
    select
        dimension,
        null::varchar as metric,
        valid_from
    from {{ relation }}
    union all
    {%- endfor %}
    select
        null::varchar as dimension,
        metric,
        valid_from
    from metrics
),

first_definitions as (
    select min(valid_from) as valid_from from in_force
),

measured as (
    select
        dimensions.dimension,
        metrics.metric
    from (
        select dimension from dimensions
        union all
        select 'all' as dimension
    ) as dimensions
    cross join metrics
)

select distinct
    measured.dimension,
    measured.metric,
    in_force.valid_from
from measured
inner join in_force
    on
        (in_force.dimension is null or measured.dimension = in_force.dimension)
        and (in_force.metric is null or measured.metric = in_force.metric)
cross join first_definitions
where in_force.valid_from > first_definitions.valid_from
