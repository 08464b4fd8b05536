{#-
    The day, in the reporting timezone, of a moment as text: milliseconds since 1970, or ISO 8601 in UTC. A date
    without a time is that day, never shifted.
-#}
{% macro day_of_moment(text) -%}
    {{ return(adapter.dispatch('day_of_moment', 'segment_signals')(text)) }}
{%- endmacro %}

{% macro default__day_of_moment(text) -%}
    case
        when {{ text }} rlike '^-?[0-9]{9,15}$'
            then from_utc_timestamp(timestamp_millis({{ text }}::bigint), '{{ var('reporting_timezone') }}')::date
        when length({{ text }}) <= 10 then try_cast({{ text }} as date)
        else from_utc_timestamp(try_cast({{ text }} as timestamp), '{{ var('reporting_timezone') }}')::date
    end
{%- endmacro %}

{% macro duckdb__day_of_moment(text) -%}
    case
        when regexp_full_match({{ text }}, '-?[0-9]{9,15}')
            then timezone('{{ var('reporting_timezone') }}', timezone('UTC', epoch_ms(try_cast({{ text }} as bigint))))::date
        when length({{ text }}) <= 10 then try_cast({{ text }} as date)
        else timezone('{{ var('reporting_timezone') }}', timezone('UTC', try_cast({{ text }} as timestamp)))::date
    end
{%- endmacro %}
