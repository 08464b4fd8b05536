{{ config(materialized='view') }}

with

run_context as (
    select * from {{ ref('run_context') }}
),

first_days as (
    select min(opportunity_date) as first_opportunity_date
    from {{ ref('journeys') }}
),

velocity_horizon as (
    select max(value)::integer as horizon_days
    from {{ ref('evidence_thresholds') }}
    where threshold = 'velocity_horizon_days'
)

-- Where no deal was opened before the history starts, the first that close are the quick ones. Where deals that were
-- opened earlier are there, as many days of them count.
select
    greatest(
        run_context.history_starts_on,
        least(run_context.history_starts_on, coalesce(first_days.first_opportunity_date, run_context.history_starts_on))
        + velocity_horizon.horizon_days
    ) as closed_starts_on
from run_context
cross join first_days
cross join velocity_horizon
