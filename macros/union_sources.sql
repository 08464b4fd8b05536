{#- The shape in which every source gives an entity: column and type, in order. A source gives the entities it knows. -#}
{% macro entity_shape(entity) -%}
    {{ return({
        'accounts': {
            'account_id': 'string', 'parent_account_id': 'string', 'merged_into_account_id': 'string',
            'crm_account_id': 'string', 'owner_id': 'string', 'domain': 'string', 'industry': 'string',
            'country': 'string', 'region': 'string', 'employee_count': 'integer',
            'annual_revenue_amount': 'decimal(18, 2)', 'is_churned': 'boolean', 'is_deleted': 'boolean',
            'created_at': 'timestamp', 'changed_at': 'timestamp', 'duplicate_count': 'bigint',
        },
        'people': {
            'person_id': 'string', 'account_id': 'string', 'opportunity_id': 'string', 'converted_person_id': 'string',
            'merged_into_person_id': 'string', 'crm_person_id': 'string', 'owner_id': 'string', 'email_hash': 'string',
            'email_domain': 'string', 'title': 'string', 'persona': 'string', 'motion': 'string',
            'lead_source': 'string', 'self_reported_source': 'string', 'country': 'string', 'region': 'string',
            'industry': 'string', 'source_stage': 'string', 'employee_count': 'integer', 'has_budget': 'boolean',
            'has_authority': 'boolean', 'has_need': 'boolean', 'has_timeline': 'boolean', 'is_lead': 'boolean',
            'is_deleted': 'boolean', 'created_at': 'timestamp', 'converted_at': 'timestamp', 'changed_at': 'timestamp',
            'duplicate_count': 'bigint',
        },
        'opportunities': {
            'opportunity_id': 'string', 'account_id': 'string', 'person_id': 'string', 'crm_opportunity_id': 'string',
            'owner_id': 'string', 'product_id': 'string', 'campaign_id': 'string', 'pipeline': 'string',
            'source_stage': 'string', 'source_opportunity_type': 'string', 'lead_source': 'string',
            'loss_reason': 'string', 'competitor': 'string', 'forecast_category': 'string', 'currency': 'string',
            'source_amount': 'decimal(18, 2)', 'probability': 'double', 'is_closed': 'boolean', 'is_won': 'boolean',
            'is_deleted': 'boolean', 'close_date': 'date', 'created_at': 'timestamp', 'closed_at': 'timestamp',
            'changed_at': 'timestamp', 'duplicate_count': 'bigint',
        },
        'stage_history': {
            'entity': 'string', 'entity_id': 'string', 'source_stage': 'string', 'source_rule': 'string',
            'is_deleted_stage': 'boolean', 'entered_at': 'timestamp',
        },
        'opportunity_history': {
            'opportunity_id': 'string', 'source_stage': 'string', 'forecast_category': 'string',
            'source_amount': 'decimal(18, 2)', 'probability': 'double', 'close_date': 'date', 'changed_at': 'timestamp',
        },
        'attribute_history': {
            'entity': 'string', 'entity_id': 'string', 'column_name': 'string', 'old_value': 'string',
            'new_value': 'string', 'changed_at': 'timestamp',
        },
        'opportunity_people': {
            'opportunity_id': 'string', 'person_id': 'string', 'role': 'string', 'is_primary': 'boolean',
        },
        'owners': {
            'owner_id': 'string', 'owner_name': 'string', 'team': 'string', 'manager': 'string', 'region': 'string',
            'is_active': 'boolean',
        },
        'products': {
            'product_id': 'string', 'product_name': 'string', 'product_series': 'string',
            'list_price_amount': 'decimal(18, 2)',
        },
        'activities': {
            'activity_id': 'string', 'activity_type': 'string', 'direction': 'string', 'person_id': 'string',
            'account_id': 'string', 'opportunity_id': 'string', 'owner_id': 'string', 'is_completed': 'boolean',
            'occurred_at': 'timestamp',
        },
        'touches': {
            'touch_id': 'string', 'person_id': 'string', 'account_id': 'string', 'campaign_id': 'string',
            'channel': 'string', 'touch_type': 'string', 'page': 'string', 'email_hash': 'string',
            'has_responded': 'boolean', 'occurred_at': 'timestamp',
        },
        'campaigns': {
            'campaign_id': 'string', 'campaign_name': 'string', 'channel': 'string', 'currency': 'string',
            'budget_amount': 'decimal(18, 2)', 'cost_amount': 'decimal(18, 2)', 'started_date': 'date',
            'ended_date': 'date',
        },
        'campaign_spend': {
            'campaign_id': 'string', 'channel': 'string', 'currency': 'string', 'spend_amount': 'decimal(18, 2)',
            'spend_date': 'date',
        },
        'subscriptions': {
            'subscription_id': 'string', 'account_id': 'string', 'product_id': 'string', 'plan': 'string',
            'status': 'string', 'billing_interval': 'string', 'currency': 'string', 'quantity': 'double',
            'mrr_amount': 'decimal(18, 2)', 'is_trial': 'boolean', 'is_deleted': 'boolean', 'started_date': 'date',
            'ended_date': 'date', 'cancel_date': 'date', 'renewal_date': 'date', 'created_at': 'timestamp',
        },
        'product_usage': {
            'usage_id': 'string', 'account_id': 'string', 'person_id': 'string', 'subscription_id': 'string',
            'feature': 'string', 'usage_count': 'double', 'active_user_count': 'integer', 'usage_date': 'date',
        },
        'support_tickets': {
            'ticket_id': 'string', 'account_id': 'string', 'person_id': 'string', 'priority': 'string',
            'satisfaction_score': 'double', 'is_escalated': 'boolean', 'submitted_at': 'timestamp',
            'closed_at': 'timestamp',
        },
        'survey_responses': {
            'response_id': 'string', 'account_id': 'string', 'person_id': 'string', 'score': 'double',
            'responded_date': 'date',
        },
        'payments': {
            'payment_id': 'string', 'account_id': 'string', 'subscription_id': 'string', 'status': 'string',
            'currency': 'string', 'amount': 'decimal(18, 2)', 'due_date': 'date', 'paid_date': 'date',
        },
        'churn_events': {
            'churn_event_id': 'string', 'account_id': 'string', 'reason': 'string', 'is_reactivation': 'boolean',
            'currency': 'string', 'refund_amount': 'decimal(18, 2)', 'churn_date': 'date',
        },
    }[entity]) }}
{%- endmacro %}

{#- Which sources can give an entity: each has a model stg_<source>__<entity>. -#}
{% macro sources_of(entity) -%}
    {%- set known = {
        'accounts': ['salesforce', 'hubspot', 'stripe', 'export'],
        'people': ['salesforce', 'hubspot', 'export'],
        'opportunities': ['salesforce', 'hubspot', 'export'],
        'stage_history': ['salesforce', 'hubspot', 'export'],
        'opportunity_history': ['salesforce', 'hubspot', 'export'],
        'attribute_history': ['salesforce', 'hubspot', 'export'],
        'opportunity_people': ['salesforce', 'hubspot'],
        'owners': ['salesforce', 'hubspot', 'export'],
        'products': ['salesforce', 'stripe', 'export'],
        'activities': ['salesforce', 'hubspot', 'export'],
        'touches': ['salesforce', 'export'],
        'campaigns': ['salesforce', 'export'],
        'campaign_spend': ['export'],
        'subscriptions': ['stripe', 'export'],
        'product_usage': ['export'],
        'support_tickets': ['export'],
        'survey_responses': ['export'],
        'payments': ['export'],
        'churn_events': ['export'],
    }[entity] -%}
    {{ return(var('sources') | select('in', known) | list) }}
{%- endmacro %}

{#- The raw tables whose rows are the records of an entity: row_conservation counts them. -#}
{% macro tables_of(entity) -%}
    {{ return({
        'accounts': ['salesforce.account', 'hubspot.company', 'stripe.customer', 'export.accounts'],
        'people': ['salesforce.lead', 'salesforce.contact', 'hubspot.contact', 'export.people'],
        'opportunities': ['salesforce.opportunity', 'hubspot.deal', 'export.opportunities'],
    }[entity]) }}
{%- endmacro %}

{#- All records of an entity, of the dataset's sources, in one shape; `source_order` is the order in which the dataset
    names its sources: where two disagree, the first one is believed. -#}
{% macro union_sources(entity) -%}
    {%- set shape = entity_shape(entity) -%}
    {%- set custom = custom_columns(entity) if entity in [
        'accounts', 'people', 'opportunities', 'owners', 'products',
    ] else [] -%}
    {%- for source in sources_of(entity) %}
    select
        '{{ source }}' as source,
        {{ var('sources').index(source) }} as source_order
        {%- for column in shape %},
        {{ column }}
        {%- endfor %}
        {%- for column in custom %},
        {{ column }}
        {%- endfor %}
    from {{ ref('stg_' ~ source ~ '__' ~ entity) }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- else %}
    select
        null::string as source,
        null::integer as source_order
        {%- for column, type in shape.items() %},
        null::{{ type }} as {{ column }}
        {%- endfor %}
        {%- for column in custom %},
        null::string as {{ column }}
        {%- endfor %}
    where 1 = 0
    {%- endfor %}
{%- endmacro %}
