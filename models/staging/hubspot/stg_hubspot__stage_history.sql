-- HubSpot tells when a record entered a stage in several places. Of each record and stage the best of them counts, and
-- `source_rule` says which: dates in fields that the mapping names stand beside the others; then hs_v2_date_entered_*,
-- hs_date_entered_*, hs_lifecyclestage_*_date, Fivetran's table of a deal's stages, and the history of the property.
{%- set rules = [
    'custom_field', 'hs_v2_date_entered', 'hs_date_entered', 'hs_lifecyclestage_date', 'stage_history',
    'property_history',
] %}
with

stage_dates as (
    select * from {{ source('hubspot', 'stage_dates') }}
    where table_name in ('contact', 'deal') and entered_at is not null and lower(stage) <> 'current_stage'
),

deal_stages as (
    select * from {{ source('hubspot', 'deal_stage') }}
),

deal_properties as (
    select * from {{ source('hubspot', 'deal_property_history') }}
    where name = 'dealstage'
),

contact_properties as (
    select * from {{ source('hubspot', 'contact_property_history') }}
    where name = 'lifecyclestage'
),

contacts as (
    {{ latest_records(source('hubspot', 'contact'), 'id', 'landed.lastmodifieddate desc nulls last') }}
),

pipeline_stages as (
    select
        *,
        {{ hubspot_in_property_name('stage_id') }} as name_in_property
    from {{ ref('stg_hubspot__pipeline_stages') }}
),

-- Without any stage of a pipeline nothing can be said of those that are gone.
pipelines_known as (
    select count(*) > 0 as is_known from pipeline_stages
),

-- Names of properties have a custom stage's id with underscores, and a number of their own after it.
property_stages as (
    select
        table_name,
        stage,
        rule,
        {{ hubspot_in_property_name('stage') }} as name_in_property,
        regexp_replace({{ hubspot_in_property_name('stage') }}, '_[0-9]+$', '') as name_without_number
    from stage_dates
    group by table_name, stage, rule
),

named_stages as (
    select
        property_stages.table_name,
        property_stages.stage,
        property_stages.rule,
        case
            when property_stages.rule = 'custom_field' then property_stages.stage
            when property_stages.table_name = 'deal'
                then coalesce(exact.source_stage, stripped.source_stage, property_stages.stage)
            when try_cast(property_stages.name_without_number as bigint) is not null
                then property_stages.name_without_number
            else property_stages.stage
        end as source_stage,
        property_stages.table_name = 'deal'
        and property_stages.rule <> 'custom_field'
        and pipelines_known.is_known
        and coalesce(exact.is_deleted_stage, stripped.is_deleted_stage, true) as is_deleted_stage
    from property_stages
    cross join pipelines_known
    left join pipeline_stages as exact
        on property_stages.table_name = 'deal' and property_stages.name_in_property = exact.name_in_property
    left join pipeline_stages as stripped
        on property_stages.table_name = 'deal' and property_stages.name_without_number = stripped.name_in_property
),

deal_changes as (
    select
        deal_id,
        value as stage_id,
        'stage_history' as source_rule,
        date_entered as entered_at
    from deal_stages
    where date_entered is not null and value is not null
    union all
    select
        deal_id,
        value as stage_id,
        'property_history' as source_rule,
        changed_at as entered_at
    from deal_properties
    where changed_at is not null and value is not null
),

unioned as (
    select
        case stage_dates.table_name when 'contact' then 'person' else 'opportunity' end as entity,
        stage_dates.record_id,
        named_stages.source_stage,
        stage_dates.rule as source_rule,
        named_stages.is_deleted_stage,
        stage_dates.entered_at
    from stage_dates
    inner join named_stages
        on
            stage_dates.table_name = named_stages.table_name
            and stage_dates.stage = named_stages.stage
            and stage_dates.rule = named_stages.rule
    union all
    select
        'opportunity' as entity,
        deal_changes.deal_id as record_id,
        coalesce(pipeline_stages.source_stage, deal_changes.stage_id) as source_stage,
        deal_changes.source_rule,
        pipelines_known.is_known and coalesce(pipeline_stages.is_deleted_stage, true) as is_deleted_stage,
        deal_changes.entered_at
    from deal_changes
    cross join pipelines_known
    left join pipeline_stages on deal_changes.stage_id = pipeline_stages.stage_id
    union all
    select
        'person' as entity,
        contact_id as record_id,
        value as source_stage,
        'property_history' as source_rule,
        false as is_deleted_stage,
        changed_at as entered_at
    from contact_properties
    where changed_at is not null and value is not null
),

ranked as (
    select
        *,
        case source_rule {%- for rule in rules %} when '{{ rule }}' then {{ loop.index }} {%- endfor %} end as rule_order
    from unioned
),

best_rules as (
    select
        entity,
        record_id,
        source_stage,
        min(rule_order) as rule_order
    from ranked
    group by entity, record_id, source_stage
),

best as (
    select distinct ranked.*
    from ranked
    inner join best_rules
        on
            ranked.entity = best_rules.entity
            and ranked.record_id = best_rules.record_id
            and ranked.source_stage = best_rules.source_stage
            and ranked.rule_order = best_rules.rule_order
),

-- A contact of the funnel without any date: it is a lead since it was created.
undated as (
    select
        contacts.id as record_id,
        contacts.createdate as entered_at
    from contacts
    where
        lower(contacts.lifecyclestage) in (
            'lead', 'marketingqualifiedlead', 'salesqualifiedlead', 'opportunity', 'customer', 'evangelist'
        )
        and contacts.createdate is not null
        and not exists (
            select 1 from best_rules
            where best_rules.entity = 'person' and best_rules.record_id = contacts.id
        )
)

select
    entity,
    {{ hubspot_key('record_id') }} as entity_id,
    source_stage,
    source_rule,
    is_deleted_stage,
    entered_at
from best
union all
select
    'person' as entity,
    {{ hubspot_key('record_id') }} as entity_id,
    'lead' as source_stage,
    'created_at' as source_rule,
    false as is_deleted_stage,
    entered_at
from undated
