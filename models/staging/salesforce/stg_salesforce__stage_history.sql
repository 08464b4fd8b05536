-- Salesforce writes changes only: the status at creation is known from the record itself. Trackers repeat a row when
-- another field changes in the same save: the same stage at the same moment is one change. Landed tables are named in
-- every place, for as common tables the engine would copy them.
with

stage_dates as (
    select * from {{ source('salesforce', 'stage_dates') }}
),

lead_versions as (
    {{ salesforce_versions('lead', ['status']) }}
),

opportunity_versions as (
    {{ salesforce_versions('opportunity', ['stage_name']) }}
),

unioned as (
    select
        'person' as entity,
        lead_id as entity_id,
        new_value as source_stage,
        'lead_history' as source_rule,
        created_date as entered_at
    from {{ source('salesforce', 'lead_history') }}
    where lower(field) = 'status'
    union all
    select
        'opportunity' as entity,
        opportunity_id as entity_id,
        stage_name as source_stage,
        'opportunity_history' as source_rule,
        created_date as entered_at
    from {{ source('salesforce', 'opportunity_history') }}
    -- What the native history tells, the other trackers would only tell again, at a slightly other moment.
    union all
    select
        'opportunity' as entity,
        opportunity_id as entity_id,
        new_value as source_stage,
        'opportunity_field_history' as source_rule,
        created_date as entered_at
    from {{ source('salesforce', 'opportunity_field_history') }}
    where
        lower(field) = 'stagename'
        and not exists (select 1 from {{ source('salesforce', 'opportunity_history') }})
    union all
    select
        case when table_name = 'opportunity' then 'opportunity' else 'person' end as entity,
        record_id as entity_id,
        stage as source_stage,
        rule as source_rule,
        entered_at
    from stage_dates
    where table_name in ('lead', 'contact', 'opportunity')
    union all
    select
        'person' as entity,
        id as entity_id,
        status as source_stage,
        'lead_snapshot' as source_rule,
        fivetran_start as entered_at
    from lead_versions
    where
        status is distinct from previous_status
        and not exists (select 1 from {{ source('salesforce', 'lead_history') }})
    union all
    select
        'opportunity' as entity,
        id as entity_id,
        stage_name as source_stage,
        'opportunity_snapshot' as source_rule,
        fivetran_start as entered_at
    from opportunity_versions
    where
        stage_name is distinct from previous_stage_name
        and not exists (select 1 from {{ source('salesforce', 'opportunity_history') }})
        and not exists (
            select 1 from {{ source('salesforce', 'opportunity_field_history') }}
            where lower(field) = 'stagename'
        )
)

select distinct
    entity,
    {{ salesforce_key('entity_id') }} as entity_id,
    source_stage,
    source_rule,
    false as is_deleted_stage,
    entered_at
from unioned
where source_stage is not null
