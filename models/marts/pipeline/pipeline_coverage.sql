-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
{%- set cell = 'period_grain, period_start, dimension, segment' -%}
{%- set counts = [
    'opportunity_count', 'missing_amount_count', 'overdue_count', 'undated_count', 'crm_probability_count',
    'unweighted_count',
] -%}
{%- set amounts = ['amount', 'overdue_amount', 'undated_amount', 'weighted_amount'] -%}
with

coverage_facts as (
    select * from {{ ref('coverage_facts') }}
),

target_amounts as (
    select * from {{ ref('target_amounts') }}
),

evidence_reasons as (
    select * from {{ ref('evidence_reasons') }}
),

closed_history as (
    select * from {{ ref('closed_history') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

-- A target of won deals is what open ones have to fill.
targets as (
    select
        {{ cell }},
        case metric when 'won_amount' then 'won' else 'created' end as measure,
        target_amount
    from target_amounts
    union all
    select
        {{ cell }},
        'open' as measure,
        target_amount
    from target_amounts
    where metric = 'won_amount'
),

-- What is created or won lies behind the as-of date, what is open before it; a target without any deal has a row, too.
joined as (
    select
        {{ cell }},
        measure,
        {%- for column in counts + amounts %}
        coverage_facts.{{ column }},
        {%- endfor %}
        coverage_facts.weighted_variance,
        targets.target_amount
    from coverage_facts
    full outer join targets using ({{ cell }}, measure)
),

booked as (
    select
        {{ cell }},
        amount as booked_amount
    from coverage_facts
    where measure = 'won'
),

completed as (
    select
        joined.period_grain,
        joined.period_start,
        {{ period_end('joined.period_grain', 'joined.period_start') }} as period_end,
        joined.dimension,
        joined.segment,
        joined.measure,
        {%- for column in counts %}
        coalesce(joined.{{ column }}, 0) as {{ column }},
        {%- endfor %}
        coalesce(joined.amount, 0) as amount,
        case when joined.measure = 'open' then coalesce(joined.overdue_amount, 0) end as overdue_amount,
        case when joined.measure = 'open' then coalesce(joined.undated_amount, 0) end as undated_amount,
        case
            when joined.measure = 'open' and coalesce(joined.unweighted_count, 0) = 0
                then coalesce(joined.weighted_amount, 0)
        end as weighted_amount,
        sqrt(coalesce(joined.weighted_variance, 0)) as weighted_error,
        joined.target_amount,
        case when joined.measure = 'open' then coalesce(booked.booked_amount, 0) end as booked_amount
    from joined
    left join booked using ({{ cell }})
),

judged as (
    select
        completed.*,
        case
            when completed.weighted_amount is not null
                then greatest(completed.weighted_amount - thresholds.confidence_z * completed.weighted_error, 0)
        end as weighted_low,
        case
            when completed.weighted_amount is not null
                then least(
                        completed.weighted_amount + thresholds.confidence_z * completed.weighted_error, completed.amount
                    )
        end as weighted_high,
        case
            when completed.measure = 'open' then completed.target_amount - completed.booked_amount
            else completed.target_amount
        end as missing_to_target_amount,
        case
            when completed.measure = 'created' and completed.period_start < run_context.history_starts_on
                then 'left_truncated'
            when completed.measure = 'won' and completed.period_start < closed_history.closed_starts_on
                then 'left_truncated'
            when completed.opportunity_count < thresholds.minimum_n then 'insufficient_sample'
            when completed.missing_amount_count = completed.opportunity_count then 'incomplete_data'
        end as suppressed_reason,
        case
            when completed.opportunity_count < thresholds.reportable_n then 'insufficient_sample'
            when
                completed.missing_amount_count + completed.undated_count
                > (1 - thresholds.minimum_completeness) * (completed.opportunity_count + completed.undated_count)
                then 'incomplete_data'
            when completed.measure <> 'open' and completed.period_end > run_context.as_of_date + 1 then 'too_early'
            when
                thresholds.confidence_z * completed.weighted_error
                > thresholds.maximum_relative_half_width * completed.weighted_amount
                then 'wide_interval'
        end as directional_reason,
        run_context.reporting_currency as currency
    from completed
    cross join run_context
    cross join closed_history
    cross join thresholds
    where
        (completed.measure = 'open' and completed.period_end > run_context.as_of_date)
        or (completed.measure <> 'open' and completed.period_start <= run_context.as_of_date)
)

select
    judged.period_grain,
    judged.period_start,
    judged.dimension,
    judged.segment,
    judged.measure,
    judged.currency,
    judged.opportunity_count,
    judged.missing_amount_count,
    judged.overdue_count,
    judged.undated_count,
    judged.crm_probability_count,
    {{ unless_suppressed('judged.amount', 'judged.suppressed_reason') }} as amount,
    {{ unless_suppressed('judged.overdue_amount', 'judged.suppressed_reason') }} as overdue_amount,
    {{ unless_suppressed('judged.undated_amount', 'judged.suppressed_reason') }} as undated_amount,
    {{ unless_suppressed('judged.weighted_amount', 'judged.suppressed_reason') }} as weighted_amount,
    {{ unless_suppressed('judged.weighted_low', 'judged.suppressed_reason') }} as weighted_low,
    {{ unless_suppressed('judged.weighted_high', 'judged.suppressed_reason') }} as weighted_high,
    judged.target_amount,
    {{ unless_suppressed('judged.booked_amount', 'judged.suppressed_reason') }} as booked_amount,
    -- A target that is reached needs no pipeline: there is no ratio.
    {{ unless_suppressed(
        'case when judged.missing_to_target_amount > 0 '
        ~ 'then judged.amount::double / judged.missing_to_target_amount::double end', 'judged.suppressed_reason'
    ) }} as coverage_ratio,
    judged.opportunity_count as n,
    {{ evidence_columns('judged.suppressed_reason', 'judged.directional_reason') }}
from judged
{{ join_evidence_reasons('judged.suppressed_reason', 'judged.directional_reason') }}
