def model(dbt, session):
    from segment_signals.retention.contrasts import retention_contrasts

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return retention_contrasts(dbt.ref("revenue_retention_inputs").to_arrow_table(), thresholds, caveats)
