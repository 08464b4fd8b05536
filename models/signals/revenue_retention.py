def model(dbt, session):
    from segment_signals.retention.revenue import revenue_retention

    dbt.config(materialized="table")
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    ((currency,),) = dbt.ref("run_context").project("reporting_currency").fetchall()
    return revenue_retention(
        dbt.ref("revenue_retention_inputs").to_arrow_table(),
        dbt.ref("retention_accounts").to_arrow_table(),
        currency,
        thresholds,
        caveats,
    )
