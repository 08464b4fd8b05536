-- noqa: disable=LT02
{# The indentation rule cannot follow the cases of this model. #}
{% set dimension = var('stage_age_dimension') if var('stage_age_dimension') in var('dimensions') else none -%}
{%- set flags = [
    'is_beyond_stage_age', 'is_close_date_pushed', 'is_close_date_past', 'is_inactive', 'is_missing_roles',
] -%}
with

opportunities as (
    select * from {{ ref('opportunities') }}
    where not is_disqualified
),

journeys as (
    select
        opportunity_id,
        {{ dimension or "'all'" }} as segment
    from {{ ref('journeys') }}
    where is_primary and opportunity_id is not null
),

owners as (
    select
        owner_id,
        min(owner_name) as owner_name
    from {{ ref('owners') }}
    group by owner_id
),

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'opportunity'
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
    where kind <> 'outside'
),

pipeline_stages as (
    select * from {{ ref('pipeline_stages') }}
),

stage_age_limits as (
    select * from {{ ref('stage_age_limits') }}
),

opportunity_history as (
    select * from {{ ref('opportunity_history') }}
),

opportunity_people as (
    select * from {{ ref('opportunity_people') }}
    where role is not null
),

role_template as (
    select * from {{ ref('role_template') }}
),

activities as (
    select * from {{ ref('activities') }}
    where is_completed and not is_disqualified
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    select
        max(value) filter (where threshold = 'minimum_n') as minimum_n,
        max(value) filter (where threshold = 'inactive_days') as inactive_days
    from {{ ref('evidence_thresholds') }}
),

last_visits as (
    select
        stage_visits.entity_number as opportunity_number,
        max_by(
            lifecycle_stages.kind = 'end' or lifecycle_stages.stage_order >= won.stage_order, visit_number
        ) as is_closed,
        max_by(
            coalesce({{ label_key('stage_visits.source_stage') }}, {{ label_key('lifecycle_stages.label') }}),
            visit_number
        ) as stage_key,
        max_by(stage_visits.entered_date, visit_number) as entered_date
    from stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    left join lifecycle_stages as won on won.stage = 'won'
    group by stage_visits.entity_number
),

-- A deal without any date is open if its record says so; how long it has been is not known.
open_deals as (
    select
        opportunities.*,
        last_visits.stage_key,
        last_visits.entered_date
    from opportunities
    left join last_visits on opportunities.opportunity_number = last_visits.opportunity_number
    where not coalesce(last_visits.is_closed, opportunities.current_stage in ('won', 'lost'))
),

plans as (
    select
        opportunity_number,
        max_by(amount, change_number) as amount,
        max_by(close_date, change_number) as close_date,
        case when count(close_date) > 0
            then count(*) filter (
                where close_date > previous_close_date and coalesce(stage, 'opportunity') not in ('won', 'lost')
            )
        end as push_count
    from opportunity_history
    group by opportunity_number
),

-- A call with the account counts for each of its deals, unless it was about another one.
deal_activities as (
    select
        opportunity_number,
        max(occurred_date) as last_activity_date
    from activities
    where opportunity_number is not null
    group by opportunity_number
),

account_activities as (
    select
        account_number,
        max(occurred_date) as last_activity_date
    from activities
    where opportunity_number is null and account_number is not null
    group by account_number
),

-- Of accounts that have no record.
unknown_account_activities as (
    select
        unknown_account_id,
        max(occurred_date) as last_activity_date
    from activities
    where opportunity_number is null and unknown_account_id is not null
    group by unknown_account_id
),

required_roles as (
    select distinct
        opportunity_people.opportunity_number,
        role_template.role
    from opportunity_people
    inner join role_template
        on {{ label_key('opportunity_people.role') }} = {{ label_key('role_template.source_label') }}
    where role_template.is_required
),

roles as (
    select
        opportunity_number,
        count(*) as role_count
    from required_roles
    group by opportunity_number
),

-- A role that the source never names is missing from none.
required as (
    select count(distinct role) as role_count from required_roles
),

used as (
    select
        (select count(*) > 0 from activities) as has_activities,
        (select count(*) > 0 from opportunity_people) as has_roles
),

