with

velocity_facts as (
    select * from {{ ref('velocity_facts') }}
),

dimension_completeness as (
    select * from {{ ref('dimension_completeness') }}
    where from_stage = 'opportunity' and to_stage = 'won' and within_dimension = 'all'
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

-- Whether a record of the period can be missing, or its outcome be still to come.
followed as (
    select
        levers.*,
        coalesce(
            levers.period_start
            < case levers.basis
                when 'closed' then closed_history.closed_starts_on
                else run_context.history_starts_on
            end,
            false
        ) as is_left_truncated,
        {{ period_end('levers.period_grain', 'levers.period_start') }}
        + case levers.basis when 'cohort' then velocity_thresholds.horizon_days else 0 end::integer
        > run_context.as_of_date + 1 as is_too_early
    from levers
    cross join run_context
    cross join closed_history
    cross join velocity_thresholds
),

totals as (
    select * from followed
    where dimension = 'all'
),

-- How many wins are to be expected decides what is shown, not how many there were: to show only cells with ten wins
-- turns a true 20 % into a published mean of 29 %. So the rate is that of the population in the year before; in the
-- first periods, which have none, that of the period itself.
earlier as (
    select
        totals.period_grain,
        totals.period_start,
        totals.basis,
        case
            when coalesce(sum(earlier.qualified_count), 0) >= max(thresholds.minimum_n)
                then sum(earlier.won_count)::double / sum(earlier.qualified_count)
            else max(totals.win_rate)
        end as expected_win_rate
    from totals
    cross join thresholds
    left join totals as earlier
        on
            totals.period_grain = earlier.period_grain
            and totals.basis = earlier.basis
            and totals.period_start > earlier.period_start
            and earlier.period_start >= {{ add_months('totals.period_start', -12) }}
            and not earlier.is_left_truncated
    group by totals.period_grain, totals.period_start, totals.basis
),

-- A CRM in which nobody records losses wins every deal that it closes.
losses as (
    select
        basis,
        sum(qualified_count - won_count) = 0 and sum(qualified_count) >= max(thresholds.minimum_n) as is_without_losses
    from totals
    cross join thresholds
    where period_grain = 'quarter'
    group by basis
),

judged as (
    select
        followed.*,
        followed.qualified_count * earlier.expected_win_rate as expected_win_count,
        dimension_completeness.completeness_rate,
        case
            when followed.is_left_truncated then 'left_truncated'
            when followed.is_too_early then 'too_early'
            when followed.qualified_count < thresholds.minimum_n then 'insufficient_sample'
            when followed.qualified_count * earlier.expected_win_rate < velocity_thresholds.minimum_wins
                then 'insufficient_sample'
            when followed.basis = 'closed' and losses.is_without_losses then 'incomplete_data'
            when followed.basis = 'cohort' and dimension_completeness.is_missing_by_outcome then 'incomplete_data'
            when followed.cycle_count > 0 and followed.cycle_days_sum <= 0 then 'not_applicable'
        end as suppressed_reason,
        case
            when followed.qualified_count * earlier.expected_win_rate < velocity_thresholds.reportable_wins
                then 'insufficient_sample'
            when dimension_completeness.completeness_rate < thresholds.minimum_completeness then 'incomplete_data'
            when
                least(followed.amount_count, followed.cycle_count)
                < thresholds.minimum_completeness * followed.won_count
                then 'incomplete_data'
            -- Nothing was won: there is a limit, and no estimate of amount or days.
            when followed.won_count = 0 then 'insufficient_sample'
        end as directional_reason,
        losses.is_without_losses,
        thresholds.confidence_z,
        run_context.reporting_currency as currency
    from followed
    inner join earlier using (period_grain, period_start, basis)
    left join losses using (basis)
    left join dimension_completeness using (period_grain, period_start, dimension)
    cross join run_context
    cross join thresholds
    cross join velocity_thresholds
)

-- A change is told only against a period that was itself published.
select
    judged.*,
    case
        when judged.suppressed_reason = 'not_applicable' then 'zero_cycle'
        when
            judged.suppressed_reason = 'incomplete_data' and judged.basis = 'closed' and judged.is_without_losses
            then 'no_losses'
    end as suppressed_caveat,
    previous.qualified_count as previous_qualified_count,
    previous.won_count as previous_won_count,
    previous.amount_count as previous_amount_count,
    previous.amount_sum as previous_amount_sum,
    previous.amount_square_sum as previous_amount_square_sum,
    previous.cycle_count as previous_cycle_count,
    previous.cycle_days_sum as previous_cycle_days_sum,
    previous.cycle_days_square_sum as previous_cycle_days_square_sum,
    previous.pair_count as previous_pair_count,
    previous.pair_amount_sum as previous_pair_amount_sum,
    previous.pair_cycle_days_sum as previous_pair_cycle_days_sum,
    previous.pair_amount_cycle_days_sum as previous_pair_amount_cycle_days_sum
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
