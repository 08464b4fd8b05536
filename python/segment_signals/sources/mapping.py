"""What mapping.yml may say, and the parser that checks every word of it.

A mapping lists the sources of a dataset. Of a native source it says where its tables are and what its custom
fields mean; of the export, where each canonical column of each entity is found. Everything here is decided
without opening a data file; files.py and the readers check the mapping against the files.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any

from segment_signals.sources.catalogs import Catalog, known_sources, load_catalog
from segment_signals.sources.formats import ValueFormats
from segment_signals.sources.messages import (
    BLANKS,
    ExportError,
    did_you_mean,
    display_path,
    listed,
    nearest,
    quoted,
    shown,
)
from segment_signals.sources.shapes import DIMENSION_ENTITIES, ENTITIES, CanonicalColumn, ColumnType, key_of
from segment_signals.sources.yaml_files import load_yaml

MAPPING_FILE = "mapping.yml"
# What native systems and the tools that copy them write where there is no value.
# What people and tools write for nothing, in the cases in which they write it.
NATIVE_NULL_WORDS = (
    *("", "null", "NULL", "Null", "None", "none", "N/A", "n/a", "#N/A", "-", "--", "?", "undefined"),
    *("unknown", "Unknown", "UNKNOWN", "TBD", "tbd", "Select", "select", "(not set)", "not set", "Not set"),
)

_TOP_LEVEL_KEYS = (
    "dataset",
    "data_dir",
    "sources",
    "definitions_dir",
    "own_definitions",
    "dimensions",
    "lead_attributes",
    "lead_target_stage",
    "reporting_timezone",
    "fiscal_year_start_month",
    "folders",
    "as_of_date",
    "history_starts_on",
    "currency",
    "encoding",
    "timezone",
    "null_words",
    "date_formats",
    "number_format",
    "entities",
)
_FORMAT_KEYS = ("encoding", "timezone", "null_words", "date_formats", "number_format")
_NATIVE_KEYS = ("folder", "files", "postgres", *_FORMAT_KEYS, "columns", "stage_dates")
_BLOCK_KEYS = ("file", "where", *_FORMAT_KEYS, "columns", "custom_columns")
_SOURCE_KEYS = ("column", "constant", "lookup", "take", "source")
# Names and addresses of people, lower case without signs: never a dimension.
_PERSONAL_NAMES = frozenset(
    {
        *("name", "fullname", "firstname", "lastname", "contactname", "leadname", "email", "emailaddress", "mail"),
        *("phone", "phonenumber", "mobile", "mobilephone", "linkedin", "linkedinurl", "address", "street"),
    }
)
_NEAR_MISS = 0.8  # of difflib's ratio: 'date_format' is date_formats; 'definitions_hash' is a var of its own


@dataclass(frozen=True, slots=True)
class ColumnSource:
    """Where a column's values come from: a source column (perhaps looked up) or a constant's text."""

    column: str | None = None
    constant: str | None = None
    lookup: tuple[str, str] | None = None  # (entity, column) whose text the source names instead of the key
    take: str | None = None  # the looked-up record's column that is wanted instead of its key
    source: str | None = None  # the native source whose key the values are


@dataclass(frozen=True, slots=True)
class Block:
    """One block of an entity: a file (or glob) and how its columns become canonical ones."""

    entity: str
    key: str  # its place in the mapping, for example entities.people[2]
    file: str
    formats: ValueFormats
    columns: Mapping[str, ColumnSource]
    custom_columns: Mapping[str, ColumnSource]
    where: tuple[tuple[str, str | bool], ...] = ()

    @property
    def sources(self) -> dict[str, ColumnSource]:
        """Canonical and custom columns together, in the mapping's order."""
        return {**self.columns, **self.custom_columns}

    def column_key(self, name: str) -> str:
        """The place of a canonical or custom column in the mapping."""
        return f"{self.key}.{'columns' if name in self.columns else 'custom_columns'}.{name}"

    @property
    def source_columns(self) -> dict[str, str]:
        """Every source column that the block reads -> the first place in the mapping that names it."""
        places: dict[str, str] = {}
        for name, source in self.sources.items():
            if source.column is not None:
                places.setdefault(source.column, self.column_key(name))
        for column, _ in self.where:
            places.setdefault(column, f"{self.key}.where")
        return places


