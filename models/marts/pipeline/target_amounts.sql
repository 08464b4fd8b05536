with

targets as (
    select * from {{ ref('targets') }}
),

exchange_rates as (
    {{ exchange_rate_periods() }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

normalised as (
    select
        targets.period_grain,
        case targets.period_grain
            when 'month' then {{ period_start('targets.period_start', 'month') }}
            else {{ period_start('targets.period_start', 'quarter') }}
        end as period_start,
        coalesce(targets.dimension, 'all') as dimension,
        coalesce(targets.segment, 'all') as segment,
        targets.metric,
        targets.target_amount,
        coalesce(upper(targets.currency), run_context.reporting_currency) as currency,
        targets.valid_from,
        run_context.reporting_currency
    from targets
    cross join run_context
    where targets.valid_from <= run_context.as_of_date
),

-- A target that was replaced is the newer one.
ranked as (
    select
        *,
        row_number() over (
            partition by period_grain, period_start, dimension, segment, metric
            order by valid_from desc, target_amount desc, currency asc
        ) as age_rank
    from normalised
),

newest as (
    select * from ranked
    where age_rank = 1
),

converted as (
    select
        newest.period_grain,
        newest.period_start,
        newest.dimension,
        newest.segment,
        newest.metric,
        (
            newest.target_amount * {{ reporting_rate('newest.currency', 'newest.reporting_currency') }}
        )::decimal(18, 2) as target_amount
    from newest
    {{ join_exchange_rates('newest.currency', 'newest.reporting_currency', 'newest.period_start') }}
),

-- The target of a quarter is its own, or else the sum of its three months.
summed as (
    select
        'quarter' as period_grain,
        {{ period_start('period_start', 'quarter') }} as period_start,
        dimension,
        segment,
        metric,
        sum(target_amount)::decimal(18, 2) as target_amount
    from converted
    where period_grain = 'month'
    group by all
    having count(target_amount) = 3
),

unioned as (
    select * from converted
    union all
    select summed.*
    from summed
    left join converted using (period_grain, period_start, dimension, segment, metric)
    where converted.metric is null
)

select * from unioned
