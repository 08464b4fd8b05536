with

records as (
    {{ union_sources('opportunities') }}
),

links as (
    select * from {{ ref('opportunity_links') }}
),

account_links as (
    select * from {{ ref('account_links') }}
),

person_links as (
    select * from {{ ref('person_links') }}
),

products as (
    select * from {{ ref('products') }}
),

owners as (
    select * from {{ ref('owners') }}
),

stage_labels as (
    select * from {{ ref('stage_labels') }}
    where entity = 'opportunity'
),

opportunity_types as (
    select * from {{ ref('opportunity_types') }}
),

exchange_rates as (
    {{ exchange_rate_periods() }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

linked as (
    select
        links.opportunity_number as entity_id,
        links.record_number,
        records.*,
        coalesce(records.is_deleted, false) as is_record_deleted
    from records
    inner join links on records.opportunity_id = links.source_opportunity_id
),

-- One deal of several records: each attribute is the first filled one, of the source named first.
merged as (
    {{ merged_records(
        'linked',
        'opportunity_number',
        [
            'account_id', 'person_id', 'owner_id', 'product_id', 'campaign_id', 'pipeline', 'source_stage',
            'source_opportunity_type', 'lead_source', 'loss_reason', 'competitor', 'forecast_category', 'currency',
        ] + custom_columns('opportunities') + ['source_amount', 'probability', 'is_closed', 'is_won', 'close_date'],
        own=['opportunity_id'],
        least=['is_record_deleted', 'created_at', 'closed_at'],
    ) }}
),

resolved as (
    select
        merged.*,
        coalesce(account_links.account_id, merged.account_id) as linked_account_id,
        coalesce(person_links.person_id, merged.person_id) as linked_person_id,
        account_links.account_number,
        person_links.person_number,
        merged.account_id is not null and account_links.account_id is null as is_unknown_account
    from merged
    left join account_links on merged.account_id = account_links.source_account_id
    left join person_links on merged.person_id = person_links.source_person_id
),

dated as (
    select
        resolved.*,
        {{ amount_currency('resolved') }} as amount_currency,
        resolved.currency is null and run_context.source_currency is null as is_unnamed_currency,
        run_context.reporting_currency,
        run_context.as_of_date,
        greatest(run_context.as_of_date, run_context.latest_stamp_date) as latest_possible_date,
        coalesce(resolved.created_at::date, run_context.as_of_date) as rate_date
    from resolved
    cross join run_context
),

converted as (
    select
        dated.*,
        stage_labels.stage,
        -- No type at all is new business, so that a CRM without types works; the gate counts such rows.
        case
            when dated.source_opportunity_type is null then 'new_business'
            else coalesce(opportunity_types.opportunity_type, 'unmapped')
        end as opportunity_type,
        {{ reporting_rate('dated.amount_currency', 'dated.reporting_currency') }} as reporting_rate,
        dated.linked_account_id is null as is_missing_account,
        dated.product_id is not null and products.product_id is null as is_unknown_product,
        dated.owner_id is not null and owners.owner_id is null as is_unknown_owner
    from dated
    left join stage_labels on lower(dated.source_stage) = stage_labels.source_label
    left join opportunity_types on lower(dated.source_opportunity_type) = lower(opportunity_types.source_label)
    left join products on dated.product_id = products.product_id
    left join owners on dated.owner_id = owners.owner_id
    {{ join_exchange_rates('dated.amount_currency', 'dated.reporting_currency', 'dated.rate_date') }}
),

amounts as (
    select
        *,
        (source_amount * reporting_rate)::decimal(18, 2) as amount
    from converted
),

-- Tukey's outer fence on the log scale: beyond it an amount is a slip of the keyboard more likely than a deal.
fence as (
    select
        percentile_cont(0.75) within group (order by ln(amount))
        + 3 * (
            percentile_cont(0.75) within group (order by ln(amount))
            - percentile_cont(0.25) within group (order by ln(amount))
        ) as largest_usual_log
    from amounts
    where amount > 0
),

flagged as (
    select
        opportunity_id,
        linked_account_id as account_id,
        linked_person_id as person_id,
        owner_id,
        product_id,
        campaign_id,
        pipeline,
        source_stage,
        stage as current_stage,
        opportunity_type,
        source_opportunity_type,
        lead_source,
        loss_reason,
        competitor,
        forecast_category,
        amount_currency as source_currency,
        {%- for column in custom_columns('opportunities') %}
        {{ column }},
        {%- endfor %}
        opportunity_number,
        account_number,
        person_number,
        record_count,
        source_amount,
        amount,
        probability,
        reporting_rate,
        is_record_deleted as is_deleted,
        is_missing_account,
        is_unknown_account,
        is_unknown_product,
        is_unknown_owner,
        -- Also an amount of which nobody says the currency.
        source_amount is not null and reporting_rate is null as is_unknown_currency,
        source_amount is not null and reporting_rate is not null and is_unnamed_currency as is_assumed_currency,
        stage is null as is_unmapped_stage,
        opportunity_type = 'unmapped' as is_unmapped_type,
        created_at is null as is_missing_entry_date,
        source_amount is null as is_missing_amount,
        coalesce(source_amount < 0, false) as is_negative_amount,
        coalesce(amount > 0 and ln(case when amount > 0 then amount end) > largest_usual_log, false)
            as is_extreme_amount,
        coalesce(probability not between 0 and 1, false) as is_impossible_probability,
        coalesce(stage in ('won', 'lost') and coalesce(closed_at::date, close_date) < created_at::date, false)
            as is_closed_before_created,
        coalesce(stage in ('won', 'lost') and coalesce(closed_at::date, close_date) > latest_possible_date, false)
            as is_closed_in_future,
        coalesce(
            stage not in ('won', 'lost') and close_date > {{ add_months('as_of_date', 36) }}, false
        ) as is_closing_too_late,
        coalesce(created_at::date > as_of_date, false) as is_created_after_as_of,
        created_at,
        closed_at,
        created_at::date as created_date,
        close_date
    from amounts
    cross join fence
)

select
    *,
    is_deleted or is_created_after_as_of or is_unmapped_stage as is_disqualified
from flagged