@dataclass(frozen=True, slots=True)
class Replica:
    """A PostgreSQL database that holds a copy of a source."""

    schema: str
    dsn_env: str  # the environment variable with the connection string


@dataclass(frozen=True, slots=True)
class NativeSource:
    """What the mapping says of one native source."""

    catalog: Catalog
    folder: Path
    formats: ValueFormats
    files: Mapping[str, str] = field(default_factory=dict)  # table -> file or glob
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # table -> our column -> their field
    stage_dates: Mapping[str, Mapping[str, str]] = field(default_factory=dict)  # table -> our stage -> their field
    replica: Replica | None = None  # instead of the folder

    @property
    def name(self) -> str:
        """The source's name, which is its key in the mapping, too."""
        return self.catalog.source


@dataclass(frozen=True, slots=True)
class ExportMapping:
    """A checked mapping.yml."""

    label: str  # the file's path from the project root, for messages
    folder: Path
    dataset: str
    folders: tuple[str, ...] = (".",)
    as_of_date: date | None = None
    history_starts_on: date | None = None
    currency: str | None = None
    sources: tuple[str, ...] = ("export",)
    natives: tuple[NativeSource, ...] = ()  # in the order of sources
    entities: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks in the mapping's order."""
        return tuple(block for blocks in self.entities.values() for block in blocks)

    def custom_columns(self, entity: str) -> tuple[str, ...]:
        """The custom columns of an entity, in order of first appearance."""
        return tuple(dict.fromkeys(name for block in self.entities.get(entity, ()) for name in block.custom_columns))

    def attribute_fields(self, entity: str) -> dict[str, list[str]]:
        """The dataset's own columns of an entity, over all sources, each with the fields that it is read from."""
        fields: dict[str, list[str]] = {name: [] for name in self.custom_columns(entity)}
        for block in self.entities.get(entity, ()):
            for name, source in block.custom_columns.items():
                fields[name] += [source.column] if source.column else []
        for native in self.natives:
            for table, names in native.columns.items():
                if native.catalog.tables[table].entity == entity:
                    for name, header in names.items():
                        fields.setdefault(name, []).append(header)
        return fields

    def is_provided(self, entity: str, column: str) -> bool:
        """Whether any block of the entity maps the column."""
        return any(column in block.sources for block in self.entities.get(entity, ()))


def load_mapping(project_dir: Path, data_dir: str) -> ExportMapping:
    """Read and check data_dir/mapping.yml.

    Raises ExportError on the first thing wrong, in the order of the file.
    """
    project = Path(os.path.abspath(project_dir))
    folder = Path(os.path.abspath(project / data_dir))
    label = display_path(folder / MAPPING_FILE, project)
    document = load_yaml(
        folder / MAPPING_FILE,
        label,
        "Write the mapping of your data there, or point the var data_dir to the folder that holds it.",
        "Give it at least dataset and sources.",
    )
    for key in document:
        _check_top_level_key(key, label)
    sources = _source_names(document, label)
    formats = _formats(document, ValueFormats(), label, "")
    mapping = ExportMapping(
        label=label,
        folder=folder,
        dataset=_dataset(document.get("dataset"), label),
        folders=_texts(document["folders"], label, "folders") if "folders" in document else (".",),
        as_of_date=_day(document.get("as_of_date"), label, "as_of_date"),
        history_starts_on=_day(document.get("history_starts_on"), label, "history_starts_on"),
        currency=_currency(document.get("currency"), label),
        sources=sources,
        natives=tuple(
            _native(source, document.get(source), formats, folder, label) for source in sources if source != "export"
        ),
        entities=_entities(document.get("entities"), formats, label) if "export" in sources else {},
    )
    if not mapping.folders:
        raise ExportError(f'{label}: folders is empty. Name at least one folder, for example ".".')
    _check_lookups(mapping)
    return mapping


