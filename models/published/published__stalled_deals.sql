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
    open_deal_outlook.win_probability_within_a_year as win_probability
from stalled_deals
left join {{ ref('open_deal_outlook') }} as open_deal_outlook
    on stalled_deals.opportunity_id = open_deal_outlook.opportunity_id
