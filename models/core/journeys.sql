-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
{% set spine = var('spine') -%}
{%- set person_stages = spine | reject('in', ['opportunity', 'won']) | list -%}
{%- set keys = {
    'accounts': ['dated.account_number', 'entity_number'],
    'people': ['dated.person_number', 'entity_number'],
    'opportunities': ['dated.opportunity_number', 'entity_number'],
    'owners': ['opportunities.owner_id', 'entity_id'],
    'products': ['opportunities.product_id', 'entity_id'],
} -%}
with

people as (
    select * from {{ ref('people') }}
    where not is_disqualified
),

opportunities as (
    select * from {{ ref('opportunities') }}
    where not is_disqualified
),

stage_changes as (
    select * from {{ ref('stage_changes') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

-- A step back: to an earlier stage than the same system told last.
steps as (
    select
        stage_changes.entity_number,
        lifecycle_stages.stage_order < lag(lifecycle_stages.stage_order) over (
            partition by stage_changes.entity_number, stage_changes.source_order
            order by stage_changes.entered_at, lifecycle_stages.stage_order
        ) as is_backward
    from stage_changes
    inner join lifecycle_stages on stage_changes.stage = lifecycle_stages.stage
    where
        not stage_changes.is_unknown_record
        and not stage_changes.is_missing_date
        and not stage_changes.is_after_as_of
),

steps_back as (
    select distinct entity_number from steps
    where is_backward
),

-- First entry of each stage counts; ends count by their last one, since a record may be re-opened. Dates are compared,
-- not moments: some sources have only dates.
person_dates as (
    select
        stage_visits.entity_number,
        {%- for stage in person_stages %}
        min(stage_visits.entered_date) filter (where lifecycle_stages.spine_stage = '{{ stage }}') as {{ stage }}_date,
        {%- endfor %}
        min(stage_visits.entered_date) filter (where stage_visits.stage = 'pql') as pql_date,
        max(stage_visits.entered_date) filter (where lifecycle_stages.spine_stage is not null) as last_spine_date,
        max(stage_visits.entered_date) filter (where lifecycle_stages.kind = 'end') as last_ended_date
    from {{ ref('stage_visits') }} as stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    where stage_visits.entity = 'person' and lifecycle_stages.kind <> 'outside'
    group by stage_visits.entity_number
),

opportunity_dates as (
    select
        stage_visits.entity_number,
        {%- for stage in ['opportunity', 'won'] %}
        min(stage_visits.entered_date) filter (where lifecycle_stages.spine_stage = '{{ stage }}') as {{ stage }}_date,
        {%- endfor %}
        max(stage_visits.entered_date) filter (where lifecycle_stages.spine_stage is not null) as last_spine_date,
        max(stage_visits.entered_date) filter (where stage_visits.stage = 'won') as last_won_date,
        max(stage_visits.entered_date) filter (where lifecycle_stages.kind = 'end') as last_ended_date,
        min(stage_visits.entered_date) filter (where lifecycle_stages.kind = 'end') as first_ended_date
    from {{ ref('stage_visits') }} as stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    where stage_visits.entity = 'opportunity' and lifecycle_stages.kind <> 'outside'
    group by stage_visits.entity_number
),

-- Contacts who never were leads start no journey. What follows joins numbers, flags and dates; keys come last.
leads as (
    select
        people.person_id,
        people.person_number,
        people.account_number,
        people.opportunity_number,
        people.opportunity_id is not null as names_opportunity,
        people.created_at,
        people.converted_at::date as converted_date
    from people
    left join person_dates on people.person_number = person_dates.entity_number
    where people.is_lead or person_dates.entity_number is not null
),

-- A lead names the opportunity that it was converted to, or an opportunity names its lead; the first one of new
-- business counts.
links as (
    select
        person_number,
        opportunity_number,
        person_id,
        created_at
    from leads
    where opportunity_number is not null
    union all
    select
        leads.person_number,
        opportunities.opportunity_number,
        leads.person_id,
        leads.created_at
    from opportunities
    inner join leads on opportunities.person_number = leads.person_number
    where not leads.names_opportunity
),

first_links as (
    select
        links.person_number,
        links.opportunity_number,
        links.person_id,
        links.created_at
    from links
    inner join opportunities on links.opportunity_number = opportunities.opportunity_number
    qualify row_number() over (
        partition by links.person_number
        order by
            opportunities.opportunity_type <> 'new_business',
            opportunities.created_at nulls last,
            opportunities.opportunity_id
    ) = 1
),

-- Several leads of one buying group can share a deal: the earliest carries it, the others count as leads only.
shared_links as (
    select
        person_number,
        opportunity_number,
        row_number() over (partition by opportunity_number order by created_at nulls last, person_id) = 1 as is_primary,
        count(*) over (partition by opportunity_number) > 1 as has_several_leads
    from first_links
),

linked_people as (
    select
        leads.person_number,
        leads.account_number,
        shared_links.opportunity_number,
        shared_links.is_primary,
        shared_links.has_several_leads,
        leads.converted_date
    from leads
    left join shared_links on leads.person_number = shared_links.person_number
),

joined as (
    select
        linked_people.person_number,
        opportunities.opportunity_number,
        case
            when opportunities.account_id is null then linked_people.account_number else opportunities.account_number
        end as account_number,
        coalesce(opportunities.is_closed_before_created, false) as is_closed_before_created,
        coalesce(linked_people.is_primary, true) as is_primary,
        coalesce(linked_people.has_several_leads, false) as has_several_leads,
        linked_people.converted_date
    from linked_people
    full outer join opportunities on linked_people.opportunity_number = opportunities.opportunity_number
),

observed as (
    select
        joined.*,
        {%- for stage in person_stages %}
        person_dates.{{ stage }}_date as observed_{{ stage }}_date,
        {%- endfor %}
        -- A lead that joins a deal which is already open, or closed, reaches it with its own conversion, or on its
        -- own last day as a lead.
        case
            when joined.is_primary then opportunity_dates.opportunity_date
            else greatest(
                opportunity_dates.opportunity_date, joined.converted_date,
                {{ stage_dates(person_stages, 'person_dates.') }}
            )
        end as observed_opportunity_date,
        -- A win that was taken back is none, and the outcome of a deal without an entry date is in no cohort.
        case
            when opportunity_dates.opportunity_date is null then null
            when opportunity_dates.last_ended_date > opportunity_dates.last_won_date then null
            when joined.is_primary or opportunity_dates.won_date is null then opportunity_dates.won_date
            else greatest(
                opportunity_dates.won_date, joined.converted_date,
                {{ stage_dates(person_stages, 'person_dates.') }}
            )
        end as observed_won_date,
        case
            when joined.opportunity_number is null and person_dates.last_ended_date >= person_dates.last_spine_date
                then person_dates.last_ended_date
            when opportunity_dates.opportunity_date is null then null
            when opportunity_dates.last_ended_date <= opportunity_dates.last_won_date then null
            when opportunity_dates.last_ended_date >= opportunity_dates.last_spine_date
                then case
                    when joined.is_primary then opportunity_dates.last_ended_date
                    else greatest(
                        opportunity_dates.last_ended_date, joined.converted_date,
                        {{ stage_dates(person_stages, 'person_dates.') }}
                    )
                end
        end as lost_date,
        coalesce(person_dates.last_ended_date < person_dates.last_spine_date, false)
        or coalesce(opportunity_dates.last_ended_date < opportunity_dates.last_spine_date, false)
        or coalesce(opportunity_dates.last_ended_date > opportunity_dates.last_won_date, false) as is_recycled,
        coalesce(opportunity_dates.first_ended_date < opportunity_dates.last_spine_date, false) as is_reopened,
        person_steps_back.entity_number is not null or opportunity_steps_back.entity_number is not null
            as has_moved_back,
        person_dates.pql_date
    from joined
    left join person_dates on joined.person_number = person_dates.entity_number
    left join opportunity_dates on joined.opportunity_number = opportunity_dates.entity_number
    left join steps_back as person_steps_back on joined.person_number = person_steps_back.entity_number
    left join steps_back as opportunity_steps_back
        on joined.opportunity_number = opportunity_steps_back.entity_number
),

-- A stage counts as reached on the date of the next observed stage where it was skipped, or entered out of order.
reached as (
    select
        *,
        {%- for stage in spine %}
        case
            when coalesce({{ stage_dates(spine[:loop.index], 'observed_') }}) is not null
                then least({{ stage_dates(spine[loop.index0:], 'observed_') }})
        end as {{ stage }}_date
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from observed
),

known_from as (
    select
        {%- for dimension in var('dimensions') %}
        max(known_from_stage) filter (where dimension = '{{ dimension }}') as {{ dimension }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from dimensions
),

-- The day from which each dimension is known: its value is the one of that day.
dated as (
    select
        reached.*
        {%- for dimension in var('dimensions') %},
        case known_from.{{ dimension }}
            {%- for stage in spine %}
            when '{{ stage }}' then coalesce({{ stage_dates(spine[loop.index0:], 'reached.') }})
            {%- endfor %}
        end as {{ dimension }}_known_date
        {%- endfor %}
    from reached
    cross join known_from
),

segmented as (
    select
        dated.*,
        {%- for dimension, attributes in var('dimensions').items() %}
        case
            when dated.{{ dimension }}_known_date is not null
                then coalesce(
                    {%- for attribute in attributes %}
                    nullif({{ dimension }}_{{ loop.index }}.segment, 'unmapped'),
                    {%- endfor %}
                    {%- for attribute in attributes %}
                    {{ dimension }}_{{ loop.index }}.segment,
                    {%- endfor %}
                    'unknown'
                )
        end as {{ dimension }}
        {%- if not loop.last %},{% endif %}
        {%- endfor %}
    from dated
    left join opportunities on dated.opportunity_number = opportunities.opportunity_number
    -- Named in every place, for as a common table the engine would copy it.
    {%- for dimension, attributes in var('dimensions').items() %}
    {%- for attribute in attributes %}
    left join {{ ref('segment_memberships') }} as {{ dimension }}_{{ loop.index }}
        on
            {{ dimension }}_{{ loop.index }}.dimension = '{{ dimension }}'
            and {{ dimension }}_{{ loop.index }}.attribute = '{{ attribute }}'
            {%- set ours, theirs = keys[attribute.split('.')[0]] %}
            and {{ ours }} = {{ dimension }}_{{ loop.index }}.{{ theirs }}
            and dated.{{ dimension }}_known_date >= {{ dimension }}_{{ loop.index }}.valid_from
            and dated.{{ dimension }}_known_date < {{ dimension }}_{{ loop.index }}.valid_to
    {%- endfor %}
    {%- endfor %}
)

select
    coalesce(people.person_id, opportunities.opportunity_id) as journey_id,
    people.person_id,
    opportunities.opportunity_id,
    coalesce(opportunities.account_id, people.account_id) as account_id,
    opportunities.owner_id,
    opportunities.product_id,
    coalesce(opportunities.opportunity_type, 'new_business') as opportunity_type,
    {%- for dimension in var('dimensions') %}
    segmented.{{ dimension }},
    {%- endfor %}
    segmented.person_number,
    segmented.opportunity_number,
    opportunities.amount,
    segmented.is_primary,
    segmented.is_recycled,
    segmented.is_reopened,
    segmented.has_moved_back,
    segmented.has_several_leads,
    segmented.person_number is null as is_without_lead,
    ({% for stage in spine -%}
    coalesce(observed_{{ stage }}_date is null and {{ stage }}_date is not null, false){{ ' or ' if not loop.last }}
    {%- endfor %}) as has_skipped_stage,
    {%- for stage in spine %}
    {%- if stage == 'opportunity' %}
    -- A deal closed before it was created has an outcome, but no time that could be measured.
    {%- endif %}
    {{ 'segmented.is_closed_before_created or' if stage == 'opportunity' }}
    coalesce(observed_{{ stage }}_date is null or observed_{{ stage }}_date > {{ stage }}_date, false)
    and {{ stage }}_date is not null as is_{{ stage }}_imputed,
    {%- endfor %}
    coalesce({{ stage_dates(spine) }}) is null as is_missing_entry_date,
    {%- for stage in spine %}
    {{ stage }}_date,
    {%- endfor %}
    lost_date,
    pql_date
from segmented
left join people on segmented.person_number = people.person_number
left join opportunities on segmented.opportunity_number = opportunities.opportunity_number