def check_dimension_attributes(mapping: ExportMapping, attributes: Sequence[str]) -> None:
    """Check that each 'entity.column' a dimension reads is a canonical column or a mapped custom one.

    Raises ExportError naming the first attribute that is neither.
    """
    for attribute in attributes:
        entity, _, column = attribute.partition(".")
        if entity not in DIMENSION_ENTITIES or not column:
            raise ExportError(
                f"The dimension attribute {quoted(attribute)} is not of the form entity.column. "
                f"Name one of {', '.join(DIMENSION_ENTITIES)} and a column of it, for example people.lead_source."
            )
        canonical = [known.name for known in ENTITIES[entity]]
        custom = mapping.attribute_fields(entity)
        if entity == "people":
            _check_not_personal(attribute, column, custom.get(column, ()))
        if column in canonical or column in custom:
            continue
        places = [f"{native.name}.columns" for native in mapping.natives]
        places += [f"entities.{entity}.custom_columns"] if "export" in mapping.sources else []
        raise ExportError(
            f"The dimension attribute {quoted(attribute)} is no column that {mapping.label} maps"
            f"{did_you_mean(column, [*canonical, *custom], f'{entity}.')}. "
            f"Map it under {' or '.join(places)}, or mend the dimension."
        )


def _check_not_personal(attribute: str, column: str, headers: Iterable[str]) -> None:
    """A dimension is published: refuse the columns of people that name or reach a person."""
    for name in (column, *headers):
        if re.sub("[^a-z]", "", name.lower()) in _PERSONAL_NAMES:
            raise ExportError(
                f"The dimension attribute {quoted(attribute)} holds personal data ({name}), and segments are "
                "published. Choose an attribute that describes people without naming them."
            )


# --- YAML -----------------------------------------------------------------------------------------


# --- top level ------------------------------------------------------------------------------------


def _check_top_level_key(key: str, label: str) -> None:
    # Unknown keys are dbt vars of the user's own; only a slip of the pen of ours is refused.
    known = (*_TOP_LEVEL_KEYS, *known_sources())
    near = nearest(key, known, cutoff=_NEAR_MISS)
    if key not in known and near:
        raise ExportError(f"{label}: {quoted(key)} is not a known key. Did you mean '{near[0]}'?")


def _source_names(document: Mapping[str, Any], label: str) -> tuple[str, ...]:
    known = known_sources()
    value = document.get("sources")
    if value is None:
        given = [source for source in known if source in document] + ["export"] * ("entities" in document)
        raise ExportError(
            f"{label}: sources is missing. List what the dataset is read from, "
            f"for example sources: [{', '.join(given or ['export'])}]."
        )
    names = _texts(value, label, "sources")
    for name in names:
        if name not in known:
            raise ExportError(
                f"{label}: sources lists {quoted(name)}, which is no source{did_you_mean(name, known)}. "
                f"The sources are {', '.join(known)}."
            )
    if not names or len(set(names)) < len(names):
        raise ExportError(f"{label}: sources {'lists one twice' if names else 'is empty'}. List each source once.")
    for name in known:
        key = "entities" if name == "export" else name
        if key in document and name not in names:
            raise ExportError(f"{label}: {key} is given, but sources does not list {name}. List it, or remove {key}.")
    return names


def _dataset(value: object, label: str) -> str:
    # It becomes part of file and folder names, so it may hold nothing that could leave them.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
        raise ExportError(
            f"{label}: dataset must be a name of letters, digits, _ and -, not {shown(value)}. "
            "It names the build file and the releases folder; give each dataset its own."
        )
    return value


def _day(value: object, label: str, key: str) -> date | None:
    if value is None or (isinstance(value, date) and not isinstance(value, datetime)):
        return value
    if isinstance(value, str):
        try:
            return date.fromisoformat(value)
        except ValueError:
            pass
    raise ExportError(f"{label}: {key} is {shown(value)}, which is not a date. Write it as 2024-12-31.")


def _currency(value: object, label: str) -> str | None:
    if value is None or (isinstance(value, str) and re.fullmatch(r"[A-Z]{3}", value)):
        return value
    raise ExportError(
        f"{label}: currency is {shown(value)}, which is not a currency code. Write three capitals, such as USD."
    )


