def model(dbt, session):
    from segment_signals.funnel.contrasts import segment_contrasts

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return segment_contrasts(dbt.ref("contrast_inputs").to_arrow_table(), thresholds, caveats)
