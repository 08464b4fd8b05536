-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

customers as (
    select
        customer_months.account_id,
        min(accounts.account_number) as account_number,
        min(customer_months.first_month) as first_month,
        min(customer_months.closing_date) as first_closing_date
    from {{ ref('customer_months') }} as customer_months
    left join {{ ref('accounts') }} as accounts on customer_months.account_id = accounts.account_id
    group by customer_months.account_id
),

journeys as (
    select * from {{ ref('journeys') }}
    where won_date is not null and is_primary and opportunity_type = 'new_business' and account_id is not null
    qualify row_number() over (partition by account_id order by won_date, journey_id) = 1
),

segment_memberships as (
    select * from {{ ref('segment_memberships') }}
    where attribute like 'accounts.%'
)

-- A customer is in the segments that its first won deal was in; without one, in those of its account on the day of its
-- first month's close. What only a deal could tell is unknown then.
select
    customers.account_id,
    customers.first_month,
    {%- for dimension, attributes in var('dimensions').items() %}
    coalesce(
        nullif(nullif(journeys.{{ dimension }}, 'unknown'), 'unmapped'),
        {%- for attribute in attributes if attribute.startswith('accounts.') %}
        nullif({{ dimension }}_{{ loop.index }}.segment, 'unmapped'),
        {%- endfor %}
        journeys.{{ dimension }},
        {%- for attribute in attributes if attribute.startswith('accounts.') %}
        {{ dimension }}_{{ loop.index }}.segment,
        {%- endfor %}
        'unknown'
    ) as {{ dimension }},
    {%- endfor %}
    journeys.journey_id is not null as has_won_deal,
    journeys.won_date
from customers
left join journeys on customers.account_id = journeys.account_id
{%- for dimension, attributes in var('dimensions').items() %}
{%- for attribute in attributes if attribute.startswith('accounts.') %}
left join segment_memberships as {{ dimension }}_{{ loop.index }}
    on
        {{ dimension }}_{{ loop.index }}.dimension = '{{ dimension }}'
        and {{ dimension }}_{{ loop.index }}.attribute = '{{ attribute }}'
        and customers.account_number = {{ dimension }}_{{ loop.index }}.entity_number
        and customers.first_closing_date >= {{ dimension }}_{{ loop.index }}.valid_from
        and customers.first_closing_date < {{ dimension }}_{{ loop.index }}.valid_to
{%- endfor %}
{%- endfor %}