def _formats(block: Mapping[str, Any], inherited: ValueFormats, label: str, prefix: str) -> ValueFormats:
    """The value formats of the file or of one block, which keeps what it does not state itself."""
    formats = inherited
    if "encoding" in block:
        encoding = _text(block["encoding"], label, f"{prefix}encoding", "an encoding such as windows-1252")
        try:
            "".encode(encoding)
        except LookupError:
            raise ExportError(
                f"{label}: {prefix}encoding is {quoted(encoding)}, which is not an encoding of text. "
                "Write utf-8, utf-16, windows-1252 or latin-1, for example."
            ) from None
        formats = replace(formats, encoding=encoding)
    if "timezone" in block:
        zone = _text(block["timezone"], label, f"{prefix}timezone", "a time zone such as Europe/Paris")
        formats = replace(formats, timezone=zone.strip(BLANKS))
    if "null_words" in block:
        words = _texts(block["null_words"], label, f"{prefix}null_words")
        # An empty cell is no value whatever else the export writes for one.
        formats = replace(formats, null_words=("", *(word.strip(BLANKS) for word in words if word.strip(BLANKS))))
    if "date_formats" in block:
        date_formats = _texts(block["date_formats"], label, f"{prefix}date_formats")
        for date_format in date_formats:
            if not re.search(r"%[YyGxc]", date_format.replace("%%", "")):
                raise ExportError(
                    f"{label}: {prefix}date_formats holds {quoted(date_format)}, which has no year. "
                    'Write strptime formats, for example "%d/%m/%Y".'
                )
        formats = replace(formats, date_formats=date_formats)
    if "number_format" in block:
        thousands, decimal = _number_format(block["number_format"], label, f"{prefix}number_format")
        formats = replace(formats, thousands=thousands, decimal=decimal)
    return formats


def _number_format(value: object, label: str, key: str) -> tuple[str, str]:
    mend = 'Write it as {thousands: ",", decimal: "."}, each one sign.'
    if not isinstance(value, dict) or not set(value) <= {"thousands", "decimal"}:
        raise ExportError(f"{label}: {key} is {shown(value)}. {mend}")
    thousands = value.get("thousands", "") or ""
    decimal = value.get("decimal", ".")
    for sign, may_be_empty in ((thousands, True), (decimal, False)):
        is_sign = isinstance(sign, str) and len(sign) == 1 and not re.match(r"[\w+-]", sign)
        if not is_sign and not (sign == "" and may_be_empty):
            raise ExportError(f"{label}: {key} holds {shown(sign)}, which is not a sign between digits. {mend}")
    if thousands == decimal:
        raise ExportError(f"{label}: {key} gives {quoted(decimal)} both meanings. {mend}")
    return thousands, decimal


# --- native sources -------------------------------------------------------------------------------


def _native(source: str, value: object, inherited: ValueFormats, folder: Path, label: str) -> NativeSource:
    catalog = load_catalog(source)
    block = {} if value is None else value
    if not isinstance(block, dict):
        raise ExportError(f"{label}: {source} is {shown(block)}. Give it keys such as folder, or leave it out.")
    for key in block:
        if key not in _NATIVE_KEYS:
            raise ExportError(
                f"{label}: {source}.{key} is not a known key{did_you_mean(str(key), _NATIVE_KEYS)}. "
                f"A source has {', '.join(_NATIVE_KEYS)}."
            )
    words = tuple(dict.fromkeys((*NATIVE_NULL_WORDS, *inherited.null_words)))
    where = _text(block.get("folder", source), label, f"{source}.folder", "the name of a folder")
    files = _per_table(block, "files", catalog, label)
    return NativeSource(
        catalog=catalog,
        folder=Path(os.path.abspath(folder / where)),
        formats=_formats(block, replace(inherited, null_words=words), label, f"{source}."),
        files={
            table: _text(file, label, f"{source}.files.{table}", "the name of a file or a glob").strip()
            for table, file in files.items()
        },
        columns=_fields(block, "columns", catalog, label),
        stage_dates=_fields(block, "stage_dates", catalog, label),
        replica=_replica(block, source, label),
    )


def _replica(block: Mapping[str, Any], source: str, label: str) -> Replica | None:
    value = block.get("postgres")
    if value is None:
        return None
    place = f"{source}.postgres"
    if not isinstance(value, dict) or set(value) != {"schema", "dsn_env"}:
        raise ExportError(f"{label}: {place} is {shown(value)}. Write it as {{schema: name, dsn_env: VARIABLE}}.")
    if "folder" in block:
        raise ExportError(f"{label}: {source} has both a folder and postgres. Keep the one that it is read from.")
    return Replica(
        schema=_text(value["schema"], label, f"{place}.schema", "the name of a schema"),
        dsn_env=_text(value["dsn_env"], label, f"{place}.dsn_env", "the name of an environment variable"),
    )


