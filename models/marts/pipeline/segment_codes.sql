-- Segments as small numbers: millions of rows are grouped by them, and called by their names afterwards.
with

journeys as (
    select * from {{ ref('journeys') }}
    where is_primary and opportunity_id is not null
),

segments as (
    {%- for dimension in var('dimensions') %}
    select distinct
        '{{ dimension }}' as dimension,
        {{ dimension }} as segment
    from journeys
    where {{ dimension }} is not null
    union all
    {%- endfor %}
    select
        'all' as dimension,
        'all' as segment
)

select
    dimension,
    segment,
    row_number() over (partition by dimension order by segment)::integer as segment_code
from segments
