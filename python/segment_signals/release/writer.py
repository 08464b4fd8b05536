"""Write a release: check, write to a temporary folder, read it back, then let it appear in one step."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pyarrow as pa

from segment_signals.release import folders
from segment_signals.release.checks import rescan
from segment_signals.release.content import (
    PUBLISHED,
    RELEASE_ALIAS,
    STORAGE_VERSION,
    TableContent,
    copy_in,
    file_hash,
    literal,
    open_store,
    quoted,
    table_content,
    total_hash,
)
from segment_signals.release.errors import ReleaseRefused
from segment_signals.release.folders import GATE_REPORT, PARQUET, RELEASE_TABLE, REVIEW
from segment_signals.release.identity import (
    RunContext,
    is_file_name,
    read_run_context,
    release_row,
)
from segment_signals.release.verdicts import require_passing_gates
from segment_signals.release.verification import verify

NO_REASON = "not stated"

_SHOWN = 10
_GATE_REPORT_TABLE = "report.gate_report"


def publish(
    connection: duckdb.DuckDBPyConnection,
    *,
    tables: Mapping[str, str],
    gate_index: str,
    gate_results: str,
    run_context: str,
    project_dir: Path,
    releases_dir: Path,
    render_review: Callable[[Mapping[str, pandas.DataFrame]], str],
    restatement_reason: str | None,
    current_input_hash: Callable[[], str],
) -> pa.Table:
    """Publish the tables as the immutable folder `<releases_dir>/<as_of>-<release_id>` and move `current`.

    `connection` is only read from. `tables` maps published name -> relation; `gate_index`, `gate_results` and
    `run_context` are relations. A relative `releases_dir` is below `project_dir`. `render_review` gets every
    table, `release` included, as DuckDB's `.df()` gives it (dates are datetime64, decimals floats), sorted by
    all columns. `restatement_reason` is kept where this release supersedes one of the same as-of date.

    Returns the release's one row in RELEASE_SCHEMA; building the same release again is a no-op.
    Raises ReleaseBlocked for gates without a releasable verdict, ReleaseRefused where inputs changed since
    they were read, the same id would get other content, or the written files fail a check.
    """
    require_passing_gates(connection, gate_index, gate_results)
    context = read_run_context(connection, run_context)
    if current_input_hash() != context.input_hash:
        raise ReleaseRefused("The input files changed since they were read: run `dbt build` again.")
    _check_names(tables)

    root = project_dir / releases_dir
    root.mkdir(parents=True, exist_ok=True)
    with folders.releases_lock(root, folders.LOCK_WAIT_SECONDS), open_store() as store:
        folders.remove_leftovers(root)
        current = folders.present_current(root)
        published = folders.manifests(root)

        contents: dict[str, TableContent] = {}
        for name, relation in sorted(tables.items()):
            _copy_in(connection, name, relation, store, quoted(name))
            contents[name] = table_content(store, quoted(name))

        target = root / context.folder_name
        existing = published.get(context.release_id)
        if existing is not None:
            _require_same_content(target, existing, contents)
            row = release_row(context, existing["supersedes"])
        else:
            supersedes = folders.newest_release(published, context.as_of_date, current)
            row = release_row(context, supersedes)
            store.execute("create schema report")
            _copy_in(connection, "gate_results", gate_results, store, _GATE_REPORT_TABLE)
            with folders.temporary_folder(root, context.release_id) as folder:
                _write_files(folder, store, context, contents, row, render_review)
                manifest = _manifest(
                    folder, row, context, contents, published.get(supersedes or ""), restatement_reason
                )
                folders.write_manifest(folder, manifest)
                _require_sound(rescan(folder, manifest))
                folders.seal(folder)
                folders.move_into_place(folder, target)
        folders.settle_current(root, context.folder_name)
    return row


def _copy_in(
    connection: duckdb.DuckDBPyConnection,
    name: str,
    relation: str,
    store: duckdb.DuckDBPyConnection,
    target: str,
) -> None:
    try:
        copy_in(connection, relation, store, target)
    except duckdb.CatalogException as error:
        raise ReleaseRefused(
            f"{name} is to be published and is not in the build file: {str(error).splitlines()[0]} "
            "Run `dbt build` without leaving it out."
        ) from error


def _check_names(tables: Mapping[str, str]) -> None:
    wrong = sorted(name for name in tables if not is_file_name(name) or name == RELEASE_TABLE)
    if wrong:
        raise ReleaseRefused(
            f"{', '.join(wrong)} cannot be the name of a published table: it names a file, "
            f"and '{RELEASE_TABLE}' is written by the release itself. Rename it in the release model."
        )


def _require_same_content(target: Path, existing: Mapping[str, Any], contents: Mapping[str, TableContent]) -> None:
    """The release exists: it must be whole, and hold what was built now."""
    problems = verify(target)
    if problems:
        raise ReleaseRefused(
            f"The release {target.name} exists and was changed since it was written: {_listed(problems)}\n"
            "Restore the folder from a copy, or move it out of the releases folder, and run `dbt build`."
        )
    before = {name: table["content_hash"] for name, table in existing["tables"].items()}
    after = {name: content.content_hash for name, content in contents.items()}
    differing = sorted(name for name in {*before, *after} if before.get(name) != after.get(name))
    if differing:
        raise ReleaseRefused(
            f"The same inputs, definitions and code gave other content than the release {target.name}: "
            f"not reproducible. The tables that differ: {', '.join(differing)}. "
            "Find what in their models depends on chance, order or the clock; the release stays as it is."
        )


def _require_sound(problems: list[str]) -> None:
    if problems:
        raise ReleaseRefused(
            f"The written release failed its checks, so it was removed: {_listed(problems)}\n"
            "Mend the models or the source columns that these tables come from and run `dbt build` again."
        )


def _listed(problems: list[str]) -> str:
    more = [f"... and {len(problems) - _SHOWN} more"] if len(problems) > _SHOWN else []
    return "".join(f"\n- {problem}" for problem in [*problems[:_SHOWN], *more])


def _write_files(
    folder: Path,
    store: duckdb.DuckDBPyConnection,
    context: RunContext,
    contents: Mapping[str, TableContent],
    row: pa.Table,
    render_review: Callable[[Mapping[str, pandas.DataFrame]], str],
) -> None:
    """Write everything but the manifest."""
    store.register("release_row", row)
    store.execute(f"create table {RELEASE_TABLE} as select * from release_row")
    store.unregister("release_row")

    names = sorted([*contents, RELEASE_TABLE])
    database = folder / f"{context.dataset}.duckdb"
    store.execute(f"attach {literal(database)} as {RELEASE_ALIAS} (storage_version {literal(STORAGE_VERSION)})")
    store.execute(f"create schema {RELEASE_ALIAS}.{PUBLISHED}")
    (folder / PARQUET).mkdir()
    for name in names:
        store.execute(f"create table {RELEASE_ALIAS}.{PUBLISHED}.{quoted(name)} as from memory.main.{quoted(name)}")
        path = folder / PARQUET / f"{name}.parquet"
        store.execute(f"copy memory.main.{quoted(name)} to {literal(path)} (format parquet, compression zstd)")
    store.execute(f"checkpoint {RELEASE_ALIAS}")
    store.execute(f"detach {RELEASE_ALIAS}")

    store.execute(f"copy {_GATE_REPORT_TABLE} to {literal(folder / GATE_REPORT)} (format csv, header)")
    review = render_review({name: store.sql(f"from memory.main.{quoted(name)}").df() for name in names})
    (folder / REVIEW).write_text(review, encoding="utf-8")


def _manifest(
    folder: Path,
    row: pa.Table,
    context: RunContext,
    contents: Mapping[str, TableContent],
    superseded: Mapping[str, Any] | None,
    restatement_reason: str | None,
) -> dict[str, Any]:
    """What the release is, what it holds, and what changed against the release it supersedes."""
    values = row.to_pylist()[0]
    return {
        **values,
        "as_of_date": context.as_of_date.isoformat(),
        "changes": [] if superseded is None else _changes(superseded["tables"], contents),
        "content_hash": total_hash({name: content.content_hash for name, content in contents.items()}),
        "dataset": context.dataset,
        "duckdb_storage_version": STORAGE_VERSION,
        "files": {name: {"sha256": file_hash(folder / name)} for name in (GATE_REPORT, REVIEW)},
        "restatement_reason": None if superseded is None else (restatement_reason or "").strip() or NO_REASON,
        "tables": {name: content.to_manifest() for name, content in contents.items()},
    }


def _changes(before: Mapping[str, Mapping[str, Any]], after: Mapping[str, TableContent]) -> list[dict[str, Any]]:
    """The tables whose content differs, with their rows before and after (None: no such table)."""
    changes = []
    for name in sorted({*before, *after}):
        old, new = before.get(name), after.get(name)
        if old is None or new is None or old["content_hash"] != new.content_hash:
            changes.append(
                {
                    "rows_after": None if new is None else new.rows,
                    "rows_before": None if old is None else old["rows"],
                    "table": name,
                }
            )
    return changes
