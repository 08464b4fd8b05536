with

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

stage_map as (
    select * from {{ ref('stage_map') }}
),

opportunity_types as (
    select * from {{ ref('opportunity_types') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

dimension_pairs as (
    select * from {{ ref('dimension_pairs') }}
),

segment_comparisons as (
    select * from {{ ref('segment_comparisons') }}
),

segment_rules as (
    select * from {{ ref('segment_rules') }}
),

horizons as (
    select * from {{ ref('horizons') }}
),

evidence_thresholds as (
    select * from {{ ref('evidence_thresholds') }}
),

evidence_reasons as (
    select * from {{ ref('evidence_reasons') }}
),

gate_subjects as (
    select * from {{ ref('gate_subjects') }}
),

gate_thresholds as (
    select * from {{ ref('gate_thresholds') }}
),

exchange_rates as (
    select * from {{ ref('exchange_rates') }}
),

role_template as (
    select * from {{ ref('role_template') }}
),

free_email_domains as (
    select * from {{ ref('free_email_domains') }}
),

metrics as (
    select * from {{ ref('metrics') }}
),

targets as (
    select * from {{ ref('targets') }}
),

benchmarks as (
    select * from {{ ref('benchmarks') }}
),

lever_thresholds as (
    select * from {{ ref('lever_thresholds') }}
),

scenario_changes as (
    select * from {{ ref('scenario_changes') }}
),

spend_channels as (
    select * from {{ ref('spend_channels') }}
),

retention_parameters as (
    select * from {{ ref('retention_parameters') }}
),

churn_score_features as (
    select * from {{ ref('churn_score_features') }}
),

score_features as (
    select * from {{ ref('score_features') }}
),

score_points as (
    select * from {{ ref('score_points') }}
),

page_weights as (
    select * from {{ ref('page_weights') }}
),

score_bands as (
    select * from {{ ref('score_bands') }}
),

title_seniority as (
    select * from {{ ref('title_seniority') }}
),

late_attributes as (
    select * from {{ ref('late_attributes') }}
),

-- The rule says all that gives the definition its meaning, and no comment: the hash is taken over it.
unioned as (
    select
        'stage' as kind,
        stage as code,
        label,
        definition || ' (' || kind || ', order ' || stage_order
        || coalesce(', counts as ' || nullif(spine_stage, stage), '') || ')' as rule,
        valid_from
    from lifecycle_stages
    union all
    select
        'stage_map' as kind,
        entity || ': ' || source_label as code,
        source_label as label,
        stage as rule,
        valid_from
    from stage_map
    union all
    select
        'opportunity_type' as kind,
        source_label as code,
        source_label as label,
        opportunity_type as rule,
        valid_from
    from opportunity_types
    union all
    select
        'dimension' as kind,
        dimension as code,
        label,
        'Known from ' || known_from_stage || ' on, ' || case rule_kind
            when 'value' then 'the value as it is unless a rule maps it'
            else 'mapped by segment rules'
        end as rule,
        valid_from
    from dimensions
    union all
    select
        'dimension_pair' as kind,
        dimension || ' within ' || within_dimension as code,
        dimension || ' within ' || within_dimension as label,
        'published crossed' as rule,
        valid_from
    from dimension_pairs
    union all
    select
        'segment_comparison' as kind,
        dimension || ': ' || segment || ' against ' || comparator as code,
        segment || ' against ' || comparator as label,
        'contrasted' as rule,
        valid_from
    from segment_comparisons
    union all
    select
        'segment_rule' as kind,
        dimension || ': ' || coalesce(
            source_value,
            'from ' || coalesce(lower_bound::string, 'any') || ' to below ' || coalesce(upper_bound::string, 'any')
        ) as code,
        segment as label,
        dimension || ' is ' || segment as rule,
        valid_from
    from segment_rules
    union all
    select
        'horizon' as kind,
        horizon_days::string as code,
        case when is_primary then 'Primary' else 'Secondary' end as label,
        'Advanced within ' || horizon_days || ' days of entering the stage' as rule,
        valid_from
    from horizons
    union all
    select
        'threshold' as kind,
        threshold as code,
        threshold as label,
        value::string as rule,
        valid_from
    from evidence_thresholds
    union all
    select
        'evidence_reason' as kind,
        evidence_reason as code,
        caveat as label,
        caveat as rule,
        valid_from
    from evidence_reasons
    union all
    select
        'check' as kind,
        gate || ': ' || check_name as code,
        label,
        label || ': flagged unless ' || replace(comparison, '_', ' ') || ' ' || flag_threshold
        || ' of at least ' || minimum_n || ' rows'
        || coalesce(', blocked unless ' || replace(comparison, '_', ' ') || ' ' || block_threshold, '') as rule,
        valid_from
    from gate_thresholds
    union all
    select
        'check_subject' as kind,
        gate || ': ' || check_name || ' of ' || subject as code,
        subject as label,
        'must be judged' as rule,
        valid_from
    from gate_subjects
    union all
    select
        'exchange_rate' as kind,
        currency || ' from ' || valid_from as code,
        currency as label,
        usd_per_unit || ' USD per ' || currency as rule,
        valid_from
    from exchange_rates
    union all
    select
        'buying_role' as kind,
        source_label as code,
        source_label as label,
        role || case when is_required then ', required' else '' end as rule,
        valid_from
    from role_template
    union all
    select
        'free_email_domain' as kind,
        domain as code,
        domain as label,
        'says nothing of a company' as rule,
        valid_from
    from free_email_domains
    union all
    select
        'metric' as kind,
        metric as code,
        label,
        definition || ' (' || unit || ', basis ' || basis || ')' as rule,
        valid_from
    from metrics
    union all
    select
        'target' as kind,
        metric || ' of ' || period_grain || ' ' || period_start || ', '
        || coalesce(dimension, 'all') || ': ' || coalesce(segment, 'all') as code,
        metric as label,
        target_amount || ' ' || coalesce(currency, 'in the reporting currency') as rule,
        valid_from
    from targets
    union all
    select
        'benchmark' as kind,
        lever || ' (' || basis || '), ' || coalesce(dimension, 'all') || ': ' || coalesce(segment, 'all') as code,
        lever as label,
        value || coalesce(' ' || currency, '') as rule,
        valid_from
    from benchmarks
    union all
    select
        'lever_threshold' as kind,
        signal || ' (' || basis || ')' as code,
        label,
        statistic || ' of ' || lever || ' ' || comparison || ' ' || threshold_value as rule,
        valid_from
    from lever_thresholds
    union all
    select
        'scenario' as kind,
        change_pct || ' %' as code,
        change_pct || ' % better' as label,
        'each lever alone and all four together' as rule,
        valid_from
    from scenario_changes
    union all
    select
        'spend_channel' as kind,
        channel || ', ' || dimension as code,
        channel as label,
        'paid for ' || segment || ' of ' || dimension as rule,
        valid_from
    from spend_channels
    union all
    select
        'retention_parameter' as kind,
        parameter as code,
        parameter as label,
        value::string as rule,
        valid_from
    from retention_parameters
    union all
    select
        'churn_feature' as kind,
        feature as code,
        label,
        feature_group || ', ' || kind || ', known at ' || known as rule,
        valid_from
    from churn_score_features
    union all
    select
        'score_feature' as kind,
        feature as code,
        label,
        feature_group || ', ' || kind || ', known at ' || coalesce(known, 'nobody has said') as rule,
        valid_from
    from score_features
    union all
    select
        'score_points' as kind,
        component || ': ' || signal || ' ' || coalesce(
            source_value,
            'from ' || coalesce(lower_bound::string, 'any') || ' to below ' || coalesce(upper_bound::string, 'any')
        ) as code,
        signal as label,
        points || ' points of ' || component as rule,
        valid_from
    from score_points
    union all
    select
        'page_weight' as kind,
        page_prefix as code,
        page_prefix as label,
        weight || ' points a visit' as rule,
        valid_from
    from page_weights
    union all
    select
        'score_band' as kind,
        score || ': ' || band as code,
        band as label,
        'from ' || lower_bound || ' on' as rule,
        valid_from
    from score_bands
    union all
    select
        'title_seniority' as kind,
        pattern as code,
        seniority as label,
        seniority || ', order ' || seniority_order as rule,
        valid_from
    from title_seniority
    union all
    select
        'late_attribute' as kind,
        pattern as code,
        pattern as label,
        'written once somebody has talked to the lead' as rule,
        valid_from
    from late_attributes
)

select
    unioned.kind,
    unioned.code,
    unioned.label,
    unioned.rule,
    lifecycle_stages.owner_role,
    lifecycle_stages.sla_days,
    unioned.valid_from,
    md5(unioned.kind || '|' || unioned.code || '|' || unioned.rule || '|' || unioned.valid_from) as definition_hash
from unioned
left join lifecycle_stages on unioned.kind = 'stage' and unioned.code = lifecycle_stages.stage
