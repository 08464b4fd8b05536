-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
{% set cell = 'period_grain, period_start, dimension, segment, outcome, category' -%}
with

journeys as (
    select
        *,
        case when won_date is not null then 'won' else 'lost' end as outcome,
        {{ period_start('coalesce(won_date, lost_date)', 'month') }} as closed_month
    from {{ ref('journeys') }}
    where
        opportunity_type = 'new_business' and is_primary and opportunity_date is not null
        and coalesce(won_date, lost_date) is not null
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

thresholds as (
    select
        max(value) filter (where threshold = 'minimum_n') as minimum_n,
        max(value) filter (where threshold = 'maximum_reasons') as maximum_reasons
    from {{ ref('evidence_thresholds') }}
),

named as (
    {%- for category, column in {'reason': 'loss_reason', 'competitor': 'competitor'}.items() %}
    select
        journeys.outcome,
        '{{ category }}' as category,
        nullif(trim(opportunities.{{ column }}), '') as label,
        journeys.closed_month
        {%- for dimension in var('dimensions') %},
        journeys.{{ dimension }}
        {%- endfor %}
    from journeys
    inner join opportunities on journeys.opportunity_id = opportunities.opportunity_id
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

spellings as (
    select
        outcome,
        category,
        label,
        {{ label_key('label') }} as label_key,
        count(*) as deal_count
    from named
    where label is not null
    group by outcome, category, label
),

-- Spellings that differ by case or blanks are one label, called by the commonest.
labels as (
    select
        outcome,
        category,
        label_key,
        max_by(label, (deal_count, label)) as label,
        sum(deal_count) as deal_count
    from spellings
    group by outcome, category, label_key
),

-- Rare labels are pooled: they say nothing by themselves, and could be what somebody typed about a person.
pooled as (
    select
        labels.outcome,
        labels.category,
        labels.label_key,
        case
            when labels.label_key = 'other' then 'Other'
            when labels.deal_count < thresholds.minimum_n then 'Other'
            when
                row_number() over (
                    partition by labels.outcome, labels.category
                    order by labels.label_key = 'other' asc, labels.deal_count desc, labels.label_key asc
                ) > thresholds.maximum_reasons
                then 'Other'
            else labels.label
        end as reason
    from labels
    cross join thresholds
),

reasoned as (
    select
        named.*,
        pooled.reason
    from named
    left join pooled
        on
            named.outcome = pooled.outcome
            and named.category = pooled.category
            and {{ label_key('named.label') }} = pooled.label_key
),

counted as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        outcome,
        category,
        closed_month,
        reason,
        count(*) as deal_count
    from reasoned
    {{ group_by_each_dimension('outcome, category, closed_month, reason') }}  -- noqa: PRS
),

-- A dimension that is known only later than the opportunity would know the won ones alone.
known as (
    select counted.*
    from counted
    left join dimensions on counted.dimension = dimensions.dimension
    left join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    left join lifecycle_stages as opportunity on opportunity.stage = 'opportunity'
    where counted.dimension = 'all' or known_from.stage_order <= opportunity.stage_order
),

grains as (
    {%- for grain in ['month', 'quarter'] %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start('closed_month', grain) }} as period_start,
        dimension,
        segment,
        outcome,
        category,
        reason,
        sum(deal_count)::bigint as deal_count
    from known
    group by all
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

cells as (
    select
        {{ cell }},
        sum(deal_count)::bigint as closed_count,
        coalesce(sum(deal_count) filter (where reason is not null), 0)::bigint as recorded_count
    from grains
    group by {{ cell }}
),

reasons as (
    select
        outcome,
        category,
        reason,
        count(*) over (partition by outcome, category) as reason_count
    from pooled
    group by outcome, category, reason
)

-- Every reason that occurs at all has a row in every cell, also where nobody named it.
select
    cells.period_grain,
    cells.period_start,
    cells.dimension,
    cells.segment,
    cells.outcome,
    cells.category,
    reasons.reason,
    coalesce(grains.deal_count, 0) as deal_count,
    cells.recorded_count as n,
    reasons.reason_count,
    cells.recorded_count::double / cells.closed_count as recorded_rate
from cells
inner join reasons on cells.outcome = reasons.outcome and cells.category = reasons.category
left join grains
    on
        cells.period_grain = grains.period_grain
        and cells.period_start = grains.period_start
        and cells.dimension = grains.dimension
        and cells.segment = grains.segment
        and cells.outcome = grains.outcome
        and cells.category = grains.category
        and reasons.reason = grains.reason
union all
-- Where no deal of an outcome has a label at all, the field is not used for it; a lost deal should have a reason.
select
    cells.period_grain,
    cells.period_start,
    cells.dimension,
    cells.segment,
    cells.outcome,
    'missing_' || cells.category as category,
    'not recorded' as reason,
    cells.closed_count - cells.recorded_count as deal_count,
    cells.closed_count as n,
    1 as reason_count,
    1.0 as recorded_rate
from cells
where
    (cells.outcome = 'lost' and cells.category = 'reason')
    or (cells.outcome, cells.category) in (select (reasons.outcome, reasons.category) from reasons)
