def model(dbt, session):
    from segment_signals.retention.contrasts import retention_patterns

    dbt.config(materialized="table")
    stages = dbt.ref("lifecycle_stages").filter("kind = 'spine'").order("stage_order").project("stage").fetchall()
    contrasts, retention = dbt.ref("segment_contrasts"), dbt.ref("retention_contrasts")
    return retention_patterns(contrasts.to_arrow_table(), retention.to_arrow_table(), [stage for (stage,) in stages])
