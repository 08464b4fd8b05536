with

gate_thresholds as (
    select * from {{ ref('gate_thresholds') }}
),

gate_subjects as (
    select * from {{ ref('gate_subjects') }}
),

dimensions as (
    select * from {{ ref('dimensions') }}
),

attributes as (
    select unnest([
        {%- for attribute in dimension_attributes() %}
        '{{ attribute }}'{{ ',' if not loop.last }}
        {%- endfor %}
    ]) as attribute
),

subjects as (
    select
        gate,
        check_name,
        subject
    from gate_subjects
    where subject not in ('each_dimension', 'each_attribute', 'each_source')
    union
    select
        gate_subjects.gate,
        gate_subjects.check_name,
        dimensions.dimension as subject
    from gate_subjects
    cross join dimensions
    where gate_subjects.subject = 'each_dimension'
    union
    select
        gate_subjects.gate,
        gate_subjects.check_name,
        attributes.attribute as subject
    from gate_subjects
    cross join attributes
    where gate_subjects.subject = 'each_attribute'
    union
    select
        gate_subjects.gate,
        gate_subjects.check_name,
        unnest({{ var('sources') }}) as subject
    from gate_subjects
    where gate_subjects.subject = 'each_source'
)

select
    subjects.gate,
    subjects.subject,
    subjects.check_name,
    gate_thresholds.comparison,
    gate_thresholds.flag_threshold,
    gate_thresholds.block_threshold,
    gate_thresholds.minimum_n
from subjects
left join gate_thresholds using (gate, check_name)
