{#-
    The key of a Salesforce record: 'salesforce:' and the 15 characters that identify it.

    Salesforce writes an id with 15 characters where case matters, or with 18, of which the last three only repeat the
    case of the others. Files mix both, so the key has the 15. Keys are compared as text, case included: whoever stores
    a Salesforce id elsewhere (a CRM id in another system) must make its key by this macro too.
-#}
{% macro salesforce_key(id) -%}
    'salesforce:' || case when length({{ id }}) = 18 then left({{ id }}, 15) else {{ id }} end
{%- endmacro %}

{#- The key only where the id is of one of these kinds of record, told by its first three characters. -#}
{% macro salesforce_key_of(id, prefixes) -%}
    case when left({{ id }}, 3) in ('{{ prefixes | join("', '") }}') then {{ salesforce_key(id) }} end
{%- endmacro %}

{#-
    One row per id of a landed object: of several rows the active version, then the one changed last, then the last
    one read. `duplicate_count` is how many other rows it stands for; versions that Fivetran keeps are none.

    Only ids that come more than once are sorted.
-#}
{% macro salesforce_latest(object) -%}
    {%- set landed = source('salesforce', object) -%}
    with

    landed as (
        select
            *,
            {{ salesforce_key('id') }} as record_key
        from {{ landed }}
    ),

    repeated as (
        select
            record_key,
            (count(*) - greatest(count(distinct fivetran_start), 1))::integer as duplicate_count
        from landed
        group by record_key
        having count(*) > 1
    )

    select
        landed.*,
        0::integer as duplicate_count
    from landed
    left join repeated on landed.record_key = repeated.record_key
    where repeated.record_key is null
    union all
    select
        landed.*,
        repeated.duplicate_count
    from landed
    inner join repeated on landed.record_key = repeated.record_key
    qualify
        row_number() over (
            partition by landed.record_key
            order by
                coalesce(landed.fivetran_active, true) desc,
                coalesce(landed.system_modstamp, landed.last_modified_date) desc nulls last,
                landed.fivetran_start desc nulls last,
                landed.source_file desc,
                landed.source_row desc
        ) = 1
{%- endmacro %}

{#- A record that Salesforce has in its recycle bin, or that Fivetran no longer finds. -#}
{% macro salesforce_is_deleted(table='') -%}
    {%- set prefix = table ~ '.' if table else '' -%}
    (coalesce({{ prefix }}is_deleted, false) or not coalesce({{ prefix }}fivetran_active, true))
{%- endmacro %}

{#-
    The changes between the versions of an object that Fivetran keeps: id, fivetran_start, and each of the columns
    with its previous value (previous_<column>). The first version of a record is no change: its values may be older.

    Versions lie in the object's own table (history mode) or beside it, as <object>_snapshot.
-#}
{% macro salesforce_versions(object, columns) -%}
    with

    versions as (
        select
            id,
            {{ columns | join(', ') }},
            fivetran_start
        from {{ source('salesforce', object) }}
        where fivetran_start is not null
        union all
        select
            id,
            {{ columns | join(', ') }},
            fivetran_start
        from {{ source('salesforce', object ~ '_snapshot') }}
    ),

    numbered as (
        select
            *,
            row_number() over by_record as version_number
            {%- for column in columns %},
            lag({{ column }}) over by_record as previous_{{ column }}
            {%- endfor %}
        from versions
        window by_record as (partition by id order by fivetran_start, {{ columns | join(', ') }})
    )

    select * from numbered
    where version_number > 1
{%- endmacro %}

{#- Whether a value is an id of one of these kinds of record, and not its name. -#}
{% macro salesforce_is_id(value, prefixes) -%}
    (length({{ value }}) in (15, 18) and left({{ value }}, 3) in ('{{ prefixes | join("', '") }}'))
{%- endmacro %}
