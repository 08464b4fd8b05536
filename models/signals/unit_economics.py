def model(dbt, session):
    from segment_signals.retention.unit_economics import unit_economics

    dbt.config(materialized="table")
    parameters = dict(dbt.ref("retention_parameters").project("parameter, value").fetchall())
    thresholds = dict(dbt.ref("evidence_thresholds").project("threshold, value").fetchall())
    caveats = dict(dbt.ref("evidence_reasons").project("evidence_reason, caveat").fetchall())
    ((currency,),) = dbt.ref("run_context").project("reporting_currency").fetchall()
    inputs, cohorts = dbt.ref("unit_economics_inputs"), dbt.ref("cohort_counts")
    return unit_economics(
        inputs.to_arrow_table(), cohorts.to_arrow_table(), currency, parameters, thresholds, caveats
    )
