"""The files of a source: finding them, reading their headers, and the SQL that reads their rows.

A source file is read as text (CSV) or as the engine types it (Parquet). Its SQL gives, beside the columns,
source_file (the file's name within the source's folder) and source_row (1-based data row, header not counted).
The engine reads the rows; Python reads headers only.
"""

from __future__ import annotations

import codecs
import csv
import glob
import gzip
import io
import itertools
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import BinaryIO

import duckdb

from segment_signals.sources.catalogs import CatalogTable, object_key
from segment_signals.sources.mapping import Block, ExportMapping, NativeSource
from segment_signals.sources.messages import BLANKS, ExportError, display_path, listed, nearest, quoted
from segment_signals.sources.values import engine_kind, identifier, literal

_DELIMITERS = (",", ";", "\t", "|")
_GLOB_SIGNS = "*?["
_HEADER_LINES = 100  # a header over more lines has a quotation mark that nothing closes
_SPREADSHEETS = {".xlsx", ".xls", ".xlsm", ".ods", ".numbers"}
_SUFFIXES = (".csv", ".csv.gz", ".tsv", ".tsv.gz", ".txt", ".txt.gz", ".parquet", ".pq")  # of files found by name
_NO_PARTITION = "__HIVE_DEFAULT_PARTITION__"
_SAVE_AS_UTF8 = "Save the file as UTF-8 (in a spreadsheet: CSV UTF-8), or name its encoding (encoding: windows-1252)."


