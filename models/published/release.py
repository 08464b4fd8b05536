def model(dbt, session):
    from segment_signals.release.node import write_release

    dbt.config(materialized="table")
    published = {
        "funnel_conversion": dbt.ref("published__funnel_conversion"),
        "segment_scorecards": dbt.ref("published__segment_scorecards"),
        "pipeline_velocity": dbt.ref("published__pipeline_velocity"),
        "segment_contrasts": dbt.ref("published__segment_contrasts"),
        "change_decomposition": dbt.ref("published__change_decomposition"),
        "anomalies": dbt.ref("published__anomalies"),
        "funnel_bottlenecks": dbt.ref("published__funnel_bottlenecks"),
        "segment_patterns": dbt.ref("published__segment_patterns"),
        "pipeline_movement": dbt.ref("published__pipeline_movement"),
        "pipeline_stage_map": dbt.ref("published__pipeline_stage_map"),
        "win_loss": dbt.ref("published__win_loss"),
        "win_loss_patterns": dbt.ref("published__win_loss_patterns"),
        "stalled_deals": dbt.ref("published__stalled_deals"),
        "pipeline_coverage": dbt.ref("published__pipeline_coverage"),
        "velocity_scenarios": dbt.ref("published__velocity_scenarios"),
        "lever_signals": dbt.ref("published__lever_signals"),
        "pipeline_forecast": dbt.ref("published__pipeline_forecast"),
        "forecast_backtest": dbt.ref("published__forecast_backtest"),
        "forecast_quality": dbt.ref("published__forecast_quality"),
        "revenue_retention": dbt.ref("published__revenue_retention"),
        "retention_cohorts": dbt.ref("published__retention_cohorts"),
        "unit_economics": dbt.ref("published__unit_economics"),
        "customer_scorecards": dbt.ref("published__customer_scorecards"),
        "gate_results": dbt.ref("published__gate_results"),
        "definitions": dbt.ref("published__definitions"),
        "source_coverage": dbt.ref("published__source_coverage"),
        "unmapped_labels": dbt.ref("published__unmapped_labels"),
    }
    return write_release(session, published, dbt.ref("gate_index"), dbt.ref("run_context"))
