{#
  The relations firsts_of_all and cohorts: the rows of the relation grouped once for each cohort (period_grain quarter)
  and once for all together (period_grain all, from the first cohort on). Cohorts from before the history are not in
  all: of them only who stayed is known. It reads cohort_customers, grouped (cohort_quarter and more) and run_context.
#}
{% macro cohorts_and_all() -%}
firsts_of_all as (
    select min(cohort_customers.cohort_quarter) as first_quarter
    from cohort_customers
    cross join run_context
    where coalesce(cohort_customers.cohort_quarter >= run_context.history_starts_on, true)
),

cohorts as (
    select
        cohort_grains.period_grain,
        case cohort_grains.period_grain when 'all' then firsts_of_all.first_quarter else grouped.cohort_quarter end
            as period_start,
        grouped.*
    from grouped
    cross join firsts_of_all
    cross join run_context
    cross join (values ('quarter'), ('all')) as cohort_grains (period_grain)
    where
        cohort_grains.period_grain = 'quarter'
        or coalesce(grouped.cohort_quarter >= run_context.history_starts_on, true)
)
{%- endmacro %}
