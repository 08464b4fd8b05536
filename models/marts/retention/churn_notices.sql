with

subscriptions as (
    select
        subscription_id,
        account_id,
        mrr_amount,
        started_date,
        ended_date,
        coalesce(cancel_date, ended_date) as notice_date
    from {{ ref('subscriptions') }}
    where
        not is_disqualified and not is_trial and not is_ended_before_started and mrr_amount > 0
        and account_id is not null
),

churn_events as (
    select * from {{ ref('churn_events') }}
    where not is_disqualified and not is_missing_account
),

parameters as (
    select max(value) filter (where parameter = 'churn_replacement_days')::integer as replacement_days
    from {{ ref('retention_parameters') }}
),

-- What starts about the day on which a subscription ends, and at what amount.
replacements as (
    select
        ended.subscription_id,
        sum(started.mrr_amount) as replacing_amount
    from subscriptions as ended
    cross join parameters
    inner join subscriptions as started
        on
            ended.account_id = started.account_id
            and ended.subscription_id <> started.subscription_id
            and ended.started_date < started.started_date
            and ended.ended_date - parameters.replacement_days <= started.started_date
            and ended.ended_date + parameters.replacement_days >= started.started_date
    group by ended.subscription_id
)

-- The day on which a customer said so counts, not the day on which it stopped paying.
select
    subscriptions.account_id,
    subscriptions.notice_date,
    'subscription' as notice_rule,
    subscriptions.subscription_id,
    (subscriptions.mrr_amount - coalesce(replacements.replacing_amount, 0))::decimal(18, 2) as lost_mrr_amount
from subscriptions
left join replacements on subscriptions.subscription_id = replacements.subscription_id
where
    subscriptions.notice_date is not null
    and subscriptions.mrr_amount > coalesce(replacements.replacing_amount, 0)
union all
select
    account_id,
    churn_date as notice_date,
    'churn_event' as notice_rule,
    null::string as subscription_id,
    null::decimal(18, 2) as lost_mrr_amount
from churn_events
