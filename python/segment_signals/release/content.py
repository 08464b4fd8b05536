"""What a release holds: tables copied out of the build file, and the hash of their content."""

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

STORAGE_VERSION = "v1.4.0"
"""Read by DuckDB 1.4 and later; the engine's own default is unreadable by every older client."""

RELEASE_ALIAS = "release_file"
"""Name under which a release's .duckdb is attached."""

PUBLISHED = "published"
"""The schema of a release's tables, as in the build file."""


@dataclass(frozen=True)
class TableContent:
    """Rows, (column, type) pairs and content hash of one table."""

    rows: int
    columns: tuple[tuple[str, str], ...]
    content_hash: str

    def to_manifest(self) -> dict[str, Any]:
        """The table's entry in manifest.json."""
        return {
            "columns": [{"name": name, "type": type_name} for name, type_name in self.columns],
            "content_hash": self.content_hash,
            "rows": self.rows,
        }


def quoted(name: str) -> str:
    """A SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(value: str | Path) -> str:
    """A SQL string."""
    return "'" + str(value).replace("'", "''") + "'"


def open_store() -> duckdb.DuckDBPyConnection:
    """A fresh in-memory database of our own: the build file belongs to the caller."""
    return duckdb.connect(":memory:")


@contextmanager
def opened_release(database: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A connection that reads the release's file, attached read-only as RELEASE_ALIAS."""
    with open_store() as store:
        store.execute(f"attach {literal(database)} as {RELEASE_ALIAS} (read_only)")
        yield store


def storage_version(store: duckdb.DuckDBPyConnection) -> str:
    """The storage version of the attached release file, as its header says."""
    [(version,)] = store.sql(
        f"select tags['storage_version'] from duckdb_databases() where database_name = '{RELEASE_ALIAS}'"
    ).fetchall()
    return str(version)


def table_names(store: duckdb.DuckDBPyConnection) -> list[str]:
    """Names of tables and views (a view would be published as well), with their schema where it is another one."""
    rows = store.sql(
        f"select schema_name, table_name from duckdb_tables() where database_name = '{RELEASE_ALIAS}' "
        "union all select schema_name, view_name from duckdb_views() "
        f"where database_name = '{RELEASE_ALIAS}' and not internal order by 1, 2"
    ).fetchall()
    return [name if schema == PUBLISHED else f"{schema}.{name}" for schema, name in rows]


def copy_in(source: duckdb.DuckDBPyConnection, relation: str, store: duckdb.DuckDBPyConnection, target: str) -> None:
    """Copy `relation` of the build file into the new table `target` of `store`, sorted by all columns.

    The rows pass through Arrow, since the build file belongs to the caller's open transaction. The declared
    types are kept: Arrow has no hugeint, for one.
    """
    reading = source.sql(f"select * from {relation}")
    # An all-NULL column of an empty frame has the type "NULL", which no table can declare.
    types = [str(kind) if str(kind) != '"NULL"' else "INTEGER" for kind in reading.types]
    columns = ", ".join(f"{quoted(name)} {kind}" for name, kind in zip(reading.columns, types, strict=True))
    rows = reading.to_arrow_table()
    store.execute(f"create table {target} ({columns})")
    store.register("incoming_rows", rows)
    store.execute(f"insert into {target} select * from incoming_rows order by all nulls last")
    store.unregister("incoming_rows")


def columns_of(store: duckdb.DuckDBPyConnection, relation: str) -> tuple[tuple[str, str], ...]:
    """(column, type) pairs of a relation, in their order."""
    reading = store.sql(f"select * from {relation}")
    return tuple(zip(reading.columns, (str(kind) for kind in reading.types), strict=True))


def table_content(
    store: duckdb.DuckDBPyConnection, relation: str, columns: Sequence[tuple[str, str]] | None = None
) -> TableContent:
    """Hash a relation's content, whatever the order of its rows.

    Each row is rendered as text and hashed, and the sorted row hashes are hashed: that is a hash over sorted
    rows, in memory that does not grow with their width. Doubles have 10 significant digits, since the last
    ones depend on the order of addition; each value carries its length, so that no two rows render alike;
    NULL is `~`. Names and types of columns belong to the content. `columns` casts first: Parquet has not
    every type.
    """
    columns = columns_of(store, relation) if columns is None else tuple(columns)
    values = ", ".join(_rendered(name, kind) for name, kind in columns)
    [(rows, digest)] = store.sql(
        f"select count(*), sha256(coalesce(string_agg(row_hash, '' order by row_hash), '')) "
        f"from (select sha256(concat({values})) as row_hash from {relation})"
    ).fetchall()
    return TableContent(rows=rows, columns=columns, content_hash=_hash_of([columns, rows, digest]))


def _rendered(name: str, kind: str) -> str:
    """SQL for the canonical text of one value."""
    value = f"{quoted(name)}::{kind}"
    if kind in ("DOUBLE", "FLOAT"):
        # + 0.0 turns -0 into 0; a NaN may carry a sign.
        text = f"case when isnan({value}) then 'nan' else printf('%.10g', {value}::double + 0.0) end"
    elif kind == "TIMESTAMP WITH TIME ZONE":
        text = f"epoch_us({value})::varchar"  # as text it would depend on the session's zone
    else:
        text = f"{value}::varchar"
    return f"case when {quoted(name)} is null then '~' else concat(strlen({text}), ':', {text}) end"


def total_hash(hashes: Mapping[str, str]) -> str:
    """The hash of a release from its tables' hashes, table name -> content hash."""
    return _hash_of(sorted(hashes.items()))


def file_hash(path: Path) -> str:
    """SHA-256 of a file's bytes."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _hash_of(value: Any) -> str:
    return hashlib.sha256(json.dumps(value, separators=(",", ":")).encode()).hexdigest()
