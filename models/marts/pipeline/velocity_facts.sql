with

velocity_deals as (
    select * from {{ ref('velocity_deals') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

-- Sums of decimals and integers until the last step, for the same rows must give the same release.
counted as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        basis,
        month_start,
        count(*) as qualified_count,
        count(*) filter (where is_won) as won_count,
        count(amount) filter (where is_won) as amount_count,
        coalesce(sum(amount) filter (where is_won), 0) as amount_sum,
        coalesce(sum(amount::decimal(38, 2) * amount) filter (where is_won), 0) as amount_square_sum,
        count(amount_log) as amount_log_count,
        coalesce(sum(amount_log::decimal(38, 18)), 0) as amount_log_sum,
        coalesce(sum((amount_log * amount_log)::decimal(38, 18)), 0) as amount_log_square_sum,
        count(*) filter (where is_won and not is_imputed) as cycle_count,
        coalesce(sum(cycle_log::decimal(38, 18)), 0) as cycle_log_sum,
        coalesce(sum((cycle_log * cycle_log)::decimal(38, 18)), 0) as cycle_log_square_sum,
        coalesce(sum(cycle_days) filter (where is_won and not is_imputed), 0) as cycle_days_sum,
        coalesce(sum(cycle_days * cycle_days) filter (where is_won and not is_imputed), 0) as cycle_days_square_sum,
        count(*) filter (where amount_log is not null and cycle_log is not null) as pair_log_count,
        coalesce(sum(amount_log::decimal(38, 18)) filter (where cycle_log is not null), 0) as pair_amount_log_sum,
        coalesce(sum((amount_log * amount_log)::decimal(38, 18)) filter (where cycle_log is not null), 0)
            as pair_amount_log_square_sum,
        coalesce(sum(cycle_log::decimal(38, 18)) filter (where amount_log is not null), 0) as pair_cycle_log_sum,
        coalesce(sum((cycle_log * cycle_log)::decimal(38, 18)) filter (where amount_log is not null), 0)
            as pair_cycle_log_square_sum,
        coalesce(sum((amount_log * cycle_log)::decimal(38, 18)), 0) as pair_log_product_sum,
        count(amount) filter (where is_won and not is_imputed) as pair_count,
        coalesce(sum(amount) filter (where is_won and not is_imputed), 0) as pair_amount_sum,
        coalesce(sum(cycle_days) filter (where is_won and not is_imputed and amount is not null), 0)
            as pair_cycle_days_sum,
        coalesce(sum(amount * cycle_days) filter (where is_won and not is_imputed), 0)
            as pair_amount_cycle_days_sum
    from velocity_deals
    {{ group_by_each_dimension('basis, month_start') }}  -- noqa: PRS
),

-- A dimension that is known only later than the opportunity would know the won ones alone.
known as (
    select counted.*
    from counted
    left join dimensions on counted.dimension = dimensions.dimension
    left join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    left join lifecycle_stages as opportunity on opportunity.stage = 'opportunity'
    where counted.dimension = 'all' or known_from.stage_order <= opportunity.stage_order
)

select
    'month' as period_grain,
    month_start as period_start,
    dimension,
    segment,
    basis,
    qualified_count,
    won_count,
    amount_count,
    amount_sum::double as amount_sum,
    amount_square_sum::double as amount_square_sum,
    amount_log_count,
    amount_log_sum::double as amount_log_sum,
    amount_log_square_sum::double as amount_log_square_sum,
    cycle_log_sum::double as cycle_log_sum,
    cycle_log_square_sum::double as cycle_log_square_sum,
    cycle_count,
    cycle_days_sum::double as cycle_days_sum,
    cycle_days_square_sum::double as cycle_days_square_sum,
    pair_log_count,
    pair_amount_log_sum::double as pair_amount_log_sum,
    pair_amount_log_square_sum::double as pair_amount_log_square_sum,
    pair_cycle_log_sum::double as pair_cycle_log_sum,
    pair_cycle_log_square_sum::double as pair_cycle_log_square_sum,
    pair_log_product_sum::double as pair_log_product_sum,
    pair_count,
    pair_amount_sum::double as pair_amount_sum,
    pair_cycle_days_sum::double as pair_cycle_days_sum,
    pair_amount_cycle_days_sum::double as pair_amount_cycle_days_sum
from known
union all
select
    'quarter' as period_grain,
    {{ period_start('month_start', 'quarter') }} as period_start,
    dimension,
    segment,
    basis,
    sum(qualified_count)::bigint as qualified_count,
    sum(won_count)::bigint as won_count,
    sum(amount_count)::bigint as amount_count,
    sum(amount_sum)::double as amount_sum,
    sum(amount_square_sum)::double as amount_square_sum,
    sum(amount_log_count)::bigint as amount_log_count,
    sum(amount_log_sum)::double as amount_log_sum,
    sum(amount_log_square_sum)::double as amount_log_square_sum,
    sum(cycle_log_sum)::double as cycle_log_sum,
    sum(cycle_log_square_sum)::double as cycle_log_square_sum,
    sum(cycle_count)::bigint as cycle_count,
    sum(cycle_days_sum)::double as cycle_days_sum,
    sum(cycle_days_square_sum)::double as cycle_days_square_sum,
    sum(pair_log_count)::bigint as pair_log_count,
    sum(pair_amount_log_sum)::double as pair_amount_log_sum,
    sum(pair_amount_log_square_sum)::double as pair_amount_log_square_sum,
    sum(pair_cycle_log_sum)::double as pair_cycle_log_sum,
    sum(pair_cycle_log_square_sum)::double as pair_cycle_log_square_sum,
    sum(pair_log_product_sum)::double as pair_log_product_sum,
    sum(pair_count)::bigint as pair_count,
    sum(pair_amount_sum)::double as pair_amount_sum,
    sum(pair_cycle_days_sum)::double as pair_cycle_days_sum,
    sum(pair_amount_cycle_days_sum)::double as pair_amount_cycle_days_sum
from known
group by all
