-- noqa: disable=LT02
with

users as (
    {{ salesforce_latest('user') }}
),

roles as (
    {{ salesforce_latest('user_role') }}
),

renamed as (
    select
        users.record_key as owner_id,
        users.name as owner_name,
        coalesce(users.team, roles.name, users.department) as team,
        coalesce(users.manager, managers.name) as manager,
        users.region,
        coalesce(users.is_active, true)
        and not coalesce(users.fivetran_deleted, false)
        and coalesce(users.fivetran_active, true) as is_active
        {%- for column in custom_columns('owners') %},
        users.{{ column }}
        {%- endfor %}
    from users
    left join roles on {{ salesforce_key('users.user_role_id') }} = roles.record_key
    left join users as managers on {{ salesforce_key('users.manager_id') }} = managers.record_key
)

select * from renamed
