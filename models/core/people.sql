with

people as (
    select * from {{ ref('stg_export__people') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

stage_map as (
    select * from {{ ref('stage_map') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

flagged as (
    select
        people.person_id,
        people.account_id,
        people.opportunity_id,
        people.owner_id,
        people.title,
        people.persona,
        people.lead_source,
        people.country,
        people.region,
        people.industry,
        people.source_stage,
        {%- for column in custom_columns('people') %}
        people.{{ column }},
        {%- endfor %}
        people.employee_count,
        people.is_deleted,
        people.created_at is null as is_missing_created_date,
        coalesce(people.created_at::date > run_context.as_of_date, false) as is_created_after_as_of,
        people.account_id is not null and accounts.account_id is null as is_unknown_account,
        people.source_stage is not null and stage_map.stage is null as is_unmapped_stage,
        coalesce(people.converted_at < people.created_at, false) as is_converted_before_created,
        people.created_at,
        people.converted_at,
        people.created_at::date as created_date
    from people
    cross join run_context
    left join accounts on people.account_id = accounts.account_id
    left join stage_map
        on stage_map.entity = 'person' and lower(people.source_stage) = lower(stage_map.source_label)
)

select
    *,
    is_deleted or is_created_after_as_of as is_disqualified
from flagged
