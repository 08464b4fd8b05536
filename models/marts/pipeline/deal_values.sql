-- What each deal was worth, and when it was planned to close, day by day while it was open. The last change of a day
-- stands for the day. Where a source keeps no history of it, today's amount stands for every day. A negative amount is
-- no amount.
with

pipeline_spans as (
    select * from {{ ref('pipeline_spans') }}
),

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
),

opportunity_history as (
    select
        opportunity_number,
        change_number,
        case when amount >= 0 then amount end as amount,
        case when previous_amount >= 0 then previous_amount end as previous_amount,
        close_date,
        previous_close_date,
        changed_at::date as changed_date
    from {{ ref('opportunity_history') }}
),

kept as (
    select
        count(amount) > 0 as has_amounts,
        count(close_date) > 0 as has_close_dates
    from opportunity_history
),

-- Most rows of a history tell of another stage and change neither.
changes as (
    select
        pipeline_deals.deal_number,
        pipeline_deals.amount as current_amount,
        opportunity_history.amount,
        opportunity_history.close_date,
        opportunity_history.changed_date,
        lead(opportunity_history.changed_date) over (
            partition by pipeline_deals.deal_number order by opportunity_history.change_number
        ) as next_changed_date
    from opportunity_history
    inner join pipeline_deals on opportunity_history.opportunity_number = pipeline_deals.opportunity_number
    where
        opportunity_history.change_number = 1
        or opportunity_history.amount is distinct from opportunity_history.previous_amount
        or opportunity_history.close_date is distinct from opportunity_history.previous_close_date
),

valued as (
    select
        changes.deal_number,
        case when kept.has_amounts then changes.amount when changes.current_amount >= 0 then changes.current_amount end
            as amount,
        changes.close_date,
        changes.changed_date
    from changes
    cross join kept
    where changes.next_changed_date is null or changes.changed_date < changes.next_changed_date
    union all
    select
        pipeline_deals.deal_number,
        case when pipeline_deals.amount >= 0 then pipeline_deals.amount end as amount,
        case
            when kept.has_close_dates and pipeline_deals.current_stage not in ('won', 'lost')
                then pipeline_deals.close_date
        end as close_date,
        date '0001-01-01' as changed_date
    from pipeline_deals
    cross join kept
    where pipeline_deals.deal_number not in (select deal_number from changes)
),

-- Before its first change a deal was what it was from that change on.
dated as (
    select
        *,
        lag(amount) over days as previous_amount,
        lag(close_date) over days as previous_close_date,
        lead(amount) over days as next_amount,
        case when row_number() over days = 1 then date '0001-01-01' else changed_date end as valid_from,
        coalesce(lead(changed_date) over days, date '9999-12-31') as valid_to
    from valued
    window days as (partition by deal_number order by changed_date)
),

spanned as (
    select
        pipeline_spans.deal_number,
        pipeline_spans.span_number,
        pipeline_spans.opened_as,
        pipeline_spans.closed_as,
        pipeline_spans.opened_date,
        pipeline_spans.closed_date,
        coalesce(pipeline_spans.closed_date, date '9999-12-31') as end_date,
        dated.amount,
        dated.previous_amount,
        dated.next_amount,
        dated.close_date,
        dated.previous_close_date,
        dated.valid_from,
        dated.valid_to
    from pipeline_spans
    inner join dated
        on
            pipeline_spans.deal_number = dated.deal_number
            and pipeline_spans.opened_date < dated.valid_to
            and greatest(coalesce(pipeline_spans.closed_date, date '9999-12-31'), pipeline_spans.opened_date + 1)
            > dated.valid_from
)

-- Nobody plans on the day of closing: that the close date becomes the day itself is no change of plan.
select
    deal_number,
    span_number,
    case when valid_from <= opened_date then opened_as end as opened_as,
    case when valid_to >= end_date then closed_as end as closed_as,
    amount,
    case when valid_from > opened_date then previous_amount end as previous_amount,
    case
        when valid_to >= end_date and closed_as is not null
            then case when valid_to = closed_date and opened_date < closed_date then next_amount else amount end
    end as closed_amount,
    close_date,
    case when valid_from > opened_date then previous_close_date end as previous_close_date,
    greatest(valid_from, opened_date) as valid_from,
    case when valid_to < end_date then valid_to else closed_date end as valid_to,
    opened_date
from spanned
