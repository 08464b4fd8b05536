-- noqa: disable=LT02
-- One number per check of the raw boundary: shares of rows with a defect, largest differences, days.
{% set shares = [
    {'check': 'disqualified_rows', 'subject': 'accounts', 'relation': 'accounts', 'defect': 'is_disqualified',
     'needs': 'accounts.account_id', 'detail': 'accounts are deleted or later than the as-of date'},
    {'check': 'disqualified_rows', 'subject': 'people', 'relation': 'people', 'defect': 'is_disqualified',
     'needs': 'people.person_id', 'detail': 'people are deleted or later than the as-of date'},
    {'check': 'disqualified_rows', 'subject': 'opportunities', 'relation': 'opportunities', 'defect': 'is_disqualified',
     'detail': 'opportunities are deleted, later than the as-of date or in a stage without a mapping'},
    {'check': 'unknown_reference', 'subject': 'people.account_id', 'relation': 'people', 'defect': 'is_unknown_account',
     'needs': 'people.account_id', 'value': 'account_id', 'detail': 'people name an account that is not in the accounts'},
    {'check': 'unknown_reference', 'subject': 'opportunities.account_id', 'relation': 'opportunities',
     'defect': 'is_unknown_account', 'needs': 'accounts.account_id', 'value': 'account_id',
     'detail': 'opportunities name an account that is not in the accounts'},
    {'check': 'unknown_reference', 'subject': 'opportunities.product_id', 'relation': 'opportunities',
     'defect': 'is_unknown_product', 'needs': 'products.product_id', 'value': 'product_id',
     'detail': 'opportunities name a product that is not in the products'},
    {'check': 'unknown_reference', 'subject': 'opportunities.owner_id', 'relation': 'opportunities',
     'defect': 'is_unknown_owner', 'needs': 'owners.owner_id', 'value': 'owner_id',
     'detail': 'opportunities name an owner that is not in the owners'},
    {'check': 'unknown_reference', 'subject': 'people.owner_id', 'relation': 'people', 'defect': 'is_unknown_owner',
     'needs': 'owners.owner_id', 'value': 'owner_id', 'detail': 'people name an owner that is not in the owners'},
    {'check': 'future_dates', 'subject': 'opportunities.close_date', 'relation': 'opportunities',
     'defect': 'is_closing_too_late', 'needs': 'opportunities.close_date',
     'detail': 'open opportunities are to close more than three years after the as-of date'},
    {'check': 'impossible_dates', 'subject': 'people.converted_at', 'relation': 'people',
     'defect': 'is_converted_before_created', 'needs': 'people.converted_at',
     'detail': 'people were converted before they were created'},
    {'check': 'impossible_dates', 'subject': 'opportunities.closed_at', 'relation': 'opportunities',
     'defect': 'is_closed_before_created', 'detail': 'opportunities were closed before they were created'},
    {'check': 'impossible_dates', 'subject': 'opportunities.close_date', 'relation': 'opportunities',
     'defect': 'is_closed_in_future', 'detail': 'opportunities are closed on a date later than any record'},
    {'check': 'negative_amounts', 'subject': 'opportunities.amount', 'relation': 'opportunities',
     'defect': 'is_negative_amount', 'needs': 'opportunities.amount', 'detail': 'opportunities have a negative amount'},
    {'check': 'currency_coverage', 'subject': 'opportunities.currency', 'relation': 'opportunities',
     'defect': 'is_unknown_currency', 'value': 'source_currency', 'needs': 'opportunities.amount',
     'detail': 'opportunities have an amount in no named currency, or in one without an exchange rate'},
    {'check': 'assumed_currency', 'subject': 'opportunities.currency', 'relation': 'opportunities',
     'defect': 'is_assumed_currency', 'value': 'source_currency', 'needs': 'opportunities.amount',
     'detail': 'amounts of opportunities name no currency: they are taken for the reporting one'},
    {'check': 'stage_coverage', 'subject': 'people.status', 'relation': 'people', 'defect': 'is_unmapped_stage',
     'needs': 'people.status', 'value': 'source_stage', 'detail': 'people are in a status that stage_map does not have'},
    {'check': 'stage_coverage', 'subject': 'opportunities.stage', 'relation': 'opportunities',
     'defect': 'is_unmapped_stage', 'value': 'source_stage',
     'detail': 'opportunities are in a stage that stage_map does not have'},
    {'check': 'stage_coverage', 'subject': 'stage_history.stage', 'relation': 'stage_changes',
     'defect': 'is_unmapped_stage', 'needs': 'stage_history.stage', 'value': 'source_stage',
     'detail': 'stage changes name a stage that stage_map does not have'},
    {'check': 'type_coverage', 'subject': 'opportunities.opportunity_type', 'relation': 'opportunities',
     'defect': 'is_unmapped_type', 'needs': 'opportunities.opportunity_type', 'value': 'source_opportunity_type',
     'detail': 'opportunities are of a type that opportunity_types does not have'},
    {'check': 'stage_coverage', 'subject': 'stage_history.deleted_stage', 'relation': 'stage_changes',
     'defect': 'is_deleted_stage', 'needs': 'stage_history.stage', 'value': 'source_stage',
     'detail': 'stage changes name a stage that the source has deleted since; their history stays'},
    {'check': 'unknown_reference', 'subject': 'stage_history.entity_id', 'relation': 'stage_changes',
     'defect': 'is_unknown_record', 'needs': 'stage_history.stage',
     'detail': 'stage changes are of a record that does not exist'},
    {'check': 'unknown_reference', 'subject': 'accounts.parent_account_id', 'relation': 'accounts',
     'defect': 'is_unknown_parent', 'needs': 'accounts.parent_account_id',
     'detail': 'accounts name a parent that is not in the accounts'},
    {'check': 'unknown_reference', 'subject': 'activities', 'relation': 'activities',
     'defect': 'is_unknown_reference', 'needs': 'activities.activity_id',
     'detail': 'activities name a person, an account or a deal that does not exist'},
    {'check': 'unknown_reference', 'subject': 'touches', 'relation': 'touches', 'defect': 'is_unknown_reference',
     'needs': 'touches.touch_id', 'detail': 'touches name a person or an account that does not exist'},
    {'check': 'unknown_reference', 'subject': 'subscriptions.account_id', 'relation': 'subscriptions',
     'defect': 'is_unknown_account', 'needs': 'subscriptions.subscription_id',
     'detail': 'subscriptions name an account that does not exist'},
    {'check': 'unknown_reference', 'subject': 'product_usage', 'relation': 'product_usage',
     'defect': 'is_unknown_reference', 'needs': 'product_usage.usage_date',
     'detail': 'usage rows name an account or a person that does not exist'},
    {'check': 'negative_amounts', 'subject': 'subscriptions.mrr_amount', 'relation': 'subscriptions',
     'defect': 'is_negative_amount', 'needs': 'subscriptions.mrr_amount',
     'detail': 'subscriptions have a negative amount'},
    {'check': 'negative_amounts', 'subject': 'subscriptions.quantity', 'relation': 'subscriptions',
     'defect': 'is_negative_quantity', 'needs': 'subscriptions.quantity',
     'detail': 'subscriptions have a negative quantity'},
    {'check': 'overlapping_subscriptions', 'subject': 'subscriptions', 'relation': 'subscriptions',
     'defect': 'is_overlapping', 'needs': 'subscriptions.mrr_amount',
     'detail': 'subscriptions run beside another one of the same account, product, plan and amount'},
    {'check': 'amount_history', 'subject': 'subscriptions.mrr_amount', 'relation': 'subscriptions',
     'defect': 'is_amount_of_today', 'needs': 'subscriptions.mrr_amount',
     'detail': 'subscriptions have the amount of today for all their life: a change within one is not kept by Stripe'},
    {'check': 'subscription_gaps', 'subject': 'subscriptions', 'relation': 'subscriptions',
     'defect': 'is_after_gap', 'needs': 'subscriptions.started_date',
     'detail': 'subscriptions start after days on which their account had none'},
    {'check': 'subscription_gaps', 'subject': 'subscriptions.ended_date', 'relation': 'subscriptions',
     'defect': 'is_after_one_day', 'needs': 'subscriptions.ended_date',
     'detail': 'subscriptions start after a gap of one day: ended_date may be told as the last day'},
    {'check': 'currency_changes', 'subject': 'subscriptions.currency', 'relation': 'subscriptions',
     'defect': 'is_currency_change', 'value': 'source_currency', 'needs': 'subscriptions.currency',
     'detail': 'subscriptions are billed in another currency than the one before of the same account'},
    {'check': 'missing_accounts', 'subject': 'product_usage.account_id', 'relation': 'product_usage',
     'defect': 'is_missing_account', 'needs': 'product_usage.usage_date',
     'detail': 'usage rows are of no account'},
    {'check': 'missing_accounts', 'subject': 'subscriptions.account_id', 'relation': 'subscriptions',
     'defect': 'is_missing_account', 'needs': 'subscriptions.started_date',
     'detail': 'subscriptions are of no account'},
    {'check': 'negative_amounts', 'subject': 'product_usage.usage_count', 'relation': 'product_usage',
     'defect': 'is_negative_count', 'needs': 'product_usage.usage_date', 'detail': 'usage rows count below zero'},
    {'check': 'extreme_amounts', 'subject': 'opportunities.amount', 'relation': 'opportunities',
     'defect': 'is_extreme_amount', 'needs': 'opportunities.amount',
     'detail': "opportunities have an amount beyond the outer fence of Tukey on the log scale"},
    {'check': 'currency_coverage', 'subject': 'subscriptions.currency', 'relation': 'subscriptions',
     'defect': 'is_unknown_currency', 'value': 'source_currency', 'needs': 'subscriptions.mrr_amount',
     'detail': 'subscriptions have an amount in no named currency, or in one without an exchange rate'},
    {'check': 'assumed_currency', 'subject': 'subscriptions.currency', 'relation': 'subscriptions',
     'defect': 'is_assumed_currency', 'value': 'source_currency', 'needs': 'subscriptions.mrr_amount',
     'detail': 'amounts of subscriptions name no currency: they are taken for the reporting one'},
    {'check': 'impossible_dates', 'subject': 'subscriptions.ended_date', 'relation': 'subscriptions',
     'defect': 'is_ended_before_started', 'needs': 'subscriptions.started_date',
     'detail': 'subscriptions ended before they started'},
    {'check': 'unknown_reference', 'subject': 'support_tickets', 'relation': 'support_tickets',
     'defect': 'is_unknown_reference', 'needs': 'support_tickets.submitted_at',
     'detail': 'tickets name an account or a person that does not exist'},
    {'check': 'unknown_reference', 'subject': 'survey_responses', 'relation': 'survey_responses',
     'defect': 'is_unknown_reference', 'needs': 'survey_responses.responded_date',
     'detail': 'survey answers name an account or a person that does not exist'},
    {'check': 'unknown_reference', 'subject': 'payments', 'relation': 'payments', 'defect': 'is_unknown_reference',
     'needs': 'payments.due_date', 'detail': 'payments name an account that does not exist'},
    {'check': 'unknown_reference', 'subject': 'churn_events', 'relation': 'churn_events',
     'defect': 'is_unknown_reference', 'needs': 'churn_events.churn_date',
     'detail': 'churn events name an account that does not exist'},
    {'check': 'repeated_ids', 'subject': 'product_usage.usage_id', 'relation': 'product_usage',
     'defect': 'is_duplicate_id', 'needs': 'product_usage.usage_id',
     'detail': 'usage rows have the id of an earlier row'},
    {'check': 'event_order', 'subject': 'product_usage.before_subscription', 'relation': 'product_usage',
     'defect': 'is_before_subscription', 'needs': 'product_usage.subscription_id',
     'detail': 'usage rows are of a day before their subscription had started'},
    {'check': 'event_order', 'subject': 'product_usage.after_subscription', 'relation': 'product_usage',
     'defect': 'is_after_subscription', 'needs': 'product_usage.subscription_id',
     'detail': 'usage rows are of a day after their subscription had ended'},
    {'check': 'event_order', 'subject': 'support_tickets.submitted_at', 'relation': 'support_tickets',
     'defect': 'is_before_account', 'needs': 'support_tickets.submitted_at',
     'detail': 'tickets were submitted before their account had signed up'},
    {'check': 'event_order', 'subject': 'support_tickets.closed_at', 'relation': 'support_tickets',
     'defect': 'is_closed_before_submitted', 'needs': 'support_tickets.closed_at',
     'detail': 'tickets were closed before they were submitted'},
    {'check': 'contradictory_churn', 'subject': 'accounts.is_churned', 'relation': 'churn_claims',
     'defect': 'is_contradictory', 'needs': 'accounts.is_churned', 'value': 'contradiction',
     'detail': 'accounts have a churn flag and no churn event, or the other way round'},
    {'check': 'contradictory_churn', 'subject': 'churn_events.churn_date', 'relation': 'churn_events',
     'defect': 'is_without_end', 'needs': 'churn_events.churn_date',
     'detail': 'churn events are of an account none of whose subscriptions ended or was cancelled within 31 days'},
    {'check': 'future_dates', 'subject': 'accounts.created_at', 'relation': 'account_records',
     'defect': 'is_created_after_as_of', 'needs': 'accounts.created_at',
     'detail': 'account records were created after the as-of date'},
    {'check': 'future_dates', 'subject': 'people.created_at', 'relation': 'person_records',
     'defect': 'is_created_after_as_of', 'needs': 'people.created_at',
     'detail': 'person records were created after the as-of date'},
    {'check': 'future_dates', 'subject': 'opportunities.created_at', 'relation': 'opportunity_records',
     'defect': 'is_created_after_as_of', 'needs': 'opportunities.created_at',
     'detail': 'opportunity records were created after the as-of date'},
    {'check': 'stage_order', 'subject': 'journeys', 'relation': 'journeys', 'defect': 'has_moved_back',
     'needs': 'stage_history.stage', 'detail': 'journeys went back to an earlier stage'},
    {'check': 'stage_alignment', 'subject': 'people', 'relation': 'aligned_people', 'defect': 'is_disagreeing',
     'needs': 'people.status', 'detail': 'people of two systems are in stages that disagree'},
    {'check': 'duplicate_records', 'subject': 'accounts', 'relation': 'account_records', 'defect': 'is_duplicate',
     'needs': 'accounts.account_id', 'value': 'match_rule',
     'detail': 'account records repeat another one of the same system'},
    {'check': 'duplicate_records', 'subject': 'people', 'relation': 'person_records', 'defect': 'is_duplicate',
     'needs': 'people.person_id', 'value': 'match_rule',
     'detail': 'person records repeat another one of the same system'},
    {'check': 'duplicate_records', 'subject': 'opportunities', 'relation': 'opportunity_records',
     'defect': 'is_duplicate', 'value': 'match_rule',
     'detail': 'opportunity records repeat another one of the same system'},
] -%}
{%- set completeness = [
    {'check': 'entry_date_completeness', 'subject': 'people.created_at', 'relation': 'people',
     'filled': 'not is_missing_created_date', 'needs': 'people.created_at', 'detail': 'people have an entry date'},
    {'check': 'entry_date_completeness', 'subject': 'opportunities.created_at', 'relation': 'opportunities',
     'filled': 'not is_missing_entry_date', 'detail': 'opportunities have an entry date'},
    {'check': 'attribute_completeness', 'subject': 'opportunities.account_id', 'relation': 'opportunities',
     'filled': 'not is_missing_account', 'detail': 'opportunities name their account'},
    {'check': 'attribute_completeness', 'subject': 'opportunities.opportunity_type', 'relation': 'opportunities',
     'filled': 'source_opportunity_type is not null', 'needs': 'opportunities.opportunity_type',
     'detail': 'opportunities have a type; the others count as new business'},
    {'check': 'attribute_completeness', 'subject': 'opportunities.amount', 'relation': 'won_opportunities',
     'filled': 'not is_missing_amount', 'needs': 'opportunities.amount', 'detail': 'won opportunities have an amount'},
] -%}
{%- for attribute in dimension_attributes() if attribute not in ['opportunities.amount', 'opportunities.account_id'] -%}
{%- set entity, column = attribute.split('.') -%}
    {%- do completeness.append({
        'check': 'attribute_completeness', 'subject': attribute, 'relation': entity, 'needs': attribute,
        'filled': column ~ ' is not null', 'detail': entity ~ ' have ' ~ column,
    }) -%}
{%- endfor -%}
with

