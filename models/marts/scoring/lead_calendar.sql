{# Most month ends that any setting of the seed needs; `needed` says how many of them this one does. -#}
{% set most_month_ends = 120 -%}
with

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    select
        max(value) filter (where threshold = 'lead_score_horizon_days')::integer as horizon_days,
        max(value) filter (where threshold = 'lead_score_backtest_months')::integer as backtest_months,
        max(value) filter (where threshold = 'model_training_days')::integer as training_days
    from {{ ref('evidence_thresholds') }}
),

-- Told month ends, the quarter before the earliest of them whose end trained its model, and what that learned from.
needed as (
    select
        horizon_days,
        backtest_months,
        backtest_months + 3 + ceil(training_days / 30.4)::integer as month_ends
    from thresholds
),

first_days as (
    select min(lead_date) as first_lead_date
    from {{ ref('journeys') }}
),

numbers as (
    {{ numbers(most_month_ends) }}
),

-- The last day of each month that is over, newest first.
month_ends as (
    select
        -- Inside a month today is no month end: the last one is a month ago.
        numbers.number
        + case
            when {{ period_start('(run_context.as_of_date + 1)', 'month') }} = run_context.as_of_date + 1 then 0
            else 1
        end as months_ago,
        {{ add_months(period_start('(run_context.as_of_date + 1)', 'month'), '-numbers.number') }} - 1 as snapshot_date,
        true as is_month_end
    from numbers
    cross join run_context
    cross join needed
    where numbers.number <= needed.month_ends
),

dates as (
    select * from month_ends
    union all
    select
        0 as months_ago,
        run_context.as_of_date as snapshot_date,
        false as is_month_end
    from run_context
    where {{ period_start('(run_context.as_of_date + 1)', 'month') }} <> run_context.as_of_date + 1
)

select
    dates.snapshot_date,
    dates.snapshot_date = run_context.as_of_date as is_current,
    dates.is_month_end,
    dates.months_ago <= needed.backtest_months as is_scored,
    -- The model in force is the one of the last quarter that was over.
    {{ period_start('(dates.snapshot_date + 1)', 'quarter') }} - 1 as trained_on_date,
    needed.horizon_days,
    dates.snapshot_date + needed.horizon_days as horizon_end_date
from dates
cross join run_context
cross join needed
cross join first_days
where
    dates.snapshot_date = run_context.as_of_date
    or dates.snapshot_date >= greatest(
        first_days.first_lead_date,
        coalesce(run_context.history_starts_on, first_days.first_lead_date)
    )
