-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
-- One number per check of the publication boundary: how many cells break it.
{% set rates = {
    'funnel_conversion': ['conversion_rate', 'conversion_low', 'conversion_high', 'imputed_share'],
    'pipeline_velocity': ['win_rate'],
    'pipeline_stage_map': ['outcome_rate', 'outcome_low', 'outcome_high'],
    'win_loss': ['share', 'low', 'high', 'previous_share'],
    'win_loss_patterns': ['win_rate', 'rest_win_rate'],
    'pipeline_movement': ['missing_amount_share', 'largest_deal_share'],
    'revenue_retention': ['grr', 'grr_low', 'grr_high', 'logo_retention', 'logo_low', 'logo_high'],
    'retention_cohorts': ['survival_rate', 'survival_low', 'survival_high'],
} -%}
{%- set intervals = {
    'funnel_conversion': ['conversion_rate', 'conversion_low', 'conversion_high'],
    'segment_scorecards': ['value', 'low', 'high'],
    'pipeline_velocity': ['velocity_per_day', 'velocity_low', 'velocity_high'],
    'segment_contrasts': ['difference', 'low', 'high'],
    'change_decomposition': ['rate_effect', 'rate_effect_low', 'rate_effect_high'],
    'anomalies': ['expected', 'expected_low', 'expected_high'],
    'funnel_bottlenecks': ['converted_difference', 'converted_low', 'converted_high'],
    'pipeline_stage_map': ['outcome_rate', 'outcome_low', 'outcome_high'],
    'win_loss': ['share', 'low', 'high'],
    'win_loss_patterns': ['difference', 'low', 'high'],
    'velocity_scenarios': ['uplift_per_day', 'uplift_low', 'uplift_high'],
    'lever_signals': ['value', 'low', 'high'],
    'pipeline_coverage': ['amount', 'amount', 'amount'],
    'pipeline_forecast': ['p50_amount', 'p10_amount', 'p90_amount'],
    'revenue_retention': ['nrr', 'nrr_low', 'nrr_high'],
    'retention_cohorts': ['survival_rate', 'survival_low', 'survival_high'],
    'unit_economics': ['value', 'low', 'high'],
    'customer_scorecards': ['value', 'low', 'high'],
    'retention_contrasts': ['difference', 'low', 'high'],
} -%}
{#- The movement of the pipeline is bookkeeping: amounts without an interval. -#}
{%- set values = dict(intervals, **{'pipeline_movement': ['closing_amount']}) -%}
with

{% for table in [
    'funnel_conversion', 'funnel_bottlenecks', 'segment_contrasts', 'segment_scorecards', 'change_decomposition',
    'anomalies', 'pipeline_velocity', 'velocity_scenarios', 'lever_signals', 'pipeline_coverage', 'pipeline_forecast',
    'pipeline_movement_facts', 'pipeline_movement', 'pipeline_stage_map', 'win_loss', 'win_loss_patterns',
    'lead_models', 'lead_score_history', 'lead_calendar', 'score_contributions', 'model_quality', 'churn_models',
    'churn_risk', 'churn_contributions', 'retention_contrasts', 'revenue_retention_facts', 'revenue_retention',
    'retention_cohorts', 'unit_economics', 'customer_scorecards',
] -%}
{{ table }} as (
    select * from {{ ref(table) }}
),

{% endfor -%}
published_segments as (
    select distinct
        dimension,
        segment
    from funnel_conversion
    where dimension <> 'all'
),

horizons as (
    select horizon_days from {{ ref('horizons') }}
    where is_primary
),

score_bands as (
    select * from {{ ref('score_bands') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    {{ evidence_thresholds() }}
),

models as (
    select * from lead_models
    union all
    select * from churn_models
),

-- The training in force: the newest one.
current_models as (
    select *
    from models
    qualify row_number() over (partition by model_name order by trained_on_date desc) = 1
),

contribution_sums as (
    select
        as_of_date,
        model_version,
        entity_id,
        sum(contribution::decimal(38, 18)) as contribution
    from score_contributions
    group by as_of_date, model_version, entity_id
),

today_scores as (
    select lead_score_history.*
    from lead_score_history
    inner join lead_calendar on lead_score_history.as_of_date = lead_calendar.snapshot_date
    where lead_calendar.is_current
),

churn_sums as (
    select
        entity_id,
        sum(contribution::decimal(38, 18)) as contribution
    from churn_contributions
    group by entity_id
),

-- Contributions are the log-odds of the probability, or the composite score, in parts.
score_observations as (
    select
        'contribution_conservation' as check_name,
        'lead_score' as subject,
        count(*) as row_count,
        count(*) filter (
            where coalesce(abs(contribution_sums.contribution - case
                when today_scores.probability > 0 and today_scores.probability < 1
                    then ln(today_scores.probability) - ln(1 - today_scores.probability)
            end), 1) > 1e-6
        ) as defect_count,
        'leads have contributions that do not add up to their probability' as detail
    from today_scores
    left join contribution_sums
        on
            today_scores.person_id = contribution_sums.entity_id
            and today_scores.model_version = contribution_sums.model_version
    where today_scores.probability is not null
    union all
    select
        'contribution_conservation' as check_name,
        'composite' as subject,
        count(*) as row_count,
        count(*) filter (
            where coalesce(abs(contribution_sums.contribution - today_scores.composite_score), 1) > 1e-5
        ) as defect_count,
        'leads have contributions that do not add up to their composite' as detail
    from today_scores
    left join contribution_sums
        on today_scores.person_id = contribution_sums.entity_id and contribution_sums.model_version = 'composite'
    union all
    select
        'contribution_conservation' as check_name,
        'churn_risk' as subject,
        count(*) as row_count,
        count(*) filter (
            where coalesce(abs(churn_sums.contribution - case
                when churn_risk.probability > 0 and churn_risk.probability < 1
                    then ln(churn_risk.probability) - ln(1 - churn_risk.probability)
            end), 1) > 1e-6
        ) as defect_count,
        'customers have contributions that do not add up to their probability' as detail
    from churn_risk
    left join churn_sums on churn_risk.account_id = churn_sums.entity_id
    where churn_risk.probability is not null
    union all
    select
        'rates_in_range' as check_name,
        'churn_risk' as subject,
        count(*) as row_count,
        count(*) filter (
            where probability not between 0 and 1 or (probability is null) <> (reason is not null)
        ) as defect_count,
        'customers have a risk outside 0 to 1, or none and no reason' as detail
    from churn_risk
    union all
    select
        'rates_in_range' as check_name,
        'lead_scores' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            probability not between 0 and 1 or composite_score not between 0 and 100
            or (probability is null and reason is null)
        ) as defect_count,
        'leads have a score outside its range, or none and no reason' as detail
    from lead_score_history
    union all
    select
        'unreached_bands' as check_name,
        'composite' as subject,
        case
            when count(distinct lead_score_history.person_id) >= 100 then count(distinct score_bands.band)
            else 0
        end as row_count,
        count(distinct score_bands.band) - count(distinct lead_score_history.composite_band) as defect_count,
        'routing bands are reached by no lead of the last twelve months' as detail
    from score_bands
    left join lead_score_history on score_bands.band = lead_score_history.composite_band
    where score_bands.score = 'composite'
    union all
    select
        'interval_order' as check_name,
        'model_quality' as subject,
        count(*) as row_count,
        count(*) filter (where low > value + 1e-9 or high < value - 1e-9) as defect_count,
        'metrics have an interval that misses the value' as detail
    from model_quality
),

-- What speaks against the model in force: it flags, and the rows say so too.
model_observations as (
    select
        'model_refused' as check_name,
        model_name as subject,
        (status = 'refused')::integer::double as observed,
        entity_count as row_count,
        (status = 'refused')::integer as defect_count,
        coalesce(caveat, replace(model_name, '_', ' ') || ' has a model of ' || trained_on_date) as detail
    from current_models
    union all
    select
        'leakage_alarms' as check_name,
        model_name as subject,
        (leakage_alarms is not null)::integer::double as observed,
        entity_count as row_count,
        (leakage_alarms is not null)::integer as defect_count,
        coalesce(leakage_alarms, 'no feature seems to know the outcome') as detail
    from current_models
    union all
    select
        'model_age_days' as check_name,
        current_models.model_name as subject,
        {{ days_between('current_models.last_example_date', 'run_context.as_of_date') }}::double as observed,
        (current_models.last_example_date is not null)::integer as row_count,
        0 as defect_count,
        'days since the newest example that the model learned from' as detail
    from current_models
    cross join run_context
    union all
    select
        'score_stability' as check_name,
        'lead_score' as subject,
        max(value) as observed,
        coalesce(max(n), 0) as row_count,
        0 as defect_count,
        'population stability index of the scores against those learned from; 0.25 is a rule of thumb' as detail
    from model_quality
    where split = 'today' and metric = 'psi' and model_name = 'lead_score'
    union all
    select
        'calibration_slope' as check_name,
        'lead_score' as subject,
        abs(max(value) - 1) as observed,
        coalesce(max(n), 0) as row_count,
        0 as defect_count,
        format(
            'calibration slope of the last months is {} from 1',
            coalesce(round(abs(max(value) - 1), 3)::string, 'an unknown distance')
        ) as detail
    from model_quality
    where
        split = 'backtest' and metric = 'calibration_slope' and model_name = 'lead_score'
        and dimension = 'all'
    union all
    select
        'calibration_in_the_large' as check_name,
        'lead_score' as subject,
        greatest(max(low), -min(high), 0) as observed,
        coalesce(max(n), 0) as row_count,
        0 as defect_count,
        format(
            'mean probability less the rate of the last months is {}',
            coalesce(round(max(value), 4)::string, 'unknown')
        ) as detail
    from model_quality
    where
        split = 'backtest' and metric = 'calibration_in_the_large' and model_name = 'lead_score'
        and dimension = 'all'
    union all
    select
        'calibration_error' as check_name,
        'lead_score' as subject,
        greatest(
            max(value) filter (where metric = 'ece') - max(high) filter (where metric = 'ece_noise'), 0
        ) as observed,
        coalesce(max(n), 0) as row_count,
        0 as defect_count,
        format(
            'calibration error of the last months is {}, by chance up to {}',
            coalesce(round(max(value) filter (where metric = 'ece'), 4)::string, 'unknown'),
            coalesce(round(max(high) filter (where metric = 'ece_noise'), 4)::string, 'unknown')
        ) as detail
    from model_quality
    where
        split = 'backtest' and metric in ('ece', 'ece_noise') and model_name = 'lead_score'
        and dimension = 'all'
),

rate_observations as (
    {%- for table, columns in rates.items() %}
    select
        'rates_in_range' as check_name,
        '{{ table }}' as subject,
        count(*) as row_count,
        count(*) filter (
            where
                {%- for column in columns %}
                {{ 'or ' if not loop.first }}{{ column }} not between 0 and 1
                {%- endfor %}
        ) as defect_count,
        'cells have a rate outside 0 to 1' as detail
    from {{ table }}
    union all
    {%- endfor %}
    select
        'rates_in_range' as check_name,
        'segment_scorecards' as subject,
        count(*) as row_count,
        count(*) filter (where value not between 0 and 1 or low not between 0 and 1 or high not between 0 and 1)
            as defect_count,
        'cells have a rate outside 0 to 1' as detail
    from segment_scorecards
    where unit = 'rate'
    union all
    select
        'rates_in_range' as check_name,
        'lever_signals' as subject,
        count(*) as row_count,
        count(*) filter (where value not between 0 and 1 or low not between 0 and 1 or high not between 0 and 1)
            as defect_count,
        'cells have a rate outside 0 to 1' as detail
    from lever_signals
    where lever = 'win_rate'
    union all
    select
        'rates_in_range' as check_name,
        'customer_scorecards' as subject,
        count(*) as row_count,
        count(*) filter (where value not between 0 and 1 or low not between 0 and 1 or high not between 0 and 1)
            as defect_count,
        'cells have a rate outside 0 to 1' as detail
    from customer_scorecards
    where unit = 'rate'
    union all
    select
        'interval_order' as check_name,
        'revenue_retention_gross' as subject,
        count(*) as row_count,
        count(*) filter (
            where grr_low > grr + 1e-12 or grr_high < grr - 1e-12 or grr > nrr + 1e-12 or grr_low is null
        ) as defect_count,
        'cells have a gross retention outside its interval, or above the net one' as detail
    from revenue_retention
    where grr is not null
    union all
    select
        'interval_order' as check_name,
        'pipeline_coverage_weighted' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            weighted_low > weighted_amount or weighted_high < weighted_amount
            or (weighted_amount is not null and (weighted_low is null or weighted_high is null))
        ) as defect_count,
        'cells have an interval that misses the value' as detail
    from pipeline_coverage
    union all
    select
        'interval_order' as check_name,
        'lever_signals_difference' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            difference_low > difference + 1e-9 * abs(difference) + 1e-12
            or difference_high < difference - 1e-9 * abs(difference) - 1e-12
            or (difference is not null and (difference_low is null or difference_high is null))
        ) as defect_count,
        'cells have an interval that misses the value' as detail
    from lever_signals
),

