{% set target = var('lead_target_stage') -%}
{%- set spine = var('spine') -%}
{%- set earlier = spine[:spine.index(target)] -%}
with

calendar as (
    select * from {{ ref('lead_calendar') }}
),

journeys as (
    select * from {{ ref('journeys') }}
    where person_id is not null
),

people as (
    select * from {{ ref('people') }}
),

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'person'
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

stage_labels as (
    select * from {{ ref('stage_labels') }}
    where entity = 'person'
),

run_context as (
    select * from {{ ref('run_context') }}
),

dates as (
    select count(lead_date) as date_count
    from journeys
),

-- At the end of a day on which a lead ended it is closed, whatever else happened on that day.
days as (
    select
        stage_visits.entity_number as person_number,
        stage_visits.entered_date,
        bool_or(lifecycle_stages.kind = 'end') as is_ended
    from stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    where lifecycle_stages.kind <> 'outside'
    group by stage_visits.entity_number, stage_visits.entered_date
),

spans as (
    select
        person_number,
        is_ended,
        entered_date as from_date,
        coalesce(
            lead(entered_date) over (partition by person_number order by entered_date), date '9999-12-31'
        ) as to_date
    from days
),

dated as (
    select
        calendar.snapshot_date,
        journeys.person_id,
        case
            {%- for stage in earlier | reverse %}
            when journeys.{{ stage }}_date <= calendar.snapshot_date then '{{ stage }}'
            {%- endfor %}
        end as stage,
        -- A window that is not over says nothing yet, also where the lead has converted: or only the quick would count.
        case
            when calendar.horizon_end_date <= run_context.as_of_date
                then coalesce((journeys.{{ target }}_date <= calendar.horizon_end_date)::integer, 0)
        end as outcome,
        true as is_dated,
        journeys.lead_date,
        case
            {%- for stage in earlier | reverse %}
            when journeys.{{ stage }}_date <= calendar.snapshot_date then journeys.{{ stage }}_date
            {%- endfor %}
        end as stage_date,
        journeys.{{ target }}_date as target_date
    from calendar
    cross join run_context
    inner join spans
        on calendar.snapshot_date >= spans.from_date and calendar.snapshot_date < spans.to_date
    inner join journeys on spans.person_number = journeys.person_number
    where
        not spans.is_ended
        and journeys.lead_date <= calendar.snapshot_date
        and (journeys.{{ target }}_date is null or journeys.{{ target }}_date > calendar.snapshot_date)
        and (
            journeys.lost_date is null
            or journeys.lost_date > calendar.snapshot_date
            -- A loss of the lead itself is in its spans; this one is of its deal.
            or journeys.opportunity_id is null
        )
),

-- A list without any date: one row per lead, its label is where it stands.
undated as (
    select
        run_context.as_of_date as snapshot_date,
        people.person_id,
        'lead' as stage,
        coalesce(
            (lifecycle_stages.stage_order >= targets.stage_order and lifecycle_stages.kind = 'spine')::integer, 0
        ) as outcome,
        false as is_dated,
        null::date as lead_date,
        null::date as stage_date,
        null::date as target_date
    from people
    cross join run_context
    cross join dates
    left join stage_labels on lower(people.source_stage) = stage_labels.source_label
    left join lifecycle_stages on stage_labels.stage = lifecycle_stages.stage
    left join lifecycle_stages as targets on targets.stage = '{{ target }}'
    where
        people.is_lead and not people.is_disqualified
        and dates.date_count = 0
)

select * from dated
union all
select * from undated
