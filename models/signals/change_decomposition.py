def model(dbt, session):
    from segment_signals.funnel.changes import change_decomposition

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return change_decomposition(dbt.ref("change_inputs").to_arrow_table(), thresholds, caveats)
