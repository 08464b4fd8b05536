with

horizons as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

estimates as (
    {{ aalen_johansen(ref('rest_day_counts'), 'horizons') }}
)

select * from estimates
