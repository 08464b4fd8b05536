{{ config(materialized='view') }}

{%- set grains = ['month', 'quarter'] %}
with

deal_values as (
    select * from {{ ref('deal_values') }}
),

pipeline_states as (
    select * from {{ ref('pipeline_states') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

-- A deal that was won was won in the period, whatever was planned; one that was lost is of the period only if planned.
events as (
    select
        deal_number,
        opened_as,
        null::string as closed_as,
        case when opened_as is null then previous_amount end as previous_amount,
        amount,
        case when opened_as is null then previous_close_date end as previous_close_date,
        close_date,
        valid_from as event_date
    from deal_values
    union all
    select
        deal_number,
        null::string as opened_as,
        closed_as,
        amount as previous_amount,
        closed_amount as amount,
        close_date as previous_close_date,
        close_date,
        valid_to as event_date
    from deal_values
    where closed_as is not null
),

-- For each grain: the period of the event, and whether the plan before and after it lies in that period.
{%- for grain in grains %}
{{ grain }}_events as (
    select
        *,
        {{ period_start('event_date', grain) }} as period_start,
        coalesce(
            {{ period_start('previous_close_date', grain) }} = {{ period_start('event_date', grain) }}, false
        ) as was_planned,
        coalesce({{ period_start('close_date', grain) }} = {{ period_start('event_date', grain) }}, false)
            as is_planned
    from events
),
{%- endfor %}

-- Quarters of the open pipeline are sums of months, but for opening and closing.
flows as (
    select
        'open_pipeline' as scope,
        'month' as period_grain,
        period_start,
        deal_number,
        opened_as as flow,
        amount
    from month_events
    where opened_as is not null
    union all
    select
        'open_pipeline' as scope,
        'month' as period_grain,
        period_start,
        deal_number,
        case when coalesce(amount, 0) > coalesce(previous_amount, 0) then 'up' else 'down' end as flow,
        abs(coalesce(amount, 0) - coalesce(previous_amount, 0)) as amount
    from month_events
    where opened_as is null and coalesce(amount, 0) <> coalesce(previous_amount, 0)
    union all
    select
        'open_pipeline' as scope,
        'month' as period_grain,
        period_start,
        deal_number,
        closed_as as flow,
        amount
    from month_events
    where closed_as is not null
    {%- for grain in grains %}
    union all
    select
        'closing_in_period' as scope,
        '{{ grain }}' as period_grain,
        period_start,
        deal_number,
        opened_as as flow,
        amount
    from {{ grain }}_events
    where opened_as is not null and is_planned
    union all
    select
        'closing_in_period' as scope,
        '{{ grain }}' as period_grain,
        period_start,
        deal_number,
        case when coalesce(amount, 0) > coalesce(previous_amount, 0) then 'up' else 'down' end as flow,
        abs(coalesce(amount, 0) - coalesce(previous_amount, 0)) as amount
    from {{ grain }}_events
    where
        opened_as is null and was_planned and is_planned
        and coalesce(amount, 0) <> coalesce(previous_amount, 0)
    union all
    select
        'closing_in_period' as scope,
        '{{ grain }}' as period_grain,
        period_start,
        deal_number,
        'pulled_in' as flow,
        amount
    from {{ grain }}_events
    where opened_as is null and not was_planned and (is_planned or coalesce(closed_as = 'won', false))
    union all
    select
        'closing_in_period' as scope,
        '{{ grain }}' as period_grain,
        period_start,
        deal_number,
        'pushed_out' as flow,
        previous_amount as amount
    from {{ grain }}_events
    where opened_as is null and was_planned and not is_planned
    union all
    select
        'closing_in_period' as scope,
        '{{ grain }}' as period_grain,
        period_start,
        deal_number,
        closed_as as flow,
        amount
    from {{ grain }}_events
    where closed_as is not null and (is_planned or closed_as = 'won')
    {%- endfor %}
),

-- Of the open pipeline the close of a month alone: quarters and openings follow from it.
month_states as (
    select
        *,
        {{ period_start('month_start', 'quarter') }} as quarter_start,
        state_date + 1 as next_start
    from pipeline_states
),

boundaries as (
    select
        'open_pipeline' as scope,
        'month' as period_grain,
        month_start as period_start,
        deal_number,
        'closing' as flow,
        amount
    from month_states
    union all
    select
        'closing_in_period' as scope,
        'month' as period_grain,
        month_start as period_start,
        deal_number,
        'closing' as flow,
        amount
    from month_states
    where {{ period_start('close_date', 'month') }} = month_start
    union all
    select
        'closing_in_period' as scope,
        'month' as period_grain,
        next_start as period_start,
        deal_number,
        'opening' as flow,
        amount
    from month_states
    cross join run_context
    where {{ period_start('close_date', 'month') }} = next_start and state_date < run_context.as_of_date
    union all
    select
        'closing_in_period' as scope,
        'quarter' as period_grain,
        quarter_start as period_start,
        deal_number,
        'closing' as flow,
        amount
    from month_states
    cross join run_context
    where
        {{ period_start('close_date', 'quarter') }} = quarter_start
        and (state_date = run_context.as_of_date or {{ period_start('next_start', 'quarter') }} = next_start)
    union all
    select
        'closing_in_period' as scope,
        'quarter' as period_grain,
        next_start as period_start,
        deal_number,
        'opening' as flow,
        amount
    from month_states
    cross join run_context
    where {{ period_start('close_date', 'quarter') }} = next_start and state_date < run_context.as_of_date
)

select * from flows
union all
select * from boundaries
