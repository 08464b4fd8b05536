with

pipeline_stage_visits as (
    select * from {{ ref('pipeline_stage_visits') }}
),

pipeline_stages as (
    select * from {{ ref('pipeline_stages') }}
),

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
),

segment_codes as (
    select * from {{ ref('segment_codes') }}
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
        pipeline_stage_visits.stage_order,
        pipeline_stage_visits.outcome,
        {{ days_between(
            'pipeline_stage_visits.entered_date', 'coalesce(pipeline_stage_visits.left_date, run_context.as_of_date)'
        ) }} as outcome_days,
        {{ days_between('pipeline_stage_visits.entered_date', 'run_context.as_of_date') }} >= horizons.horizon_days
            as is_mature,
        {%- for dimension in var('dimensions') %}
        pipeline_deals.{{ dimension }},
        {%- endfor %}
        {{ period_start('pipeline_stage_visits.entered_date', 'month') }} as cohort_month,
        {{ period_start('pipeline_stage_visits.entered_date', 'quarter') }} as cohort_quarter
    from pipeline_stage_visits
    inner join pipeline_deals on pipeline_stage_visits.deal_number = pipeline_deals.deal_number
    cross join horizons
    cross join run_context
),

-- Segments by quarter: months of a stage of a segment are too thin to say anything.
counted as (
    select
        'month' as period_grain,
        cohort_month as period_start,
        'all' as dimension,
        1 as segment_code,
        stage_order,
        outcome_days,
        outcome,
        is_mature,
        count(*) as visit_count
    from visits
    group by cohort_month, stage_order, outcome_days, outcome, is_mature
    union all
    select
        'quarter' as period_grain,
        cohort_quarter as period_start,
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment(1) }} as segment_code,
        stage_order,
        outcome_days,
        outcome,
        is_mature,
        count(*) as visit_count
    from visits
    {{ group_by_each_dimension('cohort_quarter, stage_order, outcome_days, outcome, is_mature') }}  -- noqa: PRS
),

-- A dimension that is known only later than the opportunity would know the won ones alone.
known as (
    select
        counted.*,
        segment_codes.segment
    from counted
    left join segment_codes
        on counted.dimension = segment_codes.dimension and counted.segment_code = segment_codes.segment_code
    left join dimensions on counted.dimension = dimensions.dimension
    left join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    left join lifecycle_stages as opportunity on opportunity.stage = 'opportunity'
    where counted.dimension = 'all' or known_from.stage_order <= opportunity.stage_order
)

select
    known.period_grain,
    known.period_start,
    known.dimension,
    known.segment,
    pipeline_stages.stage_key,
    known.outcome_days,
    {%- for outcome, column in {
        'advanced': 'advanced', 'lost': 'lost', 'went_back': 'back', 'open': 'open',
    }.items() %}
    coalesce(sum(known.visit_count) filter (where known.outcome = '{{ outcome }}'), 0)::bigint as {{ column }}_count,
    {%- endfor %}
    coalesce(sum(known.visit_count) filter (where known.is_mature), 0)::bigint as mature_count
from known
inner join pipeline_stages on known.stage_order = pipeline_stages.stage_order
group by
    known.period_grain, known.period_start, known.dimension, known.segment, pipeline_stages.stage_key,
    known.outcome_days
