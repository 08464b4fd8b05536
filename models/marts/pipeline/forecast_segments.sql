with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and opportunity_date is not null
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

dimension_completeness as (
    select * from {{ ref('dimension_completeness') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

-- What a forecast learns from: the last two years.
recent as (
    select
        journeys.*,
        journeys.won_date is not null as is_won,
        journeys.won_date is not null and coalesce(journeys.amount, 0) <= 0 as is_won_without_amount
    from journeys
    cross join run_context
    where coalesce(journeys.won_date, journeys.lost_date) > {{ add_months('run_context.as_of_date', -24) }}
),

counted as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        count(*) as closed_count,
        count(*) filter (where is_won) as won_count,
        count(*) filter (where is_won_without_amount) as won_without_amount_count
    from recent
    {{ group_by_each_dimension("'recent'") }}  -- noqa: PRS
),

-- A dimension that is filled for one outcome more than for another would tell the outcome.
telling as (
    select
        dimension_completeness.dimension,
        bool_or(dimension_completeness.is_missing_by_outcome) as is_missing_by_outcome
    from dimension_completeness
    cross join run_context
    where
        dimension_completeness.from_stage = 'opportunity'
        and dimension_completeness.to_stage = 'won'
        and dimension_completeness.within_dimension = 'all'
        and dimension_completeness.period_grain = 'quarter'
        and dimension_completeness.period_start > {{ add_months('run_context.as_of_date', -24) }}
    group by dimension_completeness.dimension
)

select
    counted.dimension,
    counted.segment,
    counted.closed_count,
    counted.won_count,
    counted.won_without_amount_count,
    coalesce(telling.is_missing_by_outcome, false) as is_missing_by_outcome
from counted
left join dimensions on counted.dimension = dimensions.dimension
left join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
left join lifecycle_stages as opportunity on opportunity.stage = 'opportunity'
left join telling on counted.dimension = telling.dimension
-- A dimension that is known only later than the opportunity has no open deals.
where counted.dimension = 'all' or known_from.stage_order <= opportunity.stage_order
