with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and opportunity_date is not null
),

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'opportunity' and stage = 'opportunity' and source_stage is not null
),

thresholds as (
    {{ evidence_thresholds() }}
),

closed as (
    select
        opportunity_number,
        won_date is not null as is_won
    from journeys
    where won_date is not null or lost_date is not null
),

overall as (
    select
        count(*) as closed_count,
        count(*) filter (where is_won) as won_count
    from closed
),

visited as (
    select distinct
        entity_number as opportunity_number,
        lower(source_stage) as source_stage
    from stage_visits
),

stages as (
    select
        visited.source_stage,
        count(closed.opportunity_number) as closed_count,
        count(closed.opportunity_number) filter (where closed.is_won) as won_count
    from visited
    left join closed on visited.opportunity_number = closed.opportunity_number
    group by visited.source_stage
),

rated as (
    select * from stages
    union all
    select
        'any stage' as source_stage,
        closed_count,
        won_count
    from overall
)

-- Too few closed deals tell nothing of a stage: then all closed deals stand for it.
select
    rated.source_stage,
    rated.closed_count,
    rated.won_count,
    case
        when rated.closed_count >= thresholds.minimum_n then rated.won_count::double / rated.closed_count
        when overall.closed_count >= thresholds.minimum_n then overall.won_count::double / overall.closed_count
    end as win_rate
from rated
cross join overall
cross join thresholds
