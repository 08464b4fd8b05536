with

followed_rates as (
    select * from {{ ref('followed_rates') }}
    where is_primary
),

current_rates as (
    select * from followed_rates
    where dimension <> 'all'
),

-- Each period's rates again under the period that is compared with it.
earlier_rates as (
    select
        'previous' as comparison,
        {{ add_months('period_start', 1) }} as compared_period_start,
        *
    from current_rates
    where period_grain = 'month'
    union all
    select
        'previous' as comparison,
        {{ add_months('period_start', 3) }} as compared_period_start,
        *
    from current_rates
    where period_grain = 'quarter'
    union all
    select
        'year_ago' as comparison,
        {{ add_months('period_start', 12) }} as compared_period_start,
        *
    from current_rates
),

comparisons as (
    select 'previous' as comparison
    union all
    select 'year_ago' as comparison
),

-- The mix to which rates are standardised: all followed periods together, so that it is the same for all of them.
reference_mix as (
    select
        period_grain,
        dimension,
        segment,
        metric,
        sum(n)::bigint as reference_n
    from current_rates
    group by period_grain, dimension, segment, metric
),

paired as (
    select
        coalesce(current_rates.period_grain, earlier_rates.period_grain) as period_grain,
        coalesce(current_rates.period_start, earlier_rates.compared_period_start) as period_start,
        coalesce(current_rates.dimension, earlier_rates.dimension) as dimension,
        coalesce(current_rates.segment, earlier_rates.segment) as segment,
        coalesce(current_rates.metric, earlier_rates.metric) as metric,
        coalesce(current_rates.comparison, earlier_rates.comparison) as comparison,
        coalesce(current_rates.n, 0) as current_n,
        current_rates.converted_count::double / current_rates.n as current_rate,
        coalesce(earlier_rates.n, 0) as previous_n,
        earlier_rates.converted_count::double / earlier_rates.n as previous_rate,
        coalesce(current_rates.is_missing_by_outcome, false)
        or coalesce(earlier_rates.is_missing_by_outcome, false) as is_missing_by_outcome
    from (
        select *
        from current_rates
        cross join comparisons
    ) as current_rates
    full outer join earlier_rates
        on
            current_rates.period_grain = earlier_rates.period_grain
            and current_rates.period_start = earlier_rates.compared_period_start
            and current_rates.dimension = earlier_rates.dimension
            and current_rates.segment = earlier_rates.segment
            and current_rates.metric = earlier_rates.metric
            and current_rates.comparison = earlier_rates.comparison
),

-- Only where both periods have records at all: a period before the first or after the last one is no change.
totals as (
    select
        period_grain,
        period_start,
        dimension,
        metric,
        comparison,
        case
            when comparison = 'year_ago' then {{ add_months('period_start', -12) }}
            when period_grain = 'month' then {{ add_months('period_start', -1) }}
            else {{ add_months('period_start', -3) }}
        end as earlier_start,
        {{ period_end('period_grain', 'period_start') }} as period_end
    from paired
    group by period_grain, period_start, dimension, metric, comparison
    having sum(current_n) > 0 and sum(previous_n) > 0
)

select
    paired.*,
    {{ is_definition_changed('totals', 'totals.earlier_start', 'totals.period_end') }} as is_definition_changed,
    coalesce(reference_mix.reference_n, 0) as reference_n
from paired
inner join totals using (period_grain, period_start, dimension, metric, comparison)
left join reference_mix using (period_grain, dimension, segment, metric)
