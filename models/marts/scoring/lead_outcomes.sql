with

journeys as (
    select * from {{ ref('journeys') }}
    where person_id is not null
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    select value::integer as pql_horizon_days
    from {{ ref('evidence_thresholds') }}
    where threshold = 'pql_horizon_days'
),

signups as (
    select
        entity_id as person_id,
        min(entered_date) as signup_date
    from {{ ref('stage_visits') }}
    where entity = 'person' and stage in ('signup', 'activated', 'pql')
    group by entity_id
)

select
    journeys.person_id,
    journeys.pql_date is not null as is_pql,
    -- Product-qualified leads count from that day, others who signed up from the sign-up.
    coalesce(
        coalesce(journeys.pql_date, signups.signup_date) + thresholds.pql_horizon_days <= run_context.as_of_date, false
    ) as is_followed,
    coalesce(
        journeys.won_date <= coalesce(journeys.pql_date, signups.signup_date) + thresholds.pql_horizon_days, false
    ) as is_won_in_time,
    case when journeys.won_date <= run_context.as_of_date then journeys.won_date end as won_date
from journeys
cross join run_context
cross join thresholds
left join signups on journeys.person_id = signups.person_id
where journeys.won_date is not null or signups.person_id is not null
