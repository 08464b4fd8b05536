-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
{%- set counts = ['qualified', 'won', 'amount', 'amount_log', 'cycle', 'pair'] -%}
{%- set sums = [
    'amount_sum', 'amount_square_sum', 'amount_log_sum', 'amount_log_square_sum', 'cycle_log_sum',
    'cycle_log_square_sum', 'cycle_days_sum', 'cycle_days_square_sum', 'pair_amount_sum', 'pair_cycle_days_sum',
    'pair_amount_cycle_days_sum',
] -%}
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

lever_thresholds as (
    select
        max(value) filter (where threshold = 'velocity_horizon_days')::integer as horizon_days,
        max(value) filter (where threshold = 'lever_history_months')::integer as history_months
    from {{ ref('evidence_thresholds') }}
),

-- How many opportunities there were is known when the period is over, what became of them only a horizon later.
clocks as (
    {%- for basis, kind in [('cohort', 'count'), ('cohort', 'outcome'), ('closed', 'count'), ('closed', 'outcome')] %}
    select
        '{{ basis }}' as basis,
        '{{ kind }}' as kind,
        run_context.as_of_date + 1 {{ '- lever_thresholds.horizon_days' if (basis, kind) == ('cohort', 'outcome') }}
            as open_date
    from run_context
    cross join lever_thresholds
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- The newest period that ends before that day.
newest as (
    {%- for grain, months in [('month', 1), ('quarter', 3)] %}
    select
        '{{ grain }}' as period_grain,
        {{ add_months(period_start('clocks.open_date', grain), -months) }} as period_start,
        {{ period_start('clocks.open_date', grain) }} as period_end,
        {{ months }} as period_months,
        clocks.basis,
        clocks.kind
    from clocks
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

histories as (
    select
        newest.*,
        greatest(
            {{ add_months('newest.period_start', '-lever_thresholds.history_months') }},
            coalesce(
                case newest.basis
                    when 'closed' then closed_history.closed_starts_on
                    else run_context.history_starts_on
                end,
                date '0001-01-01'
            )
        ) as history_start
    from newest
    cross join lever_thresholds
    cross join run_context
    cross join closed_history
),

-- A segment without a deal in a period that others have had none of it, from its first deal on.
firsts as (
    select
        period_grain,
        dimension,
        segment,
        basis,
        min(period_start) as first_start
    from velocity_facts
    cross join run_context
    cross join closed_history
    where
        period_start >= coalesce(
            case basis when 'closed' then closed_history.closed_starts_on else run_context.history_starts_on end,
            date '0001-01-01'
        )
    group by all
),

facts as (
    select
        histories.*,
        firsts.first_start,
        velocity_facts.dimension,
        velocity_facts.segment,
        velocity_facts.period_start = histories.period_start as is_newest,
        {%- for name in counts %}
        velocity_facts.{{ name }}_count,
        {%- endfor %}
        {%- for name in sums %}
        velocity_facts.{{ name }},
        {%- endfor %}
        velocity_facts.qualified_count * velocity_facts.qualified_count / {{ days_between(
            'velocity_facts.period_start', period_end('velocity_facts.period_grain', 'velocity_facts.period_start')
        ) }}::double as count_square
    from histories
    inner join velocity_facts
        on
            histories.period_grain = velocity_facts.period_grain
            and histories.basis = velocity_facts.basis
            and histories.period_start >= velocity_facts.period_start
            and histories.history_start <= velocity_facts.period_start
    inner join firsts
        on
            velocity_facts.period_grain = firsts.period_grain
            and velocity_facts.dimension = firsts.dimension
            and velocity_facts.segment = firsts.segment
            and velocity_facts.basis = firsts.basis
),

summed as (
    select
        period_grain,
        period_start,
        dimension,
        segment,
        basis,
        kind,
        max(period_months) as period_months,
        max({{ days_between('period_start', 'period_end') }}) as period_days,
        max({{ days_between('greatest(history_start, first_start)', 'period_start') }}) as earlier_days,
        {%- for prefix, condition in [('', 'is_newest'), ('earlier_', 'not is_newest')] %}
        {%- for name in counts %}
        coalesce(sum({{ name }}_count) filter (where {{ condition }}), 0)::bigint as {{ prefix }}{{ name }}_count,
        {%- endfor %}
        {%- for name in sums %}
        coalesce(sum({{ name }}::decimal(38, 9)) filter (where {{ condition }}), 0)::double as {{ prefix }}{{ name }},
        {%- endfor %}
        {%- endfor %}
        coalesce(sum(count_square::decimal(38, 18)) filter (where not is_newest), 0)::double as earlier_count_square_sum
    from facts
    group by all
)

select
    summed.*,
    coalesce(dimension_completeness.is_missing_by_outcome, false) and summed.basis = 'cohort'
    and summed.kind = 'outcome' as is_missing_by_outcome,
    run_context.reporting_currency as currency
from summed
left join dimension_completeness using (period_grain, period_start, dimension)
cross join run_context
