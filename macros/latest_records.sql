{#-
    One row per key of a landed table: of several rows the one that goes first in `ordering`, then the last one read.
    `duplicate_count` is how many other rows it stands for. Rows without a key stay as they are.

    Only keys that come more than once are sorted. The relation is named in every place, for as a CTE of its own the
    engine would copy it.
-#}
{% macro latest_records(landed, key, ordering=none) -%}
    with

    repeated as (
        select
            {{ key }} as repeated_key,
            (count(*) - 1)::bigint as duplicate_count
        from {{ landed }}
        where {{ key }} is not null
        group by {{ key }}
        having count(*) > 1
    ),

    latest as (
        select
            repeated.repeated_key,
            repeated.duplicate_count,
            landed.source_file as latest_file,
            landed.source_row as latest_row
        from {{ landed }} as landed
        inner join repeated on landed.{{ key }} = repeated.repeated_key
        qualify
            row_number() over (
                partition by landed.{{ key }}
                order by {{ ordering ~ ', ' if ordering }}landed.source_file desc, landed.source_row desc
            ) = 1
    )

    select
        landed.*,
        coalesce(latest.duplicate_count, 0)::bigint as duplicate_count
    from {{ landed }} as landed
    left join latest on landed.{{ key }} = latest.repeated_key
    where
        latest.repeated_key is null
        or (landed.source_file = latest.latest_file and landed.source_row = latest.latest_row)
{%- endmacro %}
