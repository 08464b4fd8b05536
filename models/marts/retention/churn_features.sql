-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

churn_landmarks as (
    select * from {{ ref('churn_landmarks') }}
),

churn_usage as (
    select * from {{ ref('churn_usage') }}
),

customer_segments as (
    select * from {{ ref('customer_segments') }}
),

accounts as (
    select
        account_number,
        account_id
    from {{ ref('accounts') }}
),

-- What happened to an account, by the day on which it was known: counts, and a value where there is one. What a ticket
-- came to is known when it is closed.
events as (
    select
        account_id,
        submitted_at::date as event_date,
        'ticket' as kind,
        0 as is_marked,
        null as score
    from {{ ref('support_tickets') }}
    where not is_disqualified and not is_before_account and account_id is not null
    union all
    select
        account_id,
        greatest(closed_at, submitted_at)::date as event_date,
        'closed_ticket' as kind,
        case when is_escalated then 1 else 0 end as is_marked,
        satisfaction_score as score
    from {{ ref('support_tickets') }}
    where not is_disqualified and not is_before_account and account_id is not null and closed_at is not null
    union all
    select
        account_id,
        responded_date as event_date,
        'survey' as kind,
        0 as is_marked,
        score
    from {{ ref('survey_responses') }}
    where not is_disqualified and not is_out_of_scale and account_id is not null
    union all
    select
        coalesce(accounts.account_id, activities.unknown_account_id) as account_id,
        activities.occurred_date as event_date,
        'activity' as kind,
        0 as is_marked,
        null as score
    from {{ ref('activities') }} as activities
    left join accounts on activities.account_number = accounts.account_number
    where
        not activities.is_disqualified and activities.is_completed
        and coalesce(accounts.account_id, activities.unknown_account_id) is not null
),

-- The status of a payment is today's: what was late on a day is told by when it was paid.
payments as (
    select
        account_id,
        due_date,
        paid_date
    from {{ ref('payments') }}
    where not is_disqualified and coalesce(source_amount, 0) >= 0 and account_id is not null
),

parameters as (
    select max(value) filter (where parameter = 'churn_payment_grace_days')::integer as grace_days
    from {{ ref('retention_parameters') }}
),

event_kinds as (
    select
        count(*) filter (where kind = 'ticket') > 0 as has_tickets,
        count(*) filter (where kind = 'closed_ticket') > 0 as has_closed_tickets,
        count(*) filter (where kind = 'activity') > 0 as has_activities
    from events
),

payment_kinds as (
    select count(paid_date) > 0 as has_paid_dates
    from payments
),

late as (
    select
        churn_landmarks.account_id,
        churn_landmarks.landmark_date,
        count(*) as late_payment_count
    from churn_landmarks
    cross join parameters
    inner join payments
        on
            churn_landmarks.account_id = payments.account_id
            and churn_landmarks.landmark_date - parameters.grace_days > payments.due_date
            and churn_landmarks.landmark_date - 180 < payments.due_date
            and churn_landmarks.landmark_date < coalesce(payments.paid_date, date '9999-12-31')
    group by churn_landmarks.account_id, churn_landmarks.landmark_date
),

counted as (
    select
        churn_landmarks.account_id,
        churn_landmarks.landmark_date,
        count(*) filter (where events.kind = 'ticket' and events.event_date > churn_landmarks.landmark_date - 90)
            as ticket_count,
        sum(case when events.kind = 'closed_ticket' then events.is_marked else 0 end) as escalated_count,
        avg(case when events.kind = 'closed_ticket' then events.score end) as satisfaction_score,
        avg(case when events.kind = 'survey' then events.score end) as survey_score,
        count(*) filter (where events.kind = 'activity' and events.event_date > churn_landmarks.landmark_date - 90)
            as activity_count
    from churn_landmarks
    inner join events
        on
            churn_landmarks.account_id = events.account_id
            and churn_landmarks.landmark_date >= events.event_date
            and churn_landmarks.landmark_date - 180 < events.event_date
    group by churn_landmarks.account_id, churn_landmarks.landmark_date
)

-- Where a source is not there at all its features are NULL, not 0.
select
    churn_landmarks.account_id,
    churn_landmarks.landmark_date,
    churn_landmarks.is_current,
    churn_landmarks.outcome,
    churn_landmarks.has_given_notice,
    churn_landmarks.arr_amount,
    churn_landmarks.mrr_change,
    ln(churn_landmarks.arr_amount::double) as arr_log,
    churn_landmarks.billing_term,
    churn_landmarks.days_to_renewal::double as days_to_renewal,
    case when churn_landmarks.is_renewing then 1 else 0 end::double as is_renewing,
    churn_usage.usage_against_start,
    churn_usage.usage_30d_against_start,
    case when event_kinds.has_tickets then coalesce(counted.ticket_count, 0) end::double as ticket_count,
    case when event_kinds.has_closed_tickets then coalesce(counted.escalated_count, 0) end::double as escalated_count,
    counted.satisfaction_score::double as satisfaction_score,
    counted.survey_score::double as survey_score,
    case when payment_kinds.has_paid_dates then coalesce(late.late_payment_count, 0) end::double as late_payment_count,
    case when event_kinds.has_activities then coalesce(counted.activity_count, 0) end::double as activity_count
    {%- for dimension in var('dimensions') %},
    customer_segments.{{ dimension }}
    {%- endfor %}
from churn_landmarks
cross join event_kinds
cross join payment_kinds
inner join customer_segments on churn_landmarks.account_id = customer_segments.account_id
left join churn_usage
    on
        churn_landmarks.account_id = churn_usage.account_id
        and churn_landmarks.landmark_date = churn_usage.landmark_date
left join counted
    on
        churn_landmarks.account_id = counted.account_id
        and churn_landmarks.landmark_date = counted.landmark_date
left join late
    on
        churn_landmarks.account_id = late.account_id
        and churn_landmarks.landmark_date = late.landmark_date
