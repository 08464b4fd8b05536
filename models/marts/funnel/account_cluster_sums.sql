-- Deals of one account win together, and resemble each other in amount and days: a segment's deals are worth fewer than
-- their number. How many fewer follows from how they are spread over accounts, and from how alike the deals of an
-- account are in the whole population. Leads are left out: an account is known for those that were converted.
with

journey_transitions as (
    select * from {{ ref('journey_transitions') }}
    where from_stage = 'opportunity' and to_stage = 'won'
),

stage_exits as (
    select * from {{ ref('stage_exits') }}
    where from_stage = 'opportunity'
),

velocity_deals as (
    select * from {{ ref('velocity_deals') }}
    where basis = 'closed'
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

-- The records of each metric with what is compared of them. Of a cohort that is known for the records that were
-- followed to the horizon; the others count towards the spread.
{%- set metrics = {
    'opportunity_to_won_rate': (
        'journey_transitions cross join horizons', 'cohort_month',
        "case when is_mature then (outcome = 'advanced' and outcome_days <= horizon_days)::integer end", 'true'
    ),
    'opportunity_stage_days': ('stage_exits', 'exit_month', 'stage_log', 'true'),
    'win_rate': ('velocity_deals', 'month_start', 'is_won::integer', 'true'),
    'mean_deal_amount': ('velocity_deals', 'month_start', 'amount_log', 'amount_log is not null'),
    'mean_cycle_days': ('velocity_deals', 'month_start', 'cycle_log', 'cycle_log is not null'),
} %}
records as (
    {%- for metric, (relation, month, value, condition) in metrics.items() %}
    select
        '{{ metric }}' as metric,
        {{ month }} as month_start,
        coalesce(account_id, journey_id) as cluster_id,
        {%- for dimension in var('dimensions') %}
        {{ dimension }},
        {%- endfor %}
        ({{ value }})::double as value
    from {{ relation }}
    where {{ condition }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

grains as (
    {%- for grain in ['month', 'quarter'] %}
    select
        *,
        '{{ grain }}' as period_grain,
        {{ period_start('month_start', grain) }} as period_start
    from records
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

totals as (
    select
        metric,
        period_grain,
        period_start,
        cluster_id,
        count(*) as n,
        count(value) as value_count,
        sum(value::decimal(38, 18))::double as value_sum,
        sum((value * value)::decimal(38, 18))::double as value_square_sum
    from grains
    group by metric, period_grain, period_start, cluster_id
),

total_sums as (
    select
        metric,
        period_grain,
        period_start,
        sum(n) as n,
        sum(n * n) as nn,
        count(*) filter (where value_count > 0) as account_count,
        sum(value_count) as account_n,
        sum(value_count * value_count) as account_nn,
        sum(value_sum::decimal(38, 18))::double as value_sum,
        sum(value_square_sum::decimal(38, 18))::double as value_square_sum,
        sum((value_sum * value_sum / nullif(value_count, 0))::decimal(38, 18))::double as mean_square_sum
    from totals
    group by metric, period_grain, period_start
),

-- Most accounts have one record in a period: they are counted, and only the others are taken account by account.
shared_records as (
    select
        grains.*,
        totals.n as total_n
    from grains
    inner join totals using (metric, period_grain, period_start, cluster_id)
    where totals.n > 1
),

segments as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        metric,
        period_grain,
        period_start,
        count(*) as n
    from grains
    {{ group_by_each_dimension('metric, period_grain, period_start') }}  -- noqa: PRS
),

shared_clusters as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        metric,
        period_grain,
        period_start,
        total_n,
        count(*) as n
    from shared_records
    {{ group_by_each_dimension('metric, period_grain, period_start, cluster_id, total_n') }}  -- noqa: PRS
),

shared_sums as (
    select
        metric,
        period_grain,
        period_start,
        dimension,
        segment,
        sum(n * n - n) as surplus_nn,
        sum(total_n * n - n) as surplus_total_nn
    from shared_clusters
    group by metric, period_grain, period_start, dimension, segment
),

segment_sums as (
    select
        segments.metric,
        segments.period_grain,
        segments.period_start,
        segments.dimension,
        segments.segment,
        segments.n,
        segments.n + coalesce(shared_sums.surplus_nn, 0) as nn,
        segments.n + coalesce(shared_sums.surplus_total_nn, 0) as total_nn
    from segments
    left join shared_sums using (metric, period_grain, period_start, dimension, segment)
    where segments.dimension <> 'all'
)

-- For each account the rest has what the segment leaves of it: sum (N - n)^2 = sum N^2 - 2 sum N n + sum n^2.
select
    segment_sums.period_grain,
    segment_sums.period_start,
    segment_sums.dimension,
    segment_sums.segment,
    segment_sums.metric,
    segment_sums.nn::double / segment_sums.n as account_records,
    (total_sums.nn - 2 * segment_sums.total_nn + segment_sums.nn)::double
    / nullif(total_sums.n - segment_sums.n, 0) as rest_account_records,
    total_sums.account_count::double as account_count,
    total_sums.account_n::double as account_n,
    total_sums.account_nn::double as account_nn,
    total_sums.mean_square_sum - power(total_sums.value_sum, 2) / nullif(total_sums.account_n, 0)
        as between_squares,
    total_sums.value_square_sum - total_sums.mean_square_sum as within_squares
from segment_sums
inner join total_sums using (metric, period_grain, period_start)
