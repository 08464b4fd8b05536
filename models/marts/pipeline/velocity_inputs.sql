with

velocity_facts as (
    select * from {{ ref('velocity_facts') }}
),

dimension_completeness as (
    select * from {{ ref('dimension_completeness') }}
    where from_stage = 'opportunity' and to_stage = 'won' and within_dimension = 'all'
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

velocity_thresholds as (
    select
        max(value) filter (where threshold = 'velocity_horizon_days') as horizon_days,
        max(value) filter (where threshold = 'minimum_wins') as minimum_wins,
        max(value) filter (where threshold = 'reportable_wins') as reportable_wins
    from {{ ref('evidence_thresholds') }}
),

levers as (
    select
        *,
        won_count::double / nullif(qualified_count, 0) as win_rate,
        amount_sum / nullif(amount_count, 0) as mean_deal_amount,
        cycle_days_sum / nullif(cycle_count, 0) as mean_cycle_days
    from velocity_facts
),

judged as (
    select
        levers.*,
        dimension_completeness.completeness_rate,
        case
            when levers.period_start < run_context.history_starts_on then 'left_truncated'
            when
                {{ period_end('levers.period_grain', 'levers.period_start') }}
                + case levers.basis when 'cohort' then velocity_thresholds.horizon_days else 0 end::integer
                > run_context.as_of_date + 1
                then 'too_early'
            when levers.qualified_count < thresholds.minimum_n then 'insufficient_sample'
            when levers.won_count < velocity_thresholds.minimum_wins then 'insufficient_sample'
            when levers.basis = 'cohort' and dimension_completeness.is_missing_by_outcome then 'incomplete_data'
        end as suppressed_reason,
        case
            when levers.won_count < velocity_thresholds.reportable_wins then 'insufficient_sample'
            when dimension_completeness.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
        end as directional_reason,
        thresholds.confidence_z,
        run_context.reporting_currency as currency
    from levers
    left join dimension_completeness using (period_grain, period_start, dimension)
    cross join run_context
    cross join thresholds
    cross join velocity_thresholds
)

-- A change is told only against a period that was itself published.
select
    judged.*,
    previous.qualified_count as previous_qualified_count,
    previous.win_rate as previous_win_rate,
    previous.mean_deal_amount as previous_mean_deal_amount,
    previous.mean_cycle_days as previous_mean_cycle_days
from judged
left join judged as previous
    on
        judged.period_grain = previous.period_grain
        and judged.dimension = previous.dimension
        and judged.segment = previous.segment
        and judged.basis = previous.basis
        and previous.suppressed_reason is null
        and previous.period_start = case judged.period_grain
            when 'month' then {{ add_months('judged.period_start', -1) }}
            else {{ add_months('judged.period_start', -3) }}
        end
