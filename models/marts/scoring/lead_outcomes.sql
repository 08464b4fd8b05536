with

journeys as (
    select * from {{ ref('journeys') }}
    where person_id is not null
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    journeys.person_id,
    journeys.won_date
from journeys
cross join run_context
where journeys.won_date <= run_context.as_of_date
