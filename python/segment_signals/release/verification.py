"""Whether a release folder holds what its manifest says."""

from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any

import duckdb

from segment_signals.release.content import (
    PUBLISHED,
    RELEASE_ALIAS,
    STORAGE_VERSION,
    TableContent,
    columns_of,
    file_hash,
    literal,
    open_store,
    opened_release,
    quoted,
    storage_version,
    table_content,
    table_names,
    total_hash,
)
from segment_signals.release.folders import MANIFEST, PARQUET, RELEASE_TABLE, read_manifest
from segment_signals.release.identity import RELEASE_SCHEMA, RunContext


def verify(release_dir: Path) -> list[str]:
    """Compare a release folder with its manifest and list what differs; [] when it is whole.

    Hashes every table anew, in the .duckdb and in the Parquet files, and the bytes of the other files.
    """
    folder = release_dir.resolve()
    manifest = read_manifest(folder)
    if manifest is None:
        return [f"{release_dir.name} has no readable {MANIFEST}: it is no release, or a damaged one."]
    try:
        return differences(folder, manifest, folder.name)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        return [f"{MANIFEST} does not have the shape of a release's manifest ({type(error).__name__}: {error})."]


def differences(folder: Path, manifest: Mapping[str, Any], expected_name: str | None) -> list[str]:
    """All in which the folder's files differ from the manifest. `expected_name` None: not yet named."""
    problems = _identity_problems(manifest, expected_name)
    database = f"{manifest['dataset']}.duckdb"
    tables: Mapping[str, Mapping[str, Any]] = manifest["tables"]
    expected = {database, MANIFEST, *manifest["files"]}
    expected |= {f"{PARQUET}/{name}.parquet" for name in (*tables, RELEASE_TABLE)}
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if not path.is_dir()}
    problems += [f"{name} is missing." for name in sorted(expected - present)]
    problems += [f"{name} is not part of the release." for name in sorted(present - expected)]

    for name, recorded in sorted(manifest["files"].items()):
        if name in present and file_hash(folder / name) != recorded["sha256"]:
            problems.append(f"{name} was changed after the release was written.")
    if database in present:
        problems += _database_differences(folder / database, manifest)
    with open_store() as store:
        for name, recorded in sorted(tables.items()):
            path = f"{PARQUET}/{name}.parquet"
            if path in present:
                columns = [(column["name"], column["type"]) for column in recorded["columns"]]
                problems += _table_differences(
                    store, f"read_parquet({literal(folder / path)})", path, recorded, columns
                )
        path = f"{PARQUET}/{RELEASE_TABLE}.parquet"
        if path in present:
            problems += _release_row_differences(store, f"read_parquet({literal(folder / path)})", path, manifest)
    return problems


def _identity_problems(manifest: Mapping[str, Any], expected_name: str | None) -> list[str]:
    context = RunContext(
        dataset=manifest["dataset"],
        as_of_date=date.fromisoformat(manifest["as_of_date"]),
        input_hash=manifest["input_hash"],
        definitions_hash=manifest["definitions_hash"],
        code_version=manifest["code_version"],
    )
    problems = []
    if manifest["release_id"] != context.release_id:
        problems.append(f"{MANIFEST}: release_id does not follow from its inputs, definitions, code and as-of date.")
    if expected_name is not None and expected_name != f"{manifest['as_of_date']}-{manifest['release_id']}":
        problems.append(f"The folder is named {expected_name}, its {MANIFEST} says {context.folder_name}.")
    hashes = {name: table["content_hash"] for name, table in manifest["tables"].items()}
    if manifest["content_hash"] != total_hash(hashes):
        problems.append(f"{MANIFEST}: content_hash does not follow from the tables' hashes.")
    return problems


def _database_differences(path: Path, manifest: Mapping[str, Any]) -> list[str]:
    problems = []
    tables: Mapping[str, Mapping[str, Any]] = manifest["tables"]
    try:
        with opened_release(path) as store:
            version = storage_version(store)
            if not version.startswith(STORAGE_VERSION):
                problems.append(f"{path.name} has storage version {version}, not {STORAGE_VERSION}.")
            present = set(table_names(store))
            problems += [f"{path.name} has no table {name}." for name in sorted({*tables, RELEASE_TABLE} - present)]
            problems += [
                f"{path.name}: table {name} is not part of the release."
                for name in sorted(present - {*tables, RELEASE_TABLE})
            ]
            for name in sorted(present & set(tables)):
                relation = f"{RELEASE_ALIAS}.{PUBLISHED}.{quoted(name)}"
                problems += _table_differences(store, relation, f"{path.name}, table {name}", tables[name])
            if RELEASE_TABLE in present:
                relation = f"{RELEASE_ALIAS}.{PUBLISHED}.{RELEASE_TABLE}"
                problems += _release_row_differences(store, relation, f"{path.name}, table {RELEASE_TABLE}", manifest)
    except duckdb.Error as error:
        problems.append(f"{path.name} cannot be read: {_first_line(error)}")
    return problems


def _table_differences(
    store: duckdb.DuckDBPyConnection,
    relation: str,
    shown: str,
    recorded: Mapping[str, Any],
    columns: list[tuple[str, str]] | None = None,
) -> list[str]:
    expected = TableContent(
        rows=recorded["rows"],
        columns=tuple((column["name"], column["type"]) for column in recorded["columns"]),
        content_hash=recorded["content_hash"],
    )
    try:
        if columns is not None and [name for name, _ in columns_of(store, relation)] != [name for name, _ in columns]:
            return [f"{shown}: the columns are not those of the manifest."]
        found = table_content(store, relation, columns)
    except duckdb.Error as error:
        return [f"{shown} cannot be read: {_first_line(error)}"]
    if found == expected:
        return []
    if found.columns != expected.columns:
        return [f"{shown}: the columns are not those of the manifest."]
    if found.rows != expected.rows:
        return [f"{shown}: {found.rows} rows, the manifest says {expected.rows}."]
    return [f"{shown}: the values are not those of the manifest."]


def _release_row_differences(
    store: duckdb.DuckDBPyConnection, relation: str, shown: str, manifest: Mapping[str, Any]
) -> list[str]:
    names = RELEASE_SCHEMA.names
    try:
        rows = store.sql(f"select {', '.join(f'{name}::varchar' for name in names)} from {relation}").fetchall()
    except duckdb.Error as error:
        return [f"{shown} cannot be read: {_first_line(error)}"]
    if rows != [tuple(manifest[name] for name in names)]:
        return [f"{shown}: the row is not that of the manifest."]
    return []


def _first_line(error: Exception) -> str:
    return str(error).splitlines()[0]
