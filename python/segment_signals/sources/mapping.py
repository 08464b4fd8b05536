"""What mapping.yml may say: the entities, their columns, and the parser that checks every word of it.

A mapping tells where each canonical column of each entity is found in an export. Everything here is decided
without opening a data file; files.py and export.py check the mapping against the files.
"""

from __future__ import annotations

import difflib
import os
import re
from collections.abc import Callable, Hashable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from types import MappingProxyType
from typing import Any, Literal

import yaml

ColumnType = Literal["text", "integer", "amount", "timestamp", "date", "boolean"]

MAPPING_FILE = "mapping.yml"
BLANKS = " \t\r\n\u00a0\ufeff"  # what surrounds names and values without being part of them
MAX_LISTED = 5  # problems named in one message: enough to mend by, few enough to read


class ExportError(ValueError):
    """The export or its mapping cannot be read; the message says what is wrong, where, and the mend."""


@dataclass(frozen=True, slots=True)
class CanonicalColumn:
    """One column of an entity's canonical shape."""

    name: str
    type: ColumnType = "text"
    is_required: bool = False  # must be mapped
    is_key: bool = False  # and has one distinct value in every row


def _key(name: str) -> CanonicalColumn:
    return CanonicalColumn(name, "text", is_required=True, is_key=True)


def _required(name: str, column_type: ColumnType = "text") -> CanonicalColumn:
    return CanonicalColumn(name, column_type, is_required=True)


def _optional(column_type: ColumnType, *names: str) -> tuple[CanonicalColumn, ...]:
    return tuple(CanonicalColumn(name, column_type) for name in names)


ENTITIES: Mapping[str, tuple[CanonicalColumn, ...]] = MappingProxyType(
    {
        "accounts": (
            _key("account_id"),
            *_optional("text", "account_name", "industry"),
            *_optional("integer", "employee_count"),
            *_optional("amount", "annual_revenue_amount"),
            *_optional("text", "country", "region", "parent_account_id", "owner_id"),
            *_optional("timestamp", "created_at", "changed_at"),
            *_optional("boolean", "is_deleted"),
        ),
        "people": (
            _key("person_id"),
            *_optional("text", "account_id", "opportunity_id", "owner_id", "email", "title", "persona"),
            *_optional("text", "lead_source", "country", "region", "industry"),
            *_optional("integer", "employee_count"),
            *_optional("text", "status"),
            _required("created_at", "timestamp"),
            *_optional("timestamp", "converted_at", "changed_at"),
            *_optional("boolean", "is_deleted"),
        ),
        "opportunities": (
            _key("opportunity_id"),
            *_optional("text", "account_id", "person_id", "owner_id", "product_id"),
            _required("stage"),
            *_optional("text", "opportunity_type", "lead_source", "loss_reason", "currency"),
            *_optional("amount", "amount"),
            *_optional("timestamp", "created_at"),
            *_optional("date", "close_date"),
            *_optional("timestamp", "closed_at", "changed_at"),
            *_optional("boolean", "is_deleted"),
        ),
        "stage_history": (
            _required("entity"),
            _required("entity_id"),
            _required("stage"),
            _required("entered_at", "timestamp"),
        ),
        "owners": (
            _key("owner_id"),
            *_optional("text", "owner_name", "team", "manager", "region"),
            *_optional("boolean", "is_active"),
        ),
        "products": (
            _key("product_id"),
            *_optional("text", "product_name", "product_series"),
            *_optional("amount", "list_price_amount"),
        ),
    }
)

_TOP_LEVEL_KEYS = (
    "dataset",
    "data_dir",
    "definitions_dir",
    "own_definitions",
    "dimensions",
    "reporting_timezone",
    "fiscal_year_start_month",
    "folders",
    "as_of_date",
    "history_starts_on",
    "currency",
    "timezone",
    "null_words",
    "date_formats",
    "number_format",
    "entities",
)
_FORMAT_KEYS = ("timezone", "null_words", "date_formats", "number_format")
_BLOCK_KEYS = ("file", "where", *_FORMAT_KEYS, "columns", "custom_columns")
_SOURCE_KEYS = ("column", "constant", "lookup")
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


