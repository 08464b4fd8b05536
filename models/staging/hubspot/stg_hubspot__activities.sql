-- noqa: disable=LT02
-- An engagement has one person, account and opportunity here: of several the first by id. Deleted ones are left out.
{%- set details = ['call', 'email', 'meeting', 'note', 'task'] %}
{%- set associations = {'contact': 'contacts', 'company': 'companies', 'deal': 'deals'} %}
with

engagements as (
    {{ latest_records(source('hubspot', 'engagement'), 'engagement_id') }}
),

details as (
    {%- for detail in details %}
    select
        *,
        '{{ detail }}' as detail_type
    from ({{ latest_records(source('hubspot', 'engagement_' ~ detail), 'engagement_id') }}) as {{ detail }}_details
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),
{% for table in associations %}
{{ table }}_links as (
    select
        engagement_id,
        min({{ table }}_id) as {{ table }}_id
    from {{ source('hubspot', 'engagement_' ~ table) }}
    where not coalesce(fivetran_deleted, false)
    group by engagement_id
),
{% endfor %}
-- Fivetran has a row in both tables, Airbyte and the API in one of them.
joined as (
    select
        coalesce(details.engagement_id, engagements.engagement_id) as engagement_id,
        coalesce(details.contacts, engagements.contacts) as contacts,
        coalesce(details.companies, engagements.companies) as companies,
        coalesce(details.deals, engagements.deals) as deals,
        coalesce(details.hubspot_owner_id, engagements.hubspot_owner_id) as hubspot_owner_id,
        details.detail_type,
        upper(coalesce(engagements.type, details.type)) as engagement_type,
        upper(coalesce(details.direction, engagements.direction)) as direction,
        upper(coalesce(details.status, engagements.status)) as status,
        coalesce(details.is_deleted, engagements.is_deleted, false)
        or coalesce(details.fivetran_deleted, engagements.fivetran_deleted, false) as is_deleted,
        coalesce(
            details.ended_at, details.hs_timestamp, engagements.hs_timestamp, details.hs_createdate,
            engagements.hs_createdate
        ) as occurred_at,
        coalesce(details.hs_createdate, engagements.hs_createdate) as created_at,
        details.ended_at
    from engagements
    full outer join details on engagements.engagement_id = details.engagement_id
),

typed as (
    select
        *,
        coalesce(
            detail_type,
            case
                when engagement_type in ('CALL', 'MEETING', 'NOTE', 'TASK') then lower(engagement_type)
                when engagement_type like '%EMAIL' then 'email'
            end,
            'other'
        ) as activity_type
    from joined
    where not is_deleted
),

renamed as (
    select
        {{ hubspot_key('typed.engagement_id') }} as activity_id,
        typed.activity_type,
        case
            when typed.direction in ('INBOUND', 'INCOMING_EMAIL') or typed.engagement_type = 'INCOMING_EMAIL'
                then 'inbound'
            when typed.direction in ('OUTBOUND', 'EMAIL') then 'outbound'
        end as direction,
        {%- for table, entity in {'contact': 'person', 'company': 'account', 'deal': 'opportunity'}.items() %}
        {{ hubspot_key(
            "coalesce(" ~ table ~ "_links." ~ table ~ "_id, nullif(regexp_extract(typed." ~ associations[table]
            ~ ", '[A-Za-z0-9_-]+', 0), ''))"
        ) }} as {{ entity }}_id,
        {%- endfor %}
        {{ hubspot_key('typed.hubspot_owner_id') }} as owner_id,
        -- What has no status was written down after it took place; a task has to be ticked off.
        case typed.activity_type
            when 'task' then coalesce(typed.status = 'COMPLETED', false)
            when 'call' then coalesce(typed.status = 'COMPLETED', true)
            when 'meeting' then coalesce(typed.status = 'COMPLETED', true)
            when 'email' then coalesce(typed.status = 'SENT', true)
            else true
        end as is_completed,
        typed.occurred_at,
        -- A task is dated by its plan, a call by its end or by who writes it down afterwards; of a meeting nobody says
        -- when its outcome was noted, only that it was planned.
        case
            when typed.activity_type in ('email', 'meeting', 'note')
                then greatest(typed.occurred_at, coalesce(typed.created_at, typed.occurred_at))
            when typed.activity_type = 'call' and typed.ended_at is not null
                then greatest(typed.ended_at, coalesce(typed.created_at, typed.ended_at))
            when typed.activity_type = 'call' and (typed.status is null or typed.created_at >= typed.occurred_at)
                then greatest(typed.occurred_at, coalesce(typed.created_at, typed.occurred_at))
        end as known_at
    from typed
    {%- for table in associations %}
    left join {{ table }}_links on typed.engagement_id = {{ table }}_links.engagement_id
    {%- endfor %}
)

select * from renamed
