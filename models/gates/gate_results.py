def model(dbt, session):
    from pathlib import Path

    from segment_signals.gates.verdicts import gate_results

    dbt.config(materialized="table")
    return gate_results(
        dbt.ref("gate_index").to_arrow_table(),
        dbt.ref("raw_observations").to_arrow_table(),
        dbt.ref("publication_observations").to_arrow_table(),
        Path("expectations"),
    )
