def model(dbt, session):
    from segment_signals.pipeline.lever_signals import lever_signals

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    inputs, references = dbt.ref("lever_inputs"), dbt.ref("lever_references")
    return lever_signals(inputs.to_arrow_table(), references.to_arrow_table(), thresholds, caveats)
