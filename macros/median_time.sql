{#- Median time until an event from day counts (event_count, censored_count per outcome_days) of each cell: the first day
    by which the Kaplan-Meier curve is at one half or below. Interval: the days at which the curve does not differ from
    one half on the log(-log) scale with Greenwood's variance (Brookmeyer and Crowley 1982); its upper limit is NULL where
    too few were followed for so long. A whole select. -#}
{% macro median_time(day_counts, cell, thresholds) -%}
with

risk_sets as (
    select
        {{ cell }},
        outcome_days,
        event_count,
        (sum(event_count + censored_count) over (
            partition by {{ cell }}
            order by outcome_days desc
        ))::double as at_risk_count
    from {{ day_counts }}
),

curves as (
    select
        {{ cell }},
        outcome_days,
        event_count,
        -- The curve ends at zero where the last one at risk has the event.
        case when min(at_risk_count - event_count) over days > 0 then exp(
            sum(case when event_count < at_risk_count then ln(1 - event_count / at_risk_count) else 0 end) over days
        ) else 0 end as survival,
        sum(
            case
                when event_count < at_risk_count then event_count / (at_risk_count * (at_risk_count - event_count))
                else 0
            end
        ) over days as hazard_variance
    from risk_sets
    window days as (
        partition by {{ cell }}
        order by outcome_days rows between unbounded preceding and current row
    )
),

-- The distance from one half in standard errors, positive below it.
tested as (
    select
        {{ cell }},
        outcome_days,
        survival,
        case
            when survival > 0 and survival < 1
                then (ln(-ln(survival)) - ln(-ln(0.5))) * -ln(survival) / sqrt(nullif(hazard_variance, 0))
            when survival = 0 then 1e300
        end as deviate
    from curves
    where event_count > 0
)

select
    {{ cell }},
    (min(outcome_days) filter (where survival <= 0.5 + 1e-12))::double as median_days,
    (min(outcome_days) filter (where deviate >= -{{ thresholds }}.confidence_z))::double as median_low_days,
    (min(outcome_days) filter (where deviate > {{ thresholds }}.confidence_z))::double as median_high_days
from tested
cross join {{ thresholds }}
group by {{ cell }}
{%- endmacro %}