interval_observations as (
    {%- for table, (value, low, high) in intervals.items() %}
    select
        'interval_order' as check_name,
        '{{ table }}' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            {{ low }} > {{ value }} + 1e-9 * abs({{ value }}) + 1e-12
            or {{ high }} < {{ value }} - 1e-9 * abs({{ value }}) - 1e-12
            or ({{ value }} is not null and ({{ low }} is null or {{ high }} is null))
        ) as defect_count,
        'cells have an interval that misses the value' as detail
    from {{ table }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

sample_observations as (
    {%- for table, columns in values.items() %}
    {%- set value = columns[0] %}
    select
        'minimum_sample' as check_name,
        '{{ table }}' as subject,
        count(*) as row_count,
        count(*) filter (where {{ value }} is not null and n < thresholds.minimum_n) as defect_count,
        'cells show a value below the minimum sample' as detail
    from {{ table }}
    cross join thresholds
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

label_observations as (
    {%- for table, columns in values.items() %}
    {%- set value = columns[0] %}
    select
        'evidence_labels' as check_name,
        '{{ table }}' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            evidence is null
            or evidence not in ('reportable', 'directional', 'suppressed')
            or (evidence = 'suppressed') <> ({{ value }} is null)
            or (evidence <> 'reportable') <> (evidence_reason is not null)
        ) as defect_count,
        'cells have no evidence level, or a value against it' as detail
    from {{ table }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

stage_observations as (
    select
        'stage_conservation' as check_name,
        'funnel_conversion' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            entered_count <> converted_count + lost_count + open_count
            or least(entered_count, converted_count, lost_count, open_count) < 0
        ) as defect_count,
        'cells have outcomes that do not add up to the entrants' as detail
    from funnel_conversion
    where entered_count is not null
),

funnel_totals as (
    select
        period_grain,
        period_start,
        from_stage,
        to_stage,
        horizon_days,
        dimension,
        sum(entered_count) as entered_count,
        sum(converted_count) as converted_count
    from funnel_conversion
    where entered_count is not null and within_dimension = 'all'
    group by all
),

velocity_totals as (
    select
        period_grain,
        period_start,
        basis,
        dimension,
        sum(qualified_count) as qualified_count
    from pipeline_velocity
    group by all
),

movement_totals as (
    select
        period_grain,
        period_start,
        scope,
        dimension,
        sum(opening_count) as opening_count,
        sum(created_count) as created_count,
        sum(won_count) as won_count,
        sum(closing_count) as closing_count,
        sum(closing_amount) as closing_amount
    from pipeline_movement_facts
    group by all
),

-- What a period closes with is what the next one opens with, and both and what moved between them add up to the cent.
movement_observations as (
    select
        'movement_conservation' as check_name,
        'pipeline_movement' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            current_period.opening_amount + current_period.created_amount + current_period.reopened_amount
            + current_period.pulled_in_amount + current_period.up_amount - current_period.down_amount
            - current_period.pushed_out_amount - current_period.won_amount - current_period.lost_amount
            <> current_period.closing_amount
            or current_period.opening_count + current_period.created_count + current_period.reopened_count
            + current_period.pulled_in_count - current_period.pushed_out_count - current_period.won_count
            - current_period.lost_count <> current_period.closing_count
            or (
                current_period.scope = 'open_pipeline'
                and {{ period_end('current_period.period_grain', 'current_period.period_start') }}
                <= run_context.as_of_date
                and coalesce(next_period.opening_amount, 0) <> current_period.closing_amount
            )
        ) as defect_count,
        'cells of the pipeline do not add up' as detail
    from pipeline_movement_facts as current_period
    cross join run_context
    left join pipeline_movement_facts as next_period
        on
            current_period.period_grain = next_period.period_grain
            and current_period.dimension = next_period.dimension
            and current_period.segment = next_period.segment
            and current_period.scope = next_period.scope
            and {{ period_end('current_period.period_grain', 'current_period.period_start') }}
            = next_period.period_start
),

-- The bridge of recurring revenue: to the cent, within each window, and from one period to the next.
bridge_observations as (
    select
        'movement_conservation' as check_name,
        'revenue_retention' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            current_window.opening_arr_amount + current_window.new_amount + current_window.expansion_amount
            + current_window.reactivation_amount - current_window.contraction_amount - current_window.churn_amount
            <> current_window.closing_arr_amount
            or (
                current_window.window_name = 'period' and not current_window.is_unfinished
                and {{ period_end('current_window.period_grain', 'current_window.period_start') }}
                <= run_context.as_of_date
                and coalesce(next_window.opening_arr_amount + next_window.excluded_opening_arr_amount, 0)
                <> current_window.closing_arr_amount + current_window.excluded_closing_arr_amount
            )
        ) as defect_count,
        'cells of recurring revenue do not add up' as detail
    from revenue_retention_facts as current_window
    cross join run_context
    left join revenue_retention_facts as next_window
        on
            current_window.period_grain = next_window.period_grain
            and current_window.dimension = next_window.dimension
            and current_window.segment = next_window.segment
            and current_window.window_name = next_window.window_name
            and {{ period_end('current_window.period_grain', 'current_window.period_start') }}
            = next_window.period_start
),

