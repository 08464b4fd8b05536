{%- set cell = 'period_grain, period_start, dimension, segment' -%}
with

conversion_estimates as (
    select
        conversion_estimates.*,
        from_stage || '_to_' || to_stage || '_rate' as metric
    from {{ ref('conversion_estimates') }} as conversion_estimates
    inner join {{ ref('horizons') }} as horizons on conversion_estimates.horizon_days = horizons.horizon_days
    where horizons.is_primary and conversion_estimates.within_dimension = 'all'
),

velocity_facts as (
    select * from {{ ref('velocity_facts') }}
    where basis = 'closed'
),

rest_estimates as (
    select
        *,
        from_stage || '_to_' || to_stage || '_rate' as metric
    from {{ ref('rest_estimates') }}
),

stage_exit_facts as (
    select * from {{ ref('stage_exit_facts') }}
),

account_cluster_sums as (
    select * from {{ ref('account_cluster_sums') }}
),

segment_comparisons as (
    select * from {{ ref('segment_comparisons') }}
),

segment_scorecards as (
    select * from {{ ref('segment_scorecards') }}
),

-- Closed deals of the rest, by subtraction.
rest_velocity_facts as (
    select
        segments.period_grain,
        segments.period_start,
        segments.dimension,
        segments.segment,
        totals.qualified_count - segments.qualified_count as qualified_count,
        totals.won_count - segments.won_count as won_count
    from velocity_facts as segments
    inner join velocity_facts as totals using (period_grain, period_start)
    where segments.dimension <> 'all' and totals.dimension = 'all'
),

-- What each side has, in one shape: a rate with its variance and how far its records were followed.
{%- for side, estimates, facts in [
    ('rates', 'conversion_estimates', 'velocity_facts'), ('rest_rates', 'rest_estimates', 'rest_velocity_facts')
] %}
{{ side }} as (
    select
        {{ cell }},
        metric,
        entered_count as n,
        conversion_rate as rate,
        conversion_variance as variance,
        entered_count - censored_count as followed_count,
        mature_count,
        case when censored_count > 0 and not is_resolved then at_risk_count else entered_count end as at_risk_count
    from {{ estimates }}
    union all
    select
        {{ cell }},
        'win_rate' as metric,
        qualified_count as n,
        won_count::double / nullif(qualified_count, 0) as rate,
        won_count * (qualified_count - won_count) / nullif(power(qualified_count, 3), 0) as variance,
        qualified_count as followed_count,
        qualified_count as mature_count,
        qualified_count as at_risk_count
    from {{ facts }}
),
{%- endfor %}

log_moments as (
    select
        {{ cell }},
        'mean_deal_amount' as metric,
        amount_log_count as n,
        amount_log_sum as log_sum,
        amount_log_square_sum as log_square_sum
    from velocity_facts
    union all
    select
        {{ cell }},
        'mean_cycle_days' as metric,
        cycle_count as n,
        cycle_log_sum as log_sum,
        cycle_log_square_sum as log_square_sum
    from velocity_facts
    union all
    select
        {{ cell }},
        from_stage || '_stage_days' as metric,
        exit_count as n,
        stage_log_sum as log_sum,
        stage_log_square_sum as log_square_sum
    from stage_exit_facts
),

rest_log_moments as (
    select
        segments.period_grain,
        segments.period_start,
        segments.dimension,
        segments.segment,
        segments.metric,
        totals.n - segments.n as n,
        totals.log_sum - segments.log_sum as log_sum,
        totals.log_square_sum - segments.log_square_sum as log_square_sum
    from log_moments as segments
    inner join log_moments as totals using (period_grain, period_start, metric)
    where segments.dimension <> 'all' and totals.dimension = 'all'
),

