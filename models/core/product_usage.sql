with

product_usage as (
    {{ union_sources('product_usage') }}
),

account_links as (
    select
        source_account_id,
        account_id
    from {{ ref('account_links') }}
),

-- Of few people there is much usage, and often it names nobody.
people as (
    select
        person_links.source_person_id,
        people.person_number,
        people.account_id
    from (
        select distinct person_id from product_usage
        where person_id is not null
    ) as users
    inner join {{ ref('person_links') }} as person_links on users.person_id = person_links.source_person_id
    inner join {{ ref('people') }} as people on person_links.person_number = people.person_number
),

subscriptions as (
    select
        subscription_id,
        min(started_date) as started_date,
        max(coalesce(ended_date, date '9999-12-31')) as ended_date
    from {{ ref('subscriptions') }}
    group by subscription_id
),

run_context as (
    select * from {{ ref('run_context') }}
),

-- Only ids that come more than once are sorted: of these the first row is the original.
repeated as (
    select usage_id
    from product_usage
    where usage_id is not null
    group by usage_id
    having count(*) > 1
),

numbered as (
    select
        product_usage.*,
        row_number() over (
            partition by product_usage.usage_id
            order by product_usage.usage_date, product_usage.feature, product_usage.usage_count
        ) > 1 as is_duplicate_id
    from product_usage
    inner join repeated on product_usage.usage_id = repeated.usage_id
    union all
    select
        product_usage.*,
        false as is_duplicate_id
    from product_usage
    left join repeated on product_usage.usage_id = repeated.usage_id
    where repeated.usage_id is null
),

linked as (
    select
        usage_rows.source,
        coalesce(account_links.account_id, people.account_id, usage_rows.account_id) as account_id,
        people.person_number,
        usage_rows.subscription_id,
        usage_rows.feature,
        usage_rows.usage_count,
        usage_rows.active_user_count,
        usage_rows.account_id is not null and account_links.account_id is null
        or usage_rows.person_id is not null and people.person_number is null as is_unknown_reference,
        coalesce(account_links.account_id, people.account_id, usage_rows.account_id) is null
            as is_missing_account,
        usage_rows.is_duplicate_id,
        coalesce(usage_rows.usage_date < subscriptions.started_date, false) as is_before_subscription,
        coalesce(usage_rows.usage_date > subscriptions.ended_date, false) as is_after_subscription,
        coalesce(usage_rows.usage_count < 0, false) as is_negative_count,
        usage_rows.usage_date is null as is_missing_date,
        coalesce(usage_rows.usage_date > run_context.as_of_date, false) as is_after_as_of,
        usage_rows.usage_date
    from numbered as usage_rows
    cross join run_context
    left join account_links on usage_rows.account_id = account_links.source_account_id
    left join people on usage_rows.person_id = people.source_person_id
    left join subscriptions on usage_rows.subscription_id = subscriptions.subscription_id
)

-- A repeated id does not say which row is wrong: both stay, and a gate counts them.
select
    *,
    is_missing_date or is_after_as_of as is_disqualified
from linked
