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

-- What happened to an account, by day: counts, and a value where there is one.
events as (
    select
        account_id,
        submitted_at::date as event_date,
        'ticket' as kind,
        case when is_escalated then 1 else 0 end as is_marked,
        satisfaction_score as score
    from {{ ref('support_tickets') }}
    where not is_disqualified and not is_before_account and account_id is not null
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
        account_id,
        due_date as event_date,
        'payment' as kind,
        case when status in ('failed', 'past_due', 'uncollectible', 'unpaid', 'overdue') then 1 else 0 end
            as is_marked,
        null as score
    from {{ ref('payments') }}
    where not is_disqualified and not is_refund and account_id is not null
    union all
    select
        account_id,
        occurred_date as event_date,
        'activity' as kind,
        0 as is_marked,
        null as score
    from {{ ref('activities') }}
    where not is_disqualified and is_completed and account_id is not null
),

kinds as (
    select
        count(*) filter (where kind = 'ticket') > 0 as has_tickets,
        count(*) filter (where kind = 'payment') > 0 as has_payments,
        count(*) filter (where kind = 'activity') > 0 as has_activities
    from events
),

counted as (
    select
        churn_landmarks.account_id,
        churn_landmarks.landmark_date,
        count(*) filter (where events.kind = 'ticket' and events.event_date > churn_landmarks.landmark_date - 90)
            as ticket_count,
        sum(case when events.kind = 'ticket' then events.is_marked else 0 end) as escalated_count,
        avg(case when events.kind = 'ticket' then events.score end) as satisfaction_score,
        avg(case when events.kind = 'survey' then events.score end) as survey_score,
        sum(case when events.kind = 'payment' then events.is_marked else 0 end) as failed_payment_count,
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
    ln(churn_landmarks.seat_count) as seat_log,
    churn_landmarks.billing_term,
    churn_landmarks.days_to_renewal::double as days_to_renewal,
    case when churn_landmarks.is_renewing then 1 else 0 end::double as is_renewing,
    churn_usage.usage_against_start,
    churn_usage.active_user_count / churn_landmarks.seat_count as active_seat_ratio,
    case when kinds.has_tickets then coalesce(counted.ticket_count, 0) end::double as ticket_count,
    case when kinds.has_tickets then coalesce(counted.escalated_count, 0) end::double as escalated_count,
    counted.satisfaction_score::double as satisfaction_score,
    counted.survey_score::double as survey_score,
    case when kinds.has_payments then coalesce(counted.failed_payment_count, 0) end::double as failed_payment_count,
    case when kinds.has_activities then coalesce(counted.activity_count, 0) end::double as activity_count
    {%- for dimension in var('dimensions') %},
    customer_segments.{{ dimension }}
    {%- endfor %}
from churn_landmarks
cross join kinds
inner join customer_segments on churn_landmarks.account_id = customer_segments.account_id
left join churn_usage
    on
        churn_landmarks.account_id = churn_usage.account_id
        and churn_landmarks.landmark_date = churn_usage.landmark_date
left join counted
    on
        churn_landmarks.account_id = counted.account_id
        and churn_landmarks.landmark_date = counted.landmark_date
