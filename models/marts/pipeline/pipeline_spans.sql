-- When each deal was open. Days count: a deal that closes on the day it opens was open for none.
with

pipeline_visits as (
    select * from {{ ref('pipeline_visits') }}
),

changed as (
    select
        *,
        lead(state) over changes as next_state,
        lead(entered_date) over changes as next_date,
        row_number() over changes as span_number
    from pipeline_visits
    where previous_state is null or state <> previous_state
    window changes as (partition by deal_number order by visit_number)
)

-- A deal whose first stage is a closed one was created that day; one that goes from lost to won, or back, was reopened.
select
    deal_number,
    span_number,
    case when span_number = 1 then 'created' else 'reopened' end as opened_as,
    case when state = 'open' then next_state else state end as closed_as,
    entered_date as opened_date,
    case when state = 'open' then next_date else entered_date end as closed_date
from changed
where state = 'open' or previous_state is null or previous_state <> 'open'
