def model(dbt, session):
    from segment_signals.pipeline.forecast_quality import forecast_quality

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    return forecast_quality(dbt.ref("forecast_backtest").to_arrow_table(), thresholds)
