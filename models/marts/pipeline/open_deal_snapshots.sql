{% set has_tier = 'deal_size_tier' in var('dimensions') -%}
with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and opportunity_date is not null
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'opportunity'
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

opportunity_history as (
    select * from {{ ref('opportunity_history') }}
),

snapshots as (
    select distinct
        snapshot_number,
        snapshot_date
    from {{ ref('forecast_calendar') }}
    where is_in_history
),

forecast_amount_fences as (
    select * from {{ ref('forecast_amount_fences') }}
),

telling_tier as (
    select coalesce(bool_or(is_missing_by_outcome), false) as is_missing_by_outcome
    from {{ ref('forecast_segments') }}
    where dimension = 'deal_size_tier'
),

deals as (
    select
        journeys.opportunity_id,
        journeys.opportunity_number,
        journeys.opportunity_date,
        coalesce(journeys.won_date, journeys.lost_date) as closed_date,
        case
            when journeys.won_date is not null then 'won'
            when journeys.lost_date is not null then 'lost'
            else 'open'
        end as last_outcome,
        case when journeys.won_date is not null and journeys.amount > 0 then journeys.amount end as realised_amount,
        {% if has_tier -%}
        case when telling_tier.is_missing_by_outcome then 'all' else coalesce(journeys.deal_size_tier, 'unknown') end
            as tier,
        {%- else -%}
        'all' as tier,
        {%- endif %}
        opportunities.amount as current_amount,
        opportunities.probability as current_probability
    from journeys
    inner join opportunities on journeys.opportunity_number = opportunities.opportunity_number
    cross join telling_tier
),

-- A deal that was reopened has several outcomes: the one that counts is the next after the visit.
visits as (
    select
        stage_visits.entity_number as opportunity_number,
        coalesce(stage_visits.source_stage, 'opportunity') as stage_label,
        stage_visits.entered_date,
        stage_visits.exited_date,
        lifecycle_stages.spine_stage,
        min(case when lifecycle_stages.spine_stage = 'won' then stage_visits.entered_date end) over later
            as next_won_date,
        min(case when lifecycle_stages.kind = 'end' then stage_visits.entered_date end) over later
            as next_ended_date
    from stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    window later as (
        partition by stage_visits.entity_number
        order by stage_visits.entered_date, stage_visits.exited_date nulls last
        rows between 1 following and unbounded following
    )
),

open_visits as (
    select
        *,
        case
            when next_won_date < coalesce(next_ended_date, date '9999-12-31') then 'won'
            when next_ended_date < coalesce(next_won_date, date '9999-12-31') then 'lost'
        end as next_outcome,
        least(next_won_date, next_ended_date) as next_closed_date
    from visits
    where spine_stage = 'opportunity'
),

-- The stage in which a deal was at the end of the snapshot day. A deal that was closed by then is not open.
open_deals as (
    select
        snapshots.snapshot_number,
        snapshots.snapshot_date,
        open_visits.stage_label,
        {{ days_between('open_visits.entered_date', 'snapshots.snapshot_date') }} as age_in_stage_days,
        {{ days_between('snapshots.snapshot_date', 'coalesce(open_visits.next_closed_date, deals.closed_date)') }}
            as exit_days,
        coalesce(open_visits.next_outcome, deals.last_outcome) as outcome,
        deals.*
    from open_visits
    inner join deals on open_visits.opportunity_number = deals.opportunity_number
    inner join snapshots
        on
            open_visits.entered_date <= snapshots.snapshot_date
            and deals.opportunity_date <= snapshots.snapshot_date
            and coalesce(open_visits.exited_date > snapshots.snapshot_date, true)
            and coalesce(
                coalesce(open_visits.next_closed_date, deals.closed_date) > snapshots.snapshot_date, true
            )
),

changes as (
    select
        opportunity_number,
        amount,
        probability,
        count(*) filter (where close_date > previous_close_date) over (
            partition by opportunity_number order by change_number
        ) as push_count,
        close_date,
        changed_at::date as changed_date,
        next_changed_at::date as next_changed_date
    from opportunity_history
),

as_was as (
    select
        open_deals.*,
        changes.opportunity_number is not null as is_as_was,
        changes.push_count,
        changes.close_date,
        case
            when changes.opportunity_number is not null then changes.amount
            when open_deals.snapshot_number = 0 then open_deals.current_amount
        end as as_was_amount,
        case
            when open_deals.snapshot_number = 0 then coalesce(open_deals.current_probability, changes.probability)
            else changes.probability
        end as as_was_probability
    from open_deals
    left join changes
        on
            open_deals.opportunity_number = changes.opportunity_number
            and open_deals.snapshot_date >= changes.changed_date
            and coalesce(open_deals.snapshot_date < changes.next_changed_date, true)
),

-- An amount beyond the outer fence of that day is a slip more likely than a deal.
fenced as (
    select
        as_was.*,
        coalesce(as_was.as_was_amount > forecast_amount_fences.largest_usual_amount, false) as is_extreme_amount
    from as_was
    left join forecast_amount_fences on as_was.snapshot_number = forecast_amount_fences.snapshot_number
)

select
    snapshot_number,
    opportunity_id,
    stage_label,
    tier,
    outcome,
    -- An extreme amount is valued like none.
    case when as_was_amount > 0 and not is_extreme_amount then as_was_amount end as quoted_amount,
    case when outcome = 'won' then coalesce(realised_amount, 0) end as realised_amount,
    case when as_was_probability between 0 and 1 then as_was_probability end as probability,
    age_in_stage_days,
    case
        when age_in_stage_days < 7 then 0
        when age_in_stage_days < 14 then 1
        when age_in_stage_days < 28 then 2
        when age_in_stage_days < 56 then 3
        when age_in_stage_days < 112 then 4
        else 5
    end as age_band,
    least(coalesce(push_count, 0), 2)::integer as push_band,
    case
        when close_date is null then 0
        when close_date <= snapshot_date then 1
        when close_date <= snapshot_date + 30 then 2
        when close_date <= snapshot_date + 60 then 3
        when close_date <= snapshot_date + 90 then 4
        else 5
    end as due_band,
    case when outcome = 'open' then 53 else least((exit_days + 6) // 7, 53) end::integer as exit_week,
    snapshot_number % 3 as phase,
    is_as_was,
    is_extreme_amount,
    snapshot_date,
    close_date
from fenced
