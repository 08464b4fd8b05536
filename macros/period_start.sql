{#- First day of the calendar month, or of the fiscal quarter, that holds the date. -#}
{% macro period_start(date, grain) -%}
    {%- set shift = (var('fiscal_year_start_month') - 1) % 3 -%}
    {%- if grain == 'month' or shift == 0 -%}
        date_trunc('{{ grain }}', {{ date }})::date
    {%- else -%}
        {{ add_months("date_trunc('quarter', " ~ add_months(date, -shift) ~ ")::date", shift) }}
    {%- endif -%}
{%- endmacro %}

{#- First day after the period. -#}
{% macro period_end(period_grain, period_start) -%}
    case {{ period_grain }}
        when 'month' then {{ add_months(period_start, 1) }}
        else {{ add_months(period_start, 3) }}
    end
{%- endmacro %}
