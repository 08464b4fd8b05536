-- Cohorts of which every record was followed to the primary horizon, and closed deals of periods that are over: the
-- rates that may be compared over time like with like.
with

conversion_estimates as (
    select * from {{ ref('conversion_estimates') }}
    where within_dimension = 'all'
),

velocity_facts as (
    select * from {{ ref('velocity_facts') }}
    where basis = 'closed'
),

dimension_completeness as (
    select * from {{ ref('dimension_completeness') }}
    where within_dimension = 'all'
),

horizons as (
    select * from {{ ref('horizons') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

unioned as (
    select
        conversion_estimates.period_grain,
        conversion_estimates.period_start,
        conversion_estimates.dimension,
        conversion_estimates.segment,
        conversion_estimates.from_stage || '_to_' || conversion_estimates.to_stage || '_rate' as metric,
        conversion_estimates.horizon_days,
        horizons.is_primary,
        conversion_estimates.entered_count as n,
        conversion_estimates.converted_count,
        coalesce(dimension_completeness.is_missing_by_outcome, false) as is_missing_by_outcome
    from conversion_estimates
    inner join horizons on conversion_estimates.horizon_days = horizons.horizon_days
    left join dimension_completeness using (period_grain, period_start, dimension, from_stage, to_stage)
    union all
    select
        period_grain,
        period_start,
        dimension,
        segment,
        'win_rate' as metric,
        0 as horizon_days,
        true as is_primary,
        qualified_count as n,
        won_count as converted_count,
        false as is_missing_by_outcome
    from velocity_facts
)

select
    unioned.period_grain,
    unioned.period_start,
    unioned.dimension,
    unioned.segment,
    unioned.metric,
    unioned.horizon_days,
    unioned.is_primary,
    unioned.n,
    unioned.converted_count,
    unioned.is_missing_by_outcome
from unioned
cross join run_context
where
    {{ period_end('unioned.period_grain', 'unioned.period_start') }} + unioned.horizon_days
    <= run_context.as_of_date + 1
    and (run_context.history_starts_on is null or unioned.period_start >= run_context.history_starts_on)
