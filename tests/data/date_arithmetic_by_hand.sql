-- Every date difference and period of the project goes through these macros; the expected values are by hand.
with

cases as (
    select
        'leap day' as name,
        {{ days_between("date '2024-02-28'", "date '2024-03-01'") }}::string as got,
        '2' as expected
    union all
    select
        'same day' as name,
        {{ days_between("date '2025-05-05'", "date '2025-05-05'") }}::string as got,
        '0' as expected
    union all
    select
        'backwards' as name,
        {{ days_between("date '2025-01-10'", "date '2024-12-31'") }}::string as got,
        '-10' as expected
    union all
    select
        'a year' as name,
        {{ days_between("date '2025-03-01'", "date '2026-03-01'") }}::string as got,
        '365' as expected
    union all
    select
        'end of a long month' as name,
        {{ add_months("date '2025-01-31'", 1) }}::string as got,
        '2025-02-28' as expected
    union all
    select
        'months back over a year' as name,
        {{ add_months("date '2025-02-01'", -3) }}::string as got,
        '2024-11-01' as expected
    union all
    select
        'month' as name,
        {{ period_start("date '2025-02-28'", 'month') }}::string as got,
        '2025-02-01' as expected
    union all
    select
        'end of a quarter' as name,
        {{ period_end("'quarter'", "date '2025-11-01'") }}::string as got,
        '2026-02-01' as expected
    union all
    select
        'end of a month' as name,
        {{ period_end("'month'", "date '2025-12-01'") }}::string as got,
        '2026-01-01' as expected
    {%- if var('fiscal_year_start_month') % 3 == 1 %}
    union all
    select
        'calendar quarter' as name,
        {{ period_start("date '2025-05-31'", 'quarter') }}::string as got,
        '2025-04-01' as expected
    {%- elif var('fiscal_year_start_month') % 3 == 2 %}
    union all
    select
        'last day of a quarter that starts in February' as name,
        {{ period_start("date '2025-04-30'", 'quarter') }}::string as got,
        '2025-02-01' as expected
    union all
    select
        'January belongs to the quarter of November' as name,
        {{ period_start("date '2025-01-01'", 'quarter') }}::string as got,
        '2024-11-01' as expected
    {%- else %}
    union all
    select
        'February belongs to the quarter of December' as name,
        {{ period_start("date '2025-02-28'", 'quarter') }}::string as got,
        '2024-12-01' as expected
    {%- endif %}
)

select
    name,
    got,
    expected
from cases
where got <> expected
