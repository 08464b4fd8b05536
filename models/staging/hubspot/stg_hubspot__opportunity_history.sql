{%- set properties = {
    'dealstage': 'stage_id', 'hs_manual_forecast_category': 'forecast_category', 'amount': 'amount',
    'hs_deal_stage_probability': 'probability', 'closedate': 'closedate',
} %}
with

pipeline_stages as (
    select * from {{ ref('stg_hubspot__pipeline_stages') }}
),

-- An empty value is one that was taken away, and is no less a change.
changes as (
    select
        deal_id,
        name,
        coalesce(value, '') as value,
        changed_at
    from {{ source('hubspot', 'deal_property_history') }}
    where
        changed_at is not null
        and name in (
            {%- for property in properties %}
            '{{ property }}'{{ ',' if not loop.last }}
            {%- endfor %}
        )
),

moments as (
    select
        deal_id,
        {%- for property, column in properties.items() %}
        max(value) filter (where name = '{{ property }}') as {{ column }},
        {%- endfor %}
        changed_at
    from changes
    group by deal_id, changed_at
),

-- HubSpot writes down what changed; a row here has everything as it was at that moment.
carried as (
    select
        deal_id,
        {%- for column in properties.values() %}
        nullif({{ last_filled(column, 'history') }}, '') as {{ column }},
        {%- endfor %}
        changed_at
    from moments
    window history as (partition by deal_id order by changed_at rows between unbounded preceding and current row)
),

renamed as (
    select
        {{ hubspot_key('carried.deal_id') }} as opportunity_id,
        coalesce(pipeline_stages.source_stage, carried.stage_id) as source_stage,
        carried.forecast_category,
        try_cast(carried.amount as decimal(18, 2)) as source_amount,
        coalesce(try_cast(carried.probability as double), pipeline_stages.probability) as probability,
        {{ day_of_moment('carried.closedate') }} as close_date,
        carried.changed_at
    from carried
    left join pipeline_stages on carried.stage_id = pipeline_stages.stage_id
)

select * from renamed
