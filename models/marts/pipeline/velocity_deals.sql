{{ config(materialized='view') }}

with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and opportunity_date is not null
),

velocity_horizon as (
    select value as horizon_days
    from {{ ref('evidence_thresholds') }}
    where threshold = 'velocity_horizon_days'
),

-- A negative amount is a refund or a slip, and no size of a deal: it counts as a missing one.
deals as (
    select
        journeys.*,
        case when journeys.amount >= 0 then journeys.amount end as deal_amount,
        case
            when journeys.won_date is not null
                then {{ days_between('journeys.opportunity_date', 'journeys.won_date') }}
        end as cycle_days,
        coalesce(journeys.won_date, journeys.lost_date) as closed_date,
        velocity_horizon.horizon_days
    from journeys
    cross join velocity_horizon
),

-- The two bases are never mixed: opportunities by the month they were opened, and by the month they were closed.
based as (
    select
        journey_id,
        account_id,
        'cohort' as basis,
        {{ period_start('opportunity_date', 'month') }} as month_start,
        {%- for dimension in var('dimensions') %}
        {{ dimension }},
        {%- endfor %}
        deal_amount as amount,
        cycle_days,
        is_opportunity_imputed or is_won_imputed as is_imputed,
        coalesce(cycle_days <= horizon_days, false) as is_won
    from deals
    union all
    select
        journey_id,
        account_id,
        'closed' as basis,
        {{ period_start('closed_date', 'month') }} as month_start,
        {%- for dimension in var('dimensions') %}
        {{ dimension }},
        {%- endfor %}
        deal_amount as amount,
        cycle_days,
        is_opportunity_imputed or is_won_imputed as is_imputed,
        won_date is not null as is_won
    from deals
    where closed_date is not null
),

-- Logarithms of positive amounts, and of days plus one, so that a deal won on its first day has one.
logged as (
    select
        *,
        case when is_won and amount > 0 then ln(amount::double) end as amount_log,
        case when is_won and not is_imputed and cycle_days >= 0 then ln(cycle_days + 1.0) end as cycle_log
    from based
)

select * from logged
