def model(dbt, session):
    from segment_signals.funnel.bottlenecks import funnel_bottlenecks

    dbt.config(materialized="table")
    return funnel_bottlenecks(
        dbt.ref("bottleneck_inputs").to_arrow_table(), dbt.ref("segment_contrasts").to_arrow_table()
    )
