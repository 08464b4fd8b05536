def model(dbt, session):
    from segment_signals.pipeline.velocity import pipeline_velocity

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return pipeline_velocity(dbt.ref("velocity_inputs").to_arrow_table(), thresholds, caveats)
