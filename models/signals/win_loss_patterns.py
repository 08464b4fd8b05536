def model(dbt, session):
    from segment_signals.pipeline.win_loss_patterns import win_loss_patterns

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return win_loss_patterns(dbt.ref("pattern_inputs").to_arrow_table(), thresholds, caveats)
