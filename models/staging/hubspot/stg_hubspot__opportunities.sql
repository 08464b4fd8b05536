-- `close_date` is a plan while the deal is open; HubSpot sets it when a deal is closed, so then it is the moment of
-- closing. A deal that was merged into another one names that one as its counterpart.
with

deals as (
    {{ latest_records(source('hubspot', 'deal'), 'id', 'landed.hs_lastmodifieddate desc nulls last') }}
),

pipelines as (
    {{ latest_records(source('hubspot', 'deal_pipeline'), 'pipeline_id') }}
),

pipeline_stages as (
    select * from {{ ref('stg_hubspot__pipeline_stages') }}
),

deal_companies as (
    select * from {{ source('hubspot', 'deal_company') }}
    where not coalesce(fivetran_deleted, false)
),

opportunity_people as (
    select * from {{ ref('stg_hubspot__opportunity_people') }}
),

merged_deals as (
    select * from {{ source('hubspot', 'merged_deal') }}
),

-- Type 5 is the primary company.
main_companies as (
    select
        deal_id,
        coalesce(min(company_id) filter (where type_id = '5'), min(company_id)) as company_id
    from deal_companies
    group by deal_id
),

main_people as (
    select
        opportunity_id,
        min(person_id) as person_id
    from opportunity_people
    group by opportunity_id
),

merged_ids as (
    select
        id as deal_id,
        {{ hubspot_each_id('hs_merged_object_ids') }} as merged_id
    from {{ source('hubspot', 'deal') }}
    where hs_merged_object_ids is not null
    union all
    select
        deal_id,
        merged_deal_id as merged_id
    from merged_deals
),

merged as (
    select
        merged_id,
        max(deal_id) as deal_id
    from merged_ids
    where merged_id <> deal_id
    group by merged_id
),

renamed as (
    select
        {{ hubspot_key('deals.id') }} as opportunity_id,
        {{ hubspot_key(
            "coalesce(main_companies.company_id, deals.hs_primary_associated_company, "
            ~ "nullif(regexp_extract(deals.companies, '[A-Za-z0-9_-]+', 0), ''))"
        ) }} as account_id,
        main_people.person_id,
        coalesce({{ hubspot_key('merged.deal_id') }}, {{ salesforce_key('deals.salesforceopportunityid') }})
            as crm_opportunity_id,
        {{ hubspot_key('deals.hubspot_owner_id') }} as owner_id,
        {{ hubspot_key('deals.product_id') }} as product_id,
        {{ hubspot_key('deals.campaign_id') }} as campaign_id,
        coalesce(pipelines.label, pipeline_stages.pipeline, deals.pipeline) as pipeline,
        coalesce(pipeline_stages.source_stage, deals.dealstage) as source_stage,
        deals.dealtype as source_opportunity_type,
        coalesce(deals.lead_source, deals.hs_analytics_source) as lead_source,
        coalesce(deals.loss_reason, deals.closed_lost_reason) as loss_reason,
        deals.competitor,
        deals.hs_manual_forecast_category as forecast_category,
        upper(deals.deal_currency_code) as currency,
        deals.amount as source_amount,
        coalesce(deals.hs_deal_stage_probability, pipeline_stages.probability) as probability,
        coalesce(pipeline_stages.is_closed, deals.hs_is_closed) as is_closed,
        coalesce(pipeline_stages.is_won, deals.hs_is_closed_won) as is_won,
        {{ hubspot_is_deleted('deals') }} as is_deleted,
        deals.closedate::date as close_date,
        deals.createdate as created_at,
        case when coalesce(pipeline_stages.is_closed, deals.hs_is_closed) then deals.closedate end as closed_at,
        deals.hs_lastmodifieddate as changed_at,
        {%- for column in custom_columns('opportunities') %}
        deals.{{ column }},
        {%- endfor %}
        deals.duplicate_count
    from deals
    left join pipelines on deals.pipeline = pipelines.pipeline_id
    left join pipeline_stages on deals.dealstage = pipeline_stages.stage_id
    left join main_companies on deals.id = main_companies.deal_id
    left join main_people on {{ hubspot_key('deals.id') }} = main_people.opportunity_id
    left join merged on deals.id = merged.merged_id
)

select * from renamed
