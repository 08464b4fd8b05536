-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

customer_segments as (
    select * from {{ ref('customer_segments') }}
),

customer_months as (
    select * from {{ ref('customer_months') }}
),

parameters as (
    select
        max(value) filter (where parameter = 'nps_promoter_score') as promoter_score,
        max(value) filter (where parameter = 'nps_detractor_score') as detractor_score,
        max(value) filter (where parameter = 'usage_fall') as usage_fall
    from {{ ref('retention_parameters') }}
),

quarters as (
    select
        {{ period_start('month_start', 'quarter') }} as period_start,
        max(closing_date) as closing_date,
        max(month_start) as closing_month
    from customer_months
    group by {{ period_start('month_start', 'quarter') }}
),

tickets as (
    select
        account_id,
        {{ period_start('submitted_at::date', 'quarter') }} as period_start,
        satisfaction_score,
        is_escalated
    from {{ ref('support_tickets') }}
    where not is_disqualified and not is_before_account
),

-- Without any ticket there is no support desk to count for.
ticket_counts as (
    select
        account_id,
        period_start,
        count(*) as ticket_count
    from tickets
    group by account_id, period_start
),

ticket_quarters as (
    select distinct quarters.*
    from quarters
    inner join ticket_counts on quarters.period_start >= ticket_counts.period_start
),

usage_days as (
    select
        account_id,
        usage_date,
        sum(usage_count) as usage_count
    from {{ ref('product_usage') }}
    where
        not is_disqualified and not is_negative_count and not is_before_subscription and not is_after_subscription
        and account_id is not null
    group by account_id, usage_date
),

-- One row per observation: which quarter, whose, of what, and its value.
observations as (
    select
        account_id,
        {{ period_start('responded_date', 'quarter') }} as period_start,
        'nps' as metric,
        case
            when score >= parameters.promoter_score then 100.0
            when score <= parameters.detractor_score then -100.0
            else 0.0
        end::double as value
    from {{ ref('survey_responses') }}
    cross join parameters
    where not is_disqualified and not is_out_of_scale and score is not null
    union all
    select
        account_id,
        period_start,
        'csat' as metric,
        satisfaction_score::double as value
    from tickets
    where satisfaction_score is not null
    union all
    select
        account_id,
        period_start,
        'escalated_rate' as metric,
        case when is_escalated then 1.0 else 0.0 end::double as value
    from tickets
    where is_escalated is not null
    union all
    select
        account_id,
        {{ period_start('due_date', 'quarter') }} as period_start,
        'failed_payment_rate' as metric,
        case
            when status in ('failed', 'past_due', 'uncollectible', 'unpaid', 'overdue') then 1.0 else 0.0
        end::double as value
    from {{ ref('payments') }}
    where not is_disqualified and not is_refund
    union all
    select
        customer_months.account_id,
        ticket_quarters.period_start,
        'tickets_per_customer' as metric,
        coalesce(ticket_counts.ticket_count, 0)::double as value
    from ticket_quarters
    inner join customer_months
        on ticket_quarters.closing_month = customer_months.month_start and customer_months.closing_mrr_amount > 0
    left join ticket_counts
        on
            customer_months.account_id = ticket_counts.account_id
            and ticket_quarters.period_start = ticket_counts.period_start
    union all
    select
        customer_months.account_id,
        quarters.period_start,
        'usage_decline_rate' as metric,
        case
            when
                coalesce(sum(case
                    when usage_days.usage_date > quarters.closing_date - 90 then usage_days.usage_count
                end), 0)
                <= max(parameters.usage_fall) * sum(case
                    when usage_days.usage_date <= quarters.closing_date - 90 then usage_days.usage_count
                end)
                then 1.0
            else 0.0
        end::double as value
    from quarters
    cross join parameters
    inner join customer_months
        on quarters.closing_month = customer_months.month_start and customer_months.closing_mrr_amount > 0
    inner join usage_days
        on
            customer_months.account_id = usage_days.account_id
            and quarters.closing_date - 180 < usage_days.usage_date
            and quarters.closing_date >= usage_days.usage_date
    group by customer_months.account_id, quarters.period_start
    having sum(case when usage_days.usage_date <= quarters.closing_date - 90 then usage_days.usage_count end) > 0
),

-- By customer first: its answers and tickets are not independent of each other.
customers as (
    select
        account_id,
        period_start,
        metric,
        count(*) as observation_count,
        sum(value) as value_sum
    from observations
    where account_id is not null
    group by account_id, period_start, metric
),

segmented as (
    select
        customers.*,
        'quarter' as period_grain
        {%- for dimension in var('dimensions') %},
        customer_segments.{{ dimension }}
        {%- endfor %}
    from customers
    inner join customer_segments on customers.account_id = customer_segments.account_id
)

select
    period_grain,
    period_start,
    {{ grouped_dimension() }} as dimension,
    {{ grouped_segment() }} as segment,
    metric,
    count(*) as customer_count,
    sum(observation_count)::bigint as observation_count,
    sum(value_sum::decimal(38, 10))::double as value_sum,
    sum((value_sum * value_sum)::decimal(38, 10))::double as value_square_sum,
    sum((value_sum * observation_count)::decimal(38, 10))::double as product_sum,
    sum(observation_count * observation_count)::double as count_square_sum
from segmented
{{ group_by_each_dimension('period_grain, period_start, metric') }}  -- noqa: PRS
