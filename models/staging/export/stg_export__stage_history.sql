with

stage_history as (
    select * from {{ source('export', 'stage_history') }}
),

-- Trackers repeat a row when another field changes in the same save: the same stage at the same moment is one change.
deduplicated as (
    select distinct
        entity,
        entity_id,
        stage as source_stage,
        entered_at
    from stage_history
)

select * from deduplicated
