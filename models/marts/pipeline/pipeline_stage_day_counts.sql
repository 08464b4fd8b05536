with

pipeline_stage_visits as (
    select * from {{ ref('pipeline_stage_visits') }}
),

journeys as (
    select * from {{ ref('journeys') }}
    where is_primary and opportunity_id is not null
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

run_context as (
    select * from {{ ref('run_context') }}
),

visits as (
    select
        pipeline_stage_visits.stage_key,
        pipeline_stage_visits.outcome,
        {{ days_between(
            'pipeline_stage_visits.entered_date', 'coalesce(pipeline_stage_visits.left_date, run_context.as_of_date)'
        ) }} as outcome_days,
        {{ days_between('pipeline_stage_visits.entered_date', 'run_context.as_of_date') }} >= horizons.horizon_days
            as is_mature,
        {%- for dimension in var('dimensions') %}
        journeys.{{ dimension }},
        {%- endfor %}
        {{ period_start('pipeline_stage_visits.entered_date', 'month') }} as cohort_month
    from pipeline_stage_visits
    inner join journeys on pipeline_stage_visits.opportunity_id = journeys.opportunity_id
    cross join horizons
    cross join run_context
),

counted as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        stage_key,
        cohort_month,
        outcome_days,
        count(*) filter (where outcome = 'advanced') as advanced_count,
        count(*) filter (where outcome = 'lost') as lost_count,
        count(*) filter (where outcome = 'went_back') as back_count,
        count(*) filter (where outcome = 'open') as open_count,
        count(*) filter (where is_mature) as mature_count
    from visits
    {{ group_by_each_dimension('stage_key, cohort_month, outcome_days') }}  -- noqa: PRS
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

-- Segments by quarter: months of a stage of a segment are too thin to say anything.
select
    'month' as period_grain,
    cohort_month as period_start,
    dimension,
    segment,
    stage_key,
    outcome_days,
    advanced_count,
    lost_count,
    back_count,
    open_count,
    mature_count
from known
where dimension = 'all'
union all
select
    'quarter' as period_grain,
    {{ period_start('cohort_month', 'quarter') }} as period_start,
    dimension,
    segment,
    stage_key,
    outcome_days,
    sum(advanced_count)::bigint as advanced_count,
    sum(lost_count)::bigint as lost_count,
    sum(back_count)::bigint as back_count,
    sum(open_count)::bigint as open_count,
    sum(mature_count)::bigint as mature_count
from known
group by all
