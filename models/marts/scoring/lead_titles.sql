-- Each title that a lead has or had, and what the first rule that it meets says of it.
with

lead_records as (
    select * from {{ ref('lead_records') }}
),

attribute_history as (
    {{ union_sources('attribute_history') }}
),

title_seniority as (
    select * from {{ ref('title_seniority') }}
),

titles as (
    select lower(title) as title_key
    from lead_records
    where title is not null
    union
    select lower(old_value) as title_key
    from attribute_history
    where entity = 'people' and column_name = 'title' and old_value is not null
),

ranked as (
    select
        titles.title_key,
        title_seniority.seniority,
        row_number() over (
            partition by titles.title_key order by title_seniority.seniority_order, title_seniority.pattern
        ) as rule_number
    from titles
    inner join title_seniority on {{ matches('titles.title_key', 'title_seniority.pattern') }}
)

select
    title_key,
    seniority
from ranked
where rule_number = 1
