-- The reasons of a cell are those of all its deals that have one.
with

win_loss_facts as (
    select * from {{ ref('win_loss_facts') }}
)

select
    period_grain,
    period_start,
    dimension,
    segment,
    outcome,
    category,
    sum(deal_count) as deal_count,
    max(n) as n
from win_loss_facts
where category in ('reason', 'competitor')
group by all
having sum(deal_count) <> max(n)
