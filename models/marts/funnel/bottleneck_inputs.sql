{%- set spine = var('spine') -%}
with

contrast_inputs as (
    select * from {{ ref('contrast_inputs') }}
    where comparator = 'rest'
),

funnel_conversion as (
    select funnel_conversion.*
    from {{ ref('funnel_conversion') }} as funnel_conversion
    inner join {{ ref('horizons') }} as horizons on funnel_conversion.horizon_days = horizons.horizon_days
    where horizons.is_primary and funnel_conversion.dimension = 'all'
),

transitions as (
    {%- for stage in spine[:-1] %}
    select
        '{{ stage }}' as from_stage,
        '{{ spine[loop.index] }}' as to_stage,
        {{ loop.index }} as transition_order
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- What the population makes of a conversion afterwards: the product of its later rates in the same period.
onward as (
    select
        estimates.period_grain,
        estimates.period_start,
        transitions.from_stage,
        case
            when min(estimates.conversion_rate) = 0 then 0.0
            else exp(sum(ln(nullif(estimates.conversion_rate, 0))::decimal(38, 18))::double)
        end as onward_rate,
        count(estimates.conversion_rate) as later_count
    from transitions
    inner join transitions as later on transitions.transition_order < later.transition_order
    inner join funnel_conversion as estimates
        on later.from_stage = estimates.from_stage and later.to_stage = estimates.to_stage
    group by estimates.period_grain, estimates.period_start, transitions.from_stage
)

select
    contrast_inputs.period_grain,
    contrast_inputs.period_start,
    contrast_inputs.dimension,
    contrast_inputs.segment,
    transitions.from_stage,
    transitions.to_stage,
    contrast_inputs.metric,
    case
        when transitions.to_stage = '{{ spine[-1] }}' then 1.0
        when onward.later_count = {{ spine | length - 1 }} - transitions.transition_order then onward.onward_rate
    end as onward_rate,
    waits.metric as stage_days_metric,
    -- Geometric mean of days plus one, which the contrast of logarithms is relative to.
    exp(waits.other_log_sum / waits.other_n) as rest_days_plus_one
from contrast_inputs
inner join transitions on contrast_inputs.metric = transitions.from_stage || '_to_' || transitions.to_stage || '_rate'
left join onward
    on
        contrast_inputs.period_grain = onward.period_grain
        and contrast_inputs.period_start = onward.period_start
        and transitions.from_stage = onward.from_stage
left join contrast_inputs as waits
    on
        contrast_inputs.period_grain = waits.period_grain
        and contrast_inputs.period_start = waits.period_start
        and contrast_inputs.dimension = waits.dimension
        and contrast_inputs.segment = waits.segment
        and waits.metric = transitions.from_stage || '_stage_days'
        and waits.other_n > 0
