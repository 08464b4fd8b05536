-- noqa: disable=LT02
{%- set objects = {
    'account': {
        'entity': 'accounts',
        'columns': {
            'owner_id': 'owner_id',
            'parent_id': 'parent_account_id',
            'industry': 'industry',
            'billing_country': 'country',
            'number_of_employees': 'employee_count',
            'annual_revenue': 'annual_revenue_amount',
        },
    },
    'contact': {
        'entity': 'people',
        'columns': {
            'account_id': 'account_id',
            'owner_id': 'owner_id',
            'title': 'title',
            'lead_source': 'lead_source',
            'mailing_country': 'country',
        },
    },
    'lead': {
        'entity': 'people',
        'columns': {
            'owner_id': 'owner_id',
            'title': 'title',
            'lead_source': 'lead_source',
            'industry': 'industry',
            'country': 'country',
            'number_of_employees': 'employee_count',
        },
    },
    'opportunity': {
        'entity': 'opportunities',
        'history': 'opportunity_field_history',
        'columns': {
            'account_id': 'account_id',
            'owner_id': 'owner_id',
            'campaign_id': 'campaign_id',
            'type': 'source_opportunity_type',
            'lead_source': 'lead_source',
            'forecast_category': 'forecast_category',
            'amount': 'source_amount',
            'probability': 'probability',
            'close_date': 'close_date',
        },
    },
} -%}
{#- Tracked under another name than the column's own. -#}
{%- set field_names = {
    'owner_id': ['Owner', 'OwnerId'],
    'parent_id': ['Parent', 'ParentId'],
    'account_id': ['Account', 'AccountId'],
    'campaign_id': ['Campaign', 'CampaignId'],
    'forecast_category': ['ForecastCategory', 'ForecastCategoryName'],
} -%}
{%- set key_columns = {
    'owner_id': ['005', '00G'],
    'parent_account_id': ['001'],
    'account_id': ['001'],
    'campaign_id': ['701'],
    'product_id': ['01t'],
} %}
-- Changes of attributes: of the fields that Salesforce tracks, and, for the others, between the versions that Fivetran
-- keeps. A lookup is tracked by two rows, one with names and one with ids: the ids count, as our keys.
with
{%- for object, settings in objects.items() %}
{%- set history = settings.get('history', object ~ '_history') %}
{%- set mapped = var('salesforce', {}).get('columns', {}).get(object, {}) %}
{#- Field: our column. Without case and underscores, for Loss_Reason__c may have landed as loss_reason_c. -#}
{%- set fields = {} %}
{%- for column, ours in settings.columns.items() %}
    {%- for field in field_names.get(column, [column]) + ([mapped[column]] if mapped.get(column) is string else []) %}
        {%- do fields.update({field | replace('_', '') | lower: ours}) %}
    {%- endfor %}
{%- endfor %}
{%- for column, field in mapped.items() if field is string and column not in settings.columns %}
    {%- do fields.update({field | replace('_', '') | lower: column}) %}
{%- endfor %}

{{ object }}_history as (
    select
        {{ object }}_id as entity_id,
        case lower(replace(field, '_', ''))
            {%- for field, column in fields.items() %}
            when '{{ field | replace("'", "''") }}' then '{{ column }}'
            {%- endfor %}
        end as column_name,
        old_value,
        new_value,
        created_date as changed_at
    from {{ source('salesforce', history) }}
),

{{ object }}_versions as (
    {{ salesforce_versions(object, settings.columns.keys() | list) }}
),
{%- endfor %}

tracked as (
    {%- for object, settings in objects.items() %}
    select
        '{{ object }}' as object_name,
        '{{ settings.entity }}' as entity,
        *
    from {{ object }}_history
    where column_name is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

versioned as (
    {%- for object, settings in objects.items() %}
    {%- set is_last_object = loop.last %}
    {%- for column, ours in settings.columns.items() %}
    select
        '{{ object }}' as object_name,
        '{{ settings.entity }}' as entity,
        id as entity_id,
        '{{ ours }}' as column_name,
        previous_{{ column }}::string as old_value,
        {{ column }}::string as new_value,
        fivetran_start as changed_at
    from {{ object }}_versions
    where {{ column }} is distinct from previous_{{ column }}
    {%- if not (loop.last and is_last_object) %}
    union all
    {%- endif %}
    {%- endfor %}
    {%- endfor %}
),

tracked_columns as (
    select distinct
        object_name,
        column_name
    from tracked
),

unioned as (
    select * from tracked
    union all
    select versioned.*
    from versioned
    left join tracked_columns
        on
            versioned.object_name = tracked_columns.object_name
            and versioned.column_name = tracked_columns.column_name
    where tracked_columns.column_name is null
),

filled as (
    select
        entity,
        entity_id,
        column_name,
        old_value,
        new_value,
        coalesce(new_value, old_value) as either_value,
        changed_at
    from unioned
),

-- Lookups as our keys, without the rows that give their names.
keyed as (
    select
        *,
        column_name in (
            {%- for column in key_columns %}
            '{{ column }}'{{ ',' if not loop.last }}
            {%- endfor %}
        ) as is_key,
        case column_name
            {%- for column, prefixes in key_columns.items() %}
            when '{{ column }}' then {{ salesforce_is_id('either_value', prefixes) }}
            {%- endfor %}
            else true
        end as is_kept
    from filled
)

select
    entity,
    {{ salesforce_key('entity_id') }} as entity_id,
    column_name,
    {%- for value in ['old_value', 'new_value'] %}
    case
        when is_key then {{ salesforce_key(value) }}
        when column_name = 'probability' then (try_cast({{ value }} as double) / 100)::string
        else {{ value }}
    end as {{ value }},
    {%- endfor %}
    changed_at
from keyed
where is_kept
