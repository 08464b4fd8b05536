-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
with

snapshots as (
    select
        lead_snapshots.*,
        people.person_number
    from {{ ref('lead_snapshots') }} as lead_snapshots
    inner join {{ ref('people') }} as people on lead_snapshots.person_id = people.person_id
),

attributes as (
    select
        lead_attributes.*,
        people.person_number
    from {{ ref('lead_attributes') }} as lead_attributes
    inner join {{ ref('people') }} as people on lead_attributes.person_id = people.person_id
),

touches as (
    select * from {{ ref('touches') }}
    where not is_disqualified and person_number is not null
),

page_weights as (
    select * from {{ ref('page_weights') }}
),

activities as (
    select * from {{ ref('activities') }}
    where
        not is_disqualified and person_number is not null
        -- Whether a meeting took place is said later, and not when: those that were planned count.
        and (is_completed or activity_type = 'meeting')
),

product_usage as (
    select * from {{ ref('product_usage') }}
    where not is_disqualified and not is_negative_count
),

stage_visits as (
    select * from {{ ref('stage_visits') }}
    where entity = 'person' and stage in ('signup', 'activated', 'pql')
),

attribute_history as (
    {{ union_sources('attribute_history') }}
),

lead_records as (
    select * from {{ ref('lead_records') }}
),

lead_titles as (
    select * from {{ ref('lead_titles') }}
),

-- Of the beginnings that a page has, the longest one counts.
page_points as (
    select
        pages.page,
        max_by(page_weights.weight, length(page_weights.page_prefix)) as weight
    from (
        select distinct page from touches
        where page is not null
    ) as pages
    inner join page_weights on starts_with(lower(pages.page), page_weights.page_prefix)
    group by pages.page
),

weighted_touches as (
    select
        touches.person_number,
        touches.channel,
        touches.touch_type,
        coalesce(page_points.weight, 0)::decimal(18, 4) as weight,
        touches.occurred_date
    from touches
    left join page_points on touches.page = page_points.page
),

touch_features as (
    select
        snapshots.snapshot_date,
        snapshots.person_id,
        max(weighted_touches.occurred_date) as last_touch_date,
        count(*) filter (where weighted_touches.occurred_date > snapshots.snapshot_date - 7) as touches_7d,
        count(*) filter (where weighted_touches.occurred_date > snapshots.snapshot_date - 30) as touches_30d,
        count(*) filter (where weighted_touches.occurred_date > snapshots.snapshot_date - 90) as touches_90d,
        count(distinct case
            when weighted_touches.occurred_date > snapshots.snapshot_date - 90 then weighted_touches.occurred_date
        end) as active_days_90d,
        count(distinct case
            when weighted_touches.occurred_date > snapshots.snapshot_date - 90 then weighted_touches.channel
        end) as channels_90d,
        sum(case
            when weighted_touches.occurred_date > snapshots.snapshot_date - 30 then weighted_touches.weight else 0
        end) as page_points_30d,
        sum(case
            when weighted_touches.occurred_date > snapshots.snapshot_date - 90 then weighted_touches.weight else 0
        end) as page_points_90d,
        count(*) filter (
            where weighted_touches.touch_type = 'third_party_intent'
            and weighted_touches.occurred_date > snapshots.snapshot_date - 90
        ) as third_party_intent_90d,
        count(*) filter (
            where weighted_touches.touch_type = 'trigger'
            and snapshots.snapshot_date - 90 < weighted_touches.occurred_date
        ) as triggers_90d
    from snapshots
    inner join weighted_touches
        on
            snapshots.person_number = weighted_touches.person_number
            and snapshots.snapshot_date >= weighted_touches.occurred_date
    group by snapshots.snapshot_date, snapshots.person_id
),

