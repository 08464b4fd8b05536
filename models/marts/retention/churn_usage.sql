with

churn_landmarks as (
    select
        account_id,
        landmark_date,
        month_start
    from {{ ref('churn_landmarks') }}
),

usage_days as (
    select
        account_id,
        usage_date,
        date_trunc('month', usage_date)::date as usage_month,
        sum(usage_count) as usage_count
    from {{ ref('product_usage') }}
    where
        not is_disqualified and not is_negative_count and not is_before_subscription and not is_after_subscription
        and not is_missing_account
    group by account_id, usage_date
),

months_back as (
    {{ numbers(3) }}
),

looked_back as (
    select
        churn_landmarks.account_id,
        churn_landmarks.landmark_date,
        {{ add_months('churn_landmarks.month_start', '-months_back.number') }} as usage_month
    from churn_landmarks
    cross join months_back
),

firsts as (
    select
        account_id,
        min(usage_date) as first_usage_date
    from usage_days
    group by account_id
),

-- What a customer used when it was new: what it uses now is held against it.
starts as (
    select
        firsts.account_id,
        firsts.first_usage_date,
        sum(usage_days.usage_count) / 60.0 as start_daily_count
    from firsts
    inner join usage_days on firsts.account_id = usage_days.account_id
    where usage_days.usage_date < firsts.first_usage_date + 60
    group by firsts.account_id, firsts.first_usage_date
),

windows as (
    select
        looked_back.account_id,
        looked_back.landmark_date,
        sum(case when usage_days.usage_date > looked_back.landmark_date - 60 then usage_days.usage_count else 0 end)
            as count_60,
        sum(case when usage_days.usage_date > looked_back.landmark_date - 30 then usage_days.usage_count else 0 end)
            as count_30
    from looked_back
    inner join usage_days
        on looked_back.account_id = usage_days.account_id and looked_back.usage_month = usage_days.usage_month
    where usage_days.usage_date <= looked_back.landmark_date
    group by looked_back.account_id, looked_back.landmark_date
)

-- A customer that never was in a file of usage has no use that could have fallen: NULL. One that was and is silent: 0.
select
    churn_landmarks.account_id,
    churn_landmarks.landmark_date,
    case
        when starts.first_usage_date <= churn_landmarks.landmark_date - 90
            then ln((coalesce(windows.count_60, 0) / 60.0 + 0.02) / (starts.start_daily_count + 0.02))
    end as usage_against_start,
    case
        when starts.first_usage_date <= churn_landmarks.landmark_date - 60
            then ln((coalesce(windows.count_30, 0) / 30.0 + 0.02) / (starts.start_daily_count + 0.02))
    end as usage_30d_against_start
from churn_landmarks
left join starts on churn_landmarks.account_id = starts.account_id
left join windows
    on
        churn_landmarks.account_id = windows.account_id
        and churn_landmarks.landmark_date = windows.landmark_date
