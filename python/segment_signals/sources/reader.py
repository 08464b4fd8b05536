"""Reads every source of a dataset (its mapping.yml and the files it names) into the schema raw.

Everything is written in one transaction, so that after an error the last good tables stay. The engine does the
work on rows; Python sees headers, and the few values that an error message quotes.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from tempfile import TemporaryDirectory

import duckdb

from segment_signals.sources.email_key import EmailKey
from segment_signals.sources.export import export_tables, refuse_bad_keys, resolve_lookups
from segment_signals.sources.files import find_files, preserved_order
from segment_signals.sources.inputs import code_version, input_hash
from segment_signals.sources.mapping import ExportMapping, check_dimension_attributes, load_mapping
from segment_signals.sources.messages import ExportError, nearest, quoted
from segment_signals.sources.native import native_tables
from segment_signals.sources.replica import attached, fingerprint
from segment_signals.sources.tables import Landing, Table
from segment_signals.sources.values import date_format_probe, identifier, literal

__all__ = ["ExportError", "read_sources"]

OUTLIER_GAP_DAYS = 31  # a stamp day later than this after the one before it ...
OUTLIER_SHARE = "0.001"  # ... that carries less than this share of all stamps is a lone outlier
_NO_DATED_RECORD = date(1970, 1, 1)


def read_sources(
    connection: duckdb.DuckDBPyConnection,
    project_dir: Path,
    data_dir: str,
    *,
    sources: Sequence[str] | None = None,
    reporting_timezone: str = "UTC",
    as_of_date: date | None = None,
    dimension_attributes: Sequence[str] = (),
    custom_columns: Mapping[str, Sequence[str]] | None = None,
    email_key: str = "",
) -> None:
    """Read the dataset in data_dir into the schema raw of the connection's database.

    Writes raw.<source>_<table> for every table of every source of the mapping (of the export: every entity):
    its columns, typed, null where the dataset has none, then source_file and source_row; and
    raw.<source>_stage_dates, raw.source_tables, raw.source_columns and raw.source_context (one row). Stamps are
    naive, in the reporting timezone; an e-mail address is its keyed hash and its domain. Tables of an earlier
    run that this one does not write are dropped.

    connection: to the build file, with no transaction open. data_dir: from project_dir. sources: the dbt var,
    which must be that of the mapping; None is not compared. as_of_date: goes before the mapping's.
    dimension_attributes: 'entity.column' of each column that dimensions read. custom_columns: of each entity,
    those of these columns that are none of ours. email_key: of the hash of e-mail addresses; '': no hash.

    Raises ExportError on the first thing wrong, in the order of the mapping and of its files; the raw tables
    are then as they were.
    """
    project = Path(os.path.abspath(project_dir))
    mapping = load_mapping(project, data_dir)
    _check_sources(mapping, sources)
    check_dimension_attributes(mapping, dimension_attributes)
    _check_with_engine(connection, mapping, reporting_timezone)
    hashed = input_hash(project, data_dir)  # before the rows: a file that changes meanwhile shows at release
    with (
        TemporaryDirectory(prefix="segment_signals_") as scratch,
        attached(connection, mapping.natives, mapping.label),
        preserved_order(connection),
    ):
        tables = _tables(connection, mapping, project, custom_columns or {}, Path(scratch))
        with _transaction(connection):
            connection.execute("create schema if not exists raw")
            landing = Landing(connection, reporting_timezone, EmailKey(email_key))
            for table in tables:
                landing.land(table)
                if table.source == "export":
                    refuse_bad_keys(connection, table)
            resolve_lookups(connection, mapping, [table for table in tables if table.source == "export"])
            latest = _latest_stamp_date(connection, tables)
            day, rule = _as_of(as_of_date, mapping.as_of_date, latest)
            _write_stage_dates(connection, mapping, landing, tables)
            disguised = {table.relation: landing.finish(table) for table in tables}
            _write_register(connection, tables, disguised)
            context: dict[str, tuple[str, object]] = {
                "dataset": ("varchar", mapping.dataset),
                "data_dir": ("varchar", data_dir),
                "as_of_date": ("date", day),
                "as_of_rule": ("varchar", rule),
                "latest_stamp_date": ("date", latest),
                "history_starts_on": ("date", mapping.history_starts_on),
                "currency": ("varchar", mapping.currency),
                "input_hash": ("varchar", "+".join(filter(None, [hashed, fingerprint(connection, tables)]))),
                "code_version": ("varchar", code_version(project)),
            }
            _write_row(connection, context)
            _drop_others(connection, mapping, tables)


def _check_sources(mapping: ExportMapping, variable: Sequence[str] | None) -> None:
    if variable is not None and sorted(variable) != sorted(mapping.sources):
        raise ExportError(
            f"{mapping.label} lists the sources {', '.join(mapping.sources)}, and the var sources "
            f"{', '.join(variable) or 'none'}. Give dbt the mapping as its vars (make build DATA=..., or "
            f'--vars "$(cat {mapping.label})"), so that both are the same.'
        )


def _tables(
    connection: duckdb.DuckDBPyConnection,
    mapping: ExportMapping,
    project: Path,
    custom_columns: Mapping[str, Sequence[str]],
    scratch: Path,
) -> list[Table]:
    """Every table of every source, in the mapping's order, with the headers of its files read and checked."""
    natives = {native.name: native for native in mapping.natives}
    tables: list[Table] = []
    for source in mapping.sources:
        if source == "export":
            tables += export_tables(connection, mapping, find_files(mapping, project), custom_columns, scratch)
        else:
            tables += native_tables(connection, mapping, natives[source], custom_columns, project, scratch)
    return tables


