def model(dbt, session):
    from segment_signals.pipeline.forecast import Marts, forecast_backtest

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    ((seed,),) = dbt.ref("run_context").project("input_hash || as_of_date").fetchall()
    marts = Marts(
        dbt.ref("forecast_calendar").to_arrow_table(),
        dbt.ref("forecast_risk_counts").to_arrow_table(),
        dbt.ref("forecast_origin_deals").to_arrow_table(),
        dbt.ref("forecast_wins").to_arrow_table(),
        dbt.ref("forecast_arrivals").to_arrow_table(),
    )
    return forecast_backtest(marts, thresholds, seed)
