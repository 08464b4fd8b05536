{% set has_tier = 'deal_size_tier' in var('dimensions') -%}
with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_type = 'new_business' and is_primary and won_date is not null and opportunity_date is not null
),

telling_tier as (
    select coalesce(bool_or(is_missing_by_outcome), false) as is_missing_by_outcome
    from {{ ref('forecast_segments') }}
    where dimension = 'deal_size_tier'
)

select
    {% if has_tier -%}
    case when telling_tier.is_missing_by_outcome then 'all' else coalesce(journeys.deal_size_tier, 'unknown') end
        as tier,
    {%- else -%}
    'all' as tier,
    {%- endif %}
    {%- for dimension in var('dimensions') %}
    coalesce(journeys.{{ dimension }}, 'unknown') as {{ 'segment_of_' ~ dimension }},
    {%- endfor %}
    case when journeys.amount > 0 then journeys.amount else 0 end as realised_amount,
    journeys.opportunity_date,
    journeys.won_date
from journeys
cross join telling_tier
