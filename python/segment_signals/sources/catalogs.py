"""The catalogs: which tables and columns the staging of a native source reads, and how they are recognised.

catalog/<source>.yml is the contract between this reader and models/staging/<source>. Whatever it lists is in
the raw schema, typed, whether the dataset has it or not; what it does not list is never read.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import Any, get_args

from segment_signals.sources.messages import ExportError, did_you_mean, quoted, shown
from segment_signals.sources.shapes import DIMENSION_ENTITIES, CanonicalColumn, ColumnType, landed_names
from segment_signals.sources.yaml_files import load_yaml

CATALOG_FOLDER = Path(__file__).with_name("catalog")
_TOP_KEYS = ("tables", "required_tables")
_TABLE_KEYS = ("entity", "object_names", "required", "columns", "aliases", "stamps", "key")
_HUBSPOT_PREFIX = re.compile(r"^propert(?:y|ies)(?:__|_|\.)(?=.)", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class CatalogTable:
    """One table of a source."""

    name: str
    columns: tuple[CanonicalColumn, ...]
    object_names: tuple[str, ...]
    entity: str | None = None  # whose custom dimension columns it carries
    aliases: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    stamps: tuple[str, ...] = ()  # when the record was created or last changed: what dates the dataset
    key: str = "id"  # of the record that a stage date belongs to

    @property
    def required(self) -> tuple[str, ...]:
        """The columns that must be there if the table is."""
        return tuple(column.name for column in self.columns if column.is_required)


@dataclass(frozen=True, slots=True)
class Catalog:
    """The tables of one source."""

    source: str
    tables: Mapping[str, CatalogTable]
    required_tables: tuple[tuple[str, ...], ...] = ()  # of each list at least one must be there


def known_sources() -> tuple[str, ...]:
    """Every source that a mapping may list: those with a catalog, and the export."""
    return (*sorted(path.stem for path in CATALOG_FOLDER.glob("*.yml")), "export")


def canonical_name(source: str, header: str) -> str:
    """A source's column name as ours: AccountId, accountId and account_id are account_id, X__c is x_c."""
    name = header.strip()
    if source == "hubspot":
        name = _HUBSPOT_PREFIX.sub("", name)
    name = re.sub(r"([a-z0-9])([A-Z])", r"\1_\2", name)
    name = re.sub(r"([A-Z]+)([A-Z][a-z])", r"\1_\2", name)
    return re.sub(r"[\W_]+", "_", name).strip("_").lower()


def matching_name(source: str, header: str) -> str:
    """What two spellings of one column share: canonical names, whose tools break words differently."""
    return canonical_name(source, header).replace("_", "")


def load_catalog(source: str) -> Catalog:
    """Read and check catalog/<source>.yml.

    Raises ExportError on the first thing wrong with it.
    """
    return _load(source, CATALOG_FOLDER)


@cache
def _load(source: str, folder: Path) -> Catalog:
    label = f"catalog/{source}.yml"
    document = load_yaml(folder / f"{source}.yml", label, "Write it, or mend sources.", "Give it tables.")
    _check_keys(document, _TOP_KEYS, label, "")
    tables = document.get("tables")
    if not isinstance(tables, dict) or not tables:
        raise ExportError(f"{label}: tables is {shown(tables)}. Give it at least one table.")
    checked = {str(name): _table(source, str(name), table, label) for name, table in tables.items()}
    _check_object_names(checked, label)
    required = document.get("required_tables") or []
    for group in required if isinstance(required, list) else [required]:
        if not isinstance(group, list) or not group or not set(group) <= set(checked):
            raise ExportError(f"{label}: required_tables holds {group}. Write lists of its tables, such as [[lead]].")
    return Catalog(source, checked, tuple(tuple(group) for group in required))


