with

stage_exits as (
    select * from {{ ref('stage_exits') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

counted as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        from_stage,
        exit_month,
        count(*) as exit_count,
        sum(outcome_days)::double as stage_days_sum,
        sum(outcome_days * outcome_days)::double as stage_days_square_sum,
        sum(stage_log::decimal(38, 18)) as stage_log_sum,
        sum((stage_log * stage_log)::decimal(38, 18)) as stage_log_square_sum
    from stage_exits
    {{ group_by_each_dimension('from_stage, exit_month') }}  -- noqa: PRS
),

known as (
    select counted.*
    from counted
    inner join lifecycle_stages as from_stages on counted.from_stage = from_stages.stage
    left join dimensions on counted.dimension = dimensions.dimension
    left join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    where counted.dimension = 'all' or from_stages.stage_order >= known_from.stage_order
)

select
    'month' as period_grain,
    exit_month as period_start,
    dimension,
    segment,
    from_stage,
    exit_count,
    stage_days_sum,
    stage_days_square_sum,
    stage_log_sum::double as stage_log_sum,
    stage_log_square_sum::double as stage_log_square_sum
from known
union all
select
    'quarter' as period_grain,
    {{ period_start('exit_month', 'quarter') }} as period_start,
    dimension,
    segment,
    from_stage,
    sum(exit_count)::bigint as exit_count,
    sum(stage_days_sum) as stage_days_sum,
    sum(stage_days_square_sum) as stage_days_square_sum,
    sum(stage_log_sum)::double as stage_log_sum,
    sum(stage_log_square_sum)::double as stage_log_square_sum
from known
group by all
