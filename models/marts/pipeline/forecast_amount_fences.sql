-- What counted as an extreme amount at each snapshot. The flag of `opportunities` is of today: from it an origin of the
-- backtest would know which amounts are unusual among deals that came later.
with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and opportunity_date is not null
),

opportunities as (
    select * from {{ ref('opportunities') }}
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

thresholds as (
    select value as minimum_n
    from {{ ref('evidence_thresholds') }}
    where threshold = 'minimum_n'
),

first_amounts as (
    select
        opportunity_number,
        min_by(amount, change_number) as amount,
        min(changed_at::date) as known_date
    from opportunity_history
    where amount > 0
    group by opportunity_number
),

-- The amount with which a deal became known, to a hundredth of its logarithm. Without a history today's is known today.
known as (
    select
        first_amounts.known_date,
        round(ln(case
            when coalesce(first_amounts.amount, opportunities.amount) > 0
                then coalesce(first_amounts.amount, opportunities.amount)
        end), 2) as amount_log,
        count(*) as deal_count
    from journeys
    inner join opportunities on journeys.opportunity_id = opportunities.opportunity_id
    left join first_amounts on opportunities.opportunity_number = first_amounts.opportunity_number
    group by first_amounts.known_date, amount_log
),

days as (
    select distinct known_date from known
),

first_snapshots as (
    select
        days.known_date,
        max(snapshots.snapshot_number) as snapshot_number
    from days
    inner join snapshots on days.known_date <= snapshots.snapshot_date
    group by days.known_date
),

counted as (
    select
        coalesce(first_snapshots.snapshot_number, 0) as snapshot_number,
        known.amount_log,
        sum(known.deal_count) as deal_count
    from known
    left join first_snapshots on known.known_date = first_snapshots.known_date
    where known.amount_log is not null
    group by coalesce(first_snapshots.snapshot_number, 0), known.amount_log
),

seen as (
    select
        snapshots.snapshot_number,
        counted.amount_log,
        sum(counted.deal_count) as deal_count
    from snapshots
    inner join counted on snapshots.snapshot_number <= counted.snapshot_number
    group by snapshots.snapshot_number, counted.amount_log
),

ranked as (
    select
        snapshot_number,
        amount_log,
        sum(deal_count) over (partition by snapshot_number order by amount_log) as deals_up_to,
        sum(deal_count) over (partition by snapshot_number) as all_deals
    from seen
),

quartiles as (
    select
        snapshot_number,
        max(all_deals) as all_deals,
        min(amount_log) filter (where deals_up_to >= 0.25 * all_deals) as lower_log,
        min(amount_log) filter (where deals_up_to >= 0.75 * all_deals) as upper_log
    from ranked
    group by snapshot_number
)

select
    quartiles.snapshot_number,
    exp(quartiles.upper_log + 3 * (quartiles.upper_log - quartiles.lower_log)) as largest_usual_amount
from quartiles
cross join thresholds
where quartiles.all_deals >= thresholds.minimum_n
