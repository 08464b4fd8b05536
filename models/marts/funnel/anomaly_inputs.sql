-- Series by period, oldest first: conversions at the shortest horizon, counts and amounts, of periods that are over.
with

followed_rates as (
    select * from {{ ref('followed_rates') }}
),

segment_scorecards as (
    select * from {{ ref('segment_scorecards') }}
),

metrics as (
    select * from {{ ref('metrics') }}
),

horizons as (
    select min(horizon_days) as horizon_days from {{ ref('horizons') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

rates as (
    select
        followed_rates.period_grain,
        followed_rates.period_start,
        followed_rates.dimension,
        followed_rates.segment,
        followed_rates.metric,
        followed_rates.horizon_days,
        'rate' as kind,
        followed_rates.converted_count::double as value,
        followed_rates.n
    from followed_rates
    inner join horizons
        on followed_rates.horizon_days = horizons.horizon_days or followed_rates.metric = 'win_rate'
),

-- Counts and sums as they are: a period of 7 wins is part of a baseline, though it is not published by itself.
counts as (
    select
        period_grain,
        period_start,
        dimension,
        segment,
        metric,
        0 as horizon_days,
        'count' as kind,
        n::double as value,
        n
    from segment_scorecards
    where basis = 'entered'
),

amounts as (
    select
        period_grain,
        period_start,
        dimension,
        segment,
        'won_amount' as metric,
        0 as horizon_days,
        'amount' as kind,
        amount_sum as value,
        amount_count as n
    from {{ ref('velocity_facts') }}
    where basis = 'closed'
),

unioned as (
    select * from rates
    union all
    select * from counts
    union all
    select * from amounts
)

select
    unioned.period_grain,
    unioned.period_start,
    unioned.dimension,
    unioned.segment,
    unioned.metric,
    unioned.horizon_days,
    unioned.kind,
    unioned.value,
    unioned.n,
    {{ days_between('unioned.period_start', period_end('unioned.period_grain', 'unioned.period_start')) }}
        as period_days
from unioned
inner join metrics on unioned.metric = metrics.metric
cross join run_context
where
    {{ period_end('unioned.period_grain', 'unioned.period_start') }} <= run_context.as_of_date + 1
    and (run_context.history_starts_on is null or unioned.period_start >= run_context.history_starts_on)
