"""A PostgreSQL replica of a native source, read through the engine's own extension."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from segment_signals.sources.catalogs import object_key
from segment_signals.sources.files import FoundFile, SourceFile, named_once
from segment_signals.sources.mapping import NativeSource
from segment_signals.sources.messages import ExportError, listed, quoted
from segment_signals.sources.tables import Table
from segment_signals.sources.values import identifier, literal


@contextmanager
def attached(connection: duckdb.DuckDBPyConnection, natives: Sequence[NativeSource], label: str) -> Iterator[None]:
    """Attach the replicas of the sources that have one, under the sources' names, read-only.

    Raises ExportError where the extension is not installed, or a database cannot be reached. What the engine
    says of that is not passed on: it quotes the connection string.
    """
    replicas = [native for native in natives if native.replica is not None]
    if replicas:
        _load_extension(connection, f"{label}: {replicas[0].name}.postgres")
    held: list[str] = []
    try:
        for native in replicas:
            assert native.replica is not None
            variable = native.replica.dsn_env
            dsn = os.environ.get(variable)
            place = f"{label}: {native.name}.postgres.dsn_env"
            if not dsn:
                raise ExportError(
                    f"{place}: the environment variable {variable} is not set. "
                    'Set it to a connection string such as "host=... dbname=... user=... password=...".'
                )
            try:
                connection.execute(attach_sql(dsn, alias(native)))
            except duckdb.Error:
                raise ExportError(
                    f"{place}: no connection with the connection string in {variable}. "
                    "Check it, and that the server lets you in."
                ) from None
            held.append(alias(native))
        yield
    finally:
        for name in held:
            connection.execute(f"detach {identifier(name)}")


def alias(native: NativeSource) -> str:
    """The name under which the engine knows a source's replica."""
    return f"segment_signals_{native.name}"


def attach_sql(dsn: str, name: str) -> str:
    """The statement that attaches a database."""
    return f"attach {literal(dsn)} as {identifier(name)} (type postgres, read_only)"


def replica_tables(
    connection: duckdb.DuckDBPyConnection, native: NativeSource, label: str
) -> dict[str, tuple[SourceFile, ...]]:
    """The relations of an attached replica that are tables of the source's catalog.

    Raises ExportError where the schema or a relation that `files` names is missing, or several could be a table.
    """
    assert native.replica is not None
    schema = native.replica.schema
    rows = connection.execute(
        "select table_name from information_schema.tables where table_catalog = ? and table_schema = ? order by all",
        [alias(native), schema],
    ).fetchall()
    names = [str(name) for (name,) in rows]
    if not names:
        raise ExportError(
            f"{label}: {native.name}.postgres.schema: the replica shows no table in the schema {quoted(schema)}. "
            "Mend the name, or let the user of the connection read the schema."
        )
    tables: dict[str, tuple[SourceFile, ...]] = {}
    for table in native.catalog.tables.values():
        if (wanted := native.files.get(table.name)) is not None:
            if wanted not in names:
                raise ExportError(
                    f"{label}: {native.name}.files.{table.name}: the schema {quoted(schema)} has no table "
                    f"{quoted(wanted)}. It has {listed(names, ', ')}."
                )
            found = [wanted]
        else:
            keys = {object_key(name) for name in table.object_names}
            found = [name for name in names if object_key(name) in keys]
        if len(found) > 1:
            raise ExportError(
                f"{label}: {native.name}: each of {', '.join(found)} could be the table {table.name}. "
                f"Say which under {native.name}.files.{table.name}."
            )
        tables[table.name] = tuple(_relation(connection, native, schema, name) for name in found)
    return tables


def _relation(connection: duckdb.DuckDBPyConnection, native: NativeSource, schema: str, name: str) -> SourceFile:
    relation = ".".join(map(identifier, (alias(native), schema, name)))
    rows = connection.execute(f"describe {relation}").fetchall()
    place = f"{schema}.{name}"
    return named_once(
        SourceFile(
            files=(FoundFile(Path(place), place, f"the table {place}"),),
            header=tuple(str(row[0]) for row in rows),
            names=tuple(str(row[0]) for row in rows),
            types=tuple(str(row[1]) for row in rows),
            table=relation,
        )
    )


def fingerprint(connection: duckdb.DuckDBPyConnection, tables: Sequence[Table]) -> str:
    """A hash of the rows that have landed from replicas, in any order; '' where there are none.

    A replica has no files whose hash could say what was read.
    """
    counts = []
    for table in tables:
        if any(part.source.table for part in table.parts):
            columns = ", ".join(identifier(name) for name, _ in table.landed)
            counts.append(
                f"select {literal(table.relation)} || count(*) || ':' || coalesce(sum(hash({columns})), 0) as line "
                f"from {table.relation}"
            )
    if not counts:
        return ""
    row = connection.execute(
        f"select sha256(string_agg(line, ',' order by line)) from ({' union all '.join(counts)})"
    ).fetchone()
    return str(row[0]) if row else ""


def _load_extension(connection: duckdb.DuckDBPyConnection, place: str) -> None:
    try:
        connection.execute("load postgres")
    except duckdb.Error:
        raise ExportError(
            f"{place}: DuckDB's extension postgres is not installed. Install it once where the network allows "
            "(install postgres), or export the tables to files and give their folder instead."
        ) from None
