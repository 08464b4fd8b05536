with

stage_history as (
    select * from {{ source('export', 'stage_history') }}
),

-- Trackers repeat a row when another field changes in the same save: the same stage at the same moment is one change.
deduplicated as (
    select distinct
        entity,
        {{ source_key('entity_id') }} as entity_id,
        stage as source_stage,
        'stage_history' as source_rule,
        false as is_deleted_stage,
        entered_at
    from stage_history
)

select * from deduplicated
