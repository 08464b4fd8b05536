"""The rows of an export as typed temporary tables, one per entity, with every value, key and lookup checked.

A stage holds part (which file of which block), source_file, source_row, the columns of the entity, and
bad_columns (a bit per column whose text is not of its type; zero once the stage is checked).
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import MappingProxyType, TracebackType

import duckdb

from segment_signals.sources.files import FoundFile, SourceFile, land, preserved_order
from segment_signals.sources.mapping import (
    ENTITIES,
    Block,
    CanonicalColumn,
    ColumnSource,
    ColumnType,
    ExportError,
    ExportMapping,
    key_of,
    listed,
    quoted,
)
from segment_signals.sources.values import (
    FALSE_WORDS,
    SQL_TYPES,
    TRUE_WORDS,
    identifier,
    literal,
    one_of,
    typed,
)

_DATES_MEND = "name the format of the dates in date_formats (ISO 8601 needs none)"
_TYPE_WORDS: Mapping[ColumnType, tuple[str, str]] = MappingProxyType(
    {  # what the value should be, and what to do if it is not
        "timestamp": ("a timestamp", _DATES_MEND),
        "date": ("a date", _DATES_MEND),
        "amount": ("a number", "name the signs of the numbers in number_format"),
        "integer": ("a whole number", "map text such as 51-200 under custom_columns"),
        "boolean": ("a boolean", "write true or false, yes or no, 1 or 0"),
    }
)


@dataclass(frozen=True, slots=True)
class Lookup:
    """A column whose values, in some parts, name records of another entity by a text of theirs."""

    column: str
    entity: str
    by: str
    parts: list[int] = field(default_factory=list)
    table: str = ""  # temporary: name, id, other_id, id_count


@dataclass(frozen=True, slots=True)
class Stage:
    """The typed rows of one entity."""

    entity: str
    table: str
    columns: tuple[CanonicalColumn, ...]  # canonical, then custom
    lookups: list[Lookup] = field(default_factory=list)


@dataclass(frozen=True, slots=True)
class _Part:
    """One file of one block; its number orders rows as the mapping and its files do."""

    block: Block
    found: FoundFile


class Reading:
    """Reads each file once, hands its text to the blocks that want it, and drops its tables at the end."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        mapping: ExportMapping,
        files: Mapping[str, tuple[FoundFile, ...]],
        sources: Mapping[Path, SourceFile],
        reporting_timezone: str,
    ) -> None:
        """files: of each block, by its key. sources: what each file's header says, by its path."""
        self._connection = connection
        self._mapping = mapping
        self._files = files
        self._sources = sources
        self._reporting_timezone = reporting_timezone
        self._parts: list[_Part] = []
        self._tables: set[str] = set()
        self._landed: dict[Path, str] = {}
        self._uses = Counter(found.path for block_files in files.values() for found in block_files)

    def __enter__(self) -> Reading:
        """Begin."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Drop what is left of the temporary tables."""
        for table in sorted(self._tables):
            self._drop(table)

    def stages(self) -> dict[str, Stage]:
        """Every entity's rows, an empty stage for one that is not mapped.

        Raises ExportError for the first file, in the order of the mapping, that cannot be read or holds a
        value not of its type, an empty or repeated key, or a name that a lookup finds on several records.
        """
        entities = dict.fromkeys([*self._mapping.entities, *ENTITIES])
        stages = {entity: self._stage(entity) for entity in entities}
        for stage in stages.values():
            for lookup in stage.lookups:
                self._fill_lookup(stage, lookup, stages[lookup.entity])
        return stages

    # --- reading ---

    def _stage(self, entity: str) -> Stage:
        custom = (CanonicalColumn(name) for name in self._mapping.custom_columns(entity))
        stage = Stage(entity, self._table(f"stage_{entity}"), (*ENTITIES[entity], *custom))
        shape = ", ".join(f"{identifier(column.name)} {SQL_TYPES[column.type]}" for column in stage.columns)
        self._connection.execute(
            f"create temporary table {stage.table} "
            f"(part integer, source_file varchar, source_row bigint, {shape}, bad_columns bigint)"
        )
        for block in self._mapping.entities.get(entity, ()):
            for found in self._files[block.key]:
                self._read_part(stage, block, found)
        if key := key_of(entity):
            self._check_key(stage, key)
        return stage

    def _read_part(self, stage: Stage, block: Block, found: FoundFile) -> None:
        part = len(self._parts)
        self._parts.append(_Part(block, found))
        source = self._sources[found.path]
        landed = self._land(source)
        with preserved_order(self._connection):
            self._connection.execute(self._insert_sql(stage, block, source, landed, part))
        self._check_values(stage, block, source, landed, part)
        for column, spec in block.sources.items():
            if spec.lookup is not None:
                self._note_lookup(stage, column, spec.lookup, part)
        self._uses[found.path] -= 1
        if not self._uses[found.path]:
            self._drop(self._landed.pop(found.path))

    def _land(self, source: SourceFile) -> str:
        """The landed table of a file: read at its first use, with the columns of all blocks that use it."""
        path = source.found.path
        if path not in self._landed:
            readers = [block for block in self._mapping.blocks if source.found in self._files[block.key]]
            columns = {column for block in readers for column in block.source_columns}
            table = self._table(f"landed_{len(self._parts)}")
            land(self._connection, source, columns, table)
            self._landed[path] = table
        return self._landed[path]

    def _insert_sql(self, stage: Stage, block: Block, source: SourceFile, landed: str, part: int) -> str:
        texts, values, bad = ["source_row"], ["source_row"], ["0"]
        for number, column in enumerate(stage.columns):
            spec = block.sources.get(column.name)
            if spec is None:
                values.append(f"cast(null as {SQL_TYPES[column.type]}) as t{number}")
                continue
            is_native = spec.column is None or spec.column in source.native
            zone = self._reporting_timezone
            value = typed(f"v{number}", column.type, block.formats, zone, is_native=is_native)
            texts.append(f"{_text_sql(spec, block, source)} as v{number}")
            values.append(f"{value} as t{number}")
            if column.type != "text":
                values.append(f"v{number}")
                bad.append(f"if(v{number} is not null and t{number} is null, {1 << number}, 0)")
        conditions = [_where_sql(f"c{source.position(column)}", wanted) for column, wanted in block.where]
        where = f" where {' and '.join(conditions)}" if conditions else ""
        typed_columns = ", ".join(f"t{number}" for number in range(len(stage.columns)))
        return (
            f"insert into temp.{stage.table} "
            f"select {part}, {literal(source.found.name)}, source_row, {typed_columns}, {' + '.join(bad)} "
            f"from (select {', '.join(values)} from (select {', '.join(texts)} from temp.{landed}{where}))"
        )

    # --- checking ---

    def _check_values(self, stage: Stage, block: Block, source: SourceFile, landed: str, part: int) -> None:
        """Refuse values that are not of their column's type: the first of each column, by row."""
        numbers = [number for number, column in enumerate(stage.columns) if column.type != "text"]
        firsts = [f"min(source_row) filter (bad_columns & {1 << number} <> 0)" for number in numbers]
        rows = self._connection.execute(
            f"select {', '.join(['count(*)', *firsts])} from temp.{stage.table} "
            f"where part = {part} and bad_columns <> 0"
        ).fetchone()
        if rows is None or rows[0] == 0:
            return
        problems: list[tuple[int, str]] = []
        mends: dict[str, None] = {}
        bad = ((row, number) for row, number in zip(rows[1:], numbers, strict=True) if row is not None)
        for row, number in sorted(bad):
            column = stage.columns[number]
            what, mend = _TYPE_WORDS[column.type]
            text = _text_sql(block.sources[column.name], block, source)
            value = self._connection.execute(f"select {text} from temp.{landed} where source_row = {row}").fetchone()
            shown = quoted(value[0] if value else None)
            problems.append((row, f"{shown} is not {what} ({block.column_key(column.name)})"))
            mends[mend] = None
        first_row = problems[0][0]
        if all(row == first_row for row, _ in problems):
            place = f"{source.found.label}, data row {first_row}"
            sentences = [problem for _, problem in problems]
        else:
            place = source.found.label
            sentences = [f"data row {row}: {problem}" for row, problem in problems]
        advice = "; ".join(mends)
        raise ExportError(f"{place}: {listed(sentences)}. {advice[0].upper()}{advice[1:]}; or mend the file.")

    def _check_key(self, stage: Stage, key: str) -> None:
        table, column = f"temp.{stage.table}", identifier(key)
        empty = self._connection.execute(
            f"select part, source_row from {table} where {column} is null order by part, source_row limit 1"
        ).fetchone()
        repeated = self._connection.execute(
            f"with repeated as (select {column} from {table} group by {column} having count(*) > 1), "
            f"pairs as (select part, source_row, {column}, lag(part) over same_key as first_part, "
            f"lag(source_row) over same_key as first_row from {table} "
            f"where {column} in (select {column} from repeated where {column} is not null) "
            f"window same_key as (partition by {column} order by part, source_row)) "
            f"select * from pairs where first_row is not null order by part, source_row limit 1"
        ).fetchone()
        if empty and (not repeated or empty < repeated[:2]):
            part, row = empty
            raise ExportError(
                f"{self._place(part, row)}: {key} is empty ({self._parts[part].block.column_key(key)}). "
                "Give the row its key, or remove it."
            )
        if repeated:
            part, row, value, first_part, first_row = repeated
            raise ExportError(
                f"{self._place(part, row)}: the {key} {quoted(value)} is already in "
                f"{self._place(first_part, first_row)} ({self._parts[part].block.column_key(key)}). "
                f"Keep one row for each {key}."
            )

    # --- lookups ---

    def _note_lookup(self, stage: Stage, column: str, target: tuple[str, str], part: int) -> None:
        for lookup in stage.lookups:
            if (lookup.column, (lookup.entity, lookup.by)) == (column, target):
                lookup.parts.append(part)
                return
        table = self._table(f"lookup_{stage.entity}_{len(stage.lookups)}")
        stage.lookups.append(Lookup(column, *target, [part], table))

    def _fill_lookup(self, stage: Stage, lookup: Lookup, target: Stage) -> None:
        """Fill the lookup's table, and refuse a row's name that stands for several keys.

        Names match as the looked-up file writes them; one that several records share and no row names does no
        harm.
        """
        key = key_of(target.entity) or ""
        name, id_column, column = identifier(lookup.by), identifier(key), identifier(lookup.column)
        self._connection.execute(
            f"create temporary table {lookup.table} as select {name} as name, min({id_column}) as id, "
            f"max({id_column}) as other_id, count(*) as id_count "
            f"from temp.{target.table} where {name} is not null group by {name}"
        )
        ambiguous = self._connection.execute(
            f"select s.part, s.source_row, l.name, l.id, l.other_id, l.id_count "
            f"from temp.{stage.table} as s join temp.{lookup.table} as l on l.name = s.{column} "
            f"where l.id_count > 1 and s.part in ({_numbers(lookup.parts)}) "
            "order by s.part, s.source_row limit 1"
        ).fetchone()
        if ambiguous:
            part, row, shared, first, last, count = ambiguous
            place = self._parts[part].block.column_key(lookup.column)
            raise ExportError(
                f"{self._place(part, row)}: {quoted(shared)} ({place}) is the {lookup.by} of {count} "
                f"{target.entity}, {quoted(first)} and {quoted(last)} among them. "
                f"Map a column that holds the {key}, or make the names distinct."
            )

    # --- temporary tables and places ---

    def _table(self, name: str) -> str:
        """Reserve a temporary table's name."""
        table = f"segment_signals_{name}"
        self._drop(table)
        self._tables.add(table)
        return table

    def _drop(self, table: str) -> None:
        self._connection.execute(f"drop table if exists temp.{table}")
        self._tables.discard(table)

    def _place(self, part: int, row: int) -> str:
        return f"{self._parts[part].found.label}, data row {row}"


