{#-
    One row per key of a landed table: of several rows the one that goes first in `ordering`, then the last one read.
    `duplicate_count` is how many other rows it stands for. Rows without a key stay as they are.

    Only keys that come more than once are sorted. `where` leaves out rows beforehand.
-#}
{% macro latest_records(landed, key, ordering=none, where=none) -%}
    with

    landed as (
        select * from {{ landed }}
        {%- if where %}
        where {{ where }}
        {%- endif %}
    ),

    repeated as (
        select
            {{ key }} as repeated_key,
            (count(*) - 1)::bigint as duplicate_count
        from landed
        where {{ key }} is not null
        group by {{ key }}
        having count(*) > 1
    )

    select
        landed.*,
        0::bigint as duplicate_count
    from landed
    left join repeated on landed.{{ key }} = repeated.repeated_key
    where repeated.repeated_key is null
    union all
    select
        landed.*,
        repeated.duplicate_count
    from landed
    inner join repeated on landed.{{ key }} = repeated.repeated_key
    qualify
        row_number() over (
            partition by landed.{{ key }}
            order by {{ ordering ~ ', ' if ordering }}landed.source_file desc, landed.source_row desc
        ) = 1
{%- endmacro %}
