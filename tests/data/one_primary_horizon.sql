-- One primary horizon, and the horizon of the velocity is one of the horizons.
select count(*) filter (where is_primary) as primary_count
from {{ ref('horizons') }}
having
    count(*) filter (where is_primary) <> 1
    or max((
        select value from {{ ref('evidence_thresholds') }}
        where threshold = 'velocity_horizon_days'
    ))
    not in (select horizon_days from {{ ref('horizons') }})
