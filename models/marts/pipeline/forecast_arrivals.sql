with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and opportunity_date is not null
),

snapshots as (
    select distinct
        snapshot_number,
        snapshot_date,
        history_start_date
    from {{ ref('forecast_calendar') }}
),

months as (
    select
        snapshot_number,
        lead(snapshot_date) over (order by snapshot_number) as after_date,
        snapshot_date,
        history_start_date
    from snapshots
)

-- The month that ends with the snapshot day; a month that history holds in part is none.
select
    months.snapshot_number,
    count(journeys.journey_id) as opportunity_count
from months
left join journeys
    on months.after_date < journeys.opportunity_date and months.snapshot_date >= journeys.opportunity_date
where months.after_date + 1 >= months.history_start_date
group by months.snapshot_number