paired_rates as (
    select
        rates.*,
        'rest' as comparator,
        rest_rates.n as other_n,
        rest_rates.rate as other_rate,
        rest_rates.variance as other_variance,
        rest_rates.followed_count as other_followed_count,
        rest_rates.mature_count as other_mature_count,
        rest_rates.at_risk_count as other_at_risk_count
    from rates
    inner join rest_rates using ({{ cell }}, metric)
    union all
    select
        rates.*,
        segment_comparisons.comparator,
        others.n as other_n,
        others.rate as other_rate,
        others.variance as other_variance,
        others.followed_count as other_followed_count,
        others.mature_count as other_mature_count,
        others.at_risk_count as other_at_risk_count
    from rates
    inner join segment_comparisons
        on rates.dimension = segment_comparisons.dimension and rates.segment = segment_comparisons.segment
    inner join rates as others
        on
            rates.period_grain = others.period_grain
            and rates.period_start = others.period_start
            and rates.dimension = others.dimension
            and segment_comparisons.comparator = others.segment
            and rates.metric = others.metric
),

paired_moments as (
    select
        log_moments.*,
        'rest' as comparator,
        rest_log_moments.n as other_n,
        rest_log_moments.log_sum as other_log_sum,
        rest_log_moments.log_square_sum as other_log_square_sum
    from log_moments
    inner join rest_log_moments using ({{ cell }}, metric)
    union all
    select
        log_moments.*,
        segment_comparisons.comparator,
        others.n as other_n,
        others.log_sum as other_log_sum,
        others.log_square_sum as other_log_square_sum
    from log_moments
    inner join segment_comparisons
        on
            log_moments.dimension = segment_comparisons.dimension
            and log_moments.segment = segment_comparisons.segment
    inner join log_moments as others
        on
            log_moments.period_grain = others.period_grain
            and log_moments.period_start = others.period_start
            and log_moments.dimension = others.dimension
            and segment_comparisons.comparator = others.segment
            and log_moments.metric = others.metric
),

unioned as (
    select
        {{ cell }},
        metric,
        comparator,
        'difference' as unit,
        n,
        other_n,
        rate,
        variance,
        followed_count,
        mature_count,
        at_risk_count,
        other_rate,
        other_variance,
        other_followed_count,
        other_mature_count,
        other_at_risk_count,
        null::double as log_sum,
        null::double as log_square_sum,
        null::double as other_log_sum,
        null::double as other_log_square_sum
    from paired_rates
    union all
    select
        {{ cell }},
        metric,
        comparator,
        'relative' as unit,
        n,
        other_n,
        null::double as rate,
        null::double as variance,
        null::bigint as followed_count,
        null::bigint as mature_count,
        null::bigint as at_risk_count,
        null::double as other_rate,
        null::double as other_variance,
        null::bigint as other_followed_count,
        null::bigint as other_mature_count,
        null::bigint as other_at_risk_count,
        log_sum,
        log_square_sum,
        other_log_sum,
        other_log_square_sum
    from paired_moments
),

compared as (
    select
        unioned.*,
        account_cluster_sums.account_count,
        account_cluster_sums.account_n,
        account_cluster_sums.account_nn,
        account_cluster_sums.between_squares,
        account_cluster_sums.within_squares,
        account_cluster_sums.account_records,
        coalesce(others.account_records, account_cluster_sums.rest_account_records) as other_account_records
    from unioned
    left join account_cluster_sums using ({{ cell }}, metric)
    left join account_cluster_sums as others
        on
            unioned.period_grain = others.period_grain
            and unioned.period_start = others.period_start
            and unioned.dimension = others.dimension
            and unioned.comparator = others.segment
            and unioned.metric = others.metric
)

-- A contrast is as good as its own side: what is suppressed on the scorecard is not compared.
select
    compared.*,
    segment_scorecards.evidence as own_evidence,
    segment_scorecards.evidence_reason as own_evidence_reason
from compared
inner join segment_scorecards using ({{ cell }}, metric)
where compared.segment not in ('unknown', 'unmapped')
