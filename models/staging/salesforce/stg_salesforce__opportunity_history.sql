-- What was known of an opportunity from a moment on. Without OpportunityHistory the versions that Fivetran keeps tell
-- it; without either it is empty, and nothing can be judged as it was. A row is repeated when a field changes that is
-- not here: core counts each state once. The landed history is named in every place, for as a common table the engine
-- would copy it.
with

opportunities as (
    select * from {{ source('salesforce', 'opportunity') }}
    where fivetran_start is not null
),

opportunity_snapshots as (
    select * from {{ source('salesforce', 'opportunity_snapshot') }}
),

unioned as (
    select
        opportunity_id,
        stage_name,
        forecast_category,
        amount,
        probability,
        close_date,
        created_date
    from {{ source('salesforce', 'opportunity_history') }}
    union all
    select
        id as opportunity_id,
        stage_name,
        forecast_category,
        amount,
        probability,
        close_date,
        fivetran_start as created_date
    from opportunity_snapshots
    where not exists (select 1 from {{ source('salesforce', 'opportunity_history') }})
    union all
    select
        id as opportunity_id,
        stage_name,
        forecast_category,
        amount,
        probability,
        close_date,
        fivetran_start as created_date
    from opportunities
    where not exists (select 1 from {{ source('salesforce', 'opportunity_history') }})
)

select
    {{ salesforce_key('opportunity_id') }} as opportunity_id,
    stage_name as source_stage,
    forecast_category,
    amount as source_amount,
    probability / 100 as probability,
    close_date,
    created_date as changed_at
from unioned
