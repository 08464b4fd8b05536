-- An opportunity holds the API name of its stage, an export may hold the label: both names of a stage are rows.
with

stages as (
    select * from {{ source('salesforce', 'opportunity_stage') }}
),

named as (
    select
        *,
        master_label as source_stage
    from stages
    union all
    select
        *,
        api_name as source_stage
    from stages
)

select
    source_stage,
    sort_order as stage_order,
    is_closed,
    is_won
from named
where source_stage is not null
-- A label that was retired and given again is two stages: the one in use counts.
qualify
    row_number() over (
        partition by lower(source_stage)
        order by coalesce(is_active, true) desc, sort_order asc nulls last, id asc
    ) = 1
