def model(dbt, session):
    from segment_signals.pipeline.win_loss import win_loss

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return win_loss(dbt.ref("win_loss_inputs").to_arrow_table(), thresholds, caveats)
