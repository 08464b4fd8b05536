"""The last node of the build: publishes what the models hold, with the review page."""

from collections.abc import Mapping
from functools import partial
from pathlib import Path

import duckdb
import pyarrow as pa

from segment_signals.release.writer import publish
from segment_signals.review import render_review
from segment_signals.sources.inputs import input_hash


def write_release(
    connection: duckdb.DuckDBPyConnection,
    published: Mapping[str, duckdb.DuckDBPyRelation],
    gate_index: duckdb.DuckDBPyRelation,
    run_context: duckdb.DuckDBPyRelation,
) -> pa.Table:
    """Publish the relations under their names; returns the one row of the table `release`.

    Raises ReleaseBlocked or ReleaseRefused, see `publish`; the last release then stays as it is.
    """
    context = run_context.to_arrow_table().to_pylist()[0]
    project_dir = Path.cwd()
    tables = {name: _subquery(relation) for name, relation in published.items()}
    return publish(
        connection,
        tables=tables,
        gate_index=_subquery(gate_index),
        gate_results=tables["gate_results"],
        run_context=_subquery(run_context),
        project_dir=project_dir,
        releases_dir=Path(context["releases_dir"]) / context["dataset"],
        render_review=partial(render_review, dataset=context["dataset"]),
        restatement_reason=context["restatement_reason"],
        current_input_hash=partial(input_hash, project_dir, context["data_dir"], landed=context["input_hash"]),
    )


def _subquery(relation: duckdb.DuckDBPyRelation) -> str:
    return f"({relation.sql_query()})"
