{#- The key of a Stripe object. -#}
{% macro stripe_key(id) -%}
    'stripe:' || {{ id }}
{%- endmacro %}

{#- An object that was deleted in Stripe, or that Fivetran no longer finds. -#}
{% macro stripe_is_deleted(record=none) -%}
    {%- set prefix = record ~ '.' if record else '' -%}
    (coalesce({{ prefix }}is_deleted, false) or coalesce({{ prefix }}fivetran_deleted, false))
{%- endmacro %}

{#- How many of a currency's smallest unit, in which Stripe has amounts, make one of it. -#}
{% macro stripe_units(currency) -%}
    case
        when upper({{ currency }}) in (
            'BIF', 'CLP', 'DJF', 'GNF', 'JPY', 'KMF', 'KRW', 'MGA', 'PYG', 'RWF', 'VND', 'VUV', 'XAF', 'XOF', 'XPF'
        ) then 1
        when upper({{ currency }}) in ('BHD', 'JOD', 'KWD', 'OMR', 'TND') then 1000
        else 100
    end
{%- endmacro %}

{#- How many months one billing interval has: a year is 12 months, 52 weeks or 365 days. -#}
{% macro stripe_months(billing_interval, interval_count) -%}
    (
        case lower({{ billing_interval }})
            when 'day' then 12.0::double / 365
            when 'week' then 12.0::double / 52
            when 'month' then 1
            when 'year' then 12
        end * coalesce(nullif({{ interval_count }}, 0), 1)
    )
{%- endmacro %}
