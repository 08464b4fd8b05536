with

open_deal_snapshots as (
    select * from {{ ref('open_deal_snapshots') }}
    where snapshot_number > 0
),

-- A win for a fifth or five times of what was quoted is a slip more likely than a discount.
priced as (
    select
        *,
        case
            when outcome = 'won' and quoted_amount > 0 and realised_amount > 0
                then least(greatest(realised_amount / quoted_amount, 0.2), 5)::decimal(38, 18)
        end as amount_ratio
    from open_deal_snapshots
)

select
    snapshot_number,
    stage_label,
    tier,
    age_band,
    push_band,
    due_band,
    phase,
    exit_week,
    outcome,
    count(*) as deal_count,
    count(amount_ratio) as ratio_count,
    coalesce(sum(amount_ratio), 0)::double as ratio_sum,
    coalesce(sum((amount_ratio::double * amount_ratio::double)::decimal(38, 18)), 0)::double as ratio_square_sum
from priced
group by snapshot_number, stage_label, tier, age_band, push_band, due_band, phase, exit_week, outcome
