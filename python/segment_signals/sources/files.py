"""The files of an export: finding them, reading their headers, landing their rows as trimmed text.

A landed table is a temporary one: source_row bigint (1-based data row, header not counted) and one varchar
c<position> per source column that the mapping reads. The engine reads the rows; Python reads headers only.
"""

from __future__ import annotations

import csv
import glob
import gzip
import io
import itertools
import os
import re
from collections.abc import Collection, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import duckdb

from segment_signals.sources.mapping import (
    BLANKS,
    Block,
    ExportError,
    ExportMapping,
    display_path,
    listed,
    nearest,
    quoted,
)
from segment_signals.sources.values import identifier, literal

_DELIMITERS = (",", ";", "\t", "|")
_GLOB_SIGNS = "*?["
_HEADER_LINES = 100  # a header over more lines has a quotation mark that nothing closes
_SPREADSHEETS = {".xlsx", ".xls", ".xlsm", ".ods", ".numbers"}
_SAVE_AS_UTF8 = "Save the file as UTF-8 (in a spreadsheet: CSV UTF-8)."


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that the mapping names."""

    path: Path
    name: str  # relative to the export's folder: the same on every machine
    label: str  # relative to the project root: what messages say

    @property
    def is_parquet(self) -> bool:
        """Parquet by its suffix; everything else is CSV."""
        return self.path.suffix.lower() in {".parquet", ".pq"}

    @property
    def is_gzip(self) -> bool:
        """A compressed CSV by its suffix."""
        return self.path.suffix.lower() == ".gz"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file and what its header says."""

    found: FoundFile
    header: tuple[str, ...]  # trimmed
    native: frozenset[str] = frozenset()  # Parquet columns that are not text
    instants: frozenset[str] = frozenset()  # Parquet timestamps with a zone
    names: tuple[str, ...] = ()  # Parquet: the columns as written
    delimiter: str = ","
    newline: str = "\n"

    def position(self, column: str) -> int:
        """Where a source column is in the header."""
        return self.header.index(column)


def find_files(mapping: ExportMapping, project_dir: Path) -> dict[str, tuple[FoundFile, ...]]:
    """The files of every block, by the block's key; a glob's files in the order of their names.

    Raises ExportError for the first block that names no file.
    """
    folder = _folder(mapping)
    return {block.key: _block_files(block, folder, mapping, project_dir) for block in mapping.blocks}


def read_header(connection: duckdb.DuckDBPyConnection, found: FoundFile, columns: Collection[str]) -> SourceFile:
    """The header of a file; `columns`, those the mapping reads, tell which delimiter it is written with.

    Raises ExportError where the file has no header, cannot be read or names a column twice.
    """
    source = _parquet_header(connection, found) if found.is_parquet else _csv_header(found, columns)
    seen: set[str] = set()
    for name in source.header:
        if name and name in seen:
            raise ExportError(
                f"{found.label}: the header names the column {quoted(name)} twice. Rename one of the two."
            )
        seen.add(name)
    return source


def check_columns(source: SourceFile, block: Block, mapping: ExportMapping) -> None:
    """Check that the file has every source column that the block names.

    Raises ExportError listing those it has not, each with the nearest names of the header.
    """
    missing = [(column, place) for column, place in block.source_columns.items() if column not in source.header]
    if not missing:
        return
    names = [name for name in source.header if name]
    problems = []
    for column, place in missing:
        near = nearest(column, names, count=3, cutoff=0.4)
        hint = f"nearest: {', '.join(map(quoted, near))}" if near else f"it has {listed([*map(quoted, names)], ', ')}"
        problems.append(f"{quoted(column)} for {place} ({hint})")
    raise ExportError(
        f"{source.found.label}: the header does not have {listed(problems)}. Mend the names in {mapping.label}."
    )


def land(connection: duckdb.DuckDBPyConnection, source: SourceFile, columns: Collection[str], table: str) -> None:
    """Create the temporary table `table` with the trimmed text of `columns`; empty text is null.

    Raises ExportError where the file cannot be read as its kind.
    """
    selected = ", ".join(
        f"{_trimmed_sql(_column_sql(source, column))} as c{source.position(column)}"
        for column in sorted(columns, key=source.position)
    )
    reader = _reader_sql(source)
    comma = ", " if selected else ""
    with preserved_order(connection), _read_errors(connection, source, selected):
        connection.execute(
            f"create temporary table {identifier(table)} as "
            f"select row_number() over () as source_row{comma}{selected} from {reader}"
        )


