with

owners as (
    {{ latest_records(source('hubspot', 'owner'), 'owner_id', 'landed.updated_at desc nulls last') }}
),

owner_teams as (
    select * from {{ source('hubspot', 'owner_team') }}
    where not coalesce(fivetran_deleted, false)
),

teams as (
    {{ latest_records(source('hubspot', 'team'), 'team_id') }}
),

main_teams as (
    select
        owner_teams.owner_id,
        coalesce(min(teams.name) filter (where owner_teams.is_team_primary), min(teams.name)) as team
    from owner_teams
    inner join teams on owner_teams.team_id = teams.team_id
    group by owner_teams.owner_id
),

team_items as (
    select
        owner_id,
        {{ each_json_item('teams') }} as item
    from owners
    where teams is not null
),

listed_teams as (
    select
        owner_id,
        coalesce(
            min({{ json_text('item', '$.name') }}) filter (where {{ json_text('item', '$.primary') }} = 'true'),
            min({{ json_text('item', '$.name') }})
        ) as team
    from team_items
    group by owner_id
),

-- Deactivated users lose their id here. Where no owner has one, the files do not have that column.
has_user_ids as (
    select count(active_user_id) > 0 as is_given from owners
),

renamed as (
    select
        {{ hubspot_key('owners.owner_id') }} as owner_id,
        nullif(trim(coalesce(owners.first_name, '') || ' ' || coalesce(owners.last_name, '')), '') as owner_name,
        coalesce(owners.team, main_teams.team, listed_teams.team) as team,
        owners.manager,
        owners.region,
        {%- for column in custom_columns('owners') %}
        owners.{{ column }},
        {%- endfor %}
        not {{ hubspot_is_deleted('owners') }}
        and (owners.active_user_id is not null or not has_user_ids.is_given) as is_active
    from owners
    cross join has_user_ids
    left join main_teams on owners.owner_id = main_teams.owner_id
    left join listed_teams on owners.owner_id = listed_teams.owner_id
)

select * from renamed