def _per_table(block: Mapping[str, Any], key: str, catalog: Catalog, label: str) -> dict[str, Any]:
    """The block's `key`, whose keys are tables of the catalog."""
    value = block.get(key)
    place = f"{catalog.source}.{key}"
    if value is not None and not isinstance(value, dict):
        raise ExportError(f"{label}: {place} is {shown(value)}. Write it as table: ...")
    for table in value or {}:
        if table not in catalog.tables:
            raise ExportError(
                f"{label}: {place}.{table} is no table of {catalog.source}"
                f"{did_you_mean(str(table), catalog.tables)}. The tables are {', '.join(catalog.tables)}."
            )
    return dict(value or {})


def _fields(block: Mapping[str, Any], key: str, catalog: Catalog, label: str) -> dict[str, dict[str, str]]:
    """Their field for each name of ours, by table."""
    fields: dict[str, dict[str, str]] = {}
    for table, names in _per_table(block, key, catalog, label).items():
        place = f"{catalog.source}.{key}.{table}"
        if not isinstance(names, dict):
            raise ExportError(f"{label}: {place} is {shown(names)}. Write it as our name: their field.")
        fields[table] = {}
        for name, spec in names.items():
            if not re.fullmatch(r"[a-z][a-z0-9_]*", str(name)):
                raise ExportError(
                    f"{label}: {place}.{name} is not a name of ours. "
                    "Use lower-case letters, digits and _, beginning with a letter."
                )
            try:
                fields[table][str(name)] = _source_column(spec)
            except _SpecError as error:
                raise ExportError(f"{label}: {place}.{name} {error}. Write the name of a field of theirs.") from None
    return fields


# --- entities -------------------------------------------------------------------------------------


def _entities(value: object, formats: ValueFormats, label: str) -> dict[str, tuple[Block, ...]]:
    if not isinstance(value, dict) or not value:
        raise ExportError(f"{label}: entities maps nothing. Map at least one entity, for example opportunities.")
    for entity in value:
        if entity not in ENTITIES:
            raise ExportError(
                f"{label}: entities.{entity} is not an entity{did_you_mean(str(entity), ENTITIES)}. "
                f"The entities are {', '.join(ENTITIES)}."
            )
    entities: dict[str, tuple[Block, ...]] = {}
    for entity, blocks in value.items():
        key = f"entities.{entity}"
        if isinstance(blocks, list) and blocks:
            entities[entity] = tuple(
                _block(block, entity, f"{key}[{number}]", formats, label) for number, block in enumerate(blocks, 1)
            )
        else:
            entities[entity] = (_block(blocks, entity, key, formats, label),)
    return entities


def _block(value: object, entity: str, key: str, inherited: ValueFormats, label: str) -> Block:
    if not isinstance(value, dict):
        raise ExportError(f"{label}: {key} is {shown(value)}. Give it a file and its columns.")
    for name in value:
        if name not in _BLOCK_KEYS:
            raise ExportError(
                f"{label}: {key}.{name} is not a known key{did_you_mean(str(name), _BLOCK_KEYS)}. "
                f"A block has {', '.join(_BLOCK_KEYS)}."
            )
    return Block(
        entity=entity,
        key=key,
        file=_text(value.get("file"), label, f"{key}.file", "the name of a file or a glob").strip(),
        where=_where(value.get("where"), label, f"{key}.where"),
        formats=_formats(value, inherited, label, f"{key}."),
        columns=_columns(value.get("columns"), entity, key, label),
        custom_columns=_custom_columns(value.get("custom_columns"), entity, key, label),
    )


def _where(value: object, label: str, key: str) -> tuple[tuple[str, str | bool], ...]:
    if value is None:
        return ()
    if not isinstance(value, dict):
        raise ExportError(f"{label}: {key} is {shown(value)}. Write it as {{source column: value}}.")
    conditions: list[tuple[str, str | bool]] = []
    for column, wanted in value.items():
        if wanted is None or isinstance(wanted, (dict, list)):
            raise ExportError(f"{label}: {key}.{column} is {shown(wanted)}. Give it one value.")
        text = wanted if isinstance(wanted, bool) else str(wanted).strip(BLANKS)
        conditions.append((str(column).strip(BLANKS), text))
    return tuple(conditions)


