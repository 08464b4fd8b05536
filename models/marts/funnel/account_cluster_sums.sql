-- Deals of one account win and lose together. Sums over accounts give the variance between them, for each segment and
-- for the rest of the population, within cohorts that are fully followed to the primary horizon.
with

journey_transitions as (
    select * from {{ ref('journey_transitions') }}
    where from_stage = 'opportunity' and to_stage = 'won'
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

run_context as (
    select as_of_date from {{ ref('run_context') }}
),

grains as (
    {%- for grain in ['month', 'quarter'] %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start('entered_date', grain) }} as period_start,
        coalesce(account_id, journey_id) as cluster_id,
        {%- for dimension in var('dimensions') %}
        {{ dimension }},
        {%- endfor %}
        outcome = 'advanced' and outcome_days <= horizon_days as is_converted
    from journey_transitions
    cross join horizons
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

clusters as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        period_grain,
        period_start,
        cluster_id,
        count(*) as n,
        count(*) filter (where is_converted) as x
    from grains
    {{ group_by_each_dimension('period_grain, period_start, cluster_id') }}  -- noqa: PRS
),

followed as (
    select clusters.*
    from clusters
    cross join horizons
    cross join run_context
    where
        {{ period_end('clusters.period_grain', 'clusters.period_start') }} + horizons.horizon_days
        <= run_context.as_of_date + 1
),

totals as (
    select * from followed
    where dimension = 'all'
),

total_sums as (
    select
        period_grain,
        period_start,
        count(*) as cluster_count,
        sum(n) as n,
        sum(x) as x,
        sum(n * n) as nn,
        sum(n * x) as nx,
        sum(x * x) as xx
    from totals
    group by period_grain, period_start
),

segment_sums as (
    select
        followed.period_grain,
        followed.period_start,
        followed.dimension,
        followed.segment,
        count(*) as cluster_count,
        count(*) filter (where totals.n = followed.n) as whole_cluster_count,
        sum(followed.n) as n,
        sum(followed.x) as x,
        sum(followed.n * followed.n) as nn,
        sum(followed.n * followed.x) as nx,
        sum(followed.x * followed.x) as xx,
        sum(totals.n * followed.n) as total_nn,
        sum(totals.n * followed.x + totals.x * followed.n) as total_nx,
        sum(totals.x * followed.x) as total_xx
    from followed
    inner join totals using (period_grain, period_start, cluster_id)
    where followed.dimension <> 'all'
    group by followed.period_grain, followed.period_start, followed.dimension, followed.segment
)

-- For each account the rest has what the segment leaves of it: sum (N - n)^2 = sum N^2 - 2 sum N n + sum n^2.
select
    segment_sums.period_grain,
    segment_sums.period_start,
    segment_sums.dimension,
    segment_sums.segment,
    segment_sums.cluster_count::double as cluster_count,
    segment_sums.n::double as cluster_n,
    segment_sums.x::double as cluster_x,
    segment_sums.nn::double as cluster_nn,
    segment_sums.nx::double as cluster_nx,
    segment_sums.xx::double as cluster_xx,
    (total_sums.cluster_count - segment_sums.whole_cluster_count)::double as rest_cluster_count,
    (total_sums.n - segment_sums.n)::double as rest_cluster_n,
    (total_sums.x - segment_sums.x)::double as rest_cluster_x,
    (total_sums.nn - 2 * segment_sums.total_nn + segment_sums.nn)::double as rest_cluster_nn,
    (total_sums.nx - segment_sums.total_nx + segment_sums.nx)::double as rest_cluster_nx,
    (total_sums.xx - 2 * segment_sums.total_xx + segment_sums.xx)::double as rest_cluster_xx
from segment_sums
inner join total_sums using (period_grain, period_start)
