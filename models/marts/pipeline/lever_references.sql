with

benchmarks as (
    select * from {{ ref('benchmarks') }}
),

lever_thresholds as (
    select * from {{ ref('lever_thresholds') }}
),

exchange_rates as (
    {{ exchange_rate_periods() }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

dated as (
    select
        benchmarks.lever,
        benchmarks.basis,
        coalesce(benchmarks.dimension, 'all') as dimension,
        coalesce(benchmarks.segment, 'all') as segment,
        benchmarks.value,
        coalesce(upper(benchmarks.currency), run_context.reporting_currency) as currency,
        benchmarks.valid_from,
        run_context.reporting_currency,
        run_context.as_of_date
    from benchmarks
    cross join run_context
    where benchmarks.valid_from <= run_context.as_of_date
),

ranked as (
    select
        *,
        row_number() over (
            partition by lever, basis, dimension, segment
            order by valid_from desc, value desc
        ) as age_rank
    from dated
),

newest as (
    select * from ranked
    where age_rank = 1
),

converted as (
    select
        newest.lever,
        newest.basis,
        newest.dimension,
        newest.segment,
        newest.value * case
            when newest.lever in ('mean_deal_amount', 'pipeline_velocity')
                then {{ reporting_rate('newest.currency', 'newest.reporting_currency') }}
            else 1
        end as reference_value
    from newest
    {{ join_exchange_rates('newest.currency', 'newest.reporting_currency', 'newest.as_of_date') }}
)

-- A threshold holds for every segment or for the total, a benchmark for the one that it names.
select
    'benchmark' as comparator,
    lever || '_benchmark' as signal,
    null::string as label,
    lever,
    basis,
    dimension,
    segment,
    'value' as statistic,
    null::string as comparison,
    reference_value::double as reference_value,
    null::string as applies_to
from converted
where reference_value is not null
union all
select
    'threshold' as comparator,
    signal,
    label,
    lever,
    basis,
    null::string as dimension,
    null::string as segment,
    statistic,
    comparison,
    threshold_value as reference_value,
    applies_to
from lever_thresholds
