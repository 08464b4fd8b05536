with

journey_transitions as (
    select * from {{ ref('journey_transitions') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

-- Pairs of dimensions that a dataset does not have are left out.
dimension_pairs as (
    select
        pairs.dimension,
        pairs.within_dimension
    from {{ ref('dimension_pairs') }} as pairs
    inner join dimensions on pairs.dimension = dimensions.dimension
    inner join dimensions as within_dimensions on pairs.within_dimension = within_dimensions.dimension
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

-- One pass over the journeys counts the total and every dimension.
counted as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        from_stage,
        to_stage,
        cohort_month,
        outcome_days,
        count(*) filter (where outcome = 'advanced') as advanced_count,
        count(*) filter (where outcome = 'advanced' and not is_imputed) as timed_advanced_count,
        count(*) filter (where outcome = 'lost') as lost_count,
        count(*) filter (where outcome = 'open') as open_count,
        count(*) filter (where is_imputed) as imputed_count,
        count(*) filter (where is_mature) as mature_count
    from journey_transitions
    {{ group_by_each_dimension('from_stage, to_stage, cohort_month, outcome_days') }}  -- noqa: PRS
),

paired as (
    select
        dimension_pairs.dimension,
        case dimension_pairs.dimension
            {%- for dimension in var('dimensions') %}
            when '{{ dimension }}' then journey_transitions.{{ dimension }}
            {%- endfor %}
        end as segment,
        dimension_pairs.within_dimension,
        case dimension_pairs.within_dimension
            {%- for dimension in var('dimensions') %}
            when '{{ dimension }}' then journey_transitions.{{ dimension }}
            {%- endfor %}
        end as within_segment,
        from_stage,
        to_stage,
        cohort_month,
        outcome_days,
        count(*) filter (where outcome = 'advanced') as advanced_count,
        count(*) filter (where outcome = 'advanced' and not is_imputed) as timed_advanced_count,
        count(*) filter (where outcome = 'lost') as lost_count,
        count(*) filter (where outcome = 'open') as open_count,
        count(*) filter (where is_imputed) as imputed_count,
        count(*) filter (where is_mature) as mature_count
    from journey_transitions
    cross join dimension_pairs
    group by all
),

unioned as (
    select
        dimension,
        segment,
        'all' as within_dimension,
        'all' as within_segment,
        from_stage,
        to_stage,
        cohort_month,
        outcome_days,
        advanced_count,
        timed_advanced_count,
        lost_count,
        open_count,
        imputed_count,
        mature_count
    from counted
    union all
    select * from paired
),

-- A dimension says nothing of the stages before the one from which it is known.
known as (
    select unioned.*
    from unioned
    inner join lifecycle_stages as from_stages on unioned.from_stage = from_stages.stage
    left join dimensions on unioned.dimension = dimensions.dimension
    left join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    left join dimensions as within_dimensions on unioned.within_dimension = within_dimensions.dimension
    left join lifecycle_stages as within_known_from
        on within_dimensions.known_from_stage = within_known_from.stage
    where
        from_stages.stage_order >= coalesce(known_from.stage_order, 0)
        and from_stages.stage_order >= coalesce(within_known_from.stage_order, 0)
)

select
    'month' as period_grain,
    cohort_month as period_start,
    dimension,
    segment,
    within_dimension,
    within_segment,
    from_stage,
    to_stage,
    outcome_days,
    advanced_count,
    timed_advanced_count,
    lost_count,
    open_count,
    imputed_count,
    mature_count
from known
union all
select
    'quarter' as period_grain,
    {{ period_start('cohort_month', 'quarter') }} as period_start,
    dimension,
    segment,
    within_dimension,
    within_segment,
    from_stage,
    to_stage,
    outcome_days,
    sum(advanced_count)::bigint as advanced_count,
    sum(timed_advanced_count)::bigint as timed_advanced_count,
    sum(lost_count)::bigint as lost_count,
    sum(open_count)::bigint as open_count,
    sum(imputed_count)::bigint as imputed_count,
    sum(mature_count)::bigint as mature_count
from known
group by all
