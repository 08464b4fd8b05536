-- noqa: disable=LT02
-- `close_date` is a plan while the opportunity is open. The moment of closing is known here only from a mapped column,
-- or from the date of the last stage change of one that is closed; otherwise the stage history tells it.
with

opportunities as (
    {{ salesforce_latest('opportunity') }}
),

record_types as (
    {{ salesforce_latest('record_type') }}
),

line_items as (
    select * from {{ source('salesforce', 'opportunity_line_item') }}
    where not {{ salesforce_is_deleted() }}
),

-- An opportunity has one product here: that of its largest line.
main_products as (
    select
        {{ salesforce_key('opportunity_id') }} as opportunity_key,
        product2_id
    from line_items
    where product2_id is not null
    qualify
        row_number() over (
            partition by {{ salesforce_key('opportunity_id') }}
            order by total_price desc nulls last, product2_id asc
        ) = 1
),

renamed as (
    select
        opportunities.record_key as opportunity_id,
        {{ salesforce_key('opportunities.account_id') }} as account_id,
        {{ salesforce_key('opportunities.contact_id') }} as person_id,
        null::string as crm_opportunity_id,
        {{ salesforce_key('opportunities.owner_id') }} as owner_id,
        {{ salesforce_key('coalesce(opportunities.product_id, main_products.product2_id)') }} as product_id,
        {{ salesforce_key('opportunities.campaign_id') }} as campaign_id,
        coalesce(opportunities.pipeline, record_types.name, opportunities.record_type_id) as pipeline,
        opportunities.stage_name as source_stage,
        opportunities.type as source_opportunity_type,
        opportunities.lead_source,
        opportunities.loss_reason,
        opportunities.competitor,
        coalesce(opportunities.forecast_category, opportunities.forecast_category_name) as forecast_category,
        upper(opportunities.currency_iso_code) as currency,
        opportunities.amount as source_amount,
        opportunities.probability / 100 as probability,
        opportunities.is_closed,
        opportunities.is_won,
        {{ salesforce_is_deleted('opportunities') }} as is_deleted,
        opportunities.close_date,
        opportunities.created_date as created_at,
        coalesce(
            opportunities.closed_at, case when opportunities.is_closed then opportunities.last_stage_change_date end
        ) as closed_at,
        coalesce(opportunities.last_modified_date, opportunities.system_modstamp) as changed_at,
        opportunities.duplicate_count
        {%- for column in custom_columns('opportunities') %},
        opportunities.{{ column }}
        {%- endfor %}
    from opportunities
    left join record_types on {{ salesforce_key('opportunities.record_type_id') }} = record_types.record_key
    left join main_products on opportunities.record_key = main_products.opportunity_key
)

select * from renamed
