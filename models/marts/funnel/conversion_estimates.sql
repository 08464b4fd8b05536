with

horizons as (
    select horizon_days from {{ ref('horizons') }}
),

estimates as (
    {{ aalen_johansen(ref('funnel_day_counts'), 'horizons') }}
)

select * from estimates
