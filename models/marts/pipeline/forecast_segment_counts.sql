with

open_deal_snapshots as (
    select * from {{ ref('open_deal_snapshots') }}
),

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary
),

-- Snapshots of the last year that were followed for 60 days.
followed as (
    select
        open_deal_snapshots.stage_label,
        open_deal_snapshots.tier,
        open_deal_snapshots.age_band,
        open_deal_snapshots.push_band,
        open_deal_snapshots.due_band,
        open_deal_snapshots.phase,
        open_deal_snapshots.outcome = 'won' and open_deal_snapshots.exit_week <= 8 as is_won,
        journeys.* exclude (amount)
    from open_deal_snapshots
    inner join journeys on open_deal_snapshots.opportunity_id = journeys.opportunity_id
    where open_deal_snapshots.snapshot_number between 2 and 13
)

select
    {{ grouped_dimension() }} as dimension,
    {{ grouped_segment() }} as segment,
    stage_label,
    tier,
    age_band,
    push_band,
    due_band,
    phase,
    count(*) as deal_count,
    count(*) filter (where is_won) as won_count
from followed
{{ group_by_each_dimension('stage_label, tier, age_band, push_band, due_band, phase') }}  -- noqa: PRS