@contextmanager
def _transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    connection.execute("begin transaction")
    try:
        yield
        connection.execute("commit")
    except BaseException:
        with suppress(duckdb.TransactionException):  # rolled back already, to say what was wrong
            connection.execute("rollback")
        raise


def _check_with_engine(connection: duckdb.DuckDBPyConnection, mapping: ExportMapping, reporting_timezone: str) -> None:
    """Check what only the engine knows: the names of time zones and the directives of date formats."""
    formats = [*(native.formats for native in mapping.natives), *(block.formats for block in mapping.blocks)]
    zones = {reporting_timezone: "The var reporting_timezone"}
    for each in formats:
        zones.setdefault(each.timezone, f"{mapping.label}: timezone")
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
    for date_format in dict.fromkeys(each for block in formats for each in block.date_formats):
        try:
            connection.execute(date_format_probe(date_format)).fetchall()
        except duckdb.Error as error:
            raise ExportError(
                f"{mapping.label}: date_formats holds {quoted(date_format)}, which is not a strptime format. "
                'Write it with directives such as "%d/%m/%Y %H:%M".'
            ) from error


def _latest_stamp_date(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> date | None:
    """The latest day on which a record was created or changed, lone outliers left out; None if none is dated.

    Planned dates (close_date) do not count. A day is a lone outlier where it is more than 31 days after the
    stamp day before it and carries less than 0.1 % of all stamps, such as one record dated 2099.
    """
    counts = " union all ".join(
        f"select cast({identifier(stamp)} as date) as day, count(*) as stamp_count from {table.relation} group by day"
        for table in tables
        for stamp in table.stamps
        if table.is_provided(stamp)
    )
    if not counts:
        return None
    row = connection.execute(
        f"with days as (select day, sum(stamp_count) as stamp_count from ({counts}) "
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


# --- what the reader says of its tables -----------------------------------------------------------


def _write_stage_dates(
    connection: duckdb.DuckDBPyConnection, mapping: ExportMapping, landing: Landing, tables: Sequence[Table]
) -> None:
    for native in mapping.natives:
        relation = f"raw.{native.name}_stage_dates"
        connection.execute(
            f"create or replace table {relation} "
            "(table_name varchar, record_id varchar, stage varchar, rule varchar, entered_at timestamp)"
        )
        for table in tables:
            if table.source == native.name:
                for rows in landing.stage_dates_sql(table):
                    connection.execute(f"insert into {relation} {rows}")


def _write_register(
    connection: duckdb.DuckDBPyConnection, tables: Sequence[Table], disguised: Mapping[str, Mapping[str, int]]
) -> None:
    """raw.source_tables and raw.source_columns."""
    connection.execute(
        "create or replace table raw.source_tables (source varchar, table_name varchar, is_present boolean, "
        "shape varchar, file_count bigint, row_count bigint)"
    )
    counted = " union all ".join(
        f"select {literal(table.source)}, {literal(table.name)}, {bool(table.parts)}, "
        f"{literal(table.shape) if table.shape else 'null'}, {table.file_count}, count(*) from {table.relation}"
        for table in tables
    )
    connection.execute(f"insert into raw.source_tables {counted}")
    rows = ", ".join(
        f"({literal(table.source)}, {literal(table.name)}, {literal(column.name)}, {column.is_required}, "
        f"{table.is_provided(column.name)}, {disguised[table.relation].get(column.name, 0)} :: bigint)"
        for table in tables
        for column in table.columns
    )
    names = "source, table_name, column_name, is_required, is_provided, disguised_null_count"
    connection.execute(
        f"create or replace table raw.source_columns as select * from (values {rows}) as columns ({names})"
    )


def _write_row(connection: duckdb.DuckDBPyConnection, context: Mapping[str, tuple[str, object]]) -> None:
    """raw.source_context."""
    shape = ", ".join(f"{name} {sql_type}" for name, (sql_type, _) in context.items())
    connection.execute(f"create or replace table raw.source_context ({shape})")
    connection.execute(
        f"insert into raw.source_context values ({', '.join('?' for _ in context)})",
        [value for _, value in context.values()],
    )


def _drop_others(connection: duckdb.DuckDBPyConnection, mapping: ExportMapping, tables: Sequence[Table]) -> None:
    """Drop what an earlier run wrote and this one did not: a source that the mapping no longer lists."""
    written = {table.relation for table in tables}
    written |= {f"raw.{native.name}_stage_dates" for native in mapping.natives}
    written |= {"raw.source_tables", "raw.source_columns", "raw.source_context"}
    rows = connection.execute(
        "select table_name from duckdb_tables() where schema_name = 'raw' and database_name = current_database()"
    ).fetchall()
    for (name,) in rows:
        if f"raw.{name}" not in written:
            connection.execute(f"drop table raw.{identifier(name)}")
