{% set pipeline_stages = {
    'salesforce': 'stg_salesforce__opportunity_stages', 'hubspot': 'stg_hubspot__pipeline_stages',
} -%}
with

stage_map as (
    select * from {{ ref('stage_map') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

-- What the CRM itself says of its stages, for labels that stage_map leaves out.
pipeline_stages as (
    {%- for source in var('sources') if source in pipeline_stages %}
    select
        lower(source_stage) as source_label,
        is_closed,
        is_won
    from {{ ref(pipeline_stages[source]) }}
    where source_stage is not null
    union all
    {%- endfor %}
    select
        null::string as source_label,
        null::boolean as is_closed,
        null::boolean as is_won
    where 1 = 0
),

mapped_labels as (
    select lower(source_label) as source_label
    from stage_map
    where entity = 'opportunity'
),

entities as (
    select unnest(['person', 'opportunity']) as entity
),

declared as (
    select
        source_label,
        case
            when bool_and(coalesce(is_won, false)) then 'won'
            when bool_and(coalesce(is_closed, false)) then 'lost'
            else 'opportunity'
        end as stage
    from pipeline_stages
    group by source_label
    having bool_and(coalesce(is_won, false)) = bool_or(coalesce(is_won, false))
),

unioned as (
    select
        entity,
        lower(source_label) as source_label,
        stage,
        'stage_map' as rule
    from stage_map
    union all
    select
        'opportunity' as entity,
        source_label,
        stage,
        'pipeline_stage' as rule
    from declared
    where source_label not in (select mapped_labels.source_label from mapped_labels)
    union all
    -- Stage dates in fields of their own name our stages.
    select
        entities.entity,
        lifecycle_stages.stage as source_label,
        lifecycle_stages.stage,
        'own_name' as rule
    from lifecycle_stages
    cross join entities
    left join stage_map
        on entities.entity = stage_map.entity and lifecycle_stages.stage = lower(stage_map.source_label)
    where stage_map.stage is null
)

select * from unioned
qualify row_number() over (partition by entity, source_label order by rule = 'stage_map' desc, rule asc) = 1
