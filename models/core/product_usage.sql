with

product_usage as (
    {{ union_sources('product_usage') }}
),

person_links as (
    select * from {{ ref('person_links') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

people as (
    select
        person_id,
        account_id
    from {{ ref('people') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        product_usage.source,
        coalesce(account_links.account_id, people.account_id, product_usage.account_id) as account_id,
        person_links.person_id,
        product_usage.feature,
        product_usage.usage_count,
        product_usage.active_user_count,
        product_usage.account_id is not null and account_links.account_id is null
        or product_usage.person_id is not null and person_links.person_id is null as is_unknown_reference,
        coalesce(product_usage.usage_count < 0, false) as is_negative_count,
        product_usage.usage_date is null as is_missing_date,
        coalesce(product_usage.usage_date > run_context.as_of_date, false) as is_after_as_of,
        product_usage.usage_date
    from product_usage
    cross join run_context
    left join account_links on product_usage.account_id = account_links.source_account_id
    left join person_links on product_usage.person_id = person_links.source_person_id
    left join people on person_links.person_id = people.person_id
)

select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
