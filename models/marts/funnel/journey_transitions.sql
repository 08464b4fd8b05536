{{ config(materialized='view') }}

-- A lead counts in the lead stages whatever kind of deal it becomes: leaving it out for that would select by outcome.
with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' or person_id is not null
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

run_context as (
    select * from {{ ref('run_context') }}
),

entered as (
    {%- for from_stage, to_stage in transitions() %}
    select
        journeys.journey_id,
        journeys.account_id,
        '{{ from_stage }}' as from_stage,
        '{{ to_stage }}' as to_stage,
        {%- for dimension in var('dimensions') %}
        journeys.{{ dimension }},
        {%- endfor %}
        journeys.is_{{ from_stage }}_imputed or journeys.is_{{ to_stage }}_imputed as is_imputed,
        journeys.{{ from_stage }}_date as entered_date,
        journeys.{{ to_stage }}_date as advanced_date,
        journeys.lost_date,
        run_context.as_of_date,
        horizons.horizon_days
    from journeys
    cross join run_context
    cross join horizons
    where
        journeys.{{ from_stage }}_date is not null
        {%- if from_stage in ('opportunity', 'won') %}
        and journeys.is_primary
        and journeys.opportunity_type = 'new_business'
        {%- endif %}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
)

select
    journey_id,
    account_id,
    from_stage,
    to_stage,
    {%- for dimension in var('dimensions') %}
    {{ dimension }},
    {%- endfor %}
    case
        when advanced_date is not null then 'advanced'
        when lost_date is not null then 'lost'
        else 'open'
    end as outcome,
    {{ days_between('entered_date', 'coalesce(advanced_date, lost_date, as_of_date)') }} as outcome_days,
    is_imputed,
    -- Whatever became of it, the record entered long enough ago to be followed to the primary horizon.
    {{ days_between('entered_date', 'as_of_date') }} >= horizon_days as is_mature,
    entered_date,
    {{ period_start('entered_date', 'month') }} as cohort_month
from entered