activity_features as (
    select
        snapshots.snapshot_date,
        snapshots.person_id,
        count(*) filter (where activities.direction = 'inbound') as replies_90d,
        count(*) filter (where activities.activity_type = 'meeting') as meetings_90d,
        count(*) filter (
            where activities.direction is distinct from 'inbound'
            and activities.activity_type in ('call', 'email', 'task')
            and snapshots.snapshot_date - 30 < activities.occurred_date
        ) as outreach_30d
    from snapshots
    inner join activities
        on
            snapshots.person_number = activities.person_number
            and snapshots.snapshot_date >= activities.occurred_date
            and snapshots.snapshot_date >= activities.known_date
            and snapshots.snapshot_date - 90 < activities.occurred_date
    group by snapshots.snapshot_date, snapshots.person_id
),

located as (
    select
        snapshots.snapshot_date,
        snapshots.person_id,
        attributes.account_id
    from snapshots
    inner join attributes on snapshots.person_id = attributes.person_id
    where attributes.account_id is not null and attributes.account_known_date <= snapshots.snapshot_date
),

active_days as (
    select distinct
        person_number,
        occurred_date
    from touches
),

-- Other leads of the account, open or not, that were known by then.
group_features as (
    select
        located.snapshot_date,
        located.person_id,
        count(distinct others.person_id) as group_people,
        count(distinct case when others.seniority in ('executive', 'director') then others.person_id end)
            as group_senior_people,
        count(distinct active_days.person_number) as group_active_people_30d
    from located
    inner join attributes as others
        on
            located.account_id = others.account_id
            and located.person_id <> others.person_id
            and located.snapshot_date >= others.account_known_date
    left join active_days
        on
            others.person_number = active_days.person_number
            and located.snapshot_date >= active_days.occurred_date
            and located.snapshot_date - 30 < active_days.occurred_date
    group by located.snapshot_date, located.person_id
),

usage_features as (
    select
        located.snapshot_date,
        located.person_id,
        sum(product_usage.usage_count::decimal(38, 4)) as usage_30d
    from located
    inner join product_usage
        on
            located.account_id = product_usage.account_id
            and located.snapshot_date >= product_usage.usage_date
            and located.snapshot_date - 30 < product_usage.usage_date
    group by located.snapshot_date, located.person_id
),

product_stages as (
    select
        entity_number as person_number,
        min(entered_date) as signup_date,
        min(entered_date) filter (where stage in ('activated', 'pql')) as activated_date
    from stage_visits
    group by entity_number
),

-- Where a source keeps the history of an attribute: before its next change it was what that change calls old. Only
-- changes of the records that were there when the lead came, or a contact that a conversion made would speak.
next_changes as (
    select
        snapshots.snapshot_date,
        lead_records.source_person_id,
        lead_records.person_id,
        attribute_history.column_name,
        attribute_history.old_value,
        row_number() over (
            partition by snapshots.snapshot_date, lead_records.source_person_id, attribute_history.column_name
            order by attribute_history.changed_at, attribute_history.old_value, attribute_history.new_value
        ) as change_number
    from snapshots
    inner join lead_records on snapshots.person_id = lead_records.person_id
    inner join attribute_history
        on
            attribute_history.entity = 'people'
            and lead_records.source_person_id = attribute_history.entity_id
            and attribute_history.changed_at::date > snapshots.snapshot_date
    where
        attribute_history.column_name in (
            'title'
            {%- for attribute in lead_attribute_kinds() %},
            '{{ attribute }}'
            {%- endfor %}
        )
),

record_changes as (
    select
        snapshot_date,
        person_id,
        source_person_id
        {%- for attribute in ['title'] + (lead_attribute_kinds() | list) %},
        count(*) filter (where column_name = '{{ attribute }}') as {{ attribute }}_changes,
        max(old_value) filter (where column_name = '{{ attribute }}') as {{ attribute }}
        {%- endfor %}
    from next_changes
    where change_number = 1
    group by snapshot_date, person_id, source_person_id
),

changed_leads as (
    select distinct
        snapshot_date,
        person_id
    from record_changes
),

