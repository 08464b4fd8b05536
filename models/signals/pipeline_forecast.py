def model(dbt, session):
    from segment_signals.pipeline.forecast import Marts
    from segment_signals.pipeline.forecast_cells import Segments, pipeline_forecast

    dbt.config(materialized="table")

    def arrow(relation):
        return relation.to_arrow_table()

    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    ((seed,),) = dbt.ref("run_context").project("input_hash || as_of_date").fetchall()
    calendar, risks = arrow(dbt.ref("forecast_calendar")), arrow(dbt.ref("forecast_risk_counts"))
    deals = arrow(dbt.ref("forecast_origin_deals").filter("snapshot_number = 0"))
    wins, arrivals = arrow(dbt.ref("forecast_wins")), arrow(dbt.ref("forecast_arrivals"))
    open_deals, counts = arrow(dbt.ref("open_deals")), arrow(dbt.ref("forecast_segment_counts"))
    segments = Segments(open_deals, counts, arrow(dbt.ref("forecast_segments")))
    backtest = arrow(dbt.ref("forecast_backtest"))
    return pipeline_forecast(Marts(calendar, risks, deals, wins, arrivals), segments, backtest, thresholds, seed)
