def model(dbt, session):
    from segment_signals.retention.churn import Landmarks, churn_risk

    dbt.config(materialized="table")
    seed = dbt.ref("churn_score_features").project("feature, label, feature_group, kind, known").fetchall()
    dimensions = [name for (name,) in dbt.ref("dimensions").project("dimension").order("dimension").fetchall()]
    parameters = dict(dbt.ref("retention_parameters").project("parameter, value").fetchall())
    ((as_of, currency),) = dbt.ref("run_context").project("as_of_date, reporting_currency").fetchall()
    landmarks = Landmarks.of(dbt.ref("churn_features").to_arrow_table(), seed, dimensions)
    return churn_risk(landmarks, dbt.ref("churn_models").to_arrow_table(), as_of, currency, parameters)