accounts as (
    select * from {{ ref('accounts') }}
),

people as (
    select * from {{ ref('people') }}
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

won_opportunities as (
    select * from opportunities
    where current_stage = 'won'
),

owners as (
    select * from {{ ref('owners') }}
),

products as (
    select * from {{ ref('products') }}
),

activities as (
    select * from {{ ref('activities') }}
),

touches as (
    select * from {{ ref('touches') }}
),

subscriptions as (
    select * from {{ ref('subscriptions') }}
),

product_usage as (
    select * from {{ ref('product_usage') }}
),

support_tickets as (
    select * from {{ ref('support_tickets') }}
),

survey_responses as (
    select * from {{ ref('survey_responses') }}
),

payments as (
    select * from {{ ref('payments') }}
),

churn_events as (
    select * from {{ ref('churn_events') }}
),

-- What two files say of the same customer: a flag, and events.
churn_claims as (
    select
        accounts.account_id,
        coalesce(accounts.is_churned, false) <> (count(churn_events.churn_event_id) > 0) as is_contradictory,
        case
            when accounts.is_churned and count(churn_events.churn_event_id) = 0 then 'flag without an event'
            when not coalesce(accounts.is_churned, false) and count(churn_events.churn_event_id) > 0
                then 'event without the flag'
        end as contradiction
    from accounts
    left join churn_events on accounts.account_id = churn_events.account_id
    group by accounts.account_id, accounts.is_churned
),

journeys as (
    select * from {{ ref('journeys') }}
),

segment_memberships as (
    select * from {{ ref('segment_memberships') }}
),

stage_changes as (
    select * from {{ ref('stage_changes') }}
),

stage_labels as (
    select * from {{ ref('stage_labels') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

-- Records of the same system that are one: the source repeated the key, or the records share an identity. A lead and
-- the contact that it became are no duplicates.
{%- for entity, singular in [('accounts', 'account'), ('people', 'person'), ('opportunities', 'opportunity')] %}

{{ singular }}_sources as (
    {{ union_sources(entity) }}
),

{{ singular }}_records as (
    select
        links.source,
        links.match_rule,
        sources.duplicate_count,
        sources.created_at::date > (select as_of_date from {{ ref('run_context') }}) as is_created_after_as_of,
        sources.duplicate_count > 0
        or links.match_rule not in ('own_record', 'conversion')
        and row_number() over (
            partition by links.{{ singular }}_id, links.source order by links.record_number
        ) > 1 as is_duplicate
    from {{ ref(singular ~ '_links') }} as links
    inner join {{ singular }}_sources as sources on links.source_{{ singular }}_id = sources.{{ singular }}_id
),
{%- endfor %}

-- People whose current stage two systems tell. Who is out of the funnel in one of them may well stand still in the
-- other: that is no disagreement about a stage.
told_stages as (
    select
        person_links.person_id,
        person_links.source,
        min(person_links.record_number) as record_number,
        max(lifecycle_stages.stage_order) as stage_order,
        bool_and(lifecycle_stages.spine_stage is not null) as is_in_funnel
    from person_sources
    inner join {{ ref('person_links') }} as person_links
        on person_sources.person_id = person_links.source_person_id
    inner join stage_labels
        on stage_labels.entity = 'person' and lower(person_sources.source_stage) = stage_labels.source_label
    inner join lifecycle_stages on stage_labels.stage = lifecycle_stages.stage
    where lifecycle_stages.kind <> 'outside' and not person_sources.is_deleted
    group by person_links.person_id, person_links.source
),

aligned_people as (
    select
        person_id,
        min(stage_order) < max(stage_order) as is_disagreeing
    from told_stages
    group by person_id
    having count(*) > 1 and bool_and(is_in_funnel)
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

stage_visits as (
    select * from {{ ref('stage_visits') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

-- What the mapping of an export gives, and whatever a native system can.
provided as (
    select table_name || '.' || column_name as needed_column
    from {{ source('raw', 'columns') }}
    where source = 'export' and is_provided
    {%- for entity in [
        'accounts', 'people', 'opportunities', 'stage_history', 'owners', 'products', 'activities', 'touches',
        'subscriptions', 'product_usage', 'support_tickets', 'survey_responses', 'payments', 'churn_events',
    ] %}
    {%- if sources_of(entity) | reject('equalto', 'export') | list %}
    union
    select '{{ entity }}.' || unnest([
        {%- for column in entity_shape(entity) | list + custom_columns(entity) %}
        '{{ column }}',
        {%- endfor %}
        'status', 'stage', 'amount', 'opportunity_type'
    ]) as needed_column
    {%- endif %}
    {%- endfor %}
),

share_counts as (
    {%- for share in shares %}
    select
        '{{ share.check }}' as check_name,
        '{{ share.subject }}' as subject,
        '{{ share.get("needs", "opportunities.opportunity_id") }}' as needed_column,
        count(*) as row_count,
        count(*) filter (where {{ share.defect }}) as defect_count,
        '{{ share.detail }}' as detail,
        {% if share.value is defined -%}
        (
            select string_agg(value || ': ' || format('{:,}', value_count), ', ' order by value_count desc, value asc)
            from (
                select
                    {{ share.value }} as value,
                    count(*) as value_count
                from {{ share.relation }}
                where {{ share.defect }}
                group by all
                order by value_count desc, value asc
                limit 3
            )
        )
        {%- else -%}
        null
        {%- endif %} as most_frequent
    from {{ share.relation }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

share_observations as (
    select
        check_name,
        subject,
        needed_column,
        case when row_count > 0 then defect_count::double / row_count else 0 end as observed,
        row_count,
        defect_count,
        format('{:,} of {:,} {}{}', defect_count, row_count, detail, coalesce(' (' || most_frequent || ')', ''))
            as detail
    from share_counts
),

completeness_counts as (
    {%- for item in completeness %}
    select
        '{{ item.check }}' as check_name,
        '{{ item.subject }}' as subject,
        '{{ item.get("needs", "opportunities.opportunity_id") }}' as needed_column,
        count(*) as row_count,
        count(*) filter (where {{ item.filled }}) as filled_count,
        '{{ item.detail }}' as detail
    from {{ item.relation }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

completeness_observations as (
    select
        check_name,
        subject,
        needed_column,
        filled_count::double / nullif(row_count, 0) as observed,
        row_count,
        row_count - filled_count as defect_count,
        format('{:,} of {:,} {}', filled_count, row_count, detail) as detail
    from completeness_counts
),

funnel_people as (
    select distinct stage_visits.entity_number as person_number
    from stage_visits
    inner join lifecycle_stages on stage_visits.stage = lifecycle_stages.stage
    where stage_visits.entity = 'person' and lifecycle_stages.kind <> 'outside'
),

-- Words that stand for nothing, in columns of the systems that were read.
disguised_observations as (
    select
        'disguised_nulls' as check_name,
        'dataset' as subject,
        null::varchar as needed_column,
        coalesce(sum(disguised_null_count), 0)::double as observed,
        count(*) as row_count,
        coalesce(sum(disguised_null_count), 0)::bigint as defect_count,
        coalesce(
            'Words such as n/a in ' || string_agg(
                source || '.' || table_name || '.' || column_name || ': ' || format('{:,}', disguised_null_count), ', '
                order by disguised_null_count desc, source asc, table_name asc, column_name asc
            ) filter (where disguised_null_count > 0),
            'No word stands for nothing'
        ) as detail
    from {{ source('raw', 'columns') }}
),

-- Tables of a system that were not there: what needs them is empty.
table_observations as (
    select
        'table_completeness' as check_name,
        source as subject,
        null::varchar as needed_column,
        count(*) filter (where not is_present)::double as observed,
        count(*) as row_count,
        count(*) filter (where not is_present) as defect_count,
        coalesce(
            'Not in the files: ' || string_agg(table_name, ', ' order by table_name) filter (where not is_present),
            'Every table is there'
        ) as detail
    from {{ source('raw', 'tables') }}
    -- Old versions of a record stand beside its history, never instead of it.
    where table_name not like '%_snapshot'
    group by source
),

key_observations as (
    {%- for entity, key in [
        ('accounts', 'account_id'), ('people', 'person_id'), ('opportunities', 'opportunity_id'),
        ('owners', 'owner_id'), ('products', 'product_id'),
    ] %}
    select
        'key_uniqueness' as check_name,
        '{{ entity }}' as subject,
        '{{ entity }}.{{ key }}' as needed_column,
        (count(*) - count(distinct {{ key }}))::double as observed,
        count(*) as row_count,
        count(*) - count(distinct {{ key }}) as defect_count,
        format('{:,} keys in {:,} {}', count(distinct {{ key }}), count(*), '{{ entity }}') as detail
    from {{ entity }}
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- Every row that was read is a record of core: counted in one, or folded into one as its repetition.
conserved as (
    {%- for entity, singular in [('accounts', 'account'), ('people', 'person'), ('opportunities', 'opportunity')] %}
    select
        '{{ entity }}' as subject,
        (
            select coalesce(sum(row_count), 0)
            from {{ source('raw', 'tables') }}
            where
                source || '.' || table_name in (
                    {%- for table in tables_of(entity) %}
                    '{{ table }}'{{ ',' if not loop.last }}
                    {%- endfor %}
                )
        ) as rows_in,
        (select coalesce(sum(1 + duplicate_count), 0) from {{ singular }}_records) as rows_out
    union all
    select
        '{{ entity }}_merged' as subject,
        (select count(*) from {{ singular }}_records) as rows_in,
        (select coalesce(sum(record_count), 0) from {{ entity }}) as rows_out
    union all
    {%- endfor %}
    {%- for entity in [
        'stage_history', 'activities', 'touches', 'subscriptions', 'product_usage', 'support_tickets',
        'survey_responses', 'payments', 'churn_events',
    ] %}
    select
        '{{ entity }}' as subject,
        (select count(*) from ({{ union_sources(entity) }}) as sources) as rows_in,
        (select count(*) from {{ 'stage_changes' if entity == 'stage_history' else entity }}) as rows_out
    union all
    {%- endfor %}
    -- Each lead in one journey, each opportunity in at least one.
    select
        'journeys' as subject,
        (
            select count(*)
            from people
            left join funnel_people on people.person_number = funnel_people.person_number
            where not people.is_disqualified and (people.is_lead or funnel_people.person_number is not null)
        )
        + (select count(*) filter (where not is_disqualified) from opportunities) as rows_in,
        (select count(person_id) + count(distinct opportunity_id) from journeys) as rows_out
),

conservation_observations as (
    select
        'row_conservation' as check_name,
        subject,
        null::varchar as needed_column,
        abs(rows_in - rows_out)::double as observed,
        rows_in as row_count,
        abs(rows_in - rows_out) as defect_count,
        format('{:,} records in, {:,} out', rows_in, rows_out) as detail
    from conserved
),

-- A segment that is known for won deals and missing for open ones biases every rate of its dimension.
outcome_completeness as (
    {%- for dimension in var('dimensions') %}
    select
        '{{ dimension }}' as subject,
        case
            when won_date is not null then 'won'
            when lost_date is not null then 'lost'
            else 'open'
        end as outcome,
        count(*) as row_count,
        count(*) filter (where {{ dimension }} in ('unknown', 'unmapped')) as defect_count
    from journeys
    where {{ dimension }} is not null and opportunity_type = 'new_business'
    group by all
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

outcome_observations as (
    select
        'completeness_by_outcome' as check_name,
        dimensions.dimension as subject,
        null::varchar as needed_column,
        max(1 - defect_count::double / outcome_completeness.row_count)
        - min(1 - defect_count::double / outcome_completeness.row_count) as observed,
        coalesce(sum(outcome_completeness.row_count), 0)::bigint as row_count,
        coalesce(sum(defect_count), 0)::bigint as defect_count,
        coalesce('Known for ' || string_agg(
            format(
                '{:.1f} % of {} records', 100 * (1 - defect_count::double / outcome_completeness.row_count), outcome
            ),
            ', ' order by outcome desc
        ), 'No journey reaches the stage from which it is known') as detail
    from dimensions
    left join outcome_completeness on dimensions.dimension = outcome_completeness.subject
    group by dimensions.dimension
),

unmapped_values as (
    select
        dimension,
        source_value,
        count(*) as value_count,
        row_number() over (partition by dimension order by count(*) desc, source_value asc) as value_rank
    from segment_memberships
    where segment = 'unmapped'
    group by dimension, source_value
),

most_frequent_values as (
    select
        dimension,
        string_agg(source_value || ': ' || format('{:,}', value_count), ', ' order by value_rank) as most_frequent
    from unmapped_values
    where value_rank <= 3
    group by dimension
),

segment_counts as (
    {%- for dimension in var('dimensions') %}
    select
        '{{ dimension }}' as dimension,
        count(*) as row_count,
        count(*) filter (where {{ dimension }} = 'unmapped') as unmapped_count,
        count(*) filter (where {{ dimension }} = 'unknown') as unknown_count
    from journeys
    where {{ dimension }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

segment_observations as (
    select
        'segment_coverage' as check_name,
        segment_counts.dimension as subject,
        null::varchar as needed_column,
        coalesce(unmapped_count::double / nullif(row_count, 0), 0) as observed,
        row_count,
        unmapped_count as defect_count,
        format(
            '{:,} of {:,} journeys have a value that no segment rule matches{}, {:,} have none',
            unmapped_count,
            row_count,
            case when unmapped_count > 0 then coalesce(' (' || most_frequent || ')', '') else '' end,
            unknown_count
        ) as detail
    from segment_counts
    left join most_frequent_values on segment_counts.dimension = most_frequent_values.dimension
),

-- For a past as-of date the records of that time count, not those that the export holds by now.
latest_record as (
    select
        run_context.as_of_date,
        greatest(
            max(stage_visits.entered_date),
            case when run_context.latest_stamp_date <= run_context.as_of_date then run_context.latest_stamp_date end
        ) as latest_date,
        count(stage_visits.entity_number) as row_count
    from run_context
    left join stage_visits on run_context.as_of_date >= stage_visits.entered_date
    group by run_context.as_of_date, run_context.latest_stamp_date
),

gap_observations as (
    select
        'trailing_gap_days' as check_name,
        'dataset' as subject,
        null::varchar as needed_column,
        date_diff('day', latest_date, as_of_date)::double as observed,
        row_count,
        0 as defect_count,
        coalesce(
            format('The latest record is of {}, the as-of date is {}', latest_date, as_of_date), 'No record has a date'
        ) as detail
    from latest_record
),

unioned as (
    select * from share_observations
    union all
    select * from completeness_observations
    union all
    select * from key_observations
    union all
    select * from conservation_observations
    union all
    select * from outcome_observations
    union all
    select * from segment_observations
    union all
    select * from gap_observations
    union all
    select * from disguised_observations
    union all
    select * from table_observations
)

select
    unioned.check_name,
    unioned.subject,
    unioned.observed,
    unioned.row_count,
    unioned.defect_count,
    case
        when unioned.needed_column is null or provided.needed_column is not null then unioned.detail
        else 'The export does not have ' || unioned.needed_column
    end as detail,
    unioned.needed_column is null or provided.needed_column is not null as is_applicable
from unioned
left join provided on unioned.needed_column = provided.needed_column
