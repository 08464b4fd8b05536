with

activities as (
    {{ union_sources('activities') }}
),

person_links as (
    select * from {{ ref('person_links') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

opportunity_links as (
    select * from {{ ref('opportunity_links') }}
),

people as (
    select
        person_number,
        account_id
    from {{ ref('people') }}
),

opportunities as (
    select
        opportunity_number,
        account_id
    from {{ ref('opportunities') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        activities.source,
        activities.activity_id,
        activities.activity_type,
        activities.direction,
        person_links.person_id,
        opportunity_links.opportunity_id,
        coalesce(account_links.account_id, opportunities.account_id, people.account_id) as account_id,
        activities.owner_id,
        coalesce(activities.is_completed, false) as is_completed,
        activities.person_id is not null and person_links.person_id is null
        or activities.opportunity_id is not null and opportunity_links.opportunity_id is null
        or activities.account_id is not null and account_links.account_id is null as is_unknown_reference,
        activities.occurred_at is null as is_missing_date,
        coalesce(activities.occurred_at::date > run_context.as_of_date, false) as is_after_as_of,
        activities.occurred_at,
        activities.occurred_at::date as occurred_date,
        activities.known_at::date as known_date
    from activities
    cross join run_context
    left join person_links on activities.person_id = person_links.source_person_id
    left join account_links on activities.account_id = account_links.source_account_id
    left join opportunity_links on activities.opportunity_id = opportunity_links.source_opportunity_id
    left join people on person_links.person_number = people.person_number
    left join opportunities on opportunity_links.opportunity_number = opportunities.opportunity_number
)

-- A planned task lies after the as-of date and is no defect: it has not happened yet.
select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
