"""Reads an export (a folder of CRM files and its mapping.yml) into the raw.export_* tables.

Everything is read into temporary tables and checked there; only an export without an error replaces the raw
tables, in one transaction, so that after an error the last good ones stay. The engine does the work on rows;
Python sees the few values that an error message quotes.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from datetime import date
from pathlib import Path

import duckdb

from segment_signals.sources.files import (
    FoundFile,
    SourceFile,
    check_columns,
    find_files,
    preserved_order,
    read_header,
)
from segment_signals.sources.inputs import code_version, input_hash
from segment_signals.sources.mapping import (
    ENTITIES,
    ExportError,
    ExportMapping,
    check_dimension_attributes,
    load_mapping,
    nearest,
    quoted,
)
from segment_signals.sources.stages import Reading, Stage, resolved_sql
from segment_signals.sources.values import date_format_probe, identifier, literal

__all__ = ["ExportError", "code_version", "input_hash", "read_export"]

OUTLIER_GAP_DAYS = 31  # a stamp day later than this after the one before it ...
OUTLIER_SHARE = "0.001"  # ... that carries less than this share of all stamps is a lone outlier
_STAMPS = ("created_at", "changed_at", "converted_at", "closed_at", "entered_at")
_NO_DATED_RECORD = date(1970, 1, 1)


def read_export(
    connection: duckdb.DuckDBPyConnection,
    project_dir: Path,
    data_dir: str,
    *,
    reporting_timezone: str = "UTC",
    as_of_date: date | None = None,
    dimension_attributes: Sequence[str] = (),
) -> None:
    """Read the export in data_dir into the raw.export_* tables of the connection's database.

    Writes raw.export_<entity> for each entity (source_file, source_row, the canonical columns, the custom
    ones), raw.export_columns (which columns the mapping provides) and raw.export_context (one row). Stamps
    are naive, in the reporting timezone. An entity that the mapping leaves out is an empty table of the same
    shape.

    connection: to the build file, with no transaction open. data_dir: from project_dir. as_of_date: goes
    before the mapping's. dimension_attributes: 'entity.column' of each column that dimensions read.

    Raises ExportError on the first thing wrong, in the order of the mapping and of its files; the raw tables
    are then as they were.
    """
    project = Path(os.path.abspath(project_dir))
    mapping = load_mapping(project, data_dir)
    check_dimension_attributes(mapping, dimension_attributes)
    _check_with_engine(connection, mapping, reporting_timezone)
    hashed = input_hash(project, data_dir)  # before the rows: a file that changes meanwhile shows at release
    files = find_files(mapping, project)
    sources = _read_headers(connection, mapping, files)
    with Reading(connection, mapping, files, sources, reporting_timezone) as reading:
        stages = reading.stages()
        latest = _latest_stamp_date(connection, stages)
        day, rule = _as_of(as_of_date, mapping.as_of_date, latest)
        context: dict[str, tuple[str, object]] = {
            "dataset": ("varchar", mapping.dataset),
            "data_dir": ("varchar", data_dir),
            "as_of_date": ("date", day),
            "as_of_rule": ("varchar", rule),
            "latest_stamp_date": ("date", latest),
            "history_starts_on": ("date", mapping.history_starts_on),
            "currency": ("varchar", mapping.currency),
            "input_hash": ("varchar", hashed),
            "code_version": ("varchar", code_version(project)),
        }
        with preserved_order(connection):
            _publish(connection, mapping, stages, context)


def _check_with_engine(connection: duckdb.DuckDBPyConnection, mapping: ExportMapping, reporting_timezone: str) -> None:
    """Check what only the engine knows: the names of time zones and the directives of date formats."""
    zones = {reporting_timezone: "The var reporting_timezone"}
    for block in mapping.blocks:
        zones.setdefault(block.formats.timezone, f"{mapping.label}: timezone")
    for zone, place in zones.items():
        try:
            connection.execute(f"select timezone({literal(zone)}, timestamp '2024-01-01') is null").fetchall()
        except duckdb.Error as error:
            known = [str(row[0]) for row in connection.execute("select name from pg_timezone_names()").fetchall()]
            near = nearest(zone, known)
            raise ExportError(
                f"{place} is {quoted(zone)}, which is not a time zone. "
                f"Write a name such as {quoted(near[0] if near else 'Europe/Paris')}."
            ) from error
    for date_format in dict.fromkeys(each for block in mapping.blocks for each in block.formats.date_formats):
        try:
            connection.execute(date_format_probe(date_format)).fetchall()
        except duckdb.Error as error:
            raise ExportError(
                f"{mapping.label}: date_formats holds {quoted(date_format)}, which is not a strptime format. "
                'Write it with directives such as "%d/%m/%Y %H:%M".'
            ) from error


def _read_headers(
    connection: duckdb.DuckDBPyConnection, mapping: ExportMapping, files: Mapping[str, tuple[FoundFile, ...]]
) -> dict[Path, SourceFile]:
    """The header of every file, checked against each block that reads it."""
    columns: dict[Path, set[str]] = {}
    for block in mapping.blocks:
        for found in files[block.key]:
            columns.setdefault(found.path, set()).update(block.source_columns)
    sources: dict[Path, SourceFile] = {}
    for block in mapping.blocks:
        for found in files[block.key]:
            if found.path not in sources:
                sources[found.path] = read_header(connection, found, columns[found.path])
            check_columns(sources[found.path], block, mapping)
    return sources


def _latest_stamp_date(connection: duckdb.DuckDBPyConnection, stages: Mapping[str, Stage]) -> date | None:
    """The latest day on which a record was created or changed, lone outliers left out; None if none is dated.

    Planned dates (close_date) do not count. A day is a lone outlier where it is more than 31 days after the
    stamp day before it and carries less than 0.1 % of all stamps, such as one record dated 2099.
    """
    stamps = " union all ".join(
        f"select cast({identifier(column.name)} as date) as day from temp.{stage.table}"
        for stage in stages.values()
        for column in ENTITIES[stage.entity]
        if column.name in _STAMPS
    )
    row = connection.execute(
        f"with days as (select day, count(*) as stamp_count from ({stamps}) "
        f"where day <= date '9999-12-31' group by day), "  # later ones, by a zone, no tool can show
        f"gaps as (select day, stamp_count, sum(stamp_count) over () as total_count, "
        f"day - lag(day) over (order by day) as gap_days from days) "
        f"select max(day) from gaps where not coalesce("
        f"gap_days > {OUTLIER_GAP_DAYS} and stamp_count < {OUTLIER_SHARE} * total_count, false)"
    ).fetchone()
    return row[0] if row else None


def _as_of(variable: date | None, mapped: date | None, latest: date | None) -> tuple[date, str]:
    """The as-of date and the rule that gave it."""
    for day, rule in ((variable, "variable"), (mapped, "mapping"), (latest, "latest_stamp")):
        if day is not None:
            return day, rule
    return _NO_DATED_RECORD, "no_dated_record"


def _publish(
    connection: duckdb.DuckDBPyConnection,
    mapping: ExportMapping,
    stages: Mapping[str, Stage],
    context: Mapping[str, tuple[str, object]],
) -> None:
    """Replace all raw tables in one transaction."""
    connection.execute("begin transaction")
    try:
        connection.execute("create schema if not exists raw")
        for entity, stage in stages.items():
            connection.execute(f"create or replace table raw.export_{entity} as {resolved_sql(stage)}")
        provided = ", ".join(
            f"({literal(entity)}, {literal(column.name)}, {mapping.is_provided(entity, column.name)})"
            for entity in ENTITIES
            for column in stages[entity].columns
        )
        connection.execute(
            f"create or replace table raw.export_columns as "
            f"select * from (values {provided}) as columns (entity, column_name, is_provided)"
        )
        shape = ", ".join(f"{name} {sql_type}" for name, (sql_type, _) in context.items())
        connection.execute(f"create or replace table raw.export_context ({shape})")
        connection.execute(
            f"insert into raw.export_context values ({', '.join('?' for _ in context)})",
            [value for _, value in context.values()],
        )
        connection.execute("commit")
    except BaseException:
        connection.execute("rollback")
        raise
