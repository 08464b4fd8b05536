def model(dbt, session):
    from segment_signals.retention.churn import Landmarks, churn_contributions

    dbt.config(materialized="table")
    seed = dbt.ref("churn_score_features").project("feature, label, feature_group, kind, known").fetchall()
    dimensions = [name for (name,) in dbt.ref("dimensions").project("dimension").order("dimension").fetchall()]
    ((as_of,),) = dbt.ref("run_context").project("as_of_date").fetchall()
    landmarks = Landmarks.of(dbt.ref("churn_features").to_arrow_table(), seed, dimensions)
    return churn_contributions(landmarks, dbt.ref("churn_models").to_arrow_table(), as_of)
