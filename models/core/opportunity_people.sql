with

roles as (
    {{ union_sources('opportunity_people') }}
),

opportunity_links as (
    select * from {{ ref('opportunity_links') }}
),

person_links as (
    select * from {{ ref('person_links') }}
)

select
    opportunity_links.opportunity_number,
    person_links.person_number,
    min(roles.role) as role,
    bool_or(coalesce(roles.is_primary, false)) as is_primary
from roles
inner join opportunity_links on roles.opportunity_id = opportunity_links.source_opportunity_id
inner join person_links on roles.person_id = person_links.source_person_id
group by opportunity_links.opportunity_number, person_links.person_number
