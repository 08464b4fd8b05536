with

customer_months as (
    select * from {{ ref('customer_months') }}
),

subscriptions as (
    select
        *,
        case
            when billing_interval in ('year', 'annual', 'yearly', 'annually') then 12
            when billing_interval = 'half_year' then 6
            when billing_interval in ('quarter', 'quarterly') then 3
            when billing_interval in ('month', 'monthly') then 1
        end as interval_months
    from {{ ref('subscriptions') }}
    where not is_disqualified and not is_trial and not is_ended_before_started and mrr_amount > 0
),

churn_notices as (
    select * from {{ ref('churn_notices') }}
),

churn_events as (
    select * from {{ ref('churn_events') }}
    where not is_disqualified and not is_missing_account and not coalesce(is_reactivation, false)
),

run_context as (
    select * from {{ ref('run_context') }}
),

parameters as (
    select
        max(value) filter (where parameter = 'churn_horizon_days')::integer as horizon_days,
        max(value) filter (where parameter = 'churn_replacement_days')::integer as replacement_days,
        max(value) filter (where parameter = 'churn_history_months')::integer as history_months
    from {{ ref('retention_parameters') }}
),

landmarks as (
    select
        customer_months.account_id,
        customer_months.closing_date as landmark_date,
        customer_months.month_start,
        customer_months.closing_mrr_amount,
        lag(customer_months.closing_mrr_amount, 3) over account_months as earlier_mrr_amount,
        customer_months.closing_date = run_context.as_of_date as is_current
    from customer_months
    cross join run_context
    window account_months as (
        partition by customer_months.account_id order by customer_months.month_start
    )
),

kept as (
    select landmarks.*
    from landmarks
    cross join run_context
    cross join parameters
    where
        landmarks.closing_mrr_amount > 0
        and landmarks.landmark_date > {{ add_months('run_context.as_of_date', '-parameters.history_months') }}
),

-- What runs on the day, with what was known of it then: a notice given before, and the next end of its term. The
-- renewal date of the source is today's, so it is worked out from the start.
contracts as (
    select
        kept.account_id,
        kept.landmark_date,
        subscriptions.interval_months,
        coalesce(subscriptions.cancel_date > kept.landmark_date, true) as is_open,
        subscriptions.started_date,
        floor(
            {{ months_between('subscriptions.started_date', 'kept.landmark_date') }}::double
            / subscriptions.interval_months
        )::integer * subscriptions.interval_months as elapsed_months
    from kept
    inner join subscriptions
        on
            kept.account_id = subscriptions.account_id
            and kept.landmark_date >= subscriptions.started_date
            and kept.landmark_date < coalesce(subscriptions.ended_date, date '9999-12-31')
),

renewals as (
    select
        *,
        case
            when {{ add_months('started_date', 'elapsed_months') }} > landmark_date
                then {{ add_months('started_date', 'elapsed_months') }}
            else {{ add_months('started_date', '(elapsed_months + interval_months)') }}
        end as renewal_date
    from contracts
),

running as (
    select
        account_id,
        landmark_date,
        count(*) filter (where is_open) as open_subscription_count,
        max(interval_months) as interval_months,
        min(case when interval_months > 1 then {{ days_between('landmark_date', 'renewal_date') }} end)
            as days_to_renewal
    from renewals
    group by account_id, landmark_date
),

noticed as (
    select
        kept.account_id,
        kept.landmark_date,
        min(churn_notices.notice_date) as notice_date
    from kept
    cross join parameters
    inner join churn_notices
        on
            kept.account_id = churn_notices.account_id
            and kept.landmark_date < churn_notices.notice_date
            and kept.landmark_date + parameters.horizon_days >= churn_notices.notice_date
    group by kept.account_id, kept.landmark_date
),

-- A customer said that it leaves, and it is too early to see whether a subscription ends.
told as (
    select distinct
        kept.account_id,
        kept.landmark_date
    from kept
    cross join parameters
    inner join churn_events
        on
            kept.account_id = churn_events.account_id
            and kept.landmark_date >= churn_events.churn_date
            and kept.landmark_date - parameters.replacement_days <= churn_events.churn_date
)

-- Whose window is not over has no label, nor has one whose losses may still be replaced.
select
    kept.account_id,
    kept.landmark_date,
    kept.month_start,
    kept.is_current,
    kept.landmark_date + parameters.horizon_days + parameters.replacement_days <= run_context.as_of_date as is_closed,
    case
        when kept.landmark_date + parameters.horizon_days + parameters.replacement_days <= run_context.as_of_date
            then case when noticed.notice_date is not null then 1 else 0 end
    end as outcome,
    noticed.notice_date,
    running.open_subscription_count = 0 or told.account_id is not null as has_given_notice,
    (12 * kept.closing_mrr_amount)::decimal(18, 2) as arr_amount,
    ln(kept.closing_mrr_amount::double / nullif(kept.earlier_mrr_amount, 0)::double) as mrr_change,
    case
        when running.interval_months >= 12 then 'yearly'
        when running.interval_months > 1 then 'in between'
        when running.interval_months = 1 then 'monthly'
        else 'unknown'
    end as billing_term,
    coalesce(running.days_to_renewal <= parameters.horizon_days, false) as is_renewing,
    -- A customer that pays by the month can leave in any of them.
    coalesce(running.days_to_renewal, case when running.interval_months = 1 then 0 end) as days_to_renewal
from kept
cross join run_context
cross join parameters
inner join running on kept.account_id = running.account_id and kept.landmark_date = running.landmark_date
left join noticed on kept.account_id = noticed.account_id and kept.landmark_date = noticed.landmark_date
left join told on kept.account_id = told.account_id and kept.landmark_date = told.landmark_date
