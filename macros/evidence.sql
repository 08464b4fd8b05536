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

{#- Evidence, its reason and its caveat, from why a cell is suppressed or directional (NULL: it is not). Goes with
    `join_evidence_reasons`. -#}
{% macro evidence_columns(suppressed_reason, directional_reason) -%}
    case
        when {{ suppressed_reason }} is not null then 'suppressed'
        when {{ directional_reason }} is not null then 'directional'
        else 'reportable'
    end as evidence,
    coalesce({{ suppressed_reason }}, {{ directional_reason }}) as evidence_reason,
    evidence_reasons.caveat
{%- endmacro %}

{#- The caveat of that reason, for `evidence_columns`: `evidence_reasons` is an import CTE of the model. -#}
{% macro join_evidence_reasons(suppressed_reason, directional_reason) -%}
    left join evidence_reasons
        on coalesce({{ suppressed_reason }}, {{ directional_reason }}) = evidence_reasons.evidence_reason
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

{#- Quantile of Student's t for the normal quantile of the same level: the expansion of Fisher and Cornish (1960), exact
    to four digits from 19 degrees of freedom on. -#}
{% macro student_quantile(normal, freedom) -%}
    {%- set f = 'nullif(' ~ freedom ~ ', 0)' -%}
    ({{ normal }} + (power({{ normal }}, 3) + {{ normal }}) / (4 * {{ f }})
    + (5 * power({{ normal }}, 5) + 16 * power({{ normal }}, 3) + 3 * {{ normal }}) / (96 * power({{ f }}, 2))
    + (
        3 * power({{ normal }}, 7) + 19 * power({{ normal }}, 5) + 17 * power({{ normal }}, 3) - 15 * {{ normal }}
    ) / (384 * power({{ f }}, 3)))
{%- endmacro %}

{#- Whether a definition changed after a period began and before another one was over: what the two say is not alike.
    `compared` is the relation that has the dimension and the metric. -#}
{% macro is_definition_changed(compared, earlier_start, later_end) -%}
    exists (
        select 1
        from {{ ref('definition_changes') }} as definition_changes
        where
            definition_changes.dimension = {{ compared }}.dimension
            and definition_changes.metric = {{ compared }}.metric
            and definition_changes.valid_from > {{ earlier_start }}
            and definition_changes.valid_from < {{ later_end }}
    )
{%- endmacro %}
