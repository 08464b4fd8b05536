def model(dbt, session):
    from segment_signals.retention.churn import churn_quality

    dbt.config(materialized="table")
    return churn_quality(dbt.ref("churn_models").to_arrow_table())
