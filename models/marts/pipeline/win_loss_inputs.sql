with

win_loss_facts as (
    select * from {{ ref('win_loss_facts') }}
),

closed_history as (
    select * from {{ ref('closed_history') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

judged as (
    select
        win_loss_facts.*,
        case
            when win_loss_facts.period_start < closed_history.closed_starts_on then 'left_truncated'
            when win_loss_facts.n < thresholds.minimum_n then 'insufficient_sample'
        end as suppressed_reason,
        case
            when
                {{ period_end('win_loss_facts.period_grain', 'win_loss_facts.period_start') }}
                > run_context.as_of_date + 1
                then 'too_early'
            when win_loss_facts.recorded_rate < thresholds.minimum_completeness then 'incomplete_data'
            when win_loss_facts.n < thresholds.reportable_n then 'insufficient_sample'
        end as directional_reason
    from win_loss_facts
    cross join run_context
    cross join closed_history
    cross join thresholds
)

-- A change is told only against a period that was itself published.
select
    judged.*,
    case judged.directional_reason
        when 'too_early' then 'period_not_over'
        when 'incomplete_data' then 'missing_reasons'
    end as caveat_key,
    previous.deal_count as previous_deal_count,
    previous.n as previous_n
from judged
left join judged as previous
    on
        judged.period_grain = previous.period_grain
        and judged.dimension = previous.dimension
        and judged.segment = previous.segment
        and judged.outcome = previous.outcome
        and judged.category = previous.category
        and judged.reason = previous.reason
        and previous.suppressed_reason is null
        and previous.period_start = case judged.period_grain
            when 'month' then {{ add_months('judged.period_start', -1) }}
            else {{ add_months('judged.period_start', -3) }}
        end