def _columns(value: object, entity: str, key: str, label: str) -> dict[str, ColumnSource]:
    canonical = {column.name: column for column in ENTITIES[entity]}
    if value is not None and not isinstance(value, dict):
        raise ExportError(f"{label}: {key}.columns is {shown(value)}. Write it as canonical column: source column.")
    columns = {str(name): spec for name, spec in (value or {}).items()}
    unknown = [
        quoted(name) + (f" (nearest: '{near[0]}')" if (near := nearest(name, canonical)) else "")
        for name in columns
        if name not in canonical
    ]
    if unknown:
        raise ExportError(
            f"{label}: {key}.columns maps {listed(unknown, ', ')}, which {entity} does not have. "
            f"Use the canonical names, or map columns of your own under {key}.custom_columns."
        )
    missing = [name for name, column in canonical.items() if column.is_required and name not in columns]
    if missing:
        raise ExportError(
            f"{label}: {key}.columns does not map {', '.join(missing)}, which {entity} needs. "
            "Map it to a source column or to {constant: value}."
        )
    return _sources(columns, lambda name: canonical[name], f"{key}.columns", label)


def _custom_columns(value: object, entity: str, key: str, label: str) -> dict[str, ColumnSource]:
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise ExportError(f"{label}: {key}.custom_columns is {shown(value)}. Write it as column: source column.")
    taken = {"source_file", "source_row", *(column.name for column in ENTITIES[entity])}
    columns = {str(name): spec for name, spec in value.items()}
    for name in columns:
        # The name becomes a column of the models, where it is written unquoted.
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            raise ExportError(
                f"{label}: {key}.custom_columns.{name} is not a column name. "
                "Use lower-case letters, digits and _, beginning with a letter."
            )
        if name in taken:
            raise ExportError(
                f"{label}: {key}.custom_columns.{name} is a column that {entity} has already. "
                f"Map it under {key}.columns, or choose another name."
            )
    return _sources(columns, CanonicalColumn, f"{key}.custom_columns", label)


def _sources(
    columns: Mapping[str, object], column_of: Callable[[str], CanonicalColumn], key: str, label: str
) -> dict[str, ColumnSource]:
    sources: dict[str, ColumnSource] = {}
    problems: list[str] = []
    for name, spec in columns.items():
        try:
            sources[name] = _source(spec, column_of(name))
        except _SpecError as error:
            problems.append(f"{key}.{name} {error}")
    if problems:
        raise ExportError(
            f"{label}: {listed(problems)}. Write the name of a source column, {{constant: value}}, "
            "or {column: name, lookup: entity.column}."
        )
    return sources


class _SpecError(Exception):
    """What is wrong with one column's specification, as the end of a sentence that begins with its key."""


def _source(spec: object, column: CanonicalColumn) -> ColumnSource:
    if not isinstance(spec, dict):
        return ColumnSource(column=_source_column(spec))
    unknown = [str(name) for name in spec if name not in _SOURCE_KEYS]
    if unknown:
        raise _SpecError(f"has the unknown key {quoted(unknown[0])}{did_you_mean(unknown[0], _SOURCE_KEYS)}")
    if "constant" in spec:
        if len(spec) > 1:
            raise _SpecError("has a constant beside a column or lookup")
        return ColumnSource(constant=_constant(spec["constant"], column.type))
    if "column" not in spec:
        raise _SpecError("names no column")
    source_column = _source_column(spec["column"])
    if "source" in spec:
        natives = [name for name in known_sources() if name != "export"]
        if spec["source"] not in natives:
            raise _SpecError(f"is of the source {shown(spec['source'])}; the systems are {', '.join(natives)}")
        if column.type != "text" or "lookup" in spec:
            raise _SpecError(f"is of a source and {'looked up' if column.type == 'text' else 'no text'}")
        return ColumnSource(column=source_column, source=str(spec["source"]))
    if "lookup" not in spec:
        if "take" in spec:
            raise _SpecError("takes a column of no lookup")
        return ColumnSource(column=source_column)
    entity, _, target = str(spec["lookup"]).partition(".")
    if not entity or not target:
        raise _SpecError(f"has the lookup {shown(spec['lookup'])}, which is not entity.column")
    if column.type != "text" or column.is_key:
        raise _SpecError(f"cannot be looked up, for it is {'the key' if column.is_key else 'no text'}")
    take = spec.get("take")
    if take is not None and not isinstance(take, str):
        raise _SpecError(f"takes {shown(take)}, not a column")
    return ColumnSource(column=source_column, lookup=(entity, target), take=take)


