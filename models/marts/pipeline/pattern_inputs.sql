-- noqa: disable=LT02
{# The indentation rule cannot follow columns that a loop makes. #}
-- Wins against losses, with and without each value of what was known of the deal. What happens during the life of a
-- deal is counted up to a fixed age, among the deals that were still open then: a deal that lives longer has more time
-- for it. What is recorded without a date cannot be counted so.
with

journeys as (
    select
        *,
        won_date is not null as is_won,
        coalesce(won_date, lost_date) as closed_date
    from {{ ref('journeys') }}
    where
        opportunity_type = 'new_business' and is_primary and opportunity_date is not null
        and coalesce(won_date, lost_date) is not null
),

opportunities as (
    select * from {{ ref('opportunities') }}
),

opportunity_people as (
    select * from {{ ref('opportunity_people') }}
    where role is not null
),

deal_values as (
    select * from {{ ref('deal_values') }}
    where span_number = 1
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

lifecycle_stages as (
    select * from {{ ref('lifecycle_stages') }}
),

closed_history as (
    select * from {{ ref('closed_history') }}
),

run_context as (
    select * from {{ ref('run_context') }}
),

thresholds as (
    select
        max(value) filter (where threshold = 'minimum_n') as minimum_n,
        max(value) filter (where threshold = 'reportable_n') as reportable_n,
        max(value) filter (where threshold = 'minimum_outcome_n') as minimum_outcome_n,
        max(value) filter (where threshold = 'minimum_completeness') as minimum_completeness,
        max(value) filter (where threshold = 'maximum_missing_share') as maximum_missing_share,
        max(value) filter (where threshold = 'maximum_outcome_completeness_gap') as maximum_outcome_completeness_gap,
        max(value) filter (where threshold = 'pattern_age_days')::integer as pattern_age_days
    from {{ ref('evidence_thresholds') }}
),

known_dimensions as (
    select dimensions.dimension
    from dimensions
    inner join lifecycle_stages as known_from on dimensions.known_from_stage = known_from.stage
    inner join lifecycle_stages as opportunity on opportunity.stage = 'opportunity'
    where known_from.stage_order <= opportunity.stage_order
),

pipeline_deals as (
    select * from {{ ref('pipeline_deals') }}
),

-- A plan that nobody kept a history of has no pushes to be counted.
numbered_pushes as (
    select
        deal_values.deal_number,
        coalesce(bool_or(
            deal_values.opened_as is null
            and deal_values.close_date > deal_values.previous_close_date
            and deal_values.valid_from <= deal_values.opened_date + thresholds.pattern_age_days
        ), false) as is_pushed
    from deal_values
    cross join thresholds
    group by deal_values.deal_number
    having bool_or(deal_values.opened_as is not null and deal_values.close_date is not null)
),

pushes as (
    select
        pipeline_deals.opportunity_id,
        numbered_pushes.is_pushed
    from numbered_pushes
    inner join pipeline_deals on numbered_pushes.deal_number = pipeline_deals.deal_number
),

contacts as (
    select
        opportunity_number,
        count(distinct person_number) as contact_count
    from opportunity_people
    group by opportunity_number
),

used as (
    select
        (select count(*) > 0 from opportunity_people) as has_contacts,
        (select count(competitor) > 0 from opportunities) as has_competitors
),

deals as (
    select
        journeys.*,
        coalesce(journeys.account_id, journeys.journey_id) as cluster_id,
        {{ period_start('journeys.closed_date', 'quarter') }} as period_start,
        case
            when {{ days_between('journeys.opportunity_date', 'journeys.closed_date') }} > thresholds.pattern_age_days
                then case when pushes.is_pushed then 'pushed' when not pushes.is_pushed then 'not pushed' end
        end as push_value,
        case when used.has_competitors
            then case when opportunities.competitor is not null then 'named' else 'not named' end
        end as competitor_value,
        case when used.has_contacts
            then case
                when coalesce(contacts.contact_count, 0) >= 3 then '3 and more'
                else coalesce(contacts.contact_count, 0)::string
            end
        end as contact_value
    from journeys
    cross join thresholds
    cross join used
    inner join opportunities on journeys.opportunity_id = opportunities.opportunity_id
    left join pushes on journeys.opportunity_id = pushes.opportunity_id
    left join contacts on opportunities.opportunity_number = contacts.opportunity_number
),

-- How alike the deals of an account are, from all deals of the period.
accounts as (
    select
        period_start,
        cluster_id,
        count(*) as n,
        count(*) filter (where is_won) as won_count
    from deals
    group by period_start, cluster_id
),

sized as (
    select
        deals.*,
        accounts.n = 1 as is_alone
    from deals
    inner join accounts
        on deals.period_start = accounts.period_start and deals.cluster_id = accounts.cluster_id
),

-- `at_opening`: known when the deal was opened. The others are yes or no, or few numbers.
valued as (
    {%- for dimension in var('dimensions') %}
    select
        'at_opening' as basis,
        '{{ dimension }}' as attribute,
        {{ dimension }} as attribute_value,
        period_start,
        cluster_id,
        is_alone,
        is_won
    from sized
    where '{{ dimension }}' in (select known_dimensions.dimension from known_dimensions)
    union all
    {%- endfor %}
    {%- for attribute, (column, basis) in {
        'close_date_pushed': ('push_value', 'fixed_age'),
        'competitor': ('competitor_value', 'as_recorded'),
        'contacts_with_role': ('contact_value', 'as_recorded'),
    }.items() %}
    select
        '{{ basis }}' as basis,
        '{{ attribute }}' as attribute,
        {{ column }} as attribute_value,
        period_start,
        cluster_id,
        is_alone,
        is_won
    from sized
    where {{ column }} is not null
    {%- if not loop.last %}
    union all
    {%- endif %}
    {%- endfor %}
),

-- A deal that is the only one of its account in the period is a cluster of its own.
clusters as (
    select
        basis,
        attribute,
        attribute_value,
        period_start,
        cluster_id,
        count(*) as n,
        count(*) filter (where is_won) as won_count
    from valued
    where not is_alone
    group by basis, attribute, attribute_value, period_start, cluster_id
),

counted as (
    select
        basis,
        attribute,
        attribute_value,
        period_start,
        n,
        won_count,
        n * n as squared_n
    from clusters
    union all
    select
        basis,
        attribute,
        attribute_value,
        period_start,
        count(*) as n,
        count(*) filter (where is_won) as won_count,
        count(*) as squared_n
    from valued
    where is_alone
    group by basis, attribute, attribute_value, period_start
),

cells as (
    select
        basis,
        attribute,
        coalesce(attribute_value, 'unknown') as attribute_value,
        period_start,
        sum(n)::bigint as n,
        sum(won_count)::bigint as won_count,
        sum(squared_n)::bigint as squared_n
    from counted
    group by basis, attribute, coalesce(attribute_value, 'unknown'), period_start
),

populations as (
    select
        period_start,
        count(*) as account_count,
        sum(n)::bigint as account_n,
        sum(n * n)::bigint as account_nn,
        sum(won_count)::bigint as account_won_count,
        sum((won_count * won_count / n::double)::decimal(38, 18))::double
        - sum(won_count) * sum(won_count) / sum(n)::double as between_squares,
        sum((won_count - won_count * won_count / n::double)::decimal(38, 18))::double as within_squares
    from accounts
    group by period_start
),

-- Of two values one is told, for the other's contrast is the same with another sign: of yes and no the yes, else the
-- first in the alphabet.
attributes as (
    select
        attribute,
        count(*) filter (where attribute_value not in ('unknown', 'unmapped')) as value_count,
        coalesce(
            min(attribute_value) filter (
                where attribute_value not in ('unknown', 'unmapped', 'not pushed', 'not named')
            ),
            min(attribute_value) filter (where attribute_value not in ('unknown', 'unmapped'))
        ) as told_value,
        min(attribute_value) filter (where attribute_value not in ('unknown', 'unmapped')) as first_value,
        max(attribute_value) filter (where attribute_value not in ('unknown', 'unmapped')) as last_value,
        period_start,
        sum(n)::bigint as whole_n,
        sum(won_count)::bigint as whole_won_count,
        coalesce(sum(n) filter (where attribute_value in ('unknown', 'unmapped')), 0)::bigint as unknown_n,
        coalesce(sum(won_count) filter (where attribute_value in ('unknown', 'unmapped')), 0)::bigint
            as unknown_won_count
    from cells
    group by attribute, period_start
),

compared as (
    select
        cells.*,
        case
            when attributes.value_count = 2
                then case
                    when attributes.told_value = attributes.first_value then attributes.last_value
                    else attributes.first_value
                end
        end as rest_value,
        attributes.whole_n,
        attributes.whole_won_count,
        attributes.unknown_n,
        attributes.unknown_won_count,
        attributes.whole_n - attributes.unknown_n - cells.n as rest_n,
        attributes.whole_won_count - attributes.unknown_won_count - cells.won_count as rest_won_count,
        cells.squared_n::double / cells.n as account_records,
        populations.account_nn::double / populations.account_n as rest_account_records,
        populations.account_count,
        populations.account_n,
        populations.account_nn,
        populations.between_squares,
        populations.within_squares
    from cells
    inner join attributes
        on cells.attribute = attributes.attribute and cells.period_start = attributes.period_start
    inner join populations on cells.period_start = populations.period_start
    where
        cells.attribute_value not in ('unknown', 'unmapped', 'not pushed', 'not named')
        and (attributes.value_count <> 2 or cells.attribute_value = attributes.told_value)
),

completed as (
    select
        *,
        unknown_n::double / whole_n as missing_share,
        abs(
            unknown_won_count::double / nullif(whole_won_count, 0)
            - (unknown_n - unknown_won_count)::double / nullif(whole_n - whole_won_count, 0)
        ) as missing_gap
    from compared
)

select
    'quarter' as period_grain,
    completed.period_start,
    completed.basis,
    completed.attribute,
    completed.attribute_value,
    completed.rest_value,
    completed.n,
    completed.won_count,
    completed.rest_n,
    completed.rest_won_count,
    completed.account_records,
    completed.rest_account_records,
    completed.account_count,
    completed.account_n,
    completed.account_nn,
    completed.between_squares,
    completed.within_squares,
    case
        when completed.period_start < closed_history.closed_starts_on then 'left_truncated'
        when {{ period_end("'quarter'", 'completed.period_start') }} > run_context.as_of_date + 1 then 'too_early'
        when completed.whole_won_count in (0, completed.whole_n) then 'incomplete_data'
        when least(completed.n, completed.rest_n) < thresholds.minimum_n then 'insufficient_sample'
        when
            completed.missing_gap > thresholds.maximum_outcome_completeness_gap
            and completed.missing_share > thresholds.maximum_missing_share
            then 'incomplete_data'
    end as suppressed_reason,
    case
        when completed.basis = 'as_recorded' then 'incomplete_data'
        when 1 - completed.missing_share < thresholds.minimum_completeness then 'incomplete_data'
        when least(completed.n, completed.rest_n) < thresholds.reportable_n then 'insufficient_sample'
        when
            least(
                completed.won_count, completed.n - completed.won_count,
                completed.rest_won_count, completed.rest_n - completed.rest_won_count
            ) < thresholds.minimum_outcome_n
            then 'insufficient_sample'
    end as directional_reason,
    case
        when completed.whole_won_count = completed.whole_n then 'no_losses'
        when {{ period_end("'quarter'", 'completed.period_start') }} > run_context.as_of_date + 1 then 'period_not_over'
        when completed.basis = 'as_recorded' then 'recorded_late'
    end as caveat_key
from completed
cross join thresholds
cross join run_context
cross join closed_history
