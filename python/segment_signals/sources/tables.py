"""A raw table out of the parts of its files: one query, every value typed and checked.

A table lands with its columns and with hidden ones: part (which of its parts a row is of), bad_<n> (a bit per
column whose text is not of its type), null_<n> (a bit per column where a word stands for no value), and the
stage dates, which become rows of a table of their own. `finish` drops the hidden ones. Everything runs in the
caller's transaction, so that after an error the last good tables stay.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

import duckdb

from segment_signals.sources.email_key import EmailKey
from segment_signals.sources.files import SourceFile, reading_problem
from segment_signals.sources.formats import ValueFormats
from segment_signals.sources.messages import ExportError, listed, quoted
from segment_signals.sources.shapes import CanonicalColumn, ColumnType, landed_names
from segment_signals.sources.values import (
    FALSE_WORDS,
    SQL_TYPES,
    TRUE_WORDS,
    identifier,
    literal,
    native,
    one_of,
    typed,
)

_DATES_MEND = "name the format of the dates in date_formats (ISO 8601 needs none)"
_NUMBERS_MEND = "name the signs of the numbers in number_format"
_TYPE_WORDS: Mapping[ColumnType, tuple[str, str]] = MappingProxyType(
    {  # what the value should be, and what to do if it is not
        "timestamp": ("a timestamp", _DATES_MEND),
        "date": ("a date", _DATES_MEND),
        "amount": ("a number", _NUMBERS_MEND),
        "number": ("a number", _NUMBERS_MEND),
        "integer": ("a whole number", "map text such as 51-200 under custom_columns"),
        "boolean": ("a boolean", "write true or false, yes or no, 1 or 0"),
    }
)
_ALWAYS_READ: frozenset[ColumnType] = frozenset({"text", "email"})  # no text is bad
_BITS = 60  # flags in one mask: a bigint without its sign


@dataclass(frozen=True, slots=True)
class Value:
    """Where the values of a column come from in one part."""

    place: str  # in the mapping, for messages
    headers: tuple[str, ...] = ()  # the first that has a value counts; of a boolean, any that is true
    constant: str | None = None
    prefix: str = ""  # put before every value


@dataclass(frozen=True, slots=True)
class Part:
    """One file, or several alike, and how its columns become those of the table."""

    source: SourceFile
    formats: ValueFormats
    values: Mapping[str, Value]  # by the table's column
    where: tuple[tuple[str, str | bool], ...] = ()
    key: str = ""  # of the block in the mapping that it comes from


@dataclass(frozen=True, slots=True)
class StageDate:
    """A hidden column that holds the date on which records entered a stage."""

    column: CanonicalColumn
    stage: str
    rule: str


@dataclass(frozen=True, slots=True)
class Table:
    """A table of the raw schema."""

    source: str
    name: str
    columns: tuple[CanonicalColumn, ...]
    parts: tuple[Part, ...] = ()
    stamps: tuple[str, ...] = ()
    record_key: str = ""  # what stage dates belong to
    stage_dates: tuple[StageDate, ...] = ()
    shape: str | None = None

    @property
    def relation(self) -> str:
        """Its name in SQL."""
        return f"raw.{self.source}_{self.name}"

    @property
    def all_columns(self) -> tuple[CanonicalColumn, ...]:
        """Its columns, then the hidden stage dates."""
        return (*self.columns, *(stage_date.column for stage_date in self.stage_dates))

    @property
    def landed(self) -> tuple[tuple[str, str], ...]:
        """Name and SQL type of what the raw table has of its columns, each once."""
        types = {name: SQL_TYPES[column.type] for column in self.columns for name in landed_names(column)}
        return tuple(types.items())

    def is_provided(self, column: str) -> bool:
        """Whether any part gives the column."""
        return any(column in part.values for part in self.parts)

    @property
    def file_count(self) -> int:
        """How many files it is read from, each once."""
        return len({found.path for part in self.parts for found in part.source.files})

    def place(self, part: int, file: str, row: int) -> str:
        """A row as messages name it."""
        return f"{self.parts[part].source.label(file)}, data row {row}"


@dataclass(frozen=True, slots=True)
class Landing:
    """Writes raw tables through one connection, which holds an open transaction."""

    connection: duckdb.DuckDBPyConnection
    reporting_timezone: str
    email_key: EmailKey

    def land(self, table: Table) -> None:
        """Create the table with its rows, hidden columns included.

        Raises ExportError for the first file, in the order of the parts, that cannot be read or holds a value
        that is not of its column's type.
        """
        if not table.parts:
            shape = [*table.landed, ("source_file", "varchar"), ("source_row", "bigint")]
            columns = ", ".join(f"{identifier(name)} {sql_type}" for name, sql_type in shape)
            self.connection.execute(f"create or replace table {table.relation} ({columns})")
            return
        self._create(table)
        self._refuse_bad_values(table)

    def finish(self, table: Table) -> dict[str, int]:
        """Drop the hidden columns; the count of disguised nulls of each column that has any."""
        if not table.parts:
            return {}
        counts = self._disguised_nulls(table)
        hidden = ["part", *(name for name, _ in _masks(table)), *(each.column.name for each in table.stage_dates)]
        for column in hidden:
            self.connection.execute(f"alter table {table.relation} drop column {identifier(column)}")
        return counts

    def stage_dates_sql(self, table: Table) -> list[str]:
        """A query of table_name, record_id, stage, rule and entered_at for each of the table's stage dates."""
        return [
            f"select {literal(table.name)} as table_name, {identifier(table.record_key)} as record_id, "
            f"{literal(each.stage)} as stage, {literal(each.rule)} as rule, "
            f"{identifier(each.column.name)} as entered_at "
            f"from {table.relation} where {identifier(each.column.name)} is not null"
            for each in table.stage_dates
        ]

    # --- creating ---

    def _create(self, table: Table) -> None:
        has_email = any(column.type == "email" and table.is_provided(column.name) for column in table.columns)
        parts = " union all ".join(self._part_sql(table, number) for number in range(len(table.parts)))
        try:
            self.connection.execute(
                f"create or replace table {table.relation} as {parts}",
                self.email_key.parameters if has_email else {},
            )
        except (duckdb.OutOfMemoryException, duckdb.InterruptException):
            raise  # no fault of the files
        except duckdb.Error as error:
            self.connection.execute("rollback")  # an error ends a transaction; what follows only reads
            for part in table.parts:
                if problem := reading_problem(self.connection, part.source, _headers(part)):
                    raise problem from error
            raise

    def _part_sql(self, table: Table, number: int) -> str:
        """The rows of a part with every column of the table, hidden ones included."""
        part = table.parts[number]
        values: list[str] = []
        landed: dict[str, list[str]] = {}
        masks: dict[str, list[str]] = {mask: ["0"] for mask, _ in _masks(table)}
        for position, column in enumerate(table.all_columns):
            value = part.values.get(column.name)
            if value is not None:
                typed_sql = self._typed_sql(column, value, part, position)
                values.append(f"{typed_sql} as t{position}")
                mask, bit = position // _BITS, 1 << position % _BITS
                if column.type not in _ALWAYS_READ:
                    masks[f"bad_{mask}"].append(f"if(v{position} is not null and t{position} is null, {bit}, 0)")
                if _is_text(column, value, part):
                    masks[f"null_{mask}"].append(f"if(r{position} is not null and v{position} is null, {bit}, 0)")
            for name, sql in self._landed_sql(column, value, position).items():
                landed.setdefault(name, []).append(sql)
        columns = [f"{_first(sqls)} as {identifier(name)}" for name, sqls in landed.items()]
        hidden = [f"{' + '.join(bits)} as {mask}" for mask, bits in masks.items()]
        own = len(dict(table.landed))
        selected = [*columns[:own], "source_file", "source_row", f"{number} as part", *columns[own:], *hidden]
        return (
            f"select {', '.join(selected)} "
            f"from (select {', '.join(['*', *values])} from ({self._text_sql(table, number)}))"
        )

    def _landed_sql(self, column: CanonicalColumn, value: Value | None, position: int) -> dict[str, str]:
        if value is None:
            return dict.fromkeys(landed_names(column), f"cast(null as {SQL_TYPES[column.type]})")
        if column.type != "email":
            return {column.name: f"t{position}"}
        hashed, domain = landed_names(column)
        return {hashed: self.email_key.hash_sql(f"t{position}"), domain: f"split_part(t{position}, '@', 2)"}

    def _text_sql(self, table: Table, number: int) -> str:
        """The rows of a part with, of each mapped column, r<n> as read and v<n> without the words for no value."""
        part = table.parts[number]
        source = part.source
        read = [f"{source.row_sql} as source_row", f"{source.file_sql} as source_file"]
        worded = ["source_row", "source_file"]
        for position, column in enumerate(table.all_columns):
            if (value := part.values.get(column.name)) is None:
                continue
            read.append(f"{_raw_sql(column, value, part)} as r{position}")
            worded.append(f"r{position}")
            words = part.formats.null_words if _is_text(column, value, part) else ()
            worded.append(f"{_worded_sql(f'r{position}', words)} as v{position}")
        conditions = []
        for position, (header, wanted) in enumerate(part.where):
            read.append(f"{source.column_sql(header, as_text=True)} as w{position}")
            conditions.append(_where_sql(f"w{position}", wanted))
        where = f" where {' and '.join(conditions)}" if conditions else ""
        return f"select {', '.join(worded)} from (select {', '.join(read)} from {source.relation}){where}"

    def _typed_sql(self, column: CanonicalColumn, value: Value, part: Part, position: int) -> str:
        name = f"v{position}"
        if (kind := _native_kind(column, value, part)) is not None:
            sql = native(name, kind, column.type, part.formats, self.reporting_timezone)
            assert sql is not None
            return sql
        is_engine_text = value.constant is not None or any(
            part.source.kind(header) != "text" for header in value.headers
        )
        sql = typed(name, column.type, part.formats, self.reporting_timezone, is_native=is_engine_text)
        return f"{literal(value.prefix)} || {sql}" if value.prefix else sql

    # --- checking ---

    def _refuse_bad_values(self, table: Table) -> None:
        """Refuse values that are not of their column's type: of the first file, the first of each column."""
        masks = [mask for mask, _ in _masks(table) if mask.startswith("bad_")]
        is_bad = " or ".join(f"{mask} <> 0" for mask in masks)
        first = self.connection.execute(
            f"select part, source_file from {table.relation} where {is_bad} order by rowid limit 1"
        ).fetchone()
        if first is None:
            return
        number, file = first
        part = table.parts[number]
        problems: list[tuple[int, str]] = []
        mends: dict[str, None] = {}
        for row, position in sorted(self._first_bad_rows(table, number, file)):
            column = table.all_columns[position]
            what, mend = _TYPE_WORDS[column.type]
            found = self.connection.execute(
                f"select cast(v{position} as varchar) from ({self._text_sql(table, number)}) "
                f"where source_row = {row} and source_file = {literal(file)}"
            ).fetchone()
            shown = quoted(found[0] if found else None)
            problems.append((row, f"{shown} is not {what} ({part.values[column.name].place})"))
            mends[mend] = None
        first_row = problems[0][0]
        if all(row == first_row for row, _ in problems):
            place = table.place(number, file, first_row)
            sentences = [problem for _, problem in problems]
        else:
            place = part.source.label(file)
            sentences = [f"data row {row}: {problem}" for row, problem in problems]
        advice = "; ".join(mends)
        raise ExportError(f"{place}: {listed(sentences)}. {advice[0].upper()}{advice[1:]}; or mend the file.")

    def _first_bad_rows(self, table: Table, part: int, file: str) -> Iterable[tuple[int, int]]:
        """(row, position) of the first bad value of each column that has one in the file."""
        positions = range(len(table.all_columns))
        firsts = [
            f"min(source_row) filter (bad_{position // _BITS} & {1 << position % _BITS} <> 0)" for position in positions
        ]
        rows = self.connection.execute(
            f"select {', '.join(firsts)} from {table.relation} where part = {part} and source_file = {literal(file)}"
        ).fetchone()
        return [(row, position) for row, position in zip(rows or (), positions, strict=True) if row is not None]

    def _disguised_nulls(self, table: Table) -> dict[str, int]:
        masks = [mask for mask, _ in _masks(table) if mask.startswith("null_")]
        counts = [
            f"count(*) filter (null_{position // _BITS} & {1 << position % _BITS} <> 0)"
            for position in range(len(table.columns))
        ]
        is_disguised = " or ".join(f"{mask} <> 0" for mask in masks)
        row = self.connection.execute(
            f"select {', '.join(counts)} from {table.relation} where {is_disguised}"
        ).fetchone()
        return {column.name: count for column, count in zip(table.columns, row or (), strict=True) if count}


