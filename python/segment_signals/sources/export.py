"""The entities of the source `export`: any files, whose columns the mapping names one by one."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from segment_signals.sources.files import FoundFile, check_columns, read_headers
from segment_signals.sources.mapping import ColumnSource, ExportMapping
from segment_signals.sources.messages import ExportError, quoted
from segment_signals.sources.shapes import ENTITIES, STAMPS, CanonicalColumn, key_of, landed_names
from segment_signals.sources.tables import Part, Table, Value
from segment_signals.sources.values import identifier


@dataclass(frozen=True, slots=True)
class _Lookup:
    """A column whose values, in some parts, name records of another entity by a text of theirs."""

    column: str
    entity: str
    by: str
    take: str  # what replaces the name: the record's key, unless the mapping takes another column
    parts: list[int] = field(default_factory=list)
    table: str = ""  # temporary: name, id, other_id, id_count


def export_tables(
    connection: duckdb.DuckDBPyConnection,
    mapping: ExportMapping,
    files: Mapping[str, Sequence[FoundFile]],
    custom_columns: Mapping[str, Sequence[str]],
    scratch: Path,
) -> list[Table]:
    """Every entity of the export, in the mapping's order and then ours, with the parts that the mapping gives it.

    files: of each block, by its key. custom_columns: of each entity, those that it carries besides the mapped ones.
    scratch: see read_headers.
    Raises ExportError where a file cannot be read or lacks a column that the mapping names.
    """
    entities = dict.fromkeys([*mapping.entities, *ENTITIES])
    return [_table(connection, mapping, entity, files, custom_columns.get(entity, ()), scratch) for entity in entities]


def _table(
    connection: duckdb.DuckDBPyConnection,
    mapping: ExportMapping,
    entity: str,
    files: Mapping[str, Sequence[FoundFile]],
    custom: Sequence[str],
    scratch: Path,
) -> Table:
    taken = {name for column in ENTITIES[entity] for name in landed_names(column)}
    own = dict.fromkeys([*mapping.custom_columns(entity), *(name for name in custom if name not in taken)])
    parts: list[Part] = []
    for block in mapping.entities.get(entity, ()):
        is_known = block.source_columns.__contains__
        for source in read_headers(connection, files[block.key], is_known, block.formats.encoding, scratch):
            check_columns(source, block, mapping)
            values = {name: _value(spec, block.column_key(name)) for name, spec in block.sources.items()}
            parts.append(Part(source, block.formats, values, block.where, block.key))
    return Table(
        source="export",
        name=entity,
        columns=(*ENTITIES[entity], *(CanonicalColumn(name) for name in own)),
        parts=tuple(parts),
        stamps=tuple(column.name for column in ENTITIES[entity] if column.name in STAMPS.get(entity, ())),
        shape="mapped" if parts else None,
    )


def _value(spec: ColumnSource, place: str) -> Value:
    headers = () if spec.column is None else (spec.column,)
    prefix = f"{spec.source}:" if spec.source else ""
    return Value(place, headers, spec.constant, prefix)


def refuse_bad_keys(connection: duckdb.DuckDBPyConnection, table: Table) -> None:
    """Refuse a row of the entity without a key, or with the key of an earlier row.

    Raises ExportError for the first such row.
    """
    if (key := key_of(table.name)) is None or not table.parts:
        return
    column = identifier(key)
    empty = connection.execute(
        f"select rowid, part, source_file, source_row from {table.relation} where {column} is null "
        "order by rowid limit 1"
    ).fetchone()
    repeated = connection.execute(
        f"with repeated as (select {column} from {table.relation} group by {column} having count(*) > 1), "
        f"pairs as (select rowid as number, part, source_file, source_row, {column}, "
        f"lag(part) over same_key as first_part, lag(source_file) over same_key as first_file, "
        f"lag(source_row) over same_key as first_row from {table.relation} "
        f"where {column} in (select {column} from repeated where {column} is not null) "
        f"window same_key as (partition by {column} order by rowid)) "
        f"select * from pairs where first_row is not null order by number limit 1"
    ).fetchone()
    if empty and (not repeated or empty[0] < repeated[0]):
        place = table.parts[empty[1]].values[key].place
        raise ExportError(f"{table.place(*empty[1:])}: {key} is empty ({place}). Give the row its key, or remove it.")
    if repeated:
        _, part, file, row, value, *first = repeated
        raise ExportError(
            f"{table.place(part, file, row)}: the {key} {quoted(value)} is already in {table.place(*first)} "
            f"({table.parts[part].values[key].place}). Keep one row for each {key}."
        )


def resolve_lookups(connection: duckdb.DuckDBPyConnection, mapping: ExportMapping, tables: Sequence[Table]) -> None:
    """Replace, in the entities that have landed, the names that lookups stand on by the keys they name.

    A name that the lookup does not find stays as it is. Raises ExportError for a name that several records have.
    """
    by_entity = {table.name: table for table in tables}
    lookups = {table.name: _lookups(mapping, table) for table in tables}
    for entity, each in lookups.items():
        for lookup in each:
            _fill_lookup(connection, by_entity[entity], lookup, by_entity[lookup.entity])
    for entity, each in lookups.items():
        if each:
            table = by_entity[entity]
            connection.execute(f"create or replace table {table.relation} as {_resolved_sql(table, each)}")
    for each in lookups.values():
        for lookup in each:
            connection.execute(f"drop table temp.{lookup.table}")


def _lookups(mapping: ExportMapping, table: Table) -> list[_Lookup]:
    """The lookups of an entity, each with the parts whose blocks state it."""
    found: dict[tuple[str, ...], _Lookup] = {}
    blocks = {block.key: block for block in mapping.entities.get(table.name, ())}
    for number, part in enumerate(table.parts):
        for column, spec in blocks[part.key].sources.items():
            if spec.lookup is not None:
                name = f"segment_signals_lookup_{table.name}_{len(found)}"
                what = (column, *spec.lookup, spec.take or key_of(spec.lookup[0]) or "")
                found.setdefault(what, _Lookup(*what, [], name)).parts.append(number)
    return list(found.values())


def _fill_lookup(connection: duckdb.DuckDBPyConnection, table: Table, lookup: _Lookup, target: Table) -> None:
    """Fill the lookup's table, and refuse a row's name that stands for several keys.

    Names match as the looked-up file writes them; one that several records share and no row names does no
    harm.
    """
    name, id_column, column = identifier(lookup.by), identifier(lookup.take), identifier(lookup.column)
    connection.execute(
        f"create or replace temporary table {lookup.table} as select {name} as name, min({id_column}) as id, "
        f"max({id_column}) as other_id, count(distinct {id_column}) as id_count "
        f"from {target.relation} where {name} is not null group by {name}"
    )
    ambiguous = connection.execute(
        f"select s.part, s.source_file, s.source_row, l.name, l.id, l.other_id, l.id_count "
        f"from {table.relation} as s join temp.{lookup.table} as l on l.name = s.{column} "
        f"where l.id_count > 1 and s.part in ({_numbers(lookup.parts)}) order by s.rowid limit 1"
    ).fetchone()
    if ambiguous:
        part, file, row, shared, first, last, count = ambiguous
        raise ExportError(
            f"{table.place(part, file, row)}: {quoted(shared)} ({table.parts[part].values[lookup.column].place}) "
            f"is the {lookup.by} of {count} {target.name}, {quoted(first)} and {quoted(last)} among them. "
            f"Map a column that holds the {lookup.take}, or make the names distinct."
        )


def _resolved_sql(table: Table, lookups: Sequence[_Lookup]) -> str:
    """A query of all of the table's columns, with names looked up, in its order."""
    ids: dict[str, list[str]] = {}
    joins = ""
    for number, lookup in enumerate(lookups):
        # Within the equality, so that the engine can hash: the rows of other parts then match no name.
        name = f"case when s.part in ({_numbers(lookup.parts)}) then s.{identifier(lookup.column)} end"
        joins += f" left join temp.{lookup.table} as l{number} on l{number}.name = {name}"
        ids.setdefault(lookup.column, []).append(f"l{number}.id")
    replaced = ", ".join(
        f"coalesce({', '.join(found)}, s.{identifier(column)}) as {identifier(column)}" for column, found in ids.items()
    )
    return f"select s.* replace ({replaced}) from {table.relation} as s{joins} order by s.rowid"


def _numbers(parts: Sequence[int]) -> str:
    return ", ".join(map(str, parts))
