def model(dbt, session):
    from segment_signals.scoring.inputs import feature_table
    from segment_signals.scoring.scores import account_scores

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    bands = dbt.ref("score_bands").project("score, band, lower_bound").fetchall()
    features = feature_table(dbt.ref("lead_features").to_arrow_table(), [])
    return account_scores(dbt.ref("lead_score_history").to_arrow_table(), features, bands, thresholds)
