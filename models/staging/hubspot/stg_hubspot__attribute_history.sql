-- HubSpot's property: our column.
{%- set histories = {
    'contact': {'entity': 'people', 'properties': {
        'associatedcompanyid': 'account_id', 'hubspot_owner_id': 'owner_id', 'jobtitle': 'title',
        'hs_persona': 'persona', 'hs_analytics_source': 'lead_source', 'country': 'country', 'industry': 'industry',
        'numemployees': 'employee_count',
    }},
    'company': {'entity': 'accounts', 'properties': {
        'hs_parent_company_id': 'parent_account_id', 'hubspot_owner_id': 'owner_id', 'industry': 'industry',
        'country': 'country', 'numberofemployees': 'employee_count', 'annualrevenue': 'annual_revenue_amount',
    }},
    'deal': {'entity': 'opportunities', 'properties': {
        'hubspot_owner_id': 'owner_id', 'dealtype': 'source_opportunity_type', 'pipeline': 'pipeline',
        'hs_analytics_source': 'lead_source', 'closed_lost_reason': 'loss_reason', 'deal_currency_code': 'currency',
        'amount': 'source_amount',
    }},
} %}
with

pipelines as (
    {{ latest_records(source('hubspot', 'deal_pipeline'), 'pipeline_id') }}
),

changes as (
    {%- for table, history in histories.items() %}
    select
        '{{ history.entity }}' as entity,
        {{ table }}_id as record_id,
        case name
            {%- for property, column in history.properties.items() %}
            when '{{ property }}' then '{{ column }}'
            {%- endfor %}
        end as column_name,
        value,
        changed_at
    from {{ source('hubspot', table ~ '_property_history') }}
    where
        changed_at is not null
        and name in (
            {%- for property in history.properties %}
            '{{ property }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- Values as the current record has them: keys with the source before them, pipelines by their label.
valued as (
    select
        changes.entity,
        changes.record_id,
        changes.column_name,
        case
            when changes.column_name in ('account_id', 'parent_account_id', 'owner_id')
                then {{ hubspot_key('changes.value') }}
            when changes.column_name = 'pipeline' then coalesce(pipelines.label, changes.value)
            when changes.column_name = 'currency' then upper(changes.value)
            else changes.value
        end as new_value,
        changes.changed_at
    from changes
    left join pipelines on changes.column_name = 'pipeline' and changes.value = pipelines.pipeline_id
),

tracked as (
    select
        entity,
        {{ hubspot_key('record_id') }} as entity_id,
        column_name,
        lag(new_value) over (
            partition by entity, record_id, column_name order by changed_at, new_value
        ) as old_value,
        new_value,
        changed_at
    from valued
)

select * from tracked
where old_value is distinct from new_value
