with

open_deal_snapshots as (
    select * from {{ ref('open_deal_snapshots') }}
    where snapshot_number = 0
),

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary
)

select
    open_deal_snapshots.opportunity_id,
    open_deal_snapshots.stage_label,
    open_deal_snapshots.tier,
    {%- for dimension in var('dimensions') %}
    coalesce(journeys.{{ dimension }}, 'unknown') as {{ 'segment_of_' ~ dimension }},
    {%- endfor %}
    open_deal_snapshots.quoted_amount,
    open_deal_snapshots.probability,
    open_deal_snapshots.age_in_stage_days,
    open_deal_snapshots.age_band,
    open_deal_snapshots.push_band,
    open_deal_snapshots.due_band,
    open_deal_snapshots.phase,
    open_deal_snapshots.is_as_was,
    open_deal_snapshots.is_extreme_amount,
    open_deal_snapshots.snapshot_date,
    open_deal_snapshots.close_date
from open_deal_snapshots
inner join journeys on open_deal_snapshots.opportunity_id = journeys.opportunity_id