def resolved_sql(stage: Stage) -> str:
    """A query of source_file, source_row and the stage's columns, with names looked up, in file order.

    A name that the lookup does not find stays as it is.
    """
    ids: dict[str, list[str]] = {}
    joins = ""
    for number, lookup in enumerate(stage.lookups):
        # Within the equality, so that the engine can hash: the rows of other parts then match no name.
        name = f"case when s.part in ({_numbers(lookup.parts)}) then s.{identifier(lookup.column)} end"
        joins += f" left join temp.{lookup.table} as l{number} on l{number}.name = {name}"
        ids.setdefault(lookup.column, []).append(f"l{number}.id")
    columns = []
    for column in stage.columns:
        own = f"s.{identifier(column.name)}"
        found = ", ".join(ids.get(column.name, ()))
        columns.append(f"coalesce({found}, {own}) as {identifier(column.name)}" if found else own)
    order = " order by s.part, s.source_row" if joins else ""  # a join need not keep the order of rows
    return f"select s.source_file, s.source_row, {', '.join(columns)} from temp.{stage.table} as s{joins}{order}"


def _text_sql(spec: ColumnSource, block: Block, source: SourceFile) -> str:
    """A column's text in a landed table, null where it is one of the words for no value."""
    if spec.column is None:
        return literal(spec.constant or "")
    column = f"c{source.position(spec.column)}"
    words = tuple(word for word in block.formats.null_words if word)  # landed text is never empty
    return f"case when {column} not in {one_of(words)} then {column} end" if words else column


def _where_sql(column: str, wanted: str | bool) -> str:
    if isinstance(wanted, bool):  # YAML's true and false stand for any spelling of them
        return f"coalesce(lower({column}) in {one_of(TRUE_WORDS if wanted else FALSE_WORDS)}, false)"
    return f"coalesce({column}, '') = {literal(wanted)}"


def _numbers(parts: list[int]) -> str:
    return ", ".join(map(str, parts))
