{{ config(materialized='view') }}

with

journey_transitions as (
    select * from {{ ref('journey_transitions') }}
    where
        outcome <> 'open'
        and not is_imputed
        and (from_stage, to_stage) in (
            {%- for stage in var('spine')[:-1] %}
            ('{{ stage }}', '{{ var("spine")[loop.index] }}'){{ ',' if not loop.last }}
            {%- endfor %}
        )
)

-- Logarithms of days plus one, so that a stage that was left on its first day has one.
select
    *,
    ln(outcome_days + 1) as stage_log,
    {{ period_start('(entered_date + outcome_days::integer)', 'month') }} as exit_month
from journey_transitions
