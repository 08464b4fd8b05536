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

campaign_spend as (
    select * from {{ ref('campaign_spend') }}
),

-- What is spent on a channel without a segment is in the total alone.
spend_channels as (
    select * from {{ ref('spend_channels') }}
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
        count(distinct entity_number) + count(distinct entity_id) as record_count
    from segment_memberships
    where segment = 'unmapped'
    group by dimension, source_value
    union all
    select
        'spend channel' as kind,
        campaign_spend.channel as label,
        count(*) as record_count
    from campaign_spend
    left join spend_channels on lower(trim(campaign_spend.channel)) = lower(trim(spend_channels.channel))
    where spend_channels.channel is null and not campaign_spend.is_disqualified and campaign_spend.channel is not null
    group by campaign_spend.channel
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
