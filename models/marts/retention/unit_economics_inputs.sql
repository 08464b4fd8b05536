with

facts as (
    select * from {{ ref('revenue_retention_facts') }}
    where window_name = 'period'
),

retention_accounts as (
    select
        period_grain,
        period_start,
        {%- for dimension in var('dimensions') %}
        {{ dimension }},
        {%- endfor %}
        (closing_arr_amount / 12)::double as mrr
    from {{ ref('retention_accounts') }}
    where window_name = 'period' and is_new
),

campaign_spend as (
    select
        lower(trim(channel)) as channel,
        spend_amount,
        spend_date
    from {{ ref('campaign_spend') }}
    where not is_disqualified and not is_negative_amount and spend_date is not null
),

spend_channels as (
    select * from {{ ref('spend_channels') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

new_customers as (
    select
        period_grain,
        period_start,
        {{ grouped_dimension() }} as dimension,
        {{ grouped_segment() }} as segment,
        sum((mrr * mrr)::decimal(38, 4))::double as mrr_square_sum
    from retention_accounts
    {{ group_by_each_dimension('period_grain, period_start') }}  -- noqa: PRS
),

dated as (
    {%- for grain in ['month', 'quarter'] %}
    select
        '{{ grain }}' as period_grain,
        {{ period_start('spend_date', grain) }} as period_start,
        channel,
        spend_amount
    from campaign_spend
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- Spend belongs to the total, and to a segment only where the seed says so.
spend as (
    select
        period_grain,
        period_start,
        'all' as dimension,
        'all' as segment,
        sum(spend_amount)::decimal(18, 2) as spend_amount,
        count(*) filter (where spend_amount is null) as unknown_spend_count
    from dated
    group by period_grain, period_start
    union all
    select
        dated.period_grain,
        dated.period_start,
        spend_channels.dimension,
        spend_channels.segment,
        sum(dated.spend_amount)::decimal(18, 2) as spend_amount,
        count(*) filter (where dated.spend_amount is null) as unknown_spend_count
    from dated
    inner join spend_channels on dated.channel = lower(trim(spend_channels.channel))
    group by dated.period_grain, dated.period_start, spend_channels.dimension, spend_channels.segment
),

known_channels as (
    select distinct
        dimension,
        segment
    from spend_channels
),

-- A channel that the seed knows, in a period with spend of others, had none.
spend_of_periods as (
    select
        period_grain,
        period_start
    from spend
    where dimension = 'all'
)

-- LTV needs no spend: every segment has it. What it cost to win a customer only those have whose spend is known.
select
    facts.period_grain,
    facts.period_start,
    facts.dimension,
    facts.segment,
    facts.new_count,
    (facts.new_amount / 12)::decimal(18, 2) as new_mrr_amount,
    facts.new_amount as new_arr_amount,
    coalesce(new_customers.mrr_square_sum, 0) as mrr_square_sum,
    coalesce(
        spend.spend_amount,
        case
            when known_channels.segment is not null and spend_of_periods.period_start is not null then 0
        end
    )::decimal(18, 2) as spend_amount,
    coalesce(spend.unknown_spend_count, 0) > 0 as is_spend_incomplete,
    facts.is_unfinished,
    coalesce(facts.period_start < run_context.history_starts_on, false) as is_left_truncated
from facts
cross join run_context
left join new_customers
    on
        facts.period_grain = new_customers.period_grain
        and facts.period_start = new_customers.period_start
        and facts.dimension = new_customers.dimension
        and facts.segment = new_customers.segment
left join spend
    on
        facts.period_grain = spend.period_grain
        and facts.period_start = spend.period_start
        and facts.dimension = spend.dimension
        and facts.segment = spend.segment
left join known_channels
    on facts.dimension = known_channels.dimension and facts.segment = known_channels.segment
left join spend_of_periods
    on facts.period_grain = spend_of_periods.period_grain and facts.period_start = spend_of_periods.period_start
where facts.period_grain = 'quarter'
