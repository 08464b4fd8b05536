with

survey_responses as (
    {{ union_sources('survey_responses') }}
),

-- Of all accounts and people those that are named here, which are few.
named_accounts as (
    select
        account_links.source_account_id,
        account_links.account_id
    from (
        select distinct account_id from survey_responses
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
        select distinct person_id from survey_responses
        where person_id is not null
    ) as named
    inner join {{ ref('person_links') }} as person_links on named.person_id = person_links.source_person_id
    inner join {{ ref('people') }} as people on person_links.person_number = people.person_number
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        survey_responses.source,
        survey_responses.response_id,
        coalesce(named_accounts.account_id, named_people.account_id) as account_id,
        named_people.person_id,
        survey_responses.score,
        coalesce(named_accounts.account_id, named_people.account_id) is null as is_missing_account,
        survey_responses.account_id is not null and named_accounts.account_id is null
        or survey_responses.person_id is not null and named_people.person_id is null as is_unknown_reference,
        coalesce(survey_responses.score not between 0 and 10, false) as is_out_of_scale,
        survey_responses.responded_date is null as is_missing_date,
        coalesce(survey_responses.responded_date > run_context.as_of_date, false) as is_after_as_of,
        survey_responses.responded_date
    from survey_responses
    cross join run_context
    left join named_accounts on survey_responses.account_id = named_accounts.source_account_id
    left join named_people on survey_responses.person_id = named_people.source_person_id
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
