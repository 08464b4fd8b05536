with

survey_responses as (
    {{ union_sources('survey_responses') }}
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

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        survey_responses.source,
        survey_responses.response_id,
        coalesce(account_links.account_id, people.account_id) as account_id,
        person_links.person_id,
        survey_responses.score,
        coalesce(account_links.account_id, people.account_id) is null as is_missing_account,
        survey_responses.account_id is not null and account_links.account_id is null
        or survey_responses.person_id is not null and person_links.person_id is null as is_unknown_reference,
        coalesce(survey_responses.score not between 0 and 10, false) as is_out_of_scale,
        survey_responses.responded_date is null as is_missing_date,
        coalesce(survey_responses.responded_date > run_context.as_of_date, false) as is_after_as_of,
        survey_responses.responded_date
    from survey_responses
    cross join run_context
    left join account_links on survey_responses.account_id = account_links.source_account_id
    left join person_links on survey_responses.person_id = person_links.source_person_id
    left join people on person_links.person_id = people.person_id
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