measured as (
    select
        run_context.as_of_date,
        run_context.reporting_currency as currency,
        open_deals.opportunity_id,
        open_deals.account_id,
        open_deals.product_id,
        nullif(open_deals.owner_id, owners.owner_name) as owner_id,
        open_deals.opportunity_type,
        coalesce(pipeline_stages.label, open_deals.source_stage) as stage,
        case when coalesce(plans.amount, open_deals.amount) >= 0 then coalesce(plans.amount, open_deals.amount) end
            as amount,
        {{ days_between('open_deals.created_date', 'run_context.as_of_date') }} as deal_age_days,
        {{ days_between('open_deals.entered_date', 'run_context.as_of_date') }} as age_in_stage_days,
        case
            when of_segment.won_visit_count >= thresholds.minimum_n then of_segment.age_limit_days
            when of_stage.won_visit_count >= thresholds.minimum_n then of_stage.age_limit_days
        end as age_limit_days,
        case
            when of_segment.won_visit_count >= thresholds.minimum_n then of_segment.segment
            when of_stage.won_visit_count >= thresholds.minimum_n then 'all'
        end as age_limit_segment,
        case
            when of_segment.won_visit_count >= thresholds.minimum_n then of_segment.won_visit_count
            else of_stage.won_visit_count
        end as age_limit_n,
        plans.push_count,
        coalesce(plans.close_date, open_deals.close_date) as close_date,
        case when used.has_activities
            then greatest(
                deal_activities.last_activity_date,
                account_activities.last_activity_date,
                unknown_account_activities.last_activity_date
            )
        end as last_activity_date,
        used.has_activities,
        case when used.has_roles then required.role_count - coalesce(roles.role_count, 0) end as missing_role_count,
        thresholds.inactive_days
    from open_deals
    cross join run_context
    cross join thresholds
    cross join used
    cross join required
    left join journeys on open_deals.opportunity_id = journeys.opportunity_id
    left join owners on open_deals.owner_id = owners.owner_id
    left join pipeline_stages on open_deals.stage_key = pipeline_stages.stage_key
    left join stage_age_limits as of_stage
        on
            open_deals.opportunity_type = of_stage.opportunity_type
            and open_deals.stage_key = of_stage.stage_key
            and of_stage.segment = 'all'
    left join stage_age_limits as of_segment
        on
            open_deals.opportunity_type = of_segment.opportunity_type
            and open_deals.stage_key = of_segment.stage_key
            and journeys.segment = of_segment.segment
            and of_segment.segment not in ('all', 'unknown', 'unmapped')
    left join plans on open_deals.opportunity_number = plans.opportunity_number
    left join deal_activities on open_deals.opportunity_number = deal_activities.opportunity_number
    left join account_activities on open_deals.account_number = account_activities.account_number
    left join unknown_account_activities
        on open_deals.is_unknown_account and open_deals.account_id = unknown_account_activities.unknown_account_id
    left join roles on open_deals.opportunity_number = roles.opportunity_number
),

-- A flag is NULL where what it needs was not read, or too few deals were won to say.
flagged as (
    select
        *,
        age_in_stage_days > age_limit_days as is_beyond_stage_age,
        push_count > 0 as is_close_date_pushed,
        close_date < as_of_date as is_close_date_past,
        case when has_activities
            then {{ days_between('last_activity_date', 'as_of_date') }} > inactive_days
        end as is_known_inactive,
        deal_age_days > inactive_days as is_old_enough,
        missing_role_count > 0 as is_missing_roles
    from measured
),

judged as (
    select
        *,
        -- A deal without any activity is inactive once it is old enough to have had one.
        case when has_activities then coalesce(is_known_inactive, is_old_enough) end as is_inactive
    from flagged
)

select
    as_of_date,
    opportunity_id,
    account_id,
    owner_id,
    product_id,
    opportunity_type,
    stage,
    currency,
    amount,
    close_date,
    deal_age_days,
    age_in_stage_days,
    age_limit_days,
    age_limit_segment,
    age_limit_n,
    push_count,
    last_activity_date,
    missing_role_count,
    {%- for flag in flags %}
    {{ flag }},
    {%- endfor %}
    {%- for flag in flags %}
    {{ '+ ' if not loop.first }}coalesce({{ flag }}, false)::integer
    {%- endfor %} as flag_count
from judged