def _masks(table: Table) -> Sequence[tuple[str, int]]:
    """The masks of a table: name, and which sixty of its columns it is for."""
    count = -(-len(table.all_columns) // _BITS)
    return [(f"{kind}_{number}", number) for kind in ("bad", "null") for number in range(count)]


def _first(sqls: Sequence[str]) -> str:
    """The first that has a value."""
    return sqls[0] if len(sqls) == 1 else f"coalesce({', '.join(sqls)})"


def _headers(part: Part) -> list[str]:
    """The source columns that a part reads, each once."""
    named = [header for value in part.values.values() for header in value.headers]
    return list(dict.fromkeys([*named, *(header for header, _ in part.where)]))


def _native_kind(column: CanonicalColumn, value: Value, part: Part) -> str | None:
    """How the engine types the values, where the column's type can be had without their text."""
    if value.constant is not None or len(value.headers) != 1 or value.prefix:
        return None
    kind = part.source.kind(value.headers[0])
    if kind == "text" or native("v", kind, column.type, part.formats, "UTC") is None:
        return None
    return kind


def _is_text(column: CanonicalColumn, value: Value, part: Part) -> bool:
    """Whether values are read as text, among which words may stand for no value."""
    return value.constant is None and _native_kind(column, value, part) is None


def _raw_sql(column: CanonicalColumn, value: Value, part: Part) -> str:
    """The values as the source has them: typed by the engine where that helps, else trimmed text."""
    if value.constant is not None:
        return literal(value.constant)
    if _native_kind(column, value, part) is not None:
        return part.source.column_sql(value.headers[0], as_text=False)
    texts = [part.source.column_sql(header, as_text=True) for header in value.headers]
    if column.type == "boolean" and len(texts) > 1:
        trues = " ".join(f"when lower({text}) in {one_of(TRUE_WORDS)} then {text}" for text in texts)
        return f"case {trues} else coalesce({', '.join(texts)}) end"
    return _first(texts)


def _worded_sql(text: str, words: Sequence[str]) -> str:
    """The text, null where it is one of the words."""
    # No list: the engine makes a join of a long one, which loses the order of rows.
    cases = "".join(f" when {literal(word)} then null" for word in words if word)  # what is read is never empty
    return f"case {text}{cases} else {text} end" if cases else text


def _where_sql(column: str, wanted: str | bool) -> str:
    if isinstance(wanted, bool):  # YAML's true and false stand for any spelling of them
        return f"coalesce(lower({column}) in {one_of(TRUE_WORDS if wanted else FALSE_WORDS)}, false)"
    return f"coalesce({column}, '') = {literal(wanted)}"