@dataclass(frozen=True, slots=True)
class ValueFormats:
    """How a file writes its values."""

    timezone: str = "UTC"
    null_words: tuple[str, ...] = ("",)
    date_formats: tuple[str, ...] = ()
    thousands: str = ""
    decimal: str = "."


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
class ExportMapping:
    """A checked mapping.yml."""

    label: str  # the file's path from the project root, for messages
    folder: Path
    dataset: str
    folders: tuple[str, ...] = (".",)
    as_of_date: date | None = None
    history_starts_on: date | None = None
    currency: str | None = None
    entities: Mapping[str, tuple[Block, ...]] = field(default_factory=dict)

    @property
    def blocks(self) -> tuple[Block, ...]:
        """All blocks in the mapping's order."""
        return tuple(block for blocks in self.entities.values() for block in blocks)

    def custom_columns(self, entity: str) -> tuple[str, ...]:
        """The custom columns of an entity, in order of first appearance."""
        return tuple(dict.fromkeys(name for block in self.entities.get(entity, ()) for name in block.custom_columns))

    def is_provided(self, entity: str, column: str) -> bool:
        """Whether any block of the entity maps the column."""
        return any(column in block.sources for block in self.entities.get(entity, ()))


def key_of(entity: str) -> str | None:
    """The key column of an entity, or None for one without (stage_history)."""
    return next((column.name for column in ENTITIES[entity] if column.is_key), None)


def nearest(name: str, options: Iterable[str], count: int = 1, cutoff: float = 0.6) -> list[str]:
    """The options spelt most like `name`, nearest first, upper and lower case alike."""
    by_folded = {option.casefold(): option for option in options}
    return [by_folded[near] for near in difflib.get_close_matches(name.casefold(), by_folded, count, cutoff)]


def listed(problems: Sequence[str], separator: str = "; ") -> str:
    """At most five problems in one line, and how many more there are."""
    shown = separator.join(problems[:MAX_LISTED])
    more = len(problems) - MAX_LISTED
    return f"{shown}{separator}and {more} more" if more > 0 else shown


def quoted(value: object, width: int = 60) -> str:
    """A value as a message shows it: in quotation marks, on one line, cut where it is long."""
    text = " ".join(str(value).split()) or str(value)
    return f"'{text[:width]}...'" if len(text) > width else f"'{text}'"


def display_path(path: Path, project_dir: Path) -> str:
    """A path as messages name it: from the project root, never a machine's own path."""
    return Path(os.path.relpath(path, project_dir)).as_posix()


