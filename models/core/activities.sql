with

activities as (
    {{ union_sources('activities') }}
),

account_links as (
    select
        source_account_id,
        account_number
    from {{ ref('account_links') }}
),

-- With the account of the record's person or deal: joined to the links, which are narrower than activities.
person_links as (
    select
        person_links.source_person_id,
        person_links.person_number,
        people.account_number,
        case when people.is_unknown_account then people.account_id end as unknown_account_id
    from {{ ref('person_links') }} as person_links
    inner join {{ ref('people') }} as people on person_links.person_number = people.person_number
),

opportunity_links as (
    select
        opportunity_links.source_opportunity_id,
        opportunity_links.opportunity_number,
        opportunities.account_number,
        case when opportunities.is_unknown_account then opportunities.account_id end as unknown_account_id
    from {{ ref('opportunity_links') }} as opportunity_links
    inner join {{ ref('opportunities') }} as opportunities
        on opportunity_links.opportunity_number = opportunities.opportunity_number
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        activities.source,
        activities.activity_type,
        activities.direction,
        activities.owner_id,
        -- The account of a deal or a person that has no record of its own goes by its id: it has no number.
        case
            when coalesce(account_links.account_number, opportunity_links.account_number) is null
                then coalesce(opportunity_links.unknown_account_id, person_links.unknown_account_id)
        end as unknown_account_id,
        person_links.person_number,
        opportunity_links.opportunity_number,
        coalesce(
            account_links.account_number,
            opportunity_links.account_number,
            case when opportunity_links.unknown_account_id is null then person_links.account_number end
        ) as account_number,
        coalesce(activities.is_completed, false) as is_completed,
        activities.person_id is not null and person_links.person_number is null
        or activities.opportunity_id is not null and opportunity_links.opportunity_number is null
        or activities.account_id is not null and account_links.account_number is null as is_unknown_reference,
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
)

-- A planned task lies after the as-of date and is no defect: it has not happened yet.
select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
