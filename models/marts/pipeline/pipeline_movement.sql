-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
{% set flows = [
    'opening', 'created', 'reopened', 'pulled_in', 'pushed_out', 'up', 'down', 'won', 'lost', 'closing',
] -%}
with

pipeline_movement_facts as (
    select * from {{ ref('pipeline_movement_facts') }}
),

history as (
    select
        count(close_date) > 0 as has_close_dates,
        count(amount) > 0 as has_amounts
    from {{ ref('opportunity_history') }}
),

opportunities as (
    select * from {{ ref('opportunities') }}
    where opportunity_type = 'new_business' and not is_disqualified
),

run_context as (
    select * from {{ ref('run_context') }}
),

evidence_reasons as (
    select * from {{ ref('evidence_reasons') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

pipeline_thresholds as (
    select max(value) filter (where threshold = 'maximum_deal_share') as maximum_deal_share
    from {{ ref('evidence_thresholds') }}
),

outcome_amounts as (
    select
        case when current_stage in ('won', 'lost') then current_stage else 'open' end as outcome,
        count(*) filter (where amount > 0)::double / count(*) as amount_rate,
        count(*) as deal_count
    from opportunities
    group by case when current_stage in ('won', 'lost') then current_stage else 'open' end
),

-- Where today's amount stands for every day, and one outcome has none more often than another, the pipeline of a past
-- day would be that of the deals which were won later.
amounts as (
    select
        coalesce(
            max(outcome_amounts.amount_rate) - min(outcome_amounts.amount_rate)
            > max(thresholds.maximum_outcome_completeness_gap), false
        ) and not bool_or(history.has_amounts) as is_missing_by_outcome
    from outcome_amounts
    cross join thresholds
    cross join history
    where outcome_amounts.deal_count >= thresholds.minimum_n
),

judged as (
    select
        facts.*,
        amounts.is_missing_by_outcome,
        run_context.reporting_currency as currency,
        facts.missing_amount_count::double / nullif(facts.deal_count, 0) as missing_amount_share,
        (facts.largest_amount / nullif(facts.entered_amount, 0))::double as largest_deal_share,
        -- Where nothing came in, nothing is missing.
        case
            when facts.scope = 'closing_in_period' and not history.has_close_dates then 'not_applicable'
            when facts.period_start < run_context.history_starts_on then 'left_truncated'
            when facts.deal_count < thresholds.minimum_n then 'insufficient_sample'
            when facts.missing_amount_count = facts.deal_count then 'incomplete_data'
            when amounts.is_missing_by_outcome then 'incomplete_data'
        end as suppressed_reason,
        case
            when {{ period_end('facts.period_grain', 'facts.period_start') }} > run_context.as_of_date + 1
                then 'too_early'
            when facts.missing_amount_count > (1 - thresholds.minimum_completeness) * facts.deal_count
                then 'incomplete_data'
            when facts.largest_amount > pipeline_thresholds.maximum_deal_share * facts.entered_amount
                then 'insufficient_sample'
            when facts.deal_count < thresholds.reportable_n then 'insufficient_sample'
        end as directional_reason,
        facts.largest_amount > pipeline_thresholds.maximum_deal_share * facts.entered_amount as has_dominant_deal
    from pipeline_movement_facts as facts
    cross join history
    cross join amounts
    cross join run_context
    cross join thresholds
    cross join pipeline_thresholds
),

-- The caveat says more than its reason.
explained as (
    select
        *,
        case coalesce(suppressed_reason, directional_reason)
            when 'not_applicable' then 'no_planned_dates'
            when 'too_early' then 'period_not_over'
            when 'incomplete_data'
                then case when is_missing_by_outcome then 'amounts_by_outcome' else 'missing_amounts' end
            when 'insufficient_sample'
                then case
                    when suppressed_reason is null and has_dominant_deal then 'dominant_deal'
                    else 'insufficient_sample'
                end
            else coalesce(suppressed_reason, directional_reason)
        end as caveat_key
    from judged
)

select
    period_grain,
    period_start,
    dimension,
    segment,
    scope,
    currency,
    {%- for flow in flows %}
    {{ unless_suppressed(flow ~ '_amount', 'suppressed_reason') }} as {{ flow }}_amount,
    {%- endfor %}
    {%- for flow in flows %}
    case when coalesce(suppressed_reason, '') <> 'not_applicable' then {{ flow }}_count end as {{ flow }}_count,
    {%- endfor %}
    {{ unless_suppressed('missing_amount_share', 'suppressed_reason') }} as missing_amount_share,
    {{ unless_suppressed('largest_deal_share', 'suppressed_reason') }} as largest_deal_share,
    case when coalesce(suppressed_reason, '') <> 'not_applicable' then deal_count else 0 end as n,
    {{ evidence_columns('suppressed_reason', 'directional_reason') }}
from explained
left join evidence_reasons on explained.caveat_key = evidence_reasons.evidence_reason
