with

people as (
    select * from {{ ref('people') }}
    where not is_disqualified
),

opportunities as (
    select * from {{ ref('opportunities') }}
    where not is_disqualified
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

-- Changes are named in every place, for as a common table the engine would copy them.
tracked as (
    select
        entity_number,
        min(entered_at) filter (where stage = 'lead')::date as first_lead_date,
        min(entered_at) filter (where stage = 'opportunity')::date as first_opportunity_date,
        bool_or(stage in ('won', 'lost')) as has_closed,
        bool_or(stage = 'sql') as has_sql
    from {{ ref('stage_changes') }}
    where not is_unmapped_stage and not is_missing_date and not is_unknown_record
    group by entity_number
),

-- A tracker starts with the first change: the stage at creation is known from the record itself.
person_creations as (
    select
        'lead' as stage,
        null::string as source_stage,
        'created_at' as source_rule,
        people.person_number as entity_number,
        people.lead_created_at as entered_at
    from people
    left join tracked on people.person_number = tracked.entity_number
    where
        people.lead_created_at is not null
        and (tracked.first_lead_date is null or people.lead_created_at::date < tracked.first_lead_date)
),

person_conversions as (
    select
        'sql' as stage,
        null::string as source_stage,
        'converted_at' as source_rule,
        people.person_number as entity_number,
        people.converted_at as entered_at
    from people
    left join tracked on people.person_number = tracked.entity_number
    where people.converted_at is not null and not coalesce(tracked.has_sql, false)
),

opportunity_creations as (
    select
        'opportunity' as stage,
        null::string as source_stage,
        'created_at' as source_rule,
        opportunities.opportunity_number as entity_number,
        opportunities.created_at as entered_at
    from opportunities
    left join tracked on opportunities.opportunity_number = tracked.entity_number
    where
        opportunities.created_at is not null
        and (tracked.first_opportunity_date is null or opportunities.created_at::date < tracked.first_opportunity_date)
),

-- The close date of an open deal is a plan, so it counts only where the stage says that the deal is closed. A deal
-- closed before it was created is closed on the day of its creation: its outcome stands, its time does not.
opportunity_closes as (
    select
        opportunities.current_stage as stage,
        opportunities.source_stage,
        case
            when opportunities.is_closed_before_created then 'created_at'
            when opportunities.closed_at is null then 'close_date'
            else 'closed_at'
        end as source_rule,
        opportunities.opportunity_number as entity_number,
        case
            when opportunities.is_closed_before_created then opportunities.created_at
            else coalesce(opportunities.closed_at, opportunities.close_date::timestamp)
        end as entered_at
    from opportunities
    left join tracked on opportunities.opportunity_number = tracked.entity_number
    where
        opportunities.current_stage in ('won', 'lost')
        and not coalesce(tracked.has_closed, false)
        and coalesce(opportunities.closed_at, opportunities.close_date::timestamp) is not null
),

untracked as (
    select * from person_creations
    union all
    select * from person_conversions
    union all
    select * from opportunity_creations
    union all
    select * from opportunity_closes
),

said as (
    select
        stage,
        source_order,
        source_stage,
        source_rule,
        is_deleted_stage
    from {{ ref('stage_changes') }}
    where not is_unmapped_stage and not is_missing_date and not is_unknown_record
    group by stage, source_order, source_stage, source_rule, is_deleted_stage
    union
    select
        stage,
        null::integer as source_order,
        source_stage,
        source_rule,
        false as is_deleted_stage
    from untracked
    group by stage, source_stage, source_rule
),

-- What changes say, few texts of many rows: as numbers, in the order in which those of one moment count, they sort and
-- compare many times faster.
labels as (
    select
        said.*,
        row_number() over (
            order by
                lifecycle_stages.stage_order, said.source_rule, said.source_stage nulls last,
                said.source_order nulls last, said.stage, said.is_deleted_stage
        )::integer as label_number
    from said
    inner join lifecycle_stages on said.stage = lifecycle_stages.stage
),

-- Changes meet their labels before they are put together: the engine compares the stored texts by their dictionary.
numbered as (
    select
        stage_changes.entity_number,
        labels.label_number,
        stage_changes.entered_at
    from {{ ref('stage_changes') }} as stage_changes
    inner join labels
        on
            stage_changes.stage = labels.stage
            and stage_changes.source_order = labels.source_order
            and stage_changes.source_stage is not distinct from labels.source_stage
            and stage_changes.source_rule = labels.source_rule
            and stage_changes.is_deleted_stage = labels.is_deleted_stage
    where
        not stage_changes.is_unknown_record
        and not stage_changes.is_missing_date
        and not stage_changes.is_after_as_of
    union all
    select
        untracked.entity_number,
        labels.label_number,
        untracked.entered_at
    from untracked
    inner join labels
        on
            untracked.stage = labels.stage
            and labels.source_order is null
            and untracked.source_stage is not distinct from labels.source_stage
            and untracked.source_rule = labels.source_rule
    cross join run_context
    where untracked.entered_at::date <= run_context.as_of_date
),

ordered as (
    select
        *,
        lag(label_number) over (partition by entity_number order by entered_at, label_number) as previous_label_number
    from numbered
),

-- Trackers also write a row when another field changes, and two systems tell of the same step: the same stage again
-- is the same visit.
repeated as (
    select
        labels.label_number,
        previous_labels.label_number as previous_label_number
    from labels
    inner join labels as previous_labels
        on
            labels.source_stage = previous_labels.source_stage
            or (
                labels.source_stage is not null
                and previous_labels.source_stage is not null
                and labels.stage = previous_labels.stage
                and labels.source_order is distinct from previous_labels.source_order
            )
),

changed as (
    select
        ordered.entity_number,
        ordered.label_number,
        ordered.entered_at
    from ordered
    left join repeated
        on
            ordered.label_number = repeated.label_number
            and ordered.previous_label_number = repeated.previous_label_number
    where repeated.label_number is null
),

visits as (
    select
        entity_number,
        label_number,
        row_number() over by_entity as visit_number,
        entered_at,
        lead(entered_at) over by_entity as exited_at
    from changed
    window by_entity as (partition by entity_number order by entered_at, label_number)
),

-- History of records that do not exist (deleted, later than the as-of date) does not exist either.
entities as (
    select
        'person' as entity,
        person_number as entity_number
    from people
    union all
    select
        'opportunity' as entity,
        opportunity_number as entity_number
    from opportunities
)

select
    entities.entity,
    labels.stage,
    labels.source_stage,
    labels.source_rule,
    visits.entity_number,
    visits.visit_number,
    labels.is_deleted_stage,
    visits.entered_at::date as entered_date,
    visits.exited_at::date as exited_date
from visits
inner join labels on visits.label_number = labels.label_number
inner join entities on visits.entity_number = entities.entity_number