@dataclass(frozen=True, slots=True)
class FoundFile:
    """A file that the mapping names."""

    path: Path
    name: str  # relative to the source's folder: the same on every machine
    label: str  # relative to the project root: what messages say

    @property
    def is_parquet(self) -> bool:
        """Parquet by its suffix; everything else is CSV."""
        return self.path.suffix.lower() in {".parquet", ".pq"}

    @property
    def is_gzip(self) -> bool:
        """A compressed CSV by its suffix."""
        return self.path.suffix.lower() == ".gz"

    @property
    def partitions(self) -> tuple[str, ...]:
        """The keys of the folders key=value that the file lies in."""
        return tuple(part.partition("=")[0] for part in Path(self.name).parent.parts if "=" in part)


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A file and what its header says; or several Parquet files of one header, which are read together."""

    files: tuple[FoundFile, ...]
    header: tuple[str, ...]  # trimmed
    names: tuple[str, ...] = ()  # Parquet: the columns as written
    types: tuple[str, ...] = ()  # Parquet: their types
    table: str = ""  # of a replica: what to select from; its names and types are as those of Parquet
    partition_keys: tuple[str, ...] = ()  # columns that stand in the names of folders
    delimiter: str = ","
    newline: str = "\n"

    @property
    def found(self) -> FoundFile:
        """The only file, or the first."""
        return self.files[0]

    def label(self, name: str) -> str:
        """What messages call the file of this name."""
        return next((found.label for found in self.files if found.name == name), name)

    @property
    def columns(self) -> tuple[str, ...]:
        """The names of all columns, those of partition folders last."""
        return (*self.header, *self.partition_keys)

    def position(self, column: str) -> int:
        """Where a source column is among the columns."""
        return self.columns.index(column)

    def kind(self, column: str) -> str:
        """How the engine types a column: 'text', or see engine_kind."""
        position = self.position(column)
        return engine_kind(self.types[position]) if position < len(self.types) else "text"

    # --- SQL ---

    @property
    def relation(self) -> str:
        """What to select the columns from."""
        return self.table or _reader_sql(self)

    @property
    def file_sql(self) -> str:
        """source_file."""
        if len(self.files) == 1:
            return literal(self.found.name)
        prefix = str(self.found.path).removesuffix(self.found.name)
        return f"substr(filename, {len(prefix) + 1})"

    @property
    def row_sql(self) -> str:
        """source_row."""
        return "file_row_number + 1" if self.found.is_parquet else "row_number() over ()"

    def column_sql(self, column: str, *, as_text: bool) -> str:
        """A column as the engine types it; as_text or of no type: its trimmed text, null where that is empty."""
        position = self.position(column)
        if position >= len(self.header):
            return self._partition_sql(column)
        if not self.types:
            return _trimmed_sql(f"c{position}")
        name = identifier(self.names[position])
        kind = self.kind(column)
        if kind == "float":
            name = f"case when not isnan({name}) then {name} end"  # what pandas writes for no value
        if kind == "text":
            return _trimmed_sql(name if self.types[position] == "VARCHAR" else f"cast({name} as varchar)")
        if not as_text:
            return name
        if kind == "zoned":
            # In UTC: cast as it is, it would follow the session's time zone.
            return f"cast(timezone('UTC', {name}) as varchar) || 'Z'"
        if kind == "float":
            # Tools that hold whole numbers with gaps as floats would make the key 42 a '42.0'.
            return (
                f"case when {name} = trunc({name}) and abs({name}) < 1e15 "
                f"then cast(cast({name} as bigint) as varchar) else cast({name} as varchar) end"
            )
        return f"cast({name} as varchar)"

    def _partition_sql(self, column: str) -> str:
        path = "filename" if self.found.is_parquet else literal(f"/{self.found.name}")
        value = f"url_decode(regexp_extract({path}, {literal(f'/{re.escape(column)}=([^/]*)/')}, 1))"
        return f"nullif(nullif({value}, ''), '{_NO_PARTITION}')"


def find_files(mapping: ExportMapping, project_dir: Path) -> dict[str, tuple[FoundFile, ...]]:
    """The files of every block, by the block's key; a glob's files in the order of their names.

    Raises ExportError for the first block that names no file.
    """
    if not mapping.blocks:
        return {}
    folder = _folder(mapping)
    mend = f"(folders, of which the first that exists is used: {', '.join(mapping.folders)})"
    return {
        block.key: _named_files(block.file, folder, f"{mapping.label}: {block.key}.file", mend, project_dir)
        for block in mapping.blocks
    }


def find_tables(native: NativeSource, label: str, project_dir: Path) -> dict[str, tuple[FoundFile, ...]]:
    """The files of each table of a native source; a table that is not there has none.

    A table is the file, or the folder of files, whose name is one of its object names, unless `files` says it.
    Raises ExportError where the folder or a file that the mapping names is missing, where several could be
    the table, or where every one of a list of which one is required is missing.
    """
    folder, name = native.folder, native.name
    where = display_path(folder, project_dir)
    if not folder.is_dir():
        raise ExportError(
            f"{label}: {name}.folder: there is no folder {where}. Put the files there, mend {name}.folder, "
            f"or take {name} from sources."
        )
    named = _by_object_name(folder)
    tables: dict[str, tuple[FoundFile, ...]] = {}
    for table in native.catalog.tables.values():
        if table.name in native.files:
            place = f"{label}: {name}.files.{table.name}"
            tables[table.name] = _named_files(
                native.files[table.name], folder, place, f"(mend it or {name}.folder)", project_dir
            )
        else:
            paths = _table_paths(table, named, native, label, project_dir)
            tables[table.name] = tuple(_found(path, folder, project_dir) for path in paths)
    for group in native.catalog.required_tables:
        if not any(tables[table] for table in group):
            choices = " or ".join(native.catalog.tables[table].object_names[0] for table in group)
            raise ExportError(
                f"{label}: {name}: there is no {choices} in {where}. "
                f"Put the file there, or name it under {name}.files.{group[0]}."
            )
    return tables


def read_headers(
    connection: duckdb.DuckDBPyConnection,
    files: Iterable[FoundFile],
    is_known: Callable[[str], bool],
    encoding: str,
    scratch: Path,
) -> tuple[SourceFile, ...]:
    """The header of every file; Parquet files of one header and folder become one.

    is_known: whether a name is a column that is looked for; it tells which delimiter a CSV is written with.
    encoding: of a CSV without a byte order mark. scratch: a folder for copies in UTF-8 of files that are not.
    Raises ExportError where a file has no header, cannot be read or names a column twice.
    """
    sources: dict[object, SourceFile] = {}
    for number, found in enumerate(files):
        readable = found if found.is_parquet else _as_utf8(found, encoding, scratch)
        source = _read_header(connection, readable, is_known)
        folder = str(found.path).removesuffix(found.name)
        alike = (source.names, source.types, source.partition_keys, folder) if found.is_parquet else number
        earlier = sources.get(alike)
        sources[alike] = replace(earlier, files=(*earlier.files, found)) if earlier else source
    return tuple(sources.values())


def named_once(source: SourceFile) -> SourceFile:
    """The source itself. Raises ExportError where its header names a column twice."""
    seen: set[str] = set()
    for name in source.header:
        if name and name in seen:
            raise ExportError(
                f"{source.found.label}: the header names the column {quoted(name)} twice. Rename one of the two."
            )
        seen.add(name)
    return source


def check_columns(source: SourceFile, block: Block, mapping: ExportMapping) -> None:
    """Check that the file has every source column that the block names.

    Raises ExportError listing those it has not, each with the nearest names of the header.
    """
    refuse_missing(source, block.source_columns, mapping.label)


def refuse_missing(source: SourceFile, places: Mapping[str, str], label: str) -> None:
    """Refuse a file without the source columns that `places` names, each with its place in the mapping.

    Raises ExportError listing those it has not, each with the nearest names of the header.
    """
    missing = [(column, place) for column, place in places.items() if column not in source.columns]
    if not missing:
        return
    names = [name for name in source.columns if name]
    problems = []
    for column, place in missing:
        near = nearest(column, names, count=3, cutoff=0.4)
        hint = f"nearest: {', '.join(map(quoted, near))}" if near else f"it has {listed([*map(quoted, names)], ', ')}"
        problems.append(f"{quoted(column)} for {place} ({hint})")
    raise ExportError(f"{source.found.label}: the header does not have {listed(problems)}. Mend the names in {label}.")


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


def _named_files(pattern: str, folder: Path, place: str, mend: str, project_dir: Path) -> tuple[FoundFile, ...]:
    """The files that a file name or glob of the mapping stands for."""
    literal_file = folder / pattern
    if literal_file.is_file():  # before any glob: a name may hold brackets
        paths = [literal_file]
    else:
        matches = glob.glob(pattern, root_dir=folder, recursive=True)
        paths = [folder / match for match in sorted(matches) if (folder / match).is_file()]
    if not paths:
        what = "no file matches" if any(sign in pattern for sign in _GLOB_SIGNS) else "there is no file"
        raise ExportError(
            f"{place}: {what} {quoted(pattern)} in {display_path(folder, project_dir)} {mend}. "
            "Put the file there, or mend file or folders."
        )
    files = tuple(_found(path, folder, project_dir) for path in paths)
    for file in files:
        if file.path.suffix.lower() in _SPREADSHEETS:
            raise ExportError(
                f"{file.label} is a spreadsheet ({place.partition(': ')[2]}). "
                "Save the sheet as CSV UTF-8, and name that file."
            )
    return files


def _by_object_name(folder: Path) -> dict[str, list[Path]]:
    """Files and folders of files below a folder, by the key of their name without suffix."""
    named: dict[str, list[Path]] = {}
    for path in sorted(folder.rglob("*")):
        name = path.name.lower()
        suffix = next((suffix for suffix in sorted(_SUFFIXES, key=len, reverse=True) if name.endswith(suffix)), None)
        if path.is_dir():
            named.setdefault(object_key(path.name), []).append(path)
        elif suffix is not None:
            named.setdefault(object_key(path.name[: -len(suffix)]), []).append(path)
    return named


def _table_paths(
    table: CatalogTable, named: Mapping[str, list[Path]], native: NativeSource, label: str, project_dir: Path
) -> list[Path]:
    """The files of a table found by name: one file, or all of one folder."""
    keys = dict.fromkeys(object_key(name) for name in table.object_names)
    found = [path for key in keys for path in named.get(key, [])]
    # A folder's own files go with it: lead/lead.csv is one table.
    found = [path for path in found if not any(other != path and other in path.parents for other in found)]
    filled = {path: _files_below(path) if path.is_dir() else [path] for path in found}
    filled = {path: files for path, files in filled.items() if files}
    if len(filled) > 1:
        names = ", ".join(display_path(path, project_dir) for path in filled)
        raise ExportError(
            f"{label}: {native.name}: each of {names} could be the table {table.name}. "
            f"Say which under {native.name}.files.{table.name}."
        )
    return next(iter(filled.values()), [])


def _files_below(folder: Path) -> list[Path]:
    """The data files of a folder, those of its partition folders included."""
    return sorted(
        path
        for path in folder.rglob("*")
        if path.is_file()
        and path.name.lower().endswith(_SUFFIXES)
        and all("=" in part for part in path.relative_to(folder).parent.parts)
    )


def _found(path: Path, folder: Path, project_dir: Path) -> FoundFile:
    absolute = Path(os.path.abspath(path))
    name = absolute.relative_to(folder).as_posix() if absolute.is_relative_to(folder) else absolute.name
    return FoundFile(path=absolute, name=name, label=display_path(absolute, project_dir))


# --- encodings ------------------------------------------------------------------------------------


def _as_utf8(found: FoundFile, encoding: str, scratch: Path) -> FoundFile:
    """The file itself where it is UTF-8, else a copy that is.

    A byte order mark says what a file is; without one it is what the mapping says. Nothing is guessed: a wrong
    guess would read every letter with an accent wrong and say nothing. Raises ExportError where a byte is none
    of the encoding.
    """
    with open_bytes(found) as stream:
        mark = stream.read(3)
    if mark.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        encoding = "utf-16"
    elif mark == codecs.BOM_UTF8 or codecs.lookup(encoding).name == "utf-8":
        return found
    copy = scratch / f"{len(list(scratch.iterdir()))}.csv"
    decoder = codecs.getincrementaldecoder(encoding)()
    with open_bytes(found) as stream, copy.open("w", encoding="utf-8", newline="") as target:
        try:
            while chunk := stream.read(1 << 20):
                target.write(decoder.decode(chunk))
            target.write(decoder.decode(b"", final=True))
        except UnicodeError as error:
            raise ExportError(
                f"{found.label}: not {encoding} text, which the mapping or its byte order mark says it is. "
                f"{_SAVE_AS_UTF8}"
            ) from error
    return replace(found, path=copy)


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


def _read_header(
    connection: duckdb.DuckDBPyConnection, found: FoundFile, is_known: Callable[[str], bool]
) -> SourceFile:
    source = _parquet_header(connection, found) if found.is_parquet else _csv_header(found, is_known)
    named_once(source)
    keys = dict.fromkeys(found.partitions)
    return replace(source, partition_keys=tuple(key for key in keys if key not in source.header))


def _csv_header(found: FoundFile, is_known: Callable[[str], bool]) -> SourceFile:
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
    delimiter = max(splits, key=lambda sign: (sum(map(is_known, splits[sign][0])), len(splits[sign][0])))
    header, last_line = splits[delimiter]
    if not any(header):
        raise ExportError(
            f"{found.label} has no header in its first line. Export it again with the names of its columns there."
        )
    newline = "\r\n" if last_line.endswith("\r\n") else "\r" if last_line.endswith("\r") else "\n"
    return SourceFile(files=(found,), header=header, delimiter=delimiter, newline=newline)


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
        rows = connection.execute(
            f"describe select * from read_parquet({_path_sql(found)}, hive_partitioning = false)"
        ).fetchall()
    except duckdb.Error as error:
        raise _unreadable(found, error) from error
    return SourceFile(
        files=(found,),
        header=tuple(str(row[0]).strip(BLANKS) for row in rows),
        names=tuple(str(row[0]) for row in rows),
        types=tuple(str(row[1]) for row in rows),
    )


# --- rows -----------------------------------------------------------------------------------------


def _path_sql(found: FoundFile) -> str:
    # The engine takes every path for a glob.
    return literal(re.sub(r"([*?\[])", r"[\1]", str(found.path)))


def _trimmed_sql(value: str) -> str:
    # Looking first is several times as fast as trimming every value: most begin and end with a visible ASCII sign.
    is_tight = f"{value} between '!' and '\u007f' and {value}[-1] between '!' and '~'"
    trimmed = f"trim({value}, {literal(BLANKS)})"
    return f"nullif(case when {value} is null then null when {is_tight} then {value} else {trimmed} end, '')"


def _reader_sql(source: SourceFile, options: str = "") -> str:
    if source.types:
        paths = ", ".join(_path_sql(found) for found in source.files)
        return f"read_parquet([{paths}], filename = true, file_row_number = true, hive_partitioning = false)"
    columns = ", ".join(f"'c{position}': 'VARCHAR'" for position in range(len(source.header)))
    newline = source.newline.replace("\r", r"\r").replace("\n", r"\n")
    # Everything is stated, nothing detected: the engine's guess at line ends, for one, is led astray by a
    # line break within the header, and then it reads no row at all.
    return (
        f"read_csv({_path_sql(source.found)}, auto_detect = false, header = true, columns = {{{columns}}}, "
        f"delim = {literal(source.delimiter)}, quote = '\"', escape = '\"', new_line = '{newline}', "
        f"compression = '{'gzip' if source.found.is_gzip else 'none'}'{options})"
    )


def reading_problem(
    connection: duckdb.DuckDBPyConnection, source: SourceFile, columns: Sequence[str]
) -> ExportError | None:
    """Read the columns of a file once more, and say in words what the engine has against it, or None."""
    selected = ", ".join(f"c{source.position(column)}" for column in columns if column in source.header)
    found = source.found
    try:
        if source.table:
            connection.execute(f"select count(columns(*)) from {source.table}").fetchall()
        elif source.types:
            for found in source.files:
                connection.execute(f"select count(columns(*)) from read_parquet({_path_sql(found)})").fetchall()
        else:
            connection.execute(
                f"select count(columns(*)) from (select {selected or '1'} from {source.relation})"
            ).fetchall()
    except (duckdb.OutOfMemoryException, duckdb.InterruptException):
        raise  # no fault of the file
    except duckdb.Error as error:
        if source.types:
            return _unreadable(found, error)
        return _csv_error(connection, source, selected, error)
    return None


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
