def model(dbt, session):
    from segment_signals.retention.churn import Landmarks, churn_models

    dbt.config(materialized="table")
    seed = dbt.ref("churn_score_features").project("feature, label, feature_group, kind, known").fetchall()
    dimensions = [name for (name,) in dbt.ref("dimensions").project("dimension").order("dimension").fetchall()]
    parameters = dict(dbt.ref("retention_parameters").project("parameter, value").fetchall())
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    ((as_of, definitions),) = dbt.ref("run_context").project("as_of_date, definitions_hash").fetchall()
    landmarks = Landmarks.of(dbt.ref("churn_features").to_arrow_table(), seed, dimensions)
    return churn_models(landmarks, as_of, parameters, thresholds, definitions)
