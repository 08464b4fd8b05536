{#- The columns of people that lead scores may read (var `lead_attributes`), and their kind: `category`, or what stands
    beside the name, as in {visits: number}. -#}
{% macro lead_attribute_kinds() -%}
    {%- set kinds = {} -%}
    {%- for attribute in var('lead_attributes') -%}
        {%- if attribute is mapping -%}
            {%- do kinds.update(attribute) -%}
        {%- else -%}
            {%- do kinds.update({attribute: 'category'}) -%}
        {%- endif -%}
    {%- endfor -%}
    {{ return(kinds) }}
{%- endmacro %}

{#- The features of a lead that SQL makes, in order: name and kind. The attributes (var `lead_attributes`) come before
    them; score_features says what each one is. -#}
{% macro lead_feature_kinds() -%}
    {%- set kinds = lead_attribute_kinds() -%}
    {%- do kinds.update({
        'seniority': 'category', 'is_free_email': 'number', 'stage': 'category', 'age_days': 'number',
        'stage_age_days': 'number', 'touches_7d': 'number', 'touches_30d': 'number', 'touches_90d': 'number',
        'days_since_touch': 'number', 'active_days_90d': 'number', 'channels_90d': 'number',
        'replies_90d': 'number', 'meetings_90d': 'number', 'outreach_30d': 'number', 'page_points_30d': 'number',
        'page_points_90d': 'number', 'third_party_intent_90d': 'number', 'triggers_90d': 'number',
        'group_people': 'number', 'group_senior_people': 'number', 'group_active_people_30d': 'number',
        'is_signed_up': 'number', 'is_activated': 'number', 'usage_30d': 'number',
    }) -%}
    {{ return(kinds) }}
{%- endmacro %}
