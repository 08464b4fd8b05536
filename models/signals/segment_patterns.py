def model(dbt, session):
    from segment_signals.funnel.bottlenecks import segment_patterns

    dbt.config(materialized="table")
    stages = dbt.ref("lifecycle_stages").filter("kind = 'spine'").order("stage_order").project("stage").fetchall()
    return segment_patterns(dbt.ref("segment_contrasts").to_arrow_table(), [stage for (stage,) in stages])
