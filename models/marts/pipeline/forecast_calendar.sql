{# Three years: two to learn from before the earliest of twelve origins. -#}
{% set snapshots = 37 -%}
with

run_context as (
    select * from {{ ref('run_context') }}
),

first_days as (
    select min(opportunity_date) as first_opportunity_date
    from {{ ref('journeys') }}
),

numbers as (
    {{ numbers(snapshots) }}
),

-- The day after the as-of date, and the same day of each month before: the first day that a forecast does not know.
next_days as (
    select
        numbers.number as snapshot_number,
        run_context.as_of_date,
        run_context.as_of_date + 1 as current_next_day,
        {{ add_months('(run_context.as_of_date + 1)', '-numbers.number') }} as next_day,
        coalesce(run_context.history_starts_on, first_days.first_opportunity_date) as history_start
    from numbers
    cross join run_context
    cross join first_days
),

windows as (
    select
        *,
        'month' as target_period,
        {{ period_start('current_next_day', 'month') }} as current_start,
        1 as months
    from next_days
    union all
    select
        *,
        'quarter' as target_period,
        {{ period_start('current_next_day', 'quarter') }} as current_start,
        3 as months
    from next_days
),

-- Every origin forecasts from the same place in its window as today's forecast does: months are shifted as a whole, so
-- that only every third of the quarters is a fiscal quarter.
shifted as (
    select
        snapshot_number,
        as_of_date,
        history_start,
        target_period,
        next_day,
        {{ add_months('current_start', '-snapshot_number') }} as window_start,
        {{ add_months('current_start', 'months - snapshot_number') }} as window_end_day
    from windows
    union all
    select
        snapshot_number,
        as_of_date,
        history_start,
        'next_60_days' as target_period,
        next_day,
        next_day as window_start,
        next_day + 60 as window_end_day
    from next_days
)

select
    snapshot_number,
    target_period,
    window_end_day - 1 <= as_of_date as is_complete,
    next_day - 1 >= history_start as is_in_history,
    {{ add_months('next_day', -3) }} >= history_start as has_last_quarter,
    next_day - 1 as snapshot_date,
    history_start as history_start_date,
    window_start as window_start_date,
    window_end_day - 1 as window_end_date,
    {{ add_months('next_day', -3) }} as last_quarter_start_date,
    {{ add_months('window_end_day', -3) }} - 1 as last_quarter_end_date
from shifted
