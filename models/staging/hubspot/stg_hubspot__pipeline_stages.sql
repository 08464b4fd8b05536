-- A stage goes by its internal id where that is one of HubSpot's default pipeline and still means the same there, else
-- by its label: a company may rename `closedwon` to anything.
with

pipelines as (
    {{ latest_records(source('hubspot', 'deal_pipeline'), 'pipeline_id') }}
),

stages as (
    {{ latest_records(source('hubspot', 'deal_pipeline_stage'), 'stage_id') }}
),

stage_items as (
    select
        pipeline_id,
        {{ each_json_item('stages') }} as item
    from pipelines
    where stages is not null
),

listed_stages as (
    select
        coalesce({{ json_text('item', '$.stageId') }}, {{ json_text('item', '$.id') }}) as stage_id,
        pipeline_id,
        {{ json_text('item', '$.label') }} as label,
        try_cast({{ json_text('item', '$.displayOrder') }} as integer) as display_order,
        try_cast(
            coalesce({{ json_text('item', '$.metadata.probability') }}, {{ json_text('item', '$.probability') }})
            as double
        ) as probability,
        try_cast(
            coalesce({{ json_text('item', '$.metadata.isClosed') }}, {{ json_text('item', '$.isClosed') }}) as boolean
        ) as is_closed,
        try_cast({{ json_text('item', '$.closedWon') }} as boolean) as closed_won,
        coalesce(try_cast({{ json_text('item', '$.archived') }} as boolean), false)
        or not coalesce(try_cast({{ json_text('item', '$.active') }} as boolean), true) as is_deleted_stage
    from stage_items
),

-- dlt ties a stage to its pipeline by a key of its own.
landed_stages as (
    select
        stages.stage_id,
        coalesce(stages.pipeline_id, parents.pipeline_id) as pipeline_id,
        stages.label,
        stages.display_order,
        stages.probability,
        stages.is_closed,
        stages.closed_won,
        {{ hubspot_is_deleted('stages') }} or not coalesce(stages.is_active, true) as is_deleted_stage
    from stages
    left join pipelines as parents on stages.dlt_parent_id = parents.dlt_id
),

unioned as (
    select * from landed_stages
    union all
    select * from listed_stages
    where
        listed_stages.stage_id not in (
            select landed_stages.stage_id from landed_stages
            where landed_stages.stage_id is not null
        )
),

-- A probability of 1 is won, and of 0 lost: HubSpot has no other word for it in its API.
judged as (
    select
        unioned.stage_id,
        unioned.pipeline_id,
        coalesce(pipelines.label, unioned.pipeline_id) as pipeline,
        unioned.label,
        unioned.display_order as stage_order,
        coalesce(unioned.is_closed, unioned.probability in (0, 1)) as is_closed,
        coalesce(
            unioned.closed_won and coalesce(unioned.is_closed, true),
            coalesce(unioned.is_closed, true) and unioned.probability = 1
        ) as is_won,
        unioned.probability,
        unioned.is_deleted_stage
    from unioned
    left join pipelines on unioned.pipeline_id = pipelines.pipeline_id
),

named as (
    select
        pipeline,
        case
            when
                lower(stage_id) in (
                    'appointmentscheduled', 'qualifiedtobuy', 'presentationscheduled', 'decisionmakerboughtin',
                    'contractsent', 'closedwon', 'closedlost'
                )
                and coalesce(is_closed = (lower(stage_id) in ('closedwon', 'closedlost')), true)
                and coalesce(is_won = (lower(stage_id) = 'closedwon'), true)
                then lower(stage_id)
            else coalesce(label, stage_id)
        end as source_stage,
        stage_order,
        is_closed,
        is_won,
        probability,
        is_deleted_stage,
        stage_id,
        pipeline_id
    from judged
)

select * from named