@contextmanager
def preserved_order(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Have the engine keep the order of the rows it reads, which row numbers rely on; a profile may not."""
    row = connection.execute("select current_setting('preserve_insertion_order')").fetchone()
    is_kept = bool(row and row[0])
    if not is_kept:
        connection.execute("set preserve_insertion_order = true")
    try:
        yield
    finally:
        if not is_kept:
            connection.execute("set preserve_insertion_order = false")


# --- finding --------------------------------------------------------------------------------------


def _folder(mapping: ExportMapping) -> Path:
    for name in mapping.folders:
        folder = Path(os.path.abspath(mapping.folder / name))
        if folder.is_dir():
            return folder
    raise ExportError(
        f"{mapping.label}: none of the folders exists (tried {', '.join(mapping.folders)}, seen from the "
        "mapping). Put the export in one of them, or mend folders."
    )


def _block_files(block: Block, folder: Path, mapping: ExportMapping, project_dir: Path) -> tuple[FoundFile, ...]:
    literal_file = folder / block.file
    if literal_file.is_file():  # before any glob: a name may hold brackets
        paths = [literal_file]
    else:
        matches = glob.glob(block.file, root_dir=folder, recursive=True)
        paths = [folder / match for match in sorted(matches) if (folder / match).is_file()]
    if not paths:
        what = "no file matches" if any(sign in block.file for sign in _GLOB_SIGNS) else "there is no file"
        where = display_path(folder, project_dir)
        raise ExportError(
            f"{mapping.label}: {block.key}.file: {what} {quoted(block.file)} in {where} "
            f"(folders, of which the first that exists is used: {', '.join(mapping.folders)}). "
            "Put the file there, or mend file or folders."
        )
    files = tuple(_found(path, folder, project_dir) for path in paths)
    for file in files:
        if file.path.suffix.lower() in _SPREADSHEETS:
            raise ExportError(
                f"{file.label} is a spreadsheet ({block.key}.file). Save the sheet as CSV UTF-8, and name that file."
            )
    return files


def _found(path: Path, folder: Path, project_dir: Path) -> FoundFile:
    absolute = Path(os.path.abspath(path))
    name = absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else absolute.name
    return FoundFile(path=absolute, name=name, label=display_path(absolute, project_dir))


# --- headers --------------------------------------------------------------------------------------


@contextmanager
def open_bytes(found: FoundFile) -> Iterator[BinaryIO]:
    """The file's bytes, decompressed; what the system says against it becomes an ExportError."""
    try:
        with gzip.open(found.path, "rb") if found.is_gzip else open(found.path, "rb") as stream:
            yield stream  # type: ignore[misc]
    except (OSError, EOFError) as error:
        problem = getattr(error, "strerror", None) or str(error)
        raise ExportError(f"{found.label} cannot be read ({problem}). Check the file, or export it again.") from error


def _csv_header(found: FoundFile, columns: Collection[str]) -> SourceFile:
    # Surrogates mark bytes that are not UTF-8, so that only those in the header count here, not the rows'.
    with (
        open_bytes(found) as stream,
        io.TextIOWrapper(stream, "utf-8-sig", errors="surrogateescape", newline="") as text,
    ):
        head = list(itertools.islice(text, _HEADER_LINES))
        if found.is_gzip:
            # To its end, which checks length and checksum: not every engine notices a file cut short.
            while stream.read(1 << 20):
                pass
    splits = {delimiter: _split(head, delimiter, found) for delimiter in _DELIMITERS}
    delimiter = max(splits, key=lambda sign: (len(set(splits[sign][0]) & set(columns)), len(splits[sign][0])))
    header, last_line = splits[delimiter]
    if not any(header):
        raise ExportError(
            f"{found.label} has no header in its first line. Export it again with the names of its columns there."
        )
    newline = "\r\n" if last_line.endswith("\r\n") else "\r" if last_line.endswith("\r") else "\n"
    return SourceFile(found=found, header=header, delimiter=delimiter, newline=newline)


def _split(head: Sequence[str], delimiter: str, found: FoundFile) -> tuple[tuple[str, ...], str]:
    """The names in a CSV's header, and the line that the header ends with."""
    reader = csv.reader(head, delimiter=delimiter)
    try:
        names = tuple(name.strip(BLANKS) for name in next(reader, []))
    except csv.Error as error:
        raise ExportError(f"{found.label}: the header is no line of a CSV ({error}). Export the file again.") from error
    if any(sign == "\0" or "\ud800" <= sign <= "\udfff" for name in names for sign in name):
        raise ExportError(f"{found.label}: the header is not UTF-8 text. {_SAVE_AS_UTF8}")
    if reader.line_num == _HEADER_LINES:
        raise ExportError(f"{found.label}: a quotation mark in the header is not closed. Mend the first line.")
    return names, head[reader.line_num - 1] if names else ""


def _parquet_header(connection: duckdb.DuckDBPyConnection, found: FoundFile) -> SourceFile:
    try:
        rows = connection.execute(f"describe select * from read_parquet({_path_sql(found)})").fetchall()
    except duckdb.Error as error:
        raise _unreadable(found, error) from error
    return SourceFile(
        found=found,
        header=tuple(str(row[0]).strip(BLANKS) for row in rows),
        names=tuple(str(row[0]) for row in rows),
        native=frozenset(str(row[0]).strip(BLANKS) for row in rows if row[1] != "VARCHAR"),
        instants=frozenset(str(row[0]).strip(BLANKS) for row in rows if row[1] == "TIMESTAMP WITH TIME ZONE"),
    )


# --- rows -----------------------------------------------------------------------------------------


def _path_sql(found: FoundFile) -> str:
    # The engine takes every path for a glob.
    return literal(re.sub(r"([*?\[])", r"[\1]", str(found.path)))


def _column_sql(source: SourceFile, column: str) -> str:
    position = source.position(column)
    if not source.found.is_parquet:
        return f"c{position}"
    name = identifier(source.names[position])
    if column in source.instants:
        # As text in UTC: cast as it is, it would follow the session's time zone.
        return f"cast(timezone('UTC', {name}) as varchar) || 'Z'"
    return f"cast({name} as varchar)"


def _trimmed_sql(value: str) -> str:
    # Looking first is twice as fast as trimming every value, since few have anything to trim.
    blank = f"[{BLANKS}]"
    padded = f"regexp_matches({value}, {literal(f'^{blank}|{blank}$')})"
    return f"nullif(case when {padded} then trim({value}, {literal(BLANKS)}) else {value} end, '')"


def _reader_sql(source: SourceFile, options: str = "") -> str:
    if source.found.is_parquet:
        return f"read_parquet({_path_sql(source.found)})"
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(source.header)))
    newline = source.newline.replace("\r", r"\r").replace("\n", r"\n")
    # Everything is stated, nothing detected: the engine's guess at line ends, for one, is led astray by a
    # line break within the header, and then it reads no row at all.
    return (
        f"read_csv({_path_sql(source.found)}, auto_detect = false, header = true, columns = {{{columns}}}, "
        f"delim = {literal(source.delimiter)}, quote = '\"', escape = '\"', new_line = '{newline}', "
        f"compression = '{'gzip' if source.found.is_gzip else 'none'}'{options})"
    )