def load_mapping(project_dir: Path, data_dir: str) -> ExportMapping:
    """Read and check data_dir/mapping.yml.

    Raises ExportError on the first thing wrong, in the order of the file.
    """
    project = Path(os.path.abspath(project_dir))
    folder = Path(os.path.abspath(project / data_dir))
    label = display_path(folder / MAPPING_FILE, project)
    document = _load_yaml(folder / MAPPING_FILE, label)
    for key in document:
        _check_top_level_key(key, label)
    formats = _formats(document, ValueFormats(), label, "")
    entities = _entities(document.get("entities"), formats, label)
    mapping = ExportMapping(
        label=label,
        folder=folder,
        dataset=_dataset(document.get("dataset"), label),
        folders=_texts(document["folders"], label, "folders") if "folders" in document else (".",),
        as_of_date=_day(document.get("as_of_date"), label, "as_of_date"),
        history_starts_on=_day(document.get("history_starts_on"), label, "history_starts_on"),
        currency=_currency(document.get("currency"), label),
        entities=entities,
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
        if entity not in ENTITIES or not column:
            raise ExportError(
                f"The dimension attribute {quoted(attribute)} is not of the form entity.column. "
                f"Name one of {', '.join(ENTITIES)} and a column of it, for example people.lead_source."
            )
        canonical = [known.name for known in ENTITIES[entity]]
        custom = mapping.custom_columns(entity)
        if entity == "people":
            _check_not_personal(mapping, attribute, column)
        if column in canonical or column in custom:
            continue
        raise ExportError(
            f"The dimension attribute {quoted(attribute)} is no column that {mapping.label} maps"
            f"{_did_you_mean(column, [*canonical, *custom], f'{entity}.')}. "
            f"Map it under entities.{entity}.custom_columns, or mend the dimension."
        )


def _check_not_personal(mapping: ExportMapping, attribute: str, column: str) -> None:
    """A dimension is published: refuse the columns of people that name or reach a person."""
    headers = (
        [
            block.custom_columns[column].column or ""
            for block in mapping.entities["people"]
            if column in block.custom_columns
        ]
        if "people" in mapping.entities
        else []
    )
    for name in (column, *headers):
        if re.sub("[^a-z]", "", name.lower()) in _PERSONAL_NAMES:
            raise ExportError(
                f"The dimension attribute {quoted(attribute)} holds personal data ({name}), and segments are "
                "published. Choose an attribute that describes people without naming them."
            )


# --- YAML -----------------------------------------------------------------------------------------


class _UniqueKeyLoader(yaml.SafeLoader):
    """Safe YAML that refuses a key given twice, where plain YAML silently keeps the last."""

    def construct_mapping(self, node: yaml.MappingNode, deep: bool = False) -> dict[Hashable, Any]:
        seen: set[Hashable] = set()
        for key_node, _ in node.value:
            if key_node.tag == "tag:yaml.org,2002:merge":
                continue
            key = self.construct_object(key_node, deep=True)
            if isinstance(key, Hashable) and key in seen:
                raise yaml.constructor.ConstructorError(
                    None, None, f"the key '{key}' is there twice", key_node.start_mark
                )
            seen.add(key)
        return super().construct_mapping(node, deep)


def _load_yaml(path: Path, label: str) -> dict[str, Any]:
    try:
        text = path.read_bytes().decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ExportError(f"{label} is not UTF-8 text. Save the file as UTF-8.") from error
    except OSError as error:
        raise ExportError(
            f"{label} does not exist. Write the mapping of your export there, or point the var data_dir "
            "to the folder that holds it."
        ) from error
    try:
        document = yaml.load(text, _UniqueKeyLoader)
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        line = f", line {mark.line + 1}" if mark else ""
        raise ExportError(f"{label}{line}: not valid YAML ({error.problem}). Mend that line.") from error
    except yaml.YAMLError as error:
        raise ExportError(f"{label}: not valid YAML ({str(error).splitlines()[0]}). Mend the file.") from error
    except ValueError as error:  # a scalar that looks like a date and is none, such as 2024-02-30
        raise ExportError(f"{label}: not valid YAML ({error}). Mend or quote that value.") from error
    if not isinstance(document, dict):
        raise ExportError(f"{label} holds no keys. Give it at least dataset and entities.")
    return {str(key): value for key, value in document.items()}


# --- top level ------------------------------------------------------------------------------------


def _check_top_level_key(key: str, label: str) -> None:
    # Unknown keys are dbt vars of the user's own; only a slip of the pen of ours is refused.
    near = nearest(key, _TOP_LEVEL_KEYS, cutoff=_NEAR_MISS)
    if key not in _TOP_LEVEL_KEYS and near:
        raise ExportError(f"{label}: {quoted(key)} is not a known key. Did you mean '{near[0]}'?")


def _dataset(value: object, label: str) -> str:
    # It becomes part of file and folder names, so it may hold nothing that could leave them.
    if not isinstance(value, str) or not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9_-]*", value):
        raise ExportError(
            f"{label}: dataset must be a name of letters, digits, _ and -, not {_shown(value)}. "
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
    raise ExportError(f"{label}: {key} is {_shown(value)}, which is not a date. Write it as 2024-12-31.")


def _currency(value: object, label: str) -> str | None:
    if value is None or (isinstance(value, str) and re.fullmatch(r"[A-Z]{3}", value)):
        return value
    raise ExportError(
        f"{label}: currency is {_shown(value)}, which is not a currency code. Write three capitals, such as USD."
    )


def _formats(block: Mapping[str, Any], inherited: ValueFormats, label: str, prefix: str) -> ValueFormats:
    """The value formats of the file or of one block, which keeps what it does not state itself."""
    formats = inherited
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
        raise ExportError(f"{label}: {key} is {_shown(value)}. {mend}")
    thousands = value.get("thousands", "") or ""
    decimal = value.get("decimal", ".")
    for sign, may_be_empty in ((thousands, True), (decimal, False)):
        is_sign = isinstance(sign, str) and len(sign) == 1 and not re.match(r"[\w+-]", sign)
        if not is_sign and not (sign == "" and may_be_empty):
            raise ExportError(f"{label}: {key} holds {_shown(sign)}, which is not a sign between digits. {mend}")
    if thousands == decimal:
        raise ExportError(f"{label}: {key} gives {quoted(decimal)} both meanings. {mend}")
    return thousands, decimal


# --- entities -------------------------------------------------------------------------------------


def _entities(value: object, formats: ValueFormats, label: str) -> dict[str, tuple[Block, ...]]:
    if not isinstance(value, dict) or not value:
        raise ExportError(f"{label}: entities maps nothing. Map at least entities.opportunities.")
    for entity in value:
        if entity not in ENTITIES:
            raise ExportError(
                f"{label}: entities.{entity} is not an entity{_did_you_mean(str(entity), ENTITIES)}. "
                f"The entities are {', '.join(ENTITIES)}."
            )
    if "opportunities" not in value:
        raise ExportError(f"{label}: entities.opportunities is missing. Map at least the opportunities.")
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
        raise ExportError(f"{label}: {key} is {_shown(value)}. Give it a file and its columns.")
    for name in value:
        if name not in _BLOCK_KEYS:
            raise ExportError(
                f"{label}: {key}.{name} is not a known key{_did_you_mean(str(name), _BLOCK_KEYS)}. "
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
        raise ExportError(f"{label}: {key} is {_shown(value)}. Write it as {{source column: value}}.")
    conditions: list[tuple[str, str | bool]] = []
    for column, wanted in value.items():
        if wanted is None or isinstance(wanted, (dict, list)):
            raise ExportError(f"{label}: {key}.{column} is {_shown(wanted)}. Give it one value.")
        text = wanted if isinstance(wanted, bool) else str(wanted).strip(BLANKS)
        conditions.append((str(column).strip(BLANKS), text))
    return tuple(conditions)


def _columns(value: object, entity: str, key: str, label: str) -> dict[str, ColumnSource]:
    canonical = {column.name: column for column in ENTITIES[entity]}
    if value is not None and not isinstance(value, dict):
        raise ExportError(f"{label}: {key}.columns is {_shown(value)}. Write it as canonical column: source column.")
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
        raise ExportError(f"{label}: {key}.custom_columns is {_shown(value)}. Write it as column: source column.")
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
        raise _SpecError(f"has the unknown key {quoted(unknown[0])}{_did_you_mean(unknown[0], _SOURCE_KEYS)}")
    if "constant" in spec:
        if len(spec) > 1:
            raise _SpecError("has a constant beside a column or lookup")
        return ColumnSource(constant=_constant(spec["constant"], column.type))
    if "column" not in spec:
        raise _SpecError("names no column")
    source_column = _source_column(spec["column"])
    if "lookup" not in spec:
        return ColumnSource(column=source_column)
    entity, _, target = str(spec["lookup"]).partition(".")
    if not entity or not target:
        raise _SpecError(f"has the lookup {_shown(spec['lookup'])}, which is not entity.column")
    if column.type != "text" or column.is_key:
        raise _SpecError(f"cannot be looked up, for it is {'the key' if column.is_key else 'no text'}")
    return ColumnSource(column=source_column, lookup=(entity, target))


def _source_column(value: object) -> str:
    # YAML reads bare No, Yes, On as booleans and ~ as nothing: such headers need quotation marks.
    if isinstance(value, bool) or not isinstance(value, (str, int, float)) or not str(value).strip(BLANKS):
        raise _SpecError(f"is {_shown(value)}, not the name of a source column (quote the name if it is one)")
    return str(value).strip(BLANKS)


_CONSTANTS: Mapping[ColumnType, str] = MappingProxyType(
    {
        "text": "text",
        "integer": "a whole number",
        "amount": "a number",
        "timestamp": "a timestamp",
        "date": "a date",
        "boolean": "true or false",
    }
)


def _constant(value: object, column_type: ColumnType) -> str:
    """The text of a constant of the column's type, in the form that every value parser understands."""
    text: str | None = None
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
    if column_type == "text" and (isinstance(value, str) or is_number) and str(value).strip():
        text = str(value).strip()
    elif column_type == "integer" and isinstance(value, int) and is_number:
        text = str(value)
    elif column_type == "amount" and is_number:
        number = Decimal(str(value))
        text = str(number) if number.is_finite() and abs(number) < 10**16 else None
    elif column_type == "boolean" and isinstance(value, bool):
        text = str(value).lower()
    elif column_type in ("date", "timestamp"):
        text = _constant_moment(value, column_type)
    if text is None:
        raise _SpecError(f"has the constant {_shown(value)}, which is not {_CONSTANTS[column_type]}")
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


# --- small parsers --------------------------------------------------------------------------------


def _text(value: object, label: str, key: str, what: str) -> str:
    if isinstance(value, str) and value.strip():
        return value
    raise ExportError(f"{label}: {key} is {_shown(value)}. Give it {what}.")


def _texts(value: object, label: str, key: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise ExportError(f'{label}: {key} is {_shown(value)}, not a list. Write it as ["..."].')
    for item in value:
        if isinstance(item, bool) or not isinstance(item, (str, int, float)):
            raise ExportError(f"{label}: {key} holds {_shown(item)}, which is not text. Put it in quotation marks.")
    return tuple(str(item) for item in value)


def _shown(value: object) -> str:
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return quoted(str(value).lower() if isinstance(value, bool) else value)


def _did_you_mean(name: str, options: Iterable[str], prefix: str = "") -> str:
    near = nearest(name, options)
    return f" (did you mean '{prefix}{near[0]}'?)" if near else ""
