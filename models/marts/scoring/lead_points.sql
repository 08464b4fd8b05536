-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

features as (
    select lead_features.*
    from {{ ref('lead_features') }} as lead_features
    inner join {{ ref('lead_calendar') }} as lead_calendar
        on lead_features.snapshot_date = lead_calendar.snapshot_date
    where lead_calendar.is_scored
),

score_points as (
    select * from {{ ref('score_points') }}
),

score_bands as (
    select * from {{ ref('score_bands') }}
),

weights as (
    select
        max(value) filter (where threshold = 'composite_fit_weight') as fit_weight,
        max(value) filter (where threshold = 'composite_intent_weight') as intent_weight,
        max(value) filter (where threshold = 'composite_engagement_weight') as engagement_weight
    from {{ ref('evidence_thresholds') }}
),

-- Each rule that a lead meets; rules of one component add up.
met as (
    {%- for feature, kind in lead_feature_kinds().items() %}
    select
        features.snapshot_date,
        features.person_id,
        score_points.component,
        score_points.points,
        score_points.signal
    from features
    inner join score_points
        on
            score_points.signal = '{{ feature }}'
            {%- if kind == 'category' %}
            and lower(features.{{ feature }}) = lower(score_points.source_value)
            {%- else %}
            and score_points.source_value is null
            and features.{{ feature }} >= coalesce(score_points.lower_bound, -1e300)
            and features.{{ feature }} < coalesce(score_points.upper_bound, 1e300)
            {%- endif %}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

summed as (
    select
        snapshot_date,
        person_id,
        {%- for component in ['fit', 'intent', 'engagement', 'pql'] %}
        sum(points::decimal(18, 4)) filter (where component = '{{ component }}') as {{ component }}_points,
        {%- endfor %}
        min(signal) filter (where component = 'disqualifier') as disqualifier
    from met
    group by snapshot_date, person_id
),

scored as (
    select
        features.snapshot_date,
        features.person_id,
        summed.disqualifier,
        {%- for component in ['fit', 'intent', 'engagement', 'pql'] %}
        least(greatest(coalesce(summed.{{ component }}_points, 0), 0), 100)::double as {{ component }}_score
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from features
    left join summed
        on features.person_id = summed.person_id and features.snapshot_date = summed.snapshot_date
),

weighed as (
    select
        scored.*,
        round(
            (weights.fit_weight * scored.fit_score + weights.intent_weight * scored.intent_score
            + weights.engagement_weight * scored.engagement_score)
            / nullif(weights.fit_weight + weights.intent_weight + weights.engagement_weight, 0),
            6
        ) as composite_score
    from scored
    cross join weights
),

banded as (
    select
        weighed.snapshot_date,
        weighed.person_id,
        max_by(score_bands.band, score_bands.lower_bound) filter (
            where score_bands.score = 'composite' and score_bands.lower_bound <= weighed.composite_score
        ) as composite_band,
        max_by(score_bands.band, score_bands.lower_bound) filter (
            where score_bands.score = 'pql' and score_bands.lower_bound <= weighed.pql_score
        ) as pql_band
    from weighed
    cross join score_bands
    group by weighed.snapshot_date, weighed.person_id
)

select
    weighed.snapshot_date,
    weighed.person_id,
    case when weighed.disqualifier is not null then 'disqualified' else banded.composite_band end as composite_band,
    banded.pql_band,
    weighed.disqualifier,
    weighed.fit_score,
    weighed.intent_score,
    weighed.engagement_score,
    weighed.composite_score,
    weighed.pql_score
from weighed
inner join banded
    on weighed.person_id = banded.person_id and weighed.snapshot_date = banded.snapshot_date
