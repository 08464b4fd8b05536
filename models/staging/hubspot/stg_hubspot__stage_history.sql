-- HubSpot tells when a record entered a stage in several places. Of each record and stage the best of them counts, and
-- `source_rule` says which: dates in fields that the mapping names stand beside the others; then hs_v2_date_entered_*,
-- hs_date_entered_*, hs_lifecyclestage_*_date, Fivetran's table of a deal's stages, and the history of the property.
-- noqa: disable=LT02
{%- set date_rules = ['custom_field', 'hs_v2_date_entered', 'hs_date_entered', 'hs_lifecyclestage_date'] %}
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
    select * from {{ source('hubspot', 'contact') }}
),

deals as (
    select * from {{ source('hubspot', 'deal') }}
),

pipeline_stages as (
    select * from {{ ref('stg_hubspot__pipeline_stages') }}
),

-- Without any stage of a pipeline nothing can be said of those that are gone.
pipelines_known as (
    select count(*) > 0 as is_known from pipeline_stages
),

stage_ids as (
    select stage_id from pipeline_stages
    union
    select dealstage as stage_id from deals
    union
    select value as stage_id from deal_stages
    union
    select value as stage_id from deal_properties
),

deal_stage_names as (
    select
        {{ hubspot_in_property_name('stage_ids.stage_id') }} as name_in_property,
        min(coalesce(pipeline_stages.source_stage, stage_ids.stage_id)) as source_stage,
        bool_and(coalesce(pipeline_stages.is_deleted_stage, true)) as is_deleted_stage
    from stage_ids
    left join pipeline_stages on stage_ids.stage_id = pipeline_stages.stage_id
    where stage_ids.stage_id is not null
    group by {{ hubspot_in_property_name('stage_ids.stage_id') }}
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
                then coalesce(whole_names.source_stage, stripped_names.source_stage, property_stages.stage)
            when try_cast(property_stages.name_without_number as bigint) is not null
                then property_stages.name_without_number
            else property_stages.stage
        end as source_stage,
        property_stages.table_name = 'deal'
        and property_stages.rule <> 'custom_field'
        and pipelines_known.is_known
        and coalesce(whole_names.is_deleted_stage, stripped_names.is_deleted_stage, true) as is_deleted_stage
    from property_stages
    cross join pipelines_known
    left join deal_stage_names as whole_names
        on property_stages.table_name = 'deal' and property_stages.name_in_property = whole_names.name_in_property
    left join deal_stage_names as stripped_names
        on property_stages.table_name = 'deal' and property_stages.name_without_number = stripped_names.name_in_property
),

-- One moment per record, stage and rule, of which the best rule counts.
dated as (
    select
        case stage_dates.table_name when 'contact' then 'person' else 'opportunity' end as entity,
        stage_dates.record_id,
        named_stages.source_stage,
        {%- for rule in date_rules %}
        min(stage_dates.entered_at) filter (where stage_dates.rule = '{{ rule }}') as {{ rule }}_at,
        {%- endfor %}
        bool_or(named_stages.is_deleted_stage) as is_deleted_stage
    from stage_dates
    inner join named_stages
        on
            stage_dates.table_name = named_stages.table_name
            and stage_dates.stage = named_stages.stage
            and stage_dates.rule = named_stages.rule
    group by stage_dates.table_name, stage_dates.record_id, named_stages.source_stage
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
        deal_properties.deal_id,
        deal_properties.value as stage_id,
        'property_history' as source_rule,
        deal_properties.changed_at as entered_at
    from deal_properties
    left join deal_stages
        on deal_properties.deal_id = deal_stages.deal_id and deal_properties.value = deal_stages.value
    where
        deal_properties.changed_at is not null
        and deal_properties.value is not null
        and deal_stages.date_entered is null
),

changes as (
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

-- A contact of the funnel without any date: it is a lead since it was created.
undated as (
    select
        contacts.id as record_id,
        min(contacts.createdate) as entered_at
    from contacts
    where
        lower(contacts.lifecyclestage) in (
            'lead', 'marketingqualifiedlead', 'salesqualifiedlead', 'opportunity', 'customer', 'evangelist'
        )
        and contacts.createdate is not null
        and not exists (
            select 1 from dated
            where dated.entity = 'person' and dated.record_id = contacts.id
        )
        and not exists (
            select 1 from changes
            where changes.entity = 'person' and changes.record_id = contacts.id
        )
    group by contacts.id
),

unioned as (
    select
        entity,
        record_id,
        source_stage,
        case
            {%- for rule in date_rules %}
            when {{ rule }}_at is not null then '{{ rule }}'
            {%- endfor %}
        end as source_rule,
        is_deleted_stage,
        coalesce({{ date_rules | join('_at, ') }}_at) as entered_at
    from dated
    union all
    select distinct
        changes.entity,
        changes.record_id,
        changes.source_stage,
        changes.source_rule,
        changes.is_deleted_stage,
        changes.entered_at
    from changes
    left join dated
        on
            changes.entity = dated.entity
            and changes.record_id = dated.record_id
            and changes.source_stage = dated.source_stage
    where dated.record_id is null
    union all
    select
        'person' as entity,
        record_id,
        'lead' as source_stage,
        'created_at' as source_rule,
        false as is_deleted_stage,
        entered_at
    from undated
)

select
    entity,
    {{ hubspot_key('record_id') }} as entity_id,
    source_stage,
    source_rule,
    is_deleted_stage,
    entered_at
from unioned
