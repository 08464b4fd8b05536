"""Tables of the pipeline that a release may or may not hold, read row by row.

A table that was not given leaves its part of the page out; a column that is missing is an error that names it. A
suppressed row keeps what says why, and none of its measures, whatever the frame holds.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd
from markupsafe import Markup

from segment_signals.review import words
from segment_signals.review.facts import TOTAL, Facts, ReviewError
from segment_signals.review.views import clamp, place, term
from segment_signals.review.words import Period

Row = dict[str, Any]
CELL = ("period_grain", "period_start", "dimension", "segment", "within_dimension")
EVIDENCE = ("n", "evidence", "evidence_reason", "caveat")


def rows(
    tables: Mapping[str, pd.DataFrame], name: str, keys: Sequence[str], measures: Sequence[str]
) -> list[Row] | None:
    """Rows with None for every missing value, without declared pairs; None where the table was not given.

    Args:
        tables: the published tables.
        name: of the table.
        keys: columns that every row keeps.
        measures: columns that a suppressed row does not keep.

    Raises:
        ReviewError: the table lacks a column; the message names both.
    """
    frame = tables.get(name)
    if frame is None:
        return None
    wanted = [*keys, *measures]
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise ReviewError(
            f"The published table '{name}' lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            "Build the published models again, or bring the table to the published contract."
        )
    columns = [[_plain(value) for value in frame[column].tolist()] for column in wanted]
    made = []
    for values in zip(*columns, strict=True):
        row = dict(zip(wanted, values, strict=True))
        if (row.get("within_dimension") or TOTAL) != TOTAL:
            continue
        if row.get("evidence") == "suppressed":
            row |= dict.fromkeys(measures)
        if row.get("period_start") is not None:
            row["period"] = Period(str(row["period_grain"]), as_date(row["period_start"]))
        made.append(row)
    return made


def _plain(value: Any) -> Any:
    """None for every kind of missing value."""
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else value


def as_date(value: Any) -> date:
    """A stamp of any kind as its day."""
    stamp = pd.Timestamp(value)
    return date(stamp.year, stamp.month, stamp.day)


def newest_quarter(found: Sequence[Row], facts: Facts, measure: str) -> Period | None:
    """The newest complete quarter of the total in which the measure is published."""
    periods = [
        row["period"]
        for row in found
        if row["dimension"] == TOTAL
        and row["period"].grain == "quarter"
        and row["period"].is_complete(facts.as_of)
        and row[measure] is not None
    ]
    return max(periods, key=lambda period: period.index, default=None)


def why_held(found: Sequence[Row]) -> str:
    """The caveats of rows that are held back, each once, as the end of a sentence."""
    said = list(dict.fromkeys(_why(row) for row in found if row["evidence"] == "suppressed"))
    return "; ".join(said)


def _why(row: Row) -> str:
    text = str(row["caveat"] or words.reason_of(row["evidence_reason"]).sentence).rstrip(".")
    return text[:1].lower() + text[1:]


def mark(row: Row) -> Row:
    """What the last column of a table shows."""
    evidence = str(row["evidence"])
    return {
        "evidence": evidence,
        "mark": words.EVIDENCE_MARKS.get(evidence, ""),
        "title": row["caveat"]
        or (words.reason_of(row["evidence_reason"]).sentence if row["evidence_reason"] else evidence),
        "n": words.count(row["n"] or 0),
    }


def money(value: Any, currency: str) -> str:
    """An amount, or nothing."""
    return "" if value is None else words.money(float(value), currency)


def span(low: Any, high: Any, unit: str, *, with_unit: bool = True) -> str:
    """An interval, or nothing."""
    return "" if low is None or high is None else words.between(float(low), float(high), unit, with_unit=with_unit)


def dot(value: float, low: float | None, high: float | None, *, is_hollow: bool, label: str) -> Markup:
    """A share of the width as a dot, its interval as a bar."""
    css = "hollow" if is_hollow else "solid"
    parts = [Markup('<svg class="dot" role="img" aria-label="{}">').format(label)]
    if low is not None and high is not None:
        parts.append(
            Markup('<line class="iv {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/>').format(
                css, place(clamp(low)), place(clamp(high))
            )
        )
    parts.append(Markup('<circle class="{}" cx="{}%" cy="50%" r="4"/></svg>').format(css, place(clamp(value))))
    return Markup("").join(parts)


def by_dimension(facts: Facts, found: Sequence[Row]) -> list[tuple[Any, list[Row]]]:
    """(label of a dimension, its rows in reading order), in the order of the page."""
    blocks = []
    for dimension in facts.dimensions:
        place = {segment: number for number, segment in enumerate(dimension.segments)}
        mine = [row for row in found if row["dimension"] == dimension.code and row["segment"] in place]
        if mine:
            mine.sort(key=lambda row: place[row["segment"]])
            blocks.append((term(facts, "dimension", dimension.code), mine))
    return blocks
