with

stage_changes as (
    select * from {{ ref('stage_changes') }}
),

people as (
    select * from {{ ref('people') }}
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

segment_memberships as (
    select * from {{ ref('segment_memberships') }}
),

unioned as (
    select
        entity || ' stage history' as kind,
        source_stage as label,
        count(*) as record_count
    from stage_changes
    where is_unmapped_stage
    group by entity, source_stage
    union all
    select
        'person stage' as kind,
        source_stage as label,
        count(*) as record_count
    from people
    where is_unmapped_stage
    group by source_stage
    union all
    select
        'opportunity stage' as kind,
        source_stage as label,
        count(*) as record_count
    from opportunities
    where is_unmapped_stage
    group by source_stage
    union all
    select
        'opportunity type' as kind,
        source_opportunity_type as label,
        count(*) as record_count
    from opportunities
    where is_unmapped_type
    group by source_opportunity_type
    union all
    select
        dimension as kind,
        source_value as label,
        count(distinct entity_id) as record_count
    from segment_memberships
    where segment = 'unmapped'
    group by dimension, source_value
),

minimum as (
    select value as minimum_n from {{ ref('evidence_thresholds') }}
    where threshold = 'minimum_n'
)

-- A label of fewer records could be what somebody typed about a person.
select
    unioned.kind,
    case when unioned.record_count >= minimum.minimum_n then unioned.label else 'rare labels' end as label,
    count(*) as label_count,
    sum(unioned.record_count)::bigint as record_count
from unioned
cross join minimum
group by
    unioned.kind,
    case when unioned.record_count >= minimum.minimum_n then unioned.label else 'rare labels' end
