{% set dimension = var('stage_age_dimension') if var('stage_age_dimension') in var('dimensions') else none -%}
-- How long deals that were won in the end stayed in each stage: the smallest number of days that the share
-- stage_age_quantile of them did not exceed. By segment, and for all segments together.
with

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'opportunity' and exited_date is not null
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
    where spine_stage = 'opportunity'
),

journeys as (
    select
        opportunity_number,
        opportunity_type,
        {{ dimension or "'all'" }} as segment
    from {{ ref('journeys') }}
    where is_primary and opportunity_number is not null and won_date is not null
),

quantiles as (
    select value as stage_age_quantile
    from {{ ref('evidence_thresholds') }}
    where threshold = 'stage_age_quantile'
),

durations as (
    select
        journeys.opportunity_type,
        journeys.segment,
        coalesce({{ label_key('stage_visits.source_stage') }}, {{ label_key('lifecycle_stages.label') }}) as stage_key,
        {{ days_between('stage_visits.entered_date', 'stage_visits.exited_date') }} as stage_days,
        count(*) as visit_count
    from stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    inner join journeys on stage_visits.entity_number = journeys.opportunity_number
    group by all
),

counted as (
    select
        opportunity_type,
        stage_key,
        segment,
        stage_days,
        visit_count
    from durations
    union all
    select
        opportunity_type,
        stage_key,
        'all' as segment,
        stage_days,
        sum(visit_count)::bigint as visit_count
    from durations
    where segment <> 'all'
    group by opportunity_type, stage_key, stage_days
),

ranked as (
    select
        *,
        sum(visit_count) over (
            partition by opportunity_type, stage_key, segment
            order by stage_days rows between unbounded preceding and current row
        ) as reached_count,
        sum(visit_count) over (partition by opportunity_type, stage_key, segment) as whole_count
    from counted
    where segment is not null
)

select
    ranked.opportunity_type,
    ranked.stage_key,
    ranked.segment,
    min(ranked.stage_days) filter (
        where ranked.reached_count >= quantiles.stage_age_quantile * ranked.whole_count - 1e-9
    ) as age_limit_days,
    max(ranked.whole_count)::bigint as won_visit_count
from ranked
cross join quantiles
group by ranked.opportunity_type, ranked.stage_key, ranked.segment
