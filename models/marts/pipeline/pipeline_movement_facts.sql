-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
{% set flows = [
    'opening', 'created', 'reopened', 'pulled_in', 'pushed_out', 'up', 'down', 'won', 'lost', 'closing',
] -%}
with

pipeline_flows as (
    select * from {{ ref('pipeline_flows') }}
),

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
    where opportunity_type = 'new_business'
),

segment_codes as (
    select * from {{ ref('segment_codes') }}
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

-- Scope, grain, period and flow as one number: a row is grouped by two numbers instead of by five texts.
segmented as (
    select
        (
            (
                (year(pipeline_flows.period_start) * 12 + month(pipeline_flows.period_start) - 1) * 4
                + case pipeline_flows.period_grain when 'month' then 0 else 2 end
                + case pipeline_flows.scope when 'open_pipeline' then 0 else 1 end
            ) * 16
            + case pipeline_flows.flow
                {%- for flow in flows %}
                when '{{ flow }}' then {{ loop.index0 }}
                {%- endfor %}
            end
        )::integer as cell,
        pipeline_flows.amount
        {%- for dimension in var('dimensions') %},
        pipeline_deals.{{ dimension }}
        {%- endfor %}
    from pipeline_flows
    inner join pipeline_deals on pipeline_flows.deal_number = pipeline_deals.deal_number
),

numbered as (
    select
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment(1) }} as segment_code,
        cell,
        cell // 16 as period_cell,
        cell // 64 as month_number,
        count(*) as deal_count,
        count(*) - count(amount) as missing_count,
        coalesce(sum(amount), 0)::decimal(38, 2) as amount,
        max(amount) as largest_amount
    from segmented
    {{ group_by_each_dimension('cell') }}  -- noqa: PRS
),

counted as (
    select
        numbered.dimension,
        segment_codes.segment,
        case numbered.period_cell % 2 when 0 then 'open_pipeline' else 'closing_in_period' end as scope,
        case when numbered.period_cell % 4 < 2 then 'month' else 'quarter' end as period_grain,
        make_date(numbered.month_number // 12, numbered.month_number % 12 + 1, 1) as period_start,
        case numbered.cell % 16
            {%- for flow in flows %}
            when {{ loop.index0 }} then '{{ flow }}'
            {%- endfor %}
        end as flow,
        numbered.deal_count,
        numbered.missing_count,
        numbered.amount,
        numbered.largest_amount
    from numbered
    left join segment_codes
        on numbered.dimension = segment_codes.dimension and numbered.segment_code = segment_codes.segment_code
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

-- Of the open pipeline: what a month closes with is what the next one opens with, and quarters are sums of months but
-- for the first opening and the last closing.
months as (
    select
        *,
        {{ add_months('period_start', 1) }} as next_start,
        {{ period_start('period_start', 'quarter') }} as quarter_start
    from known
    where scope = 'open_pipeline'
),

unioned as (
    select
        dimension,
        segment,
        scope,
        period_grain,
        period_start,
        flow,
        deal_count,
        missing_count,
        amount,
        largest_amount
    from known
    union all
    select
        dimension,
        segment,
        scope,
        'month' as period_grain,
        next_start as period_start,
        'opening' as flow,
        deal_count,
        missing_count,
        amount,
        largest_amount
    from months
    cross join run_context
    where flow = 'closing' and next_start <= run_context.as_of_date
    union all
    select
        dimension,
        segment,
        scope,
        'quarter' as period_grain,
        quarter_start as period_start,
        flow,
        deal_count,
        missing_count,
        amount,
        largest_amount
    from months
    cross join run_context
    where
        flow <> 'closing'
        or next_start > run_context.as_of_date
        or {{ period_start('next_start', 'quarter') }} = next_start
    union all
    select
        dimension,
        segment,
        scope,
        'quarter' as period_grain,
        next_start as period_start,
        'opening' as flow,
        deal_count,
        missing_count,
        amount,
        largest_amount
    from months
    cross join run_context
    where
        flow = 'closing'
        and next_start <= run_context.as_of_date
        and {{ period_start('next_start', 'quarter') }} = next_start
)

select
    period_grain,
    period_start,
    dimension,
    segment,
    scope,
    {%- for flow in flows %}
    coalesce(sum(deal_count) filter (where flow = '{{ flow }}'), 0)::bigint as {{ flow }}_count,
    coalesce(sum(amount) filter (where flow = '{{ flow }}'), 0)::decimal(38, 2) as {{ flow }}_amount,
    {%- endfor %}
    -- What was in the period: at its start, or entered in it. A deal that came back counts again.
    coalesce(sum(deal_count) filter (where flow in ('opening', 'created', 'reopened', 'pulled_in')), 0)::bigint
        as deal_count,
    coalesce(sum(missing_count) filter (where flow in ('opening', 'created', 'reopened', 'pulled_in')), 0)::bigint
        as missing_amount_count,
    coalesce(sum(amount) filter (where flow in ('opening', 'created', 'reopened', 'pulled_in')), 0)::decimal(38, 2)
        as entered_amount,
    coalesce(max(largest_amount) filter (where flow in ('opening', 'created', 'reopened', 'pulled_in')), 0)
        as largest_amount
from unioned
group by period_grain, period_start, dimension, segment, scope