def _table(source: str, name: str, value: Any, label: str) -> CatalogTable:
    key = f"tables.{name}"
    _check_name(name, label, key)
    if not isinstance(value, dict):
        raise ExportError(f"{label}: {key} is {shown(value)}. Give it object_names and columns.")
    _check_keys(value, _TABLE_KEYS, label, f"{key}.")
    entity = value.get("entity")
    if entity is not None and entity not in DIMENSION_ENTITIES:
        raise ExportError(
            f"{label}: {key}.entity is {shown(entity)}. It is one of {', '.join(DIMENSION_ENTITIES)}, or null."
        )
    types = value.get("columns")
    if not isinstance(types, dict) or not types:
        raise ExportError(f"{label}: {key}.columns is {shown(types)}. Write it as column: type.")
    required = _names(value.get("required"), types, label, f"{key}.required")
    columns = []
    for column, column_type in types.items():
        _check_name(str(column), label, f"{key}.columns.{column}")
        if column_type not in get_args(ColumnType):
            raise ExportError(
                f"{label}: {key}.columns.{column} is of the type {shown(column_type)}. "
                f"The types are {', '.join(get_args(ColumnType))}."
            )
        columns.append(CanonicalColumn(str(column), column_type, is_required=column in required))
    landed = [landed for column in columns for landed in landed_names(column)]
    landed += ["source_file", "source_row"]
    twice = [name for name in landed if landed.count(name) > 1]
    if twice:
        raise ExportError(f"{label}: {key}.columns land {quoted(twice[0])} twice. Rename one.")
    aliases = value.get("aliases") or {}
    if not isinstance(aliases, dict) or not all(isinstance(names, list) for names in aliases.values()):
        raise ExportError(f"{label}: {key}.aliases is {shown(aliases)}. Write it as column: [name, ...].")
    _names(list(aliases), types, label, f"{key}.aliases")
    _check_recognisable(source, types, aliases, label, key)
    stamps = _names(value.get("stamps"), types, label, f"{key}.stamps")
    for stamp in stamps:
        if types[stamp] not in ("timestamp", "date"):
            raise ExportError(f"{label}: {key}.stamps names {quoted(stamp)}, which is no timestamp. Name those only.")
    record_key = value.get("key", "id" if "id" in types else next(iter(types)))
    _names([record_key], types, label, f"{key}.key")
    object_names = value.get("object_names")
    if not isinstance(object_names, list) or not object_names:
        raise ExportError(f"{label}: {key}.object_names is {shown(object_names)}. Write it as [Name, ...].")
    return CatalogTable(
        name=name,
        columns=tuple(columns),
        object_names=tuple(str(each) for each in object_names),
        entity=entity,
        aliases={str(column): tuple(str(each) for each in names) for column, names in aliases.items()},
        stamps=stamps,
        key=str(record_key),
    )


def _check_keys(document: Mapping[str, Any], known: tuple[str, ...], label: str, prefix: str) -> None:
    for key in document:
        if key not in known:
            raise ExportError(
                f"{label}: {prefix}{key} is not a known key{did_you_mean(str(key), known)}. "
                f"The keys are {', '.join(known)}."
            )


def _check_name(name: str, label: str, key: str) -> None:
    if not re.fullmatch(r"[a-z_][a-z0-9_]*", name):
        raise ExportError(f"{label}: {key} is not a name in lower-case letters, digits and _. Rename it.")


def _names(value: Any, columns: Mapping[str, Any], label: str, key: str) -> tuple[str, ...]:
    if value is None:
        return ()
    if not isinstance(value, list):
        raise ExportError(f"{label}: {key} is {shown(value)}, not a list. Write it as [column, ...].")
    for name in value:
        if name not in columns:
            raise ExportError(
                f"{label}: {key} names {quoted(name)}, which is no column of the table"
                f"{did_you_mean(str(name), columns)}. Name one of its columns."
            )
    return tuple(str(name) for name in value)


def _check_recognisable(
    source: str, columns: Mapping[str, Any], aliases: Mapping[str, list[str]], label: str, key: str
) -> None:
    """Refuse a header that could stand for two columns."""
    owners: dict[str, str] = {}
    for column in columns:
        for name in [column, *aliases.get(column, [])]:
            other = owners.setdefault(matching_name(source, str(name)), str(column))
            if other != column:
                raise ExportError(
                    f"{label}: {key}: {quoted(name)} is recognised as {other} and as {column}. Mend the aliases."
                )


def _check_object_names(tables: Mapping[str, CatalogTable], label: str) -> None:
    owners: dict[str, str] = {}
    for table in tables.values():
        for name in table.object_names:
            other = owners.setdefault(object_key(name), table.name)
            if other != table.name:
                raise ExportError(
                    f"{label}: the object name {quoted(name)} is of {other} and of {table.name}. Keep it at one."
                )


def object_key(name: str) -> str:
    """What two spellings of an object's name share: letters and digits, in lower case."""
    return re.sub(r"[\W_]+", "", name).lower()
