def model(dbt, session):
    from segment_signals.funnel.anomalies import anomalies

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return anomalies(dbt.ref("anomaly_inputs").to_arrow_table(), thresholds, caveats)
