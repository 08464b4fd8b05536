def model(dbt, session):
    from segment_signals.scoring.inputs import calendar_of, feature_table
    from segment_signals.scoring.scores import score_contributions

    dbt.config(materialized="table")
    seed = dbt.ref("score_features").project("feature, label, feature_group, kind, known").fetchall()
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    features = feature_table(dbt.ref("lead_features").to_arrow_table(), seed)
    points, models = dbt.ref("lead_points").to_arrow_table(), dbt.ref("lead_models").to_arrow_table()
    calendar = calendar_of(dbt.ref("lead_calendar").to_arrow_table())
    return score_contributions(features, points, calendar, models, thresholds)
