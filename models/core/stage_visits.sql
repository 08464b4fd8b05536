with

people as (
    select * from {{ ref('people') }}
    where not is_disqualified
),

opportunities as (
    select * from {{ ref('opportunities') }}
    where not is_disqualified
),

changes as (
    select
        entity,
        entity_id,
        stage,
        source,
        source_stage,
        source_rule,
        is_deleted_stage,
        entered_at
    from {{ ref('stage_changes') }}
    where stage is not null and entered_at is not null and not is_unknown_record
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

tracked as (
    select
        entity,
        entity_id,
        min(entered_at) filter (where stage = 'lead')::date as first_lead_date,
        min(entered_at) filter (where stage = 'opportunity')::date as first_opportunity_date,
        bool_or(stage in ('won', 'lost')) as has_closed,
        bool_or(stage = 'sql') as has_sql
    from changes
    group by entity, entity_id
),

-- A tracker starts with the first change: the stage at creation is known from the record itself.
person_creations as (
    select
        'person' as entity,
        people.person_id as entity_id,
        'lead' as stage,
        null::string as source,
        null::string as source_stage,
        'created_at' as source_rule,
        false as is_deleted_stage,
        people.lead_created_at as entered_at
    from people
    left join tracked on tracked.entity = 'person' and people.person_id = tracked.entity_id
    where
        people.lead_created_at is not null
        and (tracked.first_lead_date is null or people.lead_created_at::date < tracked.first_lead_date)
),

person_conversions as (
    select
        'person' as entity,
        people.person_id as entity_id,
        'sql' as stage,
        null::string as source,
        null::string as source_stage,
        'converted_at' as source_rule,
        false as is_deleted_stage,
        people.converted_at as entered_at
    from people
    left join tracked on tracked.entity = 'person' and people.person_id = tracked.entity_id
    where people.converted_at is not null and not coalesce(tracked.has_sql, false)
),

opportunity_creations as (
    select
        'opportunity' as entity,
        opportunities.opportunity_id as entity_id,
        'opportunity' as stage,
        null::string as source,
        null::string as source_stage,
        'created_at' as source_rule,
        false as is_deleted_stage,
        opportunities.created_at as entered_at
    from opportunities
    left join tracked on tracked.entity = 'opportunity' and opportunities.opportunity_id = tracked.entity_id
    where
        opportunities.created_at is not null
        and (tracked.first_opportunity_date is null or opportunities.created_at::date < tracked.first_opportunity_date)
),

-- The close date of an open deal is a plan, so it counts only where the stage says that the deal is closed. A deal
-- closed before it was created is closed on the day of its creation: its outcome stands, its time does not.
opportunity_closes as (
    select
        'opportunity' as entity,
        opportunities.opportunity_id as entity_id,
        opportunities.current_stage as stage,
        null::string as source,
        opportunities.source_stage,
        case
            when opportunities.is_closed_before_created then 'created_at'
            when opportunities.closed_at is null then 'close_date'
            else 'closed_at'
        end as source_rule,
        false as is_deleted_stage,
        case
            when opportunities.is_closed_before_created then opportunities.created_at
            else coalesce(opportunities.closed_at, opportunities.close_date::timestamp)
        end as entered_at
    from opportunities
    left join tracked on tracked.entity = 'opportunity' and opportunities.opportunity_id = tracked.entity_id
    where
        opportunities.current_stage in ('won', 'lost')
        and not coalesce(tracked.has_closed, false)
        and coalesce(opportunities.closed_at, opportunities.close_date::timestamp) is not null
),

unioned as (
    select * from changes
    union all
    select * from person_creations
    union all
    select * from person_conversions
    union all
    select * from opportunity_creations
    union all
    select * from opportunity_closes
),

-- History of records that do not exist (deleted, later than the as-of date) does not exist either.
entities as (
    select
        'person' as entity,
        person_id as entity_id
    from people
    union all
    select
        'opportunity' as entity,
        opportunity_id as entity_id
    from opportunities
),

existing as (
    select
        unioned.*,
        lifecycle_stages.stage_order
    from unioned
    inner join lifecycle_stages on unioned.stage = lifecycle_stages.stage
    inner join entities on unioned.entity = entities.entity and unioned.entity_id = entities.entity_id
    cross join run_context
    where unioned.entered_at::date <= run_context.as_of_date
),

ordered as (
    select
        *,
        lag(stage) over visits as previous_stage,
        lag(source) over visits as previous_source,
        lag(source_stage) over visits as previous_source_stage
    from existing
    window visits as (
        partition by entity, entity_id order by entered_at, stage_order, source_rule, source_stage, source
    )
),

-- Trackers also write a row when another field changes, and two systems tell of the same step: the same stage again
-- is the same visit.
changed as (
    select * from ordered
    where
        source_stage is null
        or previous_source_stage is null
        or (
            source_stage <> previous_source_stage
            and not (stage = previous_stage and source is distinct from previous_source)
        )
)

select
    entity,
    entity_id,
    stage,
    source,
    source_stage,
    source_rule,
    row_number() over visits as visit_number,
    is_deleted_stage,
    entered_at,
    lead(entered_at) over visits as exited_at,
    entered_at::date as entered_date,
    lead(entered_at::date) over visits as exited_date
from changed
window visits as (
    partition by entity, entity_id order by entered_at, stage_order, source_rule, source_stage, source
)