bridge_totals as (
    select
        period_grain,
        period_start,
        window_name,
        dimension,
        sum(opening_arr_amount) as opening_arr_amount,
        sum(kept_arr_amount) as kept_arr_amount,
        sum(cohort_arr_amount) as cohort_arr_amount,
        sum(closing_arr_amount) as closing_arr_amount,
        sum(opening_count) as opening_count
    from revenue_retention_facts
    group by period_grain, period_start, window_name, dimension
),

segment_observations as (
    select
        'segment_conservation' as check_name,
        'revenue_retention' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            totals.opening_count is null
            or segments.opening_arr_amount <> totals.opening_arr_amount
            or segments.kept_arr_amount <> totals.kept_arr_amount
            or segments.cohort_arr_amount <> totals.cohort_arr_amount
            or segments.closing_arr_amount <> totals.closing_arr_amount
            or segments.opening_count <> totals.opening_count
        ) as defect_count,
        'totals are not the sum of their segments' as detail
    from bridge_totals as segments
    left join bridge_totals as totals
        on
            segments.period_grain = totals.period_grain
            and segments.period_start = totals.period_start
            and segments.window_name = totals.window_name
            and totals.dimension = 'all'
    where segments.dimension <> 'all'
    union all
    select
        'segment_conservation' as check_name,
        'pipeline_movement' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            totals.opening_count is null
            or segments.opening_count <> totals.opening_count
            or segments.created_count <> totals.created_count
            or segments.won_count <> totals.won_count
            or segments.closing_count <> totals.closing_count
            or segments.closing_amount <> totals.closing_amount
        ) as defect_count,
        'totals are not the sum of their segments' as detail
    from movement_totals as segments
    left join movement_totals as totals
        on
            segments.period_grain = totals.period_grain
            and segments.period_start = totals.period_start
            and segments.scope = totals.scope
            and totals.dimension = 'all'
    where segments.dimension <> 'all'
    union all
    select
        'segment_conservation' as check_name,
        'funnel_conversion' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            totals.entered_count is null
            or segments.entered_count <> totals.entered_count
            or segments.converted_count <> totals.converted_count
        ) as defect_count,
        'totals are not the sum of their segments' as detail
    from funnel_totals as segments
    left join funnel_totals as totals
        on
            segments.period_grain = totals.period_grain
            and segments.period_start = totals.period_start
            and segments.from_stage = totals.from_stage
            and segments.to_stage = totals.to_stage
            and segments.horizon_days = totals.horizon_days
            and totals.dimension = 'all'
    where segments.dimension <> 'all'
    union all
    select
        'segment_conservation' as check_name,
        'pipeline_velocity' as subject,
        count(*) as row_count,
        count(*) filter (
            where totals.qualified_count is null or segments.qualified_count <> totals.qualified_count
        ) as defect_count,
        'totals are not the sum of their segments' as detail
    from velocity_totals as segments
    left join velocity_totals as totals
        on
            segments.period_grain = totals.period_grain
            and segments.period_start = totals.period_start
            and segments.basis = totals.basis
            and totals.dimension = 'all'
    where segments.dimension <> 'all'
),

