with

support_tickets as (
    {{ union_sources('support_tickets') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

person_links as (
    select * from {{ ref('person_links') }}
),

people as (
    select
        person_id,
        account_id
    from {{ ref('people') }}
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
        coalesce(account_links.account_id, people.account_id) as account_id,
        person_links.person_id,
        support_tickets.priority,
        support_tickets.satisfaction_score,
        support_tickets.is_escalated,
        support_tickets.closed_at,
        coalesce(account_links.account_id, people.account_id) is null as is_missing_account,
        support_tickets.account_id is not null and account_links.account_id is null
        or support_tickets.person_id is not null and person_links.person_id is null as is_unknown_reference,
        coalesce(support_tickets.submitted_at < accounts.created_at, false) as is_before_account,
        coalesce(support_tickets.closed_at < support_tickets.submitted_at, false) as is_closed_before_submitted,
        support_tickets.submitted_at is null as is_missing_date,
        coalesce(support_tickets.submitted_at::date > run_context.as_of_date, false) as is_after_as_of,
        support_tickets.submitted_at
    from support_tickets
    cross join run_context
    left join account_links on support_tickets.account_id = account_links.source_account_id
    left join person_links on support_tickets.person_id = person_links.source_person_id
    left join people on person_links.person_id = people.person_id
    left join accounts on coalesce(account_links.account_id, people.account_id) = accounts.account_id
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
