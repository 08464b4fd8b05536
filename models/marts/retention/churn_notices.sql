-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

subscriptions as (
    select
        subscription_id,
        account_id,
        mrr_amount,
        started_date,
        coalesce(cancel_date, ended_date) as told_date,
        coalesce(ended_date, cancel_date) as stopped_date
    from {{ ref('subscriptions') }}
    where
        not is_disqualified and not is_trial and not is_ended_before_started and mrr_amount > 0
        and account_id is not null
),

churn_events as (
    select * from {{ ref('churn_events') }}
    where not is_disqualified and not is_missing_account and not coalesce(is_reactivation, false)
),

parameters as (
    select max(value) filter (where parameter = 'churn_replacement_days')::integer as replacement_days
    from {{ ref('retention_parameters') }}
),

-- What the whole account paid before the days about the end (or when the subscription started, if that is later), and
-- what it pays on the day of the end or after them, whichever is more: one new subscription replaces no more than its
-- own amount, however many ended.
stops as (
    select
        subscriptions.account_id,
        subscriptions.subscription_id,
        subscriptions.stopped_date,
        greatest(subscriptions.started_date, subscriptions.stopped_date - parameters.replacement_days - 1)
            as before_date,
        subscriptions.stopped_date + parameters.replacement_days as after_date
    from subscriptions
    cross join parameters
    where subscriptions.stopped_date is not null
),

around as (
    select
        stops.subscription_id,
        {% for mrr, day in [('mrr_before', 'before_date'), ('mrr_after', 'after_date'), ('mrr_on', 'stopped_date')] %}
        sum(
            case
                when
                    beside.started_date <= stops.{{ day }} and coalesce(beside.stopped_date > stops.{{ day }}, true)
                    then beside.mrr_amount
                else 0
            end
        ) as {{ mrr }}{{ ',' if not loop.last }}
        {% endfor %}
    from stops
    inner join subscriptions as beside on stops.account_id = beside.account_id
    group by stops.subscription_id
),

-- An event of the source makes no loss of its own: it may tell an earlier day of one.
events as (
    select
        subscriptions.subscription_id,
        min(churn_events.churn_date) as churn_date
    from subscriptions
    cross join parameters
    inner join churn_events
        on
            subscriptions.account_id = churn_events.account_id
            and subscriptions.told_date > churn_events.churn_date
            and subscriptions.told_date - parameters.replacement_days <= churn_events.churn_date
    group by subscriptions.subscription_id
)

-- The day on which a customer said so counts, not the day on which it stopped paying.
select
    subscriptions.account_id,
    coalesce(events.churn_date, subscriptions.told_date) as notice_date,
    case when events.churn_date is not null then 'churn_event' else 'subscription' end as notice_rule,
    subscriptions.subscription_id,
    (around.mrr_before - greatest(around.mrr_on, around.mrr_after))::decimal(18, 2) as lost_mrr_amount
from subscriptions
inner join around on subscriptions.subscription_id = around.subscription_id
left join events on subscriptions.subscription_id = events.subscription_id
where around.mrr_before > greatest(around.mrr_on, around.mrr_after)
