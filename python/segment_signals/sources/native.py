"""The tables of a native source: what its catalog lists, found in the dataset's files by their headers."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import duckdb

from segment_signals.sources.catalogs import CatalogTable, canonical_name, matching_name
from segment_signals.sources.files import SourceFile, find_tables, read_headers
from segment_signals.sources.mapping import ExportMapping, NativeSource
from segment_signals.sources.messages import ExportError, did_you_mean, listed, nearest, quoted
from segment_signals.sources.replica import replica_tables
from segment_signals.sources.shapes import CanonicalColumn, landed_names
from segment_signals.sources.tables import Part, StageDate, Table, Value

# HubSpot's calculated properties, by which a record says when it entered a stage: rule -> header.
_HUBSPOT_STAGE_DATES = {
    "hs_v2_date_entered": re.compile(r"hs_v2_date_entered_(?!current_stage$)(.+)", re.IGNORECASE),
    "hs_lifecyclestage_date": re.compile(r"hs_lifecyclestage_(.+)_date", re.IGNORECASE),
    "hs_date_entered": re.compile(r"hs_date_entered_(.+)", re.IGNORECASE),
}
_HUBSPOT_PREFIX = re.compile(r"propert(?:y|ies)(?:__|_|\.)", re.IGNORECASE)


def native_tables(
    connection: duckdb.DuckDBPyConnection,
    mapping: ExportMapping,
    native: NativeSource,
    custom_columns: Mapping[str, Sequence[str]],
    project: Path,
    scratch: Path,
) -> list[Table]:
    """Every table of the source's catalog, with the parts that the dataset has of it.

    custom_columns: of each entity, those that its tables carry as text. scratch: see read_headers.
    Raises ExportError where a file cannot be read or a required or named column is missing.
    """
    if native.replica is not None:
        replicated = replica_tables(connection, native, mapping.label)
        sources_of = replicated.__getitem__
    else:
        files = find_tables(native, mapping.label, project)

        def sources_of(table: str) -> tuple[SourceFile, ...]:
            is_known = _recogniser(native, native.catalog.tables[table])
            return read_headers(connection, files[table], is_known, native.formats.encoding, scratch)

    return [
        _table(mapping, native, table, sources_of(table.name), custom_columns.get(table.entity or "", ()))
        for table in native.catalog.tables.values()
    ]


def _recogniser(native: NativeSource, table: CatalogTable) -> Callable[[str], bool]:
    """Whether a header names a column of the table, or a field that the mapping names."""
    wanted = {name for names in _headers_by_column(native.name, table).values() for name in names}
    for fields in (native.columns, native.stage_dates):
        wanted |= {matching_name(native.name, field) for field in fields.get(table.name, {}).values()}
    return lambda header: matching_name(native.name, header) in wanted


def _table(
    mapping: ExportMapping,
    native: NativeSource,
    table: CatalogTable,
    sources: Sequence[SourceFile],
    custom: Sequence[str],
) -> Table:
    taken = {name for column in table.columns for name in landed_names(column)}
    columns = (*table.columns, *(CanonicalColumn(name) for name in custom if name not in taken))
    fields = native.columns.get(table.name, {})
    for name in fields:
        if name not in {column.name for column in columns}:
            raise ExportError(
                f"{mapping.label}: {native.name}.columns.{table.name}.{name} is no column of the table and none that "
                f"a dimension reads{did_you_mean(name, [column.name for column in columns])}. Mend the name, or "
                f"declare a dimension that reads {table.entity or 'an entity'}.{name}."
            )
    known = _headers_by_column(native.name, table)
    _refuse_missing_fields(mapping, native, table, sources)
    stage_dates = _stage_dates(native, table, sources)
    parts = tuple(
        Part(
            source=source,
            formats=native.formats,
            values=_values(mapping, native, table, source, columns, known, stage_dates),
        )
        for source in sources
    )
    return Table(
        source=native.name,
        name=table.name,
        columns=columns,
        parts=parts,
        stamps=table.stamps,
        record_key=table.key,
        stage_dates=tuple(stage_date for stage_date, _ in stage_dates),
        shape=_shape(sources),
    )


def _headers_by_column(source: str, table: CatalogTable) -> dict[str, list[str]]:
    """The matching names of the headers by which each column is recognised, the likeliest first."""
    return {
        column.name: [matching_name(source, name) for name in (column.name, *table.aliases.get(column.name, ()))]
        for column in table.columns
    }


def _values(
    mapping: ExportMapping,
    native: NativeSource,
    table: CatalogTable,
    source: SourceFile,
    columns: Sequence[CanonicalColumn],
    known: Mapping[str, Sequence[str]],
    stage_dates: Sequence[tuple[StageDate, str]],
) -> dict[str, Value]:
    """Where the file has the table's columns, those that it has.

    Raises ExportError where it lacks a required one.
    """
    by_name: dict[str, list[str]] = {}
    for header in source.columns:
        by_name.setdefault(matching_name(native.name, header), []).append(header)
    fields = native.columns.get(table.name, {})
    values: dict[str, Value] = {}
    headers: tuple[str, ...]
    for column in columns:
        if column.name in fields:
            mapped = _field(native, source, fields[column.name])
            headers = () if mapped is None else (mapped,)
            place = f"{native.name}.columns.{table.name}.{column.name}"
        else:
            headers = tuple(each for name in known.get(column.name, ()) for each in by_name.get(name, ()))
            place = f"{native.name}.{table.name}, column {headers[0]}" if headers else ""
        if headers:
            values[column.name] = Value(place, headers)
    for stage_date, field in stage_dates:
        if (found := _field(native, source, field)) is not None:
            values[stage_date.column.name] = Value(f"{native.name}.{table.name}, column {found}", (found,))
    missing = [column.name for column in columns if column.is_required and column.name not in values]
    if missing:
        problems = []
        for name in missing:
            near = nearest(name, [canonical_name(native.name, header) for header in source.columns if header], 3)
            problems.append(quoted(name) + (f" (nearest: {', '.join(map(quoted, near))})" if near else ""))
        raise ExportError(
            f"{source.found.label} is the table {table.name} of {native.name}, which needs {listed(problems, ', ')}. "
            f"Export the file with the column, or name it in {mapping.label} under {native.name}.columns.{table.name}."
        )
    return values


def _field(native: NativeSource, source: SourceFile, field: str) -> str | None:
    """A field of the mapping as the file spells it: as it is, or under the name that a tool made of it."""
    if field in source.columns:
        return field
    wanted = matching_name(native.name, field)
    return next((header for header in source.columns if matching_name(native.name, header) == wanted), None)


def _refuse_missing_fields(
    mapping: ExportMapping, native: NativeSource, table: CatalogTable, sources: Sequence[SourceFile]
) -> None:
    """Refuse a field that the mapping names and no file of the table has."""
    headers = list(dict.fromkeys(header for source in sources for header in source.columns if header))
    for key, fields in (("columns", native.columns), ("stage_dates", native.stage_dates)):
        for name, field in fields.get(table.name, {}).items():
            if any(_field(native, source, field) for source in sources):
                continue
            near = nearest(field, headers, count=3, cutoff=0.4)
            place = f"{mapping.label}: {native.name}.{key}.{table.name}.{name} names {quoted(field)}"
            if not sources:
                raise ExportError(f"{place}, but there is no table {table.name}. Add its file, or remove the key.")
            hint = f" (nearest: {', '.join(map(quoted, near))})" if near else ""
            raise ExportError(f"{place}, which {sources[0].found.label} does not have{hint}. Mend the name.")


def _stage_dates(
    native: NativeSource, table: CatalogTable, sources: Sequence[SourceFile]
) -> list[tuple[StageDate, str]]:
    """The stage dates of a table, each with the field that holds it."""
    found: dict[tuple[str, str], str] = {
        (stage, "custom_field"): field for stage, field in native.stage_dates.get(table.name, {}).items()
    }
    if native.name == "hubspot":
        for header in (header for source in sources for header in source.columns):
            name = _HUBSPOT_PREFIX.sub("", header, count=1) if _HUBSPOT_PREFIX.match(header) else header
            for rule, pattern in _HUBSPOT_STAGE_DATES.items():
                if match := pattern.fullmatch(name):
                    found.setdefault((match[1], rule), header)
    return [
        (StageDate(CanonicalColumn(f"stage_date_{number}", "timestamp"), stage, rule), field)
        for number, ((stage, rule), field) in enumerate(found.items())
    ]


def _shape(sources: Sequence[SourceFile]) -> str | None:
    """Which tool landed the files, by the columns that it adds."""
    headers = {header.lower() for source in sources for header in source.columns}
    if "_fivetran_synced" in headers:
        return "fivetran"
    if headers & {"_dlt_id", "_dlt_load_id"}:
        return "dlt"
    return "api" if sources else None
