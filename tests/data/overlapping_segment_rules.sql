-- No number may fall into two bands of a dimension.
select
    a.dimension,
    a.segment as one_segment,
    b.segment as other_segment
from {{ ref('segment_rules') }} as a
inner join {{ ref('segment_rules') }} as b
    on
        a.dimension = b.dimension
        and a.segment < b.segment
        and a.source_value is null
        and b.source_value is null
        and coalesce(a.lower_bound, -1e300) < coalesce(b.upper_bound, 1e300)
        and coalesce(b.lower_bound, -1e300) < coalesce(a.upper_bound, 1e300)
