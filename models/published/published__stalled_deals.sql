-- depends_on: {{ ref('gate_results') }}
{{ config(alias='stalled_deals') }}

with

stalled_deals as (
    select * from {{ ref('stalled_deals') }}
)

select
    stalled_deals.as_of_date,
    stalled_deals.opportunity_id,
    stalled_deals.account_id,
    stalled_deals.owner_id,
    stalled_deals.product_id,
    stalled_deals.opportunity_type,
    stalled_deals.stage,
    stalled_deals.currency,
    stalled_deals.amount,
    stalled_deals.close_date,
    stalled_deals.deal_age_days,
    stalled_deals.age_in_stage_days,
    stalled_deals.age_limit_days,
    stalled_deals.age_limit_segment,
    stalled_deals.age_limit_n,
    stalled_deals.push_count,
    stalled_deals.last_activity_date,
    stalled_deals.missing_role_count,
    stalled_deals.is_beyond_stage_age,
    stalled_deals.is_close_date_pushed,
    stalled_deals.is_close_date_past,
    stalled_deals.is_inactive,
    stalled_deals.is_missing_roles,
    stalled_deals.flag_count,
    open_deal_outlook.win_probability_within_a_year,
    -- The forecast is of new business that has a stage and a day of opening, once enough was won to learn from.
    case
        when open_deal_outlook.win_probability_within_a_year is not null then null
        when stalled_deals.opportunity_type <> 'new_business' then 'not_applicable'
        when open_deal_outlook.opportunity_id is null then 'incomplete_data'
        else open_deal_outlook.evidence_reason
    end as win_probability_reason
from stalled_deals
left join {{ ref('open_deal_outlook') }} as open_deal_outlook
    on stalled_deals.opportunity_id = open_deal_outlook.opportunity_id
