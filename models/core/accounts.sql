with

records as (
    {{ union_sources('accounts') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        links.account_number as entity_id,
        links.record_number,
        records.*,
        coalesce(records.is_deleted, false) as is_record_deleted
    from records
    inner join {{ ref('account_links') }} as links on records.account_id = links.source_account_id
),

-- One company of several records: each attribute is the first filled one, of the source named first.
merged as (
    {{ merged_records(
        'linked',
        'account_number',
        ['parent_account_id', 'owner_id', 'domain', 'industry', 'country', 'region']
        + custom_columns('accounts') + ['employee_count', 'annual_revenue_amount'],
        own=['account_id'],
        least=['is_record_deleted', 'created_at'],
        greatest=['is_churned'],
    ) }}
),

flagged as (
    select
        merged.account_id,
        coalesce(parents.account_id, merged.parent_account_id) as parent_account_id,
        merged.owner_id,
        merged.domain,
        merged.industry,
        merged.country,
        merged.region,
        {%- for column in custom_columns('accounts') %}
        merged.{{ column }},
        {%- endfor %}
        merged.account_number,
        merged.employee_count,
        merged.annual_revenue_amount,
        merged.record_count,
        merged.is_churned,
        merged.is_record_deleted as is_deleted,
        merged.parent_account_id is not null and parents.account_id is null as is_unknown_parent,
        coalesce(merged.created_at::date > run_context.as_of_date, false) as is_created_after_as_of,
        merged.created_at,
        merged.created_at::date as created_date
    from merged
    cross join run_context
    left join {{ ref('account_links') }} as parents on merged.parent_account_id = parents.source_account_id
)

select
    *,
    is_deleted or is_created_after_as_of as is_disqualified
from flagged
