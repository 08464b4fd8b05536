def model(dbt, session):
    from segment_signals.pipeline.velocity import pipeline_velocity

    dbt.config(materialized="table")
    return pipeline_velocity(dbt.ref("velocity_inputs").to_arrow_table())
