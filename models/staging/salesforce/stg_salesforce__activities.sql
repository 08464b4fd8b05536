-- WhoId is a lead or a contact, WhatId an opportunity, an account or a record of another kind: the first three
-- characters tell. Deleted ones are left out, and the copies of a meeting in the calendars of its other participants.
with

tasks as (
    {{ salesforce_latest('task') }}
),

events as (
    {{ salesforce_latest('event') }}
),

-- A task that is not completed has no moment yet: the planned day stands for it, or its creation.
renamed_tasks as (
    select
        record_key as activity_id,
        case lower(task_subtype)
            when 'call' then 'call'
            when 'email' then 'email'
            when 'listemail' then 'email'
        end as subtype,
        case when call_type is not null then 'call' end as hint,
        'task' as default_type,
        type,
        lower(call_type) as call_direction,
        who_id,
        what_id,
        account_id,
        owner_id,
        coalesce(is_closed, completed_date_time is not null or lower(status) = 'completed') as is_completed,
        coalesce(completed_date_time, activity_date, created_date) as occurred_at,
        case when completed_date_time is not null then greatest(completed_date_time, created_date) end as known_at
    from tasks
    where not {{ salesforce_is_deleted() }}
),

-- An event has no status: it took place unless it lies after the day on which the data ends. It may have been
-- cancelled: what is known, from its day on, is that it was planned.
renamed_events as (
    select
        record_key as activity_id,
        null::string as subtype,
        null::string as hint,
        'meeting' as default_type,
        type,
        null::string as call_direction,
        who_id,
        what_id,
        account_id,
        owner_id,
        true as is_completed,
        coalesce(start_date_time, activity_date_time, activity_date, created_date) as occurred_at,
        greatest(coalesce(start_date_time, activity_date_time, activity_date, created_date), created_date) as known_at
    from events
    where not {{ salesforce_is_deleted() }} and not coalesce(is_child, false)
),

unioned as (
    select * from renamed_tasks
    union all
    select * from renamed_events
)

select
    activity_id,
    coalesce(
        subtype,
        case
            when lower(type) like '%call%' then 'call'
            when lower(type) like '%email%' or lower(type) like '%e-mail%' then 'email'
            when lower(type) like '%meeting%' or lower(type) like '%demo%' then 'meeting'
        end,
        hint,
        default_type
    ) as activity_type,
    case when call_direction in ('inbound', 'outbound') then call_direction end as direction,
    {{ salesforce_key_of('who_id', ['00Q', '003']) }} as person_id,
    coalesce({{ salesforce_key_of('what_id', ['001']) }}, {{ salesforce_key('account_id') }}) as account_id,
    {{ salesforce_key_of('what_id', ['006']) }} as opportunity_id,
    {{ salesforce_key('owner_id') }} as owner_id,
    is_completed,
    occurred_at,
    known_at
from unioned