-- Every declared dimension has a row, whether it has segments or not.
personal_observations as (
    {%- for dimension in var('dimensions') %}
    select
        'personal_data' as check_name,
        '{{ dimension }}' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            regexp_matches(segment, '[A-Za-z0-9._%+-]+@[A-Za-z0-9-]+(\.[A-Za-z0-9-]+)+')
            or regexp_matches(segment, '^\+?[0-9][0-9 ()./-]{7,}[0-9]$')
        ) as defect_count,
        'segments look like an e-mail address or a phone number' as detail
    from published_segments
    where dimension = '{{ dimension }}'
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- The range of a forecast holds what is booked already, and every part of it is an amount.
forecast_observations as (
    select
        'forecast_parts' as check_name,
        'pipeline_forecast' as subject,
        count(*) as row_count,
        count(*) filter (
            where
            least(booked_amount, open_amount, new_amount) < 0
            or p10_amount < booked_amount - 1e-9 * abs(booked_amount)
            or not coalesce(isfinite(p90_amount), true)
        ) as defect_count,
        'forecasts have a part below 0, or a range below what is booked' as detail
    from pipeline_forecast
),

counted as (
    select * from rate_observations
    union all
    select * from movement_observations
    union all
    select * from bridge_observations
    union all
    select * from interval_observations
    union all
    select * from sample_observations
    union all
    select * from label_observations
    union all
    select * from stage_observations
    union all
    select * from segment_observations
    union all
    select * from personal_observations
    union all
    select * from forecast_observations
    union all
    select * from score_observations
),

reportable as (
    select
        'reportable_share' as check_name,
        'funnel_conversion' as subject,
        count(*) filter (where evidence = 'reportable')::double / nullif(count(*), 0) as observed,
        count(*) as row_count,
        count(*) filter (where evidence <> 'reportable') as defect_count,
        format(
            '{:,} of {:,} quarterly cells at the primary horizon are reportable',
            count(*) filter (where evidence = 'reportable'), count(*)
        ) as detail
    from funnel_conversion
    inner join horizons on funnel_conversion.horizon_days = horizons.horizon_days
    where period_grain = 'quarter' and coalesce(evidence_reason, '') not in ('not_applicable', 'left_truncated')
)

select
    check_name,
    subject,
    defect_count::double as observed,
    row_count,
    defect_count,
    format('{:,} of {:,} {}', defect_count, row_count, detail) as detail,
    true as is_applicable
from counted
union all
select
    check_name,
    subject,
    observed,
    row_count,
    defect_count,
    detail,
    true as is_applicable
from reportable
union all
select
    check_name,
    subject,
    observed,
    coalesce(row_count, 0) as row_count,
    defect_count,
    detail,
    true as is_applicable
from model_observations
