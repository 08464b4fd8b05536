{#- The evidence thresholds as one row, a column each: cross join it under the name `thresholds`. -#}
{% macro evidence_thresholds() -%}
    select
        {%- for threshold in [
            'confidence_z', 'minimum_n', 'reportable_n', 'minimum_outcome_n', 'maximum_half_width',
            'maximum_relative_half_width', 'minimum_at_risk', 'minimum_completeness', 'maximum_missing_share',
            'maximum_outcome_completeness_gap', 'minimum_mature_share',
        ] %}
        max(value) filter (where threshold = '{{ threshold }}') as {{ threshold }}{{ ',' if not loop.last }}
        {%- endfor %}
    from {{ ref('evidence_thresholds') }}
{%- endmacro %}

{#- Evidence, its reason and its caveat, from why a cell is suppressed or directional (NULL: it is not). -#}
{% macro evidence_columns(suppressed_reason, directional_reason) -%}
    case
        when {{ suppressed_reason }} is not null then 'suppressed'
        when {{ directional_reason }} is not null then 'directional'
        else 'reportable'
    end as evidence,
    coalesce({{ suppressed_reason }}, {{ directional_reason }}) as evidence_reason,
    case coalesce({{ suppressed_reason }}, {{ directional_reason }})
        when 'insufficient_sample' then 'Too few records or outcomes to say more'
        when 'too_early' then 'Too few records have been followed for so long'
        when 'left_truncated' then 'The period starts before the history of the source does'
        when 'incomplete_data' then 'Too many records of the period have no known segment'
        when 'wide_interval' then 'The interval is wide'
        when 'definition_changed' then 'A definition changed since the period before'
        when 'not_applicable' then 'The dimension is not yet known at this stage'
    end as caveat
{%- endmacro %}

{#- A value that is published only where nothing suppresses it. -#}
{% macro unless_suppressed(value, suppressed_reason) -%}
    case when {{ suppressed_reason }} is null then {{ value }} end
{%- endmacro %}

{#- Limit of the Wilson score interval (Wilson 1927); side -1 is the lower one, 1 the upper one. -#}
{% macro wilson_limit(rate, n, z, side) -%}
    greatest(0.0, least(1.0, (
        {{ rate }} + {{ z }} * {{ z }} / (2 * {{ n }})
        + ({{ side }}) * {{ z }} * sqrt(
            {{ rate }} * (1 - {{ rate }}) / {{ n }} + {{ z }} * {{ z }} / (4 * {{ n }} * {{ n }})
        )
    ) / (1 + {{ z }} * {{ z }} / {{ n }})))
{%- endmacro %}
