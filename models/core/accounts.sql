with

accounts as (
    select * from {{ ref('stg_export__accounts') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

flagged as (
    select
        accounts.account_id,
        accounts.parent_account_id,
        accounts.owner_id,
        accounts.industry,
        accounts.country,
        accounts.region,
        {%- for column in custom_columns('accounts') %}
        accounts.{{ column }},
        {%- endfor %}
        accounts.employee_count,
        accounts.annual_revenue_amount,
        accounts.is_deleted,
        coalesce(accounts.created_at::date > run_context.as_of_date, false) as is_created_after_as_of,
        accounts.created_at::date as created_date
    from accounts
    cross join run_context
)

select
    *,
    is_deleted or is_created_after_as_of as is_disqualified
from flagged
