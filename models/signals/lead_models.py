def model(dbt, session):
    from segment_signals.scoring.inputs import calendar_of, feature_table
    from segment_signals.scoring.models import lead_models

    dbt.config(materialized="table")
    seed = dbt.ref("score_features").project("feature, label, feature_group, kind, known").fetchall()
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    late = [pattern for (pattern,) in dbt.ref("late_attributes").project("pattern").order("pattern").fetchall()]
    bands = dbt.ref("score_bands").project("score, band, lower_bound").fetchall()
    ((target, definitions_hash),) = dbt.ref("run_context").project("lead_target_stage, definitions_hash").fetchall()
    features = feature_table(dbt.ref("lead_features").to_arrow_table(), seed)
    calendar = calendar_of(dbt.ref("lead_calendar").to_arrow_table())
    return lead_models(features, calendar, thresholds, late, bands, target, definitions_hash)
