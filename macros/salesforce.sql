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

    Only the rows of ids that come more than once are sorted and joined: on clean files it costs a count of the ids.
-#}
{% macro salesforce_latest(object) -%}
    {%- set landed = source('salesforce', object) -%}
    with

    repeated_keys as (
        select {{ salesforce_key('id') }} as record_key
        from {{ landed }}
        group by {{ salesforce_key('id') }}
        having count(*) > 1
    ),

    repeated_rows as (
        select
            repeated_keys.record_key,
            landed.source_file,
            landed.source_row,
            landed.fivetran_start,
            row_number() over (
                partition by repeated_keys.record_key
                order by
                    coalesce(landed.fivetran_active, true) desc,
                    coalesce(landed.system_modstamp, landed.last_modified_date) desc nulls last,
                    landed.fivetran_start desc nulls last,
                    landed.source_file desc,
                    landed.source_row desc
            ) as preference
        from {{ landed }} as landed
        inner join repeated_keys on {{ salesforce_key('landed.id') }} = repeated_keys.record_key
    ),

    kept_rows as (
        select
            record_key,
            min(source_file) filter (where preference = 1) as source_file,
            min(source_row) filter (where preference = 1) as source_row,
            (count(*) - greatest(count(distinct fivetran_start), 1))::integer as duplicate_count
        from repeated_rows
        group by record_key
    )

    select
        landed.*,
        {{ salesforce_key('landed.id') }} as record_key,
        coalesce(kept_rows.duplicate_count, 0) as duplicate_count
    from {{ landed }} as landed
    left join kept_rows on {{ salesforce_key('landed.id') }} = kept_rows.record_key
    where
        kept_rows.record_key is null
        or (landed.source_file = kept_rows.source_file and landed.source_row = kept_rows.source_row)
{%- endmacro %}

{#- A record that Salesforce has in its recycle bin, or that Fivetran no longer finds. -#}
{% macro salesforce_is_deleted(table='') -%}
    {%- set prefix = table ~ '.' if table else '' -%}
    (
        coalesce({{ prefix }}is_deleted, false)
        or coalesce({{ prefix }}fivetran_deleted, false)
        or not coalesce({{ prefix }}fivetran_active, true)
    )
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