def _source_column(value: object) -> str:
    # YAML reads bare No, Yes, On as booleans and ~ as nothing: such headers need quotation marks.
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip(BLANKS):
        raise _SpecError(f"is {shown(value)}, not the name of a source column (quote the name if it is one)")
    return str(value).strip(BLANKS)


_CONSTANTS: Mapping[ColumnType, str] = MappingProxyType(
    {
        "text": "text",
        "integer": "a whole number",
        "amount": "a number",
        "number": "a number",
        "timestamp": "a timestamp",
        "date": "a date",
        "boolean": "true or false",
    }
)


def _constant(value: object, column_type: ColumnType) -> str:
    """The text of a constant of the column's type, in the form that every value parser understands."""
    text: str | None = None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if column_type in ("text", "email") and (isinstance(value, str) or is_number) and str(value).strip():
        text = str(value).strip()
    elif column_type == "integer" and isinstance(value, int) and is_number:
        text = str(value)
    elif column_type in ("amount", "number") and is_number:
        number = Decimal(str(value))
        text = str(number) if number.is_finite() and abs(number) < 10**16 else None
    elif column_type == "boolean" and isinstance(value, bool):
        text = str(value).lower()
    elif column_type in ("date", "timestamp"):
        text = _constant_moment(value, column_type)
    if text is None:
        raise _SpecError(f"has the constant {shown(value)}, which is not {_CONSTANTS[column_type]}")
    return text


def _constant_moment(value: object, column_type: ColumnType) -> str | None:
    moment = value
    if isinstance(value, str):
        parse = datetime.fromisoformat if len(value.strip()) > len("2024-01-05") else date.fromisoformat
        try:
            moment = parse(value.strip())
        except ValueError:
            return None
    if isinstance(moment, datetime):
        return moment.isoformat() if column_type == "timestamp" else None
    return moment.isoformat() if isinstance(moment, date) else None


def _check_lookups(mapping: ExportMapping) -> None:
    for block in mapping.blocks:
        for name, source in block.sources.items():
            if source.lookup is None:
                continue
            entity, column = source.lookup
            place = f"{mapping.label}: {block.column_key(name)} looks up {entity}.{column}"
            if entity not in mapping.entities:
                what = "the mapping has no" if entity in ENTITIES else "there is no entity"
                raise ExportError(
                    f"{place}, but {what} {entity}. Look up one of the mapped entities: {', '.join(mapping.entities)}."
                )
            if key_of(entity) is None:
                raise ExportError(f"{place}, but {entity} has no key. Look up an entity that has one.")
            texts = [known.name for known in ENTITIES[entity] if known.type == "text"]
            mapped = [
                known for known in [*texts, *mapping.custom_columns(entity)] if mapping.is_provided(entity, known)
            ]
            if column not in mapped:
                raise ExportError(
                    f"{place}, but entities.{entity} maps no text column {column}. "
                    f"Map it, or look up one of {', '.join(mapped)}."
                )
            if source.take is not None and source.take not in mapped:
                raise ExportError(
                    f"{place} and takes {source.take}, but entities.{entity} maps no text column {source.take}. "
                    f"Map it, or take one of {', '.join(mapped)}."
                )


# --- small parsers --------------------------------------------------------------------------------


def _text(value: object, label: str, key: str, what: str) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ExportError(f"{label}: {key} is {shown(value)}. Give it {what}.")


def _texts(value: object, label: str, key: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ExportError(f'{label}: {key} is {shown(value)}, not a list. Write it as ["..."].')
    for item in value:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            raise ExportError(f"{label}: {key} holds {shown(item)}, which is not text. Put it in quotation marks.")
    return tuple(str(item) for item in value)
