-- A number instead of a key of many letters, and of every dimension the number of its segment (`segment_codes`): what
-- comes after joins and groups millions of rows by them.
with

journeys as (
    select * from {{ ref('journeys') }}
    where opportunity_id is not null and is_primary and opportunity_date is not null
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

segment_codes as (
    select * from {{ ref('segment_codes') }}
)

select
    row_number() over (order by journeys.opportunity_id)::integer as deal_number,
    journeys.opportunity_id,
    journeys.opportunity_number,
    journeys.opportunity_type,
    {%- for dimension in var('dimensions') %}
    {{ dimension }}_codes.segment_code as {{ dimension }},
    {%- endfor %}
    opportunities.amount,
    opportunities.close_date,
    opportunities.current_stage
from journeys
inner join opportunities on journeys.opportunity_number = opportunities.opportunity_number
{%- for dimension in var('dimensions') %}
left join segment_codes as {{ dimension }}_codes
    on {{ dimension }}_codes.dimension = '{{ dimension }}' and journeys.{{ dimension }} = {{ dimension }}_codes.segment
{%- endfor %}
