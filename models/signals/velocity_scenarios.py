def model(dbt, session):
    from segment_signals.pipeline.scenarios import velocity_scenarios

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    return velocity_scenarios(
        dbt.ref("pipeline_velocity").to_arrow_table(),
        dbt.ref("velocity_inputs").to_arrow_table(),
        dbt.ref("scenario_changes").to_arrow_table(),
        thresholds,
        caveats,
    )