-- All records of a lead of which one has changed since, each as it was.
records_then as (
    select
        changed_leads.snapshot_date,
        changed_leads.person_id,
        lead_records.record_number
        {%- for attribute in ['title'] + (lead_attribute_kinds() | list) %},
        case
            when record_changes.{{ attribute }}_changes > 0 then record_changes.{{ attribute }}
            else lead_records.{{ attribute }}
        end as {{ attribute }}
        {%- endfor %}
    from changed_leads
    inner join lead_records on changed_leads.person_id = lead_records.person_id
    left join record_changes
        on
            changed_leads.snapshot_date = record_changes.snapshot_date
            and lead_records.source_person_id = record_changes.source_person_id
),

attributes_then as (
    select
        snapshot_date,
        person_id,
        true as is_restored
        {%- for attribute in ['title'] + (lead_attribute_kinds() | list) %},
        min_by({{ attribute }}, record_number) filter (where {{ attribute }} is not null) as {{ attribute }}
        {%- endfor %}
    from records_then
    group by snapshot_date, person_id
)

select
    snapshots.snapshot_date,
    snapshots.person_id,
    attributes.split_group,
    case when attributes.account_known_date <= snapshots.snapshot_date then attributes.account_id end as account_id,
    {%- for attribute, kind in lead_feature_kinds().items() if attribute in lead_attribute_kinds() %}
    {{ 'try_cast(' if kind == 'number' }}case
        when attributes_then.is_restored then attributes_then.{{ attribute }}
        else attributes.{{ attribute }}
    end{{ ' as double)' if kind == 'number' }} as {{ attribute }},
    {%- endfor %}
    case when attributes_then.is_restored then titles_then.seniority else attributes.seniority end as seniority,
    attributes.is_free_email,
    snapshots.stage,
    {{ days_between('snapshots.lead_date', 'snapshots.snapshot_date') }} as age_days,
    {{ days_between('snapshots.stage_date', 'snapshots.snapshot_date') }} as stage_age_days,
    {%- for column in [
        'touches_7d', 'touches_30d', 'touches_90d', 'active_days_90d', 'channels_90d', 'page_points_30d',
        'page_points_90d', 'third_party_intent_90d', 'triggers_90d',
    ] %}
    coalesce(touch_features.{{ column }}, 0)::double as {{ column }},
    {%- endfor %}
    {{ days_between('touch_features.last_touch_date', 'snapshots.snapshot_date') }} as days_since_touch,
    {%- for column in ['replies_90d', 'meetings_90d', 'outreach_30d'] %}
    coalesce(activity_features.{{ column }}, 0) as {{ column }},
    {%- endfor %}
    {%- for column in ['group_people', 'group_senior_people', 'group_active_people_30d'] %}
    coalesce(group_features.{{ column }}, 0) as {{ column }},
    {%- endfor %}
    coalesce((product_stages.signup_date <= snapshots.snapshot_date)::integer, 0) as is_signed_up,
    coalesce((product_stages.activated_date <= snapshots.snapshot_date)::integer, 0) as is_activated,
    coalesce(usage_features.usage_30d, 0)::double as usage_30d,
    snapshots.outcome,
    snapshots.is_dated
from snapshots
left join attributes on snapshots.person_id = attributes.person_id
left join touch_features
    on snapshots.person_id = touch_features.person_id and snapshots.snapshot_date = touch_features.snapshot_date
left join activity_features
    on snapshots.person_id = activity_features.person_id and snapshots.snapshot_date = activity_features.snapshot_date
left join group_features
    on snapshots.person_id = group_features.person_id and snapshots.snapshot_date = group_features.snapshot_date
left join usage_features
    on snapshots.person_id = usage_features.person_id and snapshots.snapshot_date = usage_features.snapshot_date
left join product_stages on snapshots.person_number = product_stages.person_number
left join attributes_then
    on
        snapshots.person_id = attributes_then.person_id
        and snapshots.snapshot_date = attributes_then.snapshot_date
left join lead_titles as titles_then on lower(attributes_then.title) = titles_then.title_key
