def model(dbt, session):
    from segment_signals.scoring.inputs import calendar_of, feature_table
    from segment_signals.scoring.quality import model_quality

    dbt.config(materialized="table")
    seed = dbt.ref("score_features").project("feature, label, feature_group, kind, known").fetchall()
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    bands = dbt.ref("score_bands").project("score, band, lower_bound").fetchall()
    features = feature_table(dbt.ref("lead_features").to_arrow_table(), seed)
    points, models = dbt.ref("lead_points").to_arrow_table(), dbt.ref("lead_models").to_arrow_table()
    history, outcomes = dbt.ref("lead_score_history").to_arrow_table(), dbt.ref("lead_outcomes").to_arrow_table()
    calendar = calendar_of(dbt.ref("lead_calendar").to_arrow_table())
    return model_quality(features, points, calendar, models, history, outcomes, bands, thresholds)