@contextmanager
def _read_errors(connection: duckdb.DuckDBPyConnection, source: SourceFile, selected: str) -> Iterator[None]:
    try:
        yield
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise  # no fault of the file
    except duckdb.Error as error:
        if source.found.is_parquet:
            raise _unreadable(source.found, error) from error
        raise _csv_error(connection, source, selected, error) from error


def _csv_error(
    connection: duckdb.DuckDBPyConnection, source: SourceFile, selected: str, error: duckdb.Error
) -> ExportError:
    """The first bad line of a CSV in words: read once more, for the engine to list the lines it refuses."""
    rejects, scans = "segment_signals_rejects", "segment_signals_reject_scans"
    options = f", store_rejects = true, rejects_table = '{rejects}', rejects_scan = '{scans}'"
    try:
        connection.execute(
            f"select count(columns(*)) from (select {selected or '1'} from {_reader_sql(source, options)})"
        ).fetchall()
        row = connection.execute(
            f"select error_type, error_message, line_byte_position from {rejects} "
            "order by line_byte_position, column_idx limit 1"
        ).fetchone()
    except duckdb.Error:
        row = None
    finally:
        connection.execute(f"drop table if exists {rejects}")
        connection.execute(f"drop table if exists {scans}")
    if row is None:
        if "invalid state" in str(error):
            return ExportError(
                f"{source.found.label} mixes different line ends. Save the file again with one kind of line end."
            )
        return _unreadable(source.found, error)
    kind, message, position = str(row[0]), str(row[1]), int(row[2])
    place = f"{source.found.label}, line {_line_number(source.found, position)}"
    width = len(source.header)
    if kind == "INVALID ENCODING":
        return ExportError(f"{place}: not UTF-8 text. {_SAVE_AS_UTF8}")
    if kind == "UNQUOTED VALUE":
        return ExportError(
            f"{place}: a quotation mark is not closed, or stands alone within a value. "
            "Double the marks within a value, and close the value with one."
        )
    if kind in {"MISSING COLUMNS", "TOO MANY COLUMNS"}:
        found = re.search(r"Found: (\d+)", message)
        count = (
            f"{found[1]} value{'s' * (found[1] != '1')}"
            if found and kind == "MISSING COLUMNS"
            else f"more than {width} values"
        )
        return ExportError(
            f"{place}: {count} where the header has {width}. "
            "Mend that line: a value that holds a delimiter or a line break needs quotation marks around it."
        )
    return ExportError(f"{place}: {message.splitlines()[0]}. Mend that line.")


def _line_number(found: FoundFile, position: int) -> int:
    """The 1-based line of the first sign at or after the 1-based byte `position` that is no line end."""
    line_feeds = returns = 0
    with open_bytes(found) as stream:
        remaining = position - 1
        while remaining > 0 and (chunk := stream.read(min(remaining, 1 << 20))):
            remaining -= len(chunk)
            line_feeds += chunk.count(b"\n")
            returns += chunk.count(b"\r")
        while (sign := stream.read(1)) in (b"\n", b"\r"):
            line_feeds += sign == b"\n"
            returns += sign == b"\r"
    return 1 + (line_feeds or returns)


def _unreadable(found: FoundFile, error: duckdb.Error) -> ExportError:
    problem = str(error).splitlines()[0].replace(str(found.path), found.name).rstrip(".! ")
    return ExportError(f"{found.label} cannot be read ({problem}). Check the file, or export it again.")
