def model(dbt, session):
    from segment_signals.pipeline.forecast import Marts, open_deal_outlook

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    marts = Marts(
        dbt.ref("forecast_calendar").to_arrow_table(),
        dbt.ref("forecast_risk_counts").to_arrow_table(),
        dbt.ref("forecast_origin_deals").filter("snapshot_number = 0").to_arrow_table(),
        dbt.ref("forecast_wins").to_arrow_table(),
        dbt.ref("forecast_arrivals").to_arrow_table(),
    )
    return open_deal_outlook(marts, dbt.ref("open_deals").to_arrow_table(), thresholds)
