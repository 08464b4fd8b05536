with

deal_contacts as (
    select * from {{ source('hubspot', 'deal_contact') }}
    where not coalesce(fivetran_deleted, false)
),

deals as (
    select * from {{ source('hubspot', 'deal') }}
),

contacts as (
    {{ latest_records(source('hubspot', 'contact'), 'id', 'landed.lastmodifieddate desc nulls last') }}
),

listed as (
    select
        id as deal_id,
        {{ hubspot_each_id('contacts') }} as contact_id
    from deals
    where contacts is not null
),

unioned as (
    select
        deal_id,
        contact_id
    from deal_contacts
    union
    select
        deal_id,
        contact_id
    from listed
),

renamed as (
    select
        {{ hubspot_key('unioned.deal_id') }} as opportunity_id,
        {{ hubspot_key('unioned.contact_id') }} as person_id,
        contacts.hs_buying_role as role,
        null::boolean as is_primary
    from unioned
    left join contacts on unioned.contact_id = contacts.id
)

select * from renamed
