with

survey_responses as (
    select * from {{ source('export', 'survey_responses') }}
),

renamed as (
    select
        coalesce(response_id, source_file || ':' || source_row) as response_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('person_id') }} as person_id,
        score,
        responded_date
    from survey_responses
)

select * from renamed
