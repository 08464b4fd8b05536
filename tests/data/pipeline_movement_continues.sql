-- What the open pipeline of a cell closes a period with is what it opens the next one with.
with

movement as (
    select * from {{ ref('pipeline_movement_facts') }}
    where scope = 'open_pipeline'
),

run_context as (
    select * from {{ ref('run_context') }}
)

select
    closing.period_grain,
    closing.period_start,
    closing.dimension,
    closing.segment,
    closing.closing_amount,
    opening.opening_amount
from movement as closing
cross join run_context
left join movement as opening
    on
        closing.period_grain = opening.period_grain
        and {{ period_end('closing.period_grain', 'closing.period_start') }} = opening.period_start
        and closing.dimension = opening.dimension
        and closing.segment = opening.segment
where
    {{ period_end('closing.period_grain', 'closing.period_start') }} <= run_context.as_of_date
    and (
        closing.closing_amount <> coalesce(opening.opening_amount, 0)
        or closing.closing_count <> coalesce(opening.opening_count, 0)
    )
