"""Checks of a written release before it may appear: is it whole, sane, and free of personal data."""

from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any

import duckdb

from segment_signals.release.content import (
    PUBLISHED,
    RELEASE_ALIAS,
    columns_of,
    literal,
    opened_release,
    quoted,
    table_names,
)
from segment_signals.release.folders import GATE_REPORT, MANIFEST, REVIEW
from segment_signals.release.privacy import PHONE_CANDIDATE, find_email, find_phone, is_personal_name, masked
from segment_signals.release.verification import differences

_RATE_NAMES = frozenset({"share", "grr", "conversion_low", "conversion_high"})
_RATE_ENDINGS = ("_rate", "_share")
_CELL_VALUES = frozenset({"conversion_rate", "conversion_low", "conversion_high", "value", "low", "high"})
_VELOCITY = "velocity_"
_UNIT_VALUES = ("value", "low", "high")

_NOT_TEXT = frozenset(
    {
        "BOOLEAN",
        "TINYINT",
        "SMALLINT",
        "INTEGER",
        "BIGINT",
        "HUGEINT",
        "UTINYINT",
        "USMALLINT",
        "UINTEGER",
        "UBIGINT",
        "UHUGEINT",
        "FLOAT",
        "DOUBLE",
        "DATE",
        "TIME",
        "TIMESTAMP",
        "TIMESTAMP WITH TIME ZONE",
        "INTERVAL",
    }
)

# The engine sorts out the many values that cannot match; Python, which can look around, reads the others.
_MAY_BE_EMAIL = "(contains(value, '@') or contains(value, '%40') or contains(value, '&'))"
_MAY_BE_PHONE = f"regexp_matches(value, {literal(PHONE_CANDIDATE)})"


def rescan(folder: Path, manifest: Mapping[str, Any]) -> list[str]:
    """Everything that keeps a written folder from becoming a release; [] when nothing does."""
    problems = differences(folder, manifest, expected_name=None)
    with opened_release(folder / f"{manifest['dataset']}.duckdb") as store:
        for table in table_names(store):
            relation = f"{RELEASE_ALIAS}.{PUBLISHED}.{quoted(table)}"
            columns = columns_of(store, relation)
            problems += _rate_problems(store, table, relation, columns)
            problems += _suppression_problems(store, table, relation, [name for name, _ in columns])
            problems += _personal_problems(store, table, relation, columns)
    for name in (REVIEW, GATE_REPORT, MANIFEST):
        found = find_email((folder / name).read_text(encoding="utf-8"))
        if found is not None:
            problems.append(f"{name}: an e-mail address, for example {masked(found)}")
    return problems


# Sane: rates are rates, and suppressed means suppressed.


def _rate_problems(
    store: duckdb.DuckDBPyConnection, table: str, relation: str, columns: Iterable[tuple[str, str]]
) -> list[str]:
    names = {name for name, _ in columns}
    conditions = {name: "true" for name in names if name in _RATE_NAMES or name.endswith(_RATE_ENDINGS)}
    if "unit" in names:
        conditions |= {name: "unit = 'rate'" for name in _UNIT_VALUES if name in names}
    problems = []
    for name, condition in sorted(conditions.items()):
        # A NaN is above 1 for the engine, so it is found too.
        count, example = _counted(store, relation, name, f"{condition} and {quoted(name)}::double not between 0 and 1")
        if count:
            problems.append(f"{table}.{name}: {count} rows outside [0, 1], for example {example}")
    return problems


def _suppression_problems(store: duckdb.DuckDBPyConnection, table: str, relation: str, names: list[str]) -> list[str]:
    if "evidence" not in names:
        return []
    problems = []
    for name in names:
        if name in _CELL_VALUES or name.startswith(_VELOCITY):
            count, _ = _counted(store, relation, name, f"evidence = 'suppressed' and {quoted(name)} is not null")
            if count:
                # The value itself stays unsaid: it was to be held back.
                problems.append(f"{table}.{name}: {count} suppressed rows carry a value, for example ***")
    return problems


def _counted(store: duckdb.DuckDBPyConnection, relation: str, name: str, condition: str) -> tuple[int, Any]:
    query = f"select count(*), min({quoted(name)}) from {relation} where {condition}"
    [(count, example)] = store.sql(query).fetchall()
    return count, example


# Free of personal data.


def _personal_problems(
    store: duckdb.DuckDBPyConnection, table: str, relation: str, columns: Iterable[tuple[str, str]]
) -> list[str]:
    problems = []
    for name, kind in columns:
        if is_personal_name(name):
            [(count,)] = store.sql(f"select count({quoted(name)}) from {relation}").fetchall()
            problems.append(f"{table}.{name}: {count} values in a column named like personal data, for example ***")
        if kind in _NOT_TEXT or kind.startswith("DECIMAL"):
            continue
        text = f"{quoted(name)}::varchar"
        problems += _found(store, table, name, relation, text, _MAY_BE_EMAIL, find_email, "an e-mail address")
        problems += _found(store, table, name, relation, text, _MAY_BE_PHONE, find_phone, "a phone number")
    return problems


def _found(
    store: duckdb.DuckDBPyConnection,
    table: str,
    name: str,
    relation: str,
    text: str,
    may_match: str,
    find: Callable[[str], str | None],
    what: str,
) -> list[str]:
    count, example = 0, None
    for value, rows in store.sql(
        f"select value, count(*) from (select {text} as value from {relation}) where {may_match} "
        "group by value order by value"
    ).fetchall():
        found = find(value)
        if found is not None:
            count += rows
            example = masked(found) if example is None else example
    return [f"{table}.{name}: {count} rows hold {what}, for example {example}"] if count else []
