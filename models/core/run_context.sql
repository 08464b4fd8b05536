with

context as (
    select * from {{ source('raw', 'context') }}
),

definitions as (
    select * from {{ ref('definitions') }}
),

definitions_hash as (
    select md5({{ ordered_concat("kind || code || label || rule || valid_from", ',') }}) as definitions_hash
    from definitions
)

select
    context.dataset,
    context.data_dir,
    context.as_of_rule,
    context.input_hash,
    md5(
        definitions_hash.definitions_hash
        || '{{ var("reporting_timezone") }}|{{ var("reporting_currency") }}|{{ var("fiscal_year_start_month") }}'
        || '|{{ tojson(var("dimensions")) }}|{{ tojson(var("spine")) }}'
        || '|{{ var("lead_target_stage") }}|{{ tojson(var("lead_attributes")) }}'
    ) as definitions_hash,
    context.code_version,
    '{{ var("reporting_timezone") }}' as reporting_timezone,
    '{{ var("reporting_currency") }}' as reporting_currency,
    '{{ var("lead_target_stage") }}' as lead_target_stage,
    '{{ var("releases_dir") }}' as releases_dir,
    {{ "'" ~ var("restatement_reason") | replace("'", "''") ~ "'" if var("restatement_reason") else "null::string" }}
        as restatement_reason,
    context.currency as source_currency,
    {{ var('fiscal_year_start_month') }} as fiscal_year_start_month,
    context.as_of_date,
    context.latest_stamp_date,
    context.history_starts_on
from context
cross join definitions_hash
