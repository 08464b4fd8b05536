with

contact_roles as (
    select * from {{ source('salesforce', 'opportunity_contact_role') }}
    where not {{ salesforce_is_deleted() }}
)

select
    {{ salesforce_key('opportunity_id') }} as opportunity_id,
    {{ salesforce_key('contact_id') }} as person_id,
    role,
    bool_or(coalesce(is_primary, false)) as is_primary
from contact_roles
group by {{ salesforce_key('opportunity_id') }}, {{ salesforce_key('contact_id') }}, role
