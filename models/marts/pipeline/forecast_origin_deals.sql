with

open_deal_snapshots as (
    select * from {{ ref('open_deal_snapshots') }}
),

thresholds as (
    select value as origins
    from {{ ref('evidence_thresholds') }}
    where threshold = 'forecast_origins'
)

select
    open_deal_snapshots.snapshot_number,
    open_deal_snapshots.stage_label,
    open_deal_snapshots.tier,
    open_deal_snapshots.quoted_amount,
    open_deal_snapshots.probability,
    open_deal_snapshots.age_band,
    open_deal_snapshots.push_band,
    open_deal_snapshots.due_band,
    open_deal_snapshots.phase,
    open_deal_snapshots.close_date
from open_deal_snapshots
cross join thresholds
where open_deal_snapshots.snapshot_number <= thresholds.origins
