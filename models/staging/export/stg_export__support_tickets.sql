with

support_tickets as (
    select * from {{ source('export', 'support_tickets') }}
),

renamed as (
    select
        coalesce(ticket_id, source_file || ':' || source_row) as ticket_id,
        {{ source_key('account_id') }} as account_id,
        {{ source_key('person_id') }} as person_id,
        lower(priority) as priority,
        satisfaction_score,
        is_escalated,
        submitted_at,
        closed_at
    from support_tickets
)

select * from renamed
