{% set listed_stages = {
    'salesforce': 'stg_salesforce__opportunity_stages', 'hubspot': 'stg_hubspot__pipeline_stages',
} -%}
with

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'opportunity'
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

-- The order in which the CRM lists its stages; a label of several pipelines stands where it stands first.
listed as (
    {%- for source in var('sources') if source in listed_stages %}
    select
        {{ label_key('source_stage') }} as stage_key,
        stage_order
    from {{ ref(listed_stages[source]) }}
    where source_stage is not null
    union all
    {%- endfor %}
    select
        null::string as stage_key,
        null::integer as stage_order
    where 1 = 0
),

listed_orders as (
    select
        stage_key,
        min(stage_order) as listed_order
    from listed
    group by stage_key
),

-- Where a deal was created before its history starts, its first stage has no label of the CRM: our own stands for it.
named as (
    select
        coalesce(stage_visits.source_stage, lifecycle_stages.label) as label,
        stage_visits.stage,
        lifecycle_stages.kind,
        stage_visits.visit_number
    from stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    where lifecycle_stages.kind <> 'outside'
),

spellings as (
    select
        {{ label_key('label') }} as stage_key,
        label,
        min(stage) as stage,
        min(kind) as kind,
        count(*) as visit_count
    from named
    group by label
),

positions as (
    select
        {{ label_key('label') }} as stage_key,
        median(visit_number)::double as median_position
    from named
    group by {{ label_key('label') }}
),

-- One label of several spellings is called by the commonest.
labels as (
    select
        spellings.stage_key,
        max_by(spellings.label, (spellings.visit_count, spellings.label)) as label,
        max_by(spellings.stage, (spellings.visit_count, spellings.label)) as stage,
        max_by(spellings.kind, (spellings.visit_count, spellings.label)) as kind,
        sum(spellings.visit_count)::bigint as visit_count
    from spellings
    group by spellings.stage_key
),

placed as (
    select
        labels.*,
        positions.median_position,
        listed_orders.listed_order
    from labels
    inner join positions on labels.stage_key = positions.stage_key
    left join listed_orders on labels.stage_key = listed_orders.stage_key
),

-- A label that the CRM does not list (any more) follows the listed one that deals reach as late as it.
followers as (
    select
        placed.stage_key,
        max(earlier.listed_order) as listed_order
    from placed
    inner join placed as earlier on placed.median_position >= earlier.median_position
    where placed.listed_order is null and earlier.kind <> 'end' and earlier.stage <> 'won'
    group by placed.stage_key
)

select
    placed.stage_key,
    placed.label,
    placed.stage,
    case when placed.listed_order is null then 'observed' else 'listed' end as order_rule,
    row_number() over (
        order by
            placed.kind = 'end',
            placed.stage = 'won',
            coalesce(placed.listed_order, followers.listed_order, -1),
            placed.listed_order is null,
            placed.median_position,
            placed.stage_key
    ) as stage_order,
    placed.visit_count,
    placed.listed_order is null as is_unlisted
from placed
left join followers on placed.stage_key = followers.stage_key
