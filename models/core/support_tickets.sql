with

support_tickets as (
    {{ union_sources('support_tickets') }}
),

-- Of all accounts and people those that are named here, which are few.
named_accounts as (
    select
        account_links.source_account_id,
        account_links.account_id
    from (
        select distinct account_id from support_tickets
        where account_id is not null
    ) as named
    inner join {{ ref('account_links') }} as account_links on named.account_id = account_links.source_account_id
),

named_people as (
    select
        person_links.source_person_id,
        people.person_id,
        people.account_id
    from (
        select distinct person_id from support_tickets
        where person_id is not null
    ) as named
    inner join {{ ref('person_links') }} as person_links on named.person_id = person_links.source_person_id
    inner join {{ ref('people') }} as people on person_links.person_number = people.person_number
),

accounts as (
    select
        account_id,
        created_at
    from {{ ref('accounts') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        support_tickets.source,
        support_tickets.ticket_id,
        coalesce(named_accounts.account_id, named_people.account_id) as account_id,
        named_people.person_id,
        support_tickets.priority,
        support_tickets.satisfaction_score,
        support_tickets.is_escalated,
        support_tickets.closed_at,
        coalesce(named_accounts.account_id, named_people.account_id) is null as is_missing_account,
        support_tickets.account_id is not null and named_accounts.account_id is null
        or support_tickets.person_id is not null and named_people.person_id is null as is_unknown_reference,
        coalesce(support_tickets.submitted_at < accounts.created_at, false) as is_before_account,
        coalesce(support_tickets.closed_at < support_tickets.submitted_at, false) as is_closed_before_submitted,
        support_tickets.submitted_at is null as is_missing_date,
        coalesce(support_tickets.submitted_at::date > run_context.as_of_date, false) as is_after_as_of,
        support_tickets.submitted_at
    from support_tickets
    cross join run_context
    left join named_accounts on support_tickets.account_id = named_accounts.source_account_id
    left join named_people on support_tickets.person_id = named_people.source_person_id
    left join accounts on coalesce(named_accounts.account_id, named_people.account_id) = accounts.account_id
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
