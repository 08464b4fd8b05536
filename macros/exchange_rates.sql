{#- The dated exchange rates, each with the day on which the next one replaces it: import it as `exchange_rates`. -#}
{% macro exchange_rate_periods() -%}
    select
        currency,
        usd_per_unit,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from) as valid_to
    from {{ ref('exchange_rates') }}
{%- endmacro %}

{#- Joins the rates of a day: `source_rate` of the amount's currency and `reporting_rate` of the reporting one. -#}
{% macro join_exchange_rates(currency, reporting_currency, day) -%}
    left join exchange_rates as source_rate
        on
            {{ currency }} = source_rate.currency
            and {{ day }} >= source_rate.valid_from
            and (source_rate.valid_to is null or {{ day }} < source_rate.valid_to)
    left join exchange_rates as reporting_rate
        on
            {{ reporting_currency }} = reporting_rate.currency
            and {{ day }} >= reporting_rate.valid_from
            and (reporting_rate.valid_to is null or {{ day }} < reporting_rate.valid_to)
{%- endmacro %}

{#- What one unit of the currency is worth in the reporting currency: NULL where a rate is missing. -#}
{% macro reporting_rate(currency, reporting_currency) -%}
    case
        when {{ currency }} = {{ reporting_currency }} then 1
        else source_rate.usd_per_unit / reporting_rate.usd_per_unit
    end
{%- endmacro %}

{#- The currency of an amount: its row's, else that of the mapping. Where no row of the relation names one, it has one
    currency, and where the mapping is silent too that is taken for the reporting one. -#}
{% macro amount_currency(relation) -%}
    coalesce(
        {{ relation }}.currency,
        upper(run_context.source_currency),
        case when count({{ relation }}.currency) over () = 0 then run_context.reporting_currency end
    )
{%- endmacro %}
