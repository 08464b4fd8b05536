-- Monthly recurring revenue is contracted: prices by use (metered) are no part of it, one-time prices neither. It is
-- NULL where an amount is not known (a tiered price, a price that is missing). Discounts are not taken off.
with

versions as (
    select
        *,
        coalesce(fivetran_active, true) as is_active,
        1 as table_order
    from {{ source('stripe', 'subscription') }}
    union all
    select
        *,
        coalesce(fivetran_active, true) as is_active,
        2 as table_order
    from {{ source('stripe', 'subscription_history') }}
),

subscriptions as (
    {{ latest_records(
        'versions', 'id', 'landed.is_active desc, landed.table_order asc, landed.fivetran_start desc nulls last'
    ) }}
),

items as (
    {{ latest_records(source('stripe', 'subscription_item'), 'id') }}
),

prices as (
    {{ latest_records(source('stripe', 'price'), 'id') }}
),

plans as (
    {{ latest_records(source('stripe', 'plan'), 'id') }}
),

-- A subscription from before items has its plan and quantity itself.
priced_items as (
    select
        subscription_id,
        coalesce(price_id, plan_id) as price_id,
        quantity,
        current_period_end
    from items
    where not {{ stripe_is_deleted() }}
    union all
    select
        id as subscription_id,
        plan_id as price_id,
        quantity,
        null::timestamp as current_period_end
    from subscriptions
    where
        plan_id is not null
        and id not in (
            select items.subscription_id from items
            where items.subscription_id is not null
        )
),

price_list as (
    select
        id as price_id,
        product_id,
        currency,
        nickname,
        coalesce(type, 'recurring') as type,
        billing_scheme,
        billing_interval,
        usage_type,
        transform_round,
        unit_amount,
        transform_divide_by,
        interval_count
    from prices
    union all
    select
        id as price_id,
        product_id,
        currency,
        nickname,
        'recurring' as type,
        billing_scheme,
        billing_interval,
        usage_type,
        transform_round,
        unit_amount,
        transform_divide_by,
        interval_count
    from plans
    where
        plans.id not in (
            select prices.id from prices
            where prices.id is not null
        )
),

contracted as (
    select
        priced_items.subscription_id,
        priced_items.price_id,
        price_list.product_id,
        coalesce(price_list.nickname, priced_items.price_id) as plan,
        price_list.currency,
        price_list.billing_interval,
        coalesce(price_list.interval_count, 1) as interval_count,
        coalesce(priced_items.quantity, 1) as quantity,
        priced_items.current_period_end,
        coalesce(price_list.usage_type = 'metered', false) as is_metered,
        case when coalesce(price_list.billing_scheme, 'per_unit') <> 'tiered' then price_list.unit_amount end
        * case
            when price_list.transform_divide_by > 0 and price_list.transform_round = 'down'
                then floor(coalesce(priced_items.quantity, 1) / price_list.transform_divide_by)
            when price_list.transform_divide_by > 0
                then ceil(coalesce(priced_items.quantity, 1) / price_list.transform_divide_by)
            else coalesce(priced_items.quantity, 1)
        end
        / {{ stripe_units('price_list.currency') }}
        / {{ stripe_months('price_list.billing_interval', 'price_list.interval_count') }} as mrr
    from priced_items
    left join price_list on priced_items.price_id = price_list.price_id
    where coalesce(price_list.type, 'recurring') <> 'one_time'
),

-- What a subscription is called by is its largest item.
totals as (
    select
        subscription_id,
        max_by(product_id, coalesce(mrr, -1)) as product_id,
        max_by(plan, coalesce(mrr, -1)) as plan,
        max_by(billing_interval, coalesce(mrr, -1)) as billing_interval,
        max_by(interval_count, coalesce(mrr, -1)) as interval_count,
        max(currency) as currency,
        sum(quantity) filter (where not is_metered) as quantity,
        case when bool_and(is_metered or mrr is not null) then sum(mrr) filter (where not is_metered) end as mrr,
        min(current_period_end) as current_period_end
    from contracted
    group by subscription_id
),

dated as (
    select
        subscriptions.*,
        coalesce(
            subscriptions.ended_at,
            case
                when lower(subscriptions.status) not in ('canceled', 'incomplete_expired') then null
                when subscriptions.cancel_at_period_end
                    then coalesce(subscriptions.current_period_end, subscriptions.canceled_at)
                else subscriptions.canceled_at
            end
        )::date as ended_date,
        coalesce(lower(subscriptions.status) = 'trialing', false)
        or coalesce(subscriptions.ended_at <= subscriptions.trial_end, false) as is_trial
    from subscriptions
),

renamed as (
    select
        {{ stripe_key('dated.id') }} as subscription_id,
        {{ stripe_key('dated.customer_id') }} as account_id,
        {{ stripe_key('totals.product_id') }} as product_id,
        totals.plan,
        dated.status,
        case
            when totals.interval_count = 1 then lower(totals.billing_interval)
            when lower(totals.billing_interval) = 'month' and totals.interval_count = 3 then 'quarter'
            when lower(totals.billing_interval) = 'month' and totals.interval_count = 6 then 'half_year'
            when lower(totals.billing_interval) = 'month' and totals.interval_count = 12 then 'year'
            else totals.interval_count || ' ' || lower(totals.billing_interval) || 's'
        end as billing_interval,
        upper(coalesce(totals.currency, dated.currency)) as currency,
        totals.quantity,
        totals.mrr::decimal(18, 2) as mrr_amount,
        dated.is_trial,
        {{ stripe_is_deleted('dated') }} as is_deleted,
        -- A trial that became paid starts to count when it ends.
        case
            when dated.is_trial then coalesce(dated.start_date, dated.created)
            else greatest(coalesce(dated.start_date, dated.created), dated.trial_end)
        end::date as started_date,
        dated.ended_date,
        dated.canceled_at::date as cancel_date,
        case
            when
                dated.ended_date is null
                and dated.cancel_at is null
                and not coalesce(dated.cancel_at_period_end, false)
                then coalesce(dated.current_period_end, totals.current_period_end)
        end::date as renewal_date,
        dated.created as created_at
    from dated
    left join totals on dated.id = totals.subscription_id
)

select * from renamed
