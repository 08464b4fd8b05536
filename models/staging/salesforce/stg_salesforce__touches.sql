-- A member of a campaign is one touch: at the response, or else when the campaign reached the person. A lead's rows
-- survive its conversion with both ids; the lead's counts, for it was the lead who was touched.
with

members as (
    {{ salesforce_latest('campaign_member') }}
),

campaigns as (
    {{ salesforce_latest('campaign') }}
)

select
    members.record_key as touch_id,
    {{ salesforce_key('coalesce(members.lead_id, members.contact_id)') }} as person_id,
    {{ salesforce_key('members.account_id') }} as account_id,
    {{ salesforce_key('members.campaign_id') }} as campaign_id,
    campaigns.type as channel,
    members.status as touch_type,
    null::string as page,
    null::string as email_hash,
    coalesce(members.has_responded, members.first_responded_date is not null) as has_responded,
    coalesce(members.first_responded_date, members.created_date) as occurred_at
from members
left join campaigns on {{ salesforce_key('members.campaign_id') }} = campaigns.record_key
where not {{ salesforce_is_deleted('members') }}
