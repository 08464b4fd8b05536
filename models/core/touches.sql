with

touches as (
    {{ union_sources('touches') }}
),

account_links as (
    select
        source_account_id,
        account_number
    from {{ ref('account_links') }}
),

people as (
    select
        person_number,
        account_number
    from {{ ref('people') }}
),

-- A touch that names no record may carry the keyed hash of an address.
person_hashes as (
    select
        people.email_hash,
        min(person_links.person_number) as person_number
    from ({{ union_sources('people') }}) as people
    inner join {{ ref('person_links') }} as person_links on people.person_id = person_links.source_person_id
    where people.email_hash is not null
    group by people.email_hash
    having min(person_links.person_number) = max(person_links.person_number)
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        touches.source,
        touches.channel,
        touches.touch_type,
        touches.page,
        touches.campaign_id,
        coalesce(person_links.person_number, person_hashes.person_number) as person_number,
        coalesce(account_links.account_number, people.account_number) as account_number,
        touches.has_responded,
        touches.person_id is not null and person_links.person_number is null
        or touches.account_id is not null and account_links.account_number is null as is_unknown_reference,
        coalesce(
            person_links.person_number, person_hashes.person_number, account_links.account_number
        ) is null as is_anonymous,
        touches.occurred_at is null as is_missing_date,
        coalesce(touches.occurred_at::date > run_context.as_of_date, false) as is_after_as_of,
        touches.occurred_at,
        touches.occurred_at::date as occurred_date
    from touches
    cross join run_context
    left join {{ ref('person_links') }} as person_links on touches.person_id = person_links.source_person_id
    left join account_links on touches.account_id = account_links.source_account_id
    left join person_hashes on touches.person_id is null and touches.email_hash = person_hashes.email_hash
    left join people on coalesce(person_links.person_number, person_hashes.person_number) = people.person_number
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
