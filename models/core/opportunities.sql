with

opportunities as (
    select * from {{ ref('stg_export__opportunities') }}
),

accounts as (
    select * from {{ ref('accounts') }}
),

products as (
    select * from {{ ref('stg_export__products') }}
),

owners as (
    select * from {{ ref('stg_export__owners') }}
),

stage_map as (
    select * from {{ ref('stage_map') }}
    where entity = 'opportunity'
),

opportunity_types as (
    select * from {{ ref('opportunity_types') }}
),

exchange_rates as (
    select
        currency,
        usd_per_unit,
        valid_from,
        lead(valid_from) over (partition by currency order by valid_from) as valid_to
    from {{ ref('exchange_rates') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

dated as (
    select
        opportunities.*,
        coalesce(opportunities.currency, upper(run_context.source_currency)) as amount_currency,
        run_context.reporting_currency,
        run_context.as_of_date,
        greatest(run_context.as_of_date, run_context.latest_stamp_date) as latest_possible_date,
        coalesce(opportunities.created_at::date, run_context.as_of_date) as rate_date
    from opportunities
    cross join run_context
),

converted as (
    select
        dated.*,
        stage_map.stage,
        -- No type at all is new business, so that a CRM without types works; the gate counts such rows.
        case
            when dated.source_opportunity_type is null then 'new_business'
            else coalesce(opportunity_types.opportunity_type, 'unmapped')
        end as opportunity_type,
        case
            when dated.amount_currency = dated.reporting_currency then dated.source_amount
            else (dated.source_amount * source_rate.usd_per_unit / reporting_rate.usd_per_unit)::decimal(18, 2)
        end as amount,
        dated.amount_currency <> dated.reporting_currency
        and (source_rate.usd_per_unit is null or reporting_rate.usd_per_unit is null) as is_unknown_currency,
        dated.account_id is null as is_missing_account,
        dated.account_id is not null and accounts.account_id is null as is_unknown_account,
        dated.product_id is not null and products.product_id is null as is_unknown_product,
        dated.owner_id is not null and owners.owner_id is null as is_unknown_owner
    from dated
    left join stage_map on lower(dated.source_stage) = lower(stage_map.source_label)
    left join opportunity_types on lower(dated.source_opportunity_type) = lower(opportunity_types.source_label)
    left join accounts on dated.account_id = accounts.account_id
    left join products on dated.product_id = products.product_id
    left join owners on dated.owner_id = owners.owner_id
    left join exchange_rates as source_rate
        on
            dated.amount_currency = source_rate.currency
            and dated.rate_date >= source_rate.valid_from
            and (source_rate.valid_to is null or dated.rate_date < source_rate.valid_to)
    left join exchange_rates as reporting_rate
        on
            dated.reporting_currency = reporting_rate.currency
            and dated.rate_date >= reporting_rate.valid_from
            and (reporting_rate.valid_to is null or dated.rate_date < reporting_rate.valid_to)
),

flagged as (
    select
        opportunity_id,
        account_id,
        person_id,
        owner_id,
        product_id,
        source_stage,
        stage as current_stage,
        opportunity_type,
        source_opportunity_type,
        lead_source,
        loss_reason,
        amount_currency as source_currency,
        {%- for column in custom_columns('opportunities') %}
        {{ column }},
        {%- endfor %}
        source_amount,
        amount,
        is_deleted,
        is_missing_account,
        is_unknown_account,
        is_unknown_product,
        is_unknown_owner,
        coalesce(is_unknown_currency, false) and source_amount is not null as is_unknown_currency,
        stage is null as is_unmapped_stage,
        opportunity_type = 'unmapped' as is_unmapped_type,
        created_at is null as is_missing_entry_date,
        source_amount is null as is_missing_amount,
        coalesce(source_amount < 0, false) as is_negative_amount,
        coalesce(stage in ('won', 'lost') and coalesce(closed_at::date, close_date) < created_at::date, false)
            as is_closed_before_created,
        coalesce(stage in ('won', 'lost') and coalesce(closed_at::date, close_date) > latest_possible_date, false)
            as is_closed_in_future,
        coalesce(created_at::date > as_of_date, false) as is_created_after_as_of,
        created_at,
        closed_at,
        created_at::date as created_date,
        close_date
    from converted
)

select
    *,
    is_deleted or is_created_after_as_of or is_unmapped_stage as is_disqualified
from flagged
