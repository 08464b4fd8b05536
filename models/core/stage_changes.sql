with

stage_history as (
    {{ union_sources('stage_history') }}
),

links as (
    select
        'person' as entity,
        source_person_id as source_entity_id,
        person_number as entity_number
    from {{ ref('person_links') }}
    union all
    select
        'opportunity' as entity,
        source_opportunity_id as source_entity_id,
        opportunity_number as entity_number
    from {{ ref('opportunity_links') }}
),

stage_labels as (
    select * from {{ ref('stage_labels') }}
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    stage_history.entity,
    case when links.entity_number is null then stage_history.entity_id end as unknown_entity_id,
    stage_labels.stage,
    stage_history.source_stage,
    stage_history.source_rule,
    stage_history.source_order,
    links.entity_number,
    coalesce(stage_history.is_deleted_stage, false) as is_deleted_stage,
    stage_labels.stage is null as is_unmapped_stage,
    links.entity_number is null as is_unknown_record,
    stage_history.entered_at is null as is_missing_date,
    coalesce(stage_history.entered_at::date > run_context.as_of_date, false) as is_after_as_of,
    stage_history.entered_at
from stage_history
cross join run_context
left join links
    on stage_history.entity = links.entity and stage_history.entity_id = links.source_entity_id
left join stage_labels
    on
        stage_history.entity = stage_labels.entity
        and lower(stage_history.source_stage) = stage_labels.source_label
