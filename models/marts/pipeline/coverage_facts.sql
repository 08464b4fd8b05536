-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and opportunity_date is not null
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

stage_win_rates as (
    select * from {{ ref('stage_win_rates') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

-- A negative amount is a refund or a slip, and no size of a deal: it counts as a missing one.
deals as (
    select
        journeys.*,
        case when journeys.amount >= 0 then journeys.amount end as deal_amount,
        opportunities.source_stage,
        opportunities.probability,
        opportunities.close_date,
        run_context.as_of_date
    from journeys
    left join opportunities on journeys.opportunity_id = opportunities.opportunity_id
    cross join run_context
),

-- The weight of a deal is what its CRM says, or else how often deals that were in its stage were won. A planned close
-- date that has passed is due from tomorrow on, as in the forecast.
open_deals as (
    select
        deals.*,
        greatest(deals.as_of_date + 1, coalesce(deals.close_date, deals.as_of_date)) as planned_date,
        deals.close_date is null as is_undated,
        coalesce(deals.close_date < deals.as_of_date, false) as is_overdue,
        coalesce(deals.probability between 0 and 1, false) as is_crm_probability,
        case
            when deals.probability between 0 and 1 then deals.probability
            else coalesce(stages.win_rate, any_stage.win_rate)
        end as win_probability
    from deals
    left join stage_win_rates as stages on lower(deals.source_stage) = stages.source_stage
    left join stage_win_rates as any_stage on any_stage.source_stage = 'any stage'
    where deals.won_date is null and deals.lost_date is null
),

measured as (
    {%- for measure, (relation, day, condition) in {
        'created': ('deals', 'opportunity_date', 'true'),
        'won': ('deals', 'won_date', 'won_date is not null'),
        'open': ('open_deals', 'planned_date', 'true'),
    }.items() %}
    select
        '{{ measure }}' as measure,
        {{ period_start(day, 'month') }} as month_start,
        {%- for dimension in var('dimensions') %}
        {{ dimension }},
        {%- endfor %}
        deal_amount,
        {{ 'is_undated' if measure == 'open' else 'false' }} as is_undated,
        {{ 'is_overdue' if measure == 'open' else 'false' }} as is_overdue,
        {{ 'is_crm_probability' if measure == 'open' else 'false' }} as is_crm_probability,
        {{ 'win_probability' if measure == 'open' else 'null::double' }} as win_probability
    from {{ relation }}
    where {{ condition }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- Sums of decimals, for the same rows must give the same release.
counted as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        measure,
        month_start,
        count(*) filter (where not is_undated) as opportunity_count,
        count(*) filter (where not is_undated and deal_amount is null) as missing_amount_count,
        count(*) filter (where is_overdue) as overdue_count,
        count(*) filter (where is_undated) as undated_count,
        count(*) filter (where not is_undated and is_crm_probability) as crm_probability_count,
        count(*) filter (where not is_undated and deal_amount is not null and win_probability is null)
            as unweighted_count,
        coalesce(sum(deal_amount) filter (where not is_undated), 0) as amount,
        coalesce(sum(deal_amount) filter (where is_overdue), 0) as overdue_amount,
        coalesce(sum(deal_amount) filter (where is_undated), 0) as undated_amount,
        coalesce(sum((deal_amount * win_probability)::decimal(38, 6)) filter (where not is_undated), 0)
            as weighted_amount,
        coalesce(
            sum(
                (deal_amount::double * deal_amount::double * win_probability * (1 - win_probability))::decimal(38, 6)
            ) filter (where not is_undated), 0
        ) as weighted_variance
    from measured
    {{ group_by_each_dimension('measure, month_start') }}  -- noqa: PRS
),

-- A dimension that is known only later than the opportunity would know the won ones alone.
known as (
    select counted.*
    from counted
    left join dimensions on counted.dimension = dimensions.dimension
    left join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    left join lifecycle_stages as opportunity on opportunity.stage = 'opportunity'
    where counted.dimension = 'all' or known_from.stage_order <= opportunity.stage_order
)

{% for grain in ['month', 'quarter'] -%}
select
    '{{ grain }}' as period_grain,
    {{ 'month_start' if grain == 'month' else period_start('month_start', 'quarter') }} as period_start,
    dimension,
    segment,
    measure,
    {%- for column in ['opportunity', 'missing_amount', 'overdue', 'undated', 'crm_probability', 'unweighted'] %}
    sum({{ column }}_count)::bigint as {{ column }}_count,
    {%- endfor %}
    {%- for column in ['amount', 'overdue_amount', 'undated_amount', 'weighted_amount'] %}
    sum({{ column }})::decimal(18, 2) as {{ column }},
    {%- endfor %}
    sum(weighted_variance)::double as weighted_variance
from known
group by all
{{ 'union all' if not loop.last }}
{% endfor %}
