"""What differs between segments, what moved, and what is out of line: rows and sentences of two sections.

The tables of signals are optional: where one was not given its section or part is left out, where it holds nothing
to say that is said in words. Suppressed rows are dropped on reading, so nothing here can print one.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import pandas as pd

from segment_signals.review import words
from segment_signals.review.facts import TOO_EARLY, TOTAL, Facts, ReviewError
from segment_signals.review.views import Term, term
from segment_signals.review.words import NBSP, Period

CELL = ("period_grain", "period_start", "dimension", "segment", "within_dimension", "n", "evidence", "evidence_reason",
        "caveat")  # fmt: skip
COLUMNS: dict[str, tuple[str, ...]] = {
    "segment_contrasts": (
        *CELL, "metric", "comparator", "unit", "difference", "low", "high", "p_value", "q_value", "is_signal",
    ),
    "funnel_bottlenecks": (*CELL, "from_stage", "to_stage", "converted_difference", "conversion_rank", "is_signal"),
    "segment_patterns": (
        *CELL, "early_metric", "early_difference", "early_low", "early_high", "late_metric", "late_difference",
        "late_low", "late_high",
    ),
    "change_decomposition": (
        *CELL, "metric", "comparison", "total_change", "mix_effect", "rate_effect", "rate_effect_low",
        "rate_effect_high", "is_simpson",
    ),
    "anomalies": (
        *CELL, "metric", "horizon_days", "observed", "expected_low", "expected_high", "p_value", "direction",
        "is_flagged", "power", "drift_direction", "is_drifting",
    ),
}  # fmt: skip
REST = "rest"
Row = dict[str, Any]


def view(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What the template names: `differs` and `moved`, each None where none of its tables was given.

    Args:
        facts: the facts of the page, for labels and units.
        tables: the published tables; those named in COLUMNS are read where present.

    Raises:
        ReviewError: a table that was given lacks a column; the message names both.
    """
    found = {name: read(tables.get(name), name) for name in COLUMNS}
    quarters = mature_quarters(found["segment_contrasts"] or [])
    return {
        "differs": None if found["segment_contrasts"] is None else _differs(facts, found, quarters),
        "moved": None
        if found["change_decomposition"] is None and found["anomalies"] is None
        else _moved(facts, found["change_decomposition"], found["anomalies"]),
    }


def read(frame: pd.DataFrame | None, name: str) -> list[Row] | None:
    """The rows that may be said, with None for every missing value and a Period; None where there is no frame."""
    return read_rows(frame, name, COLUMNS[name])


def read_rows(frame: pd.DataFrame | None, name: str, wanted: Sequence[str]) -> list[Row] | None:
    """As `read`, with the columns that are wanted."""
    if frame is None:
        return None
    missing = [column for column in wanted if column not in frame.columns]
    if missing:
        raise ReviewError(
            f"The published table '{name}' lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            "Build the published models again, or bring the table to the published contract."
        )
    columns = {column: [_plain(value) for value in frame[column].tolist()] for column in wanted}
    rows = [dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)]
    kept = [row for row in rows if row["evidence"] != "suppressed" and (row["within_dimension"] or TOTAL) == TOTAL]
    for row in kept:
        start = pd.Timestamp(row["period_start"])
        row["period"] = Period(str(row["period_grain"]), date(start.year, start.month, start.day))
    return kept


def _plain(value: Any) -> Any:
    """None for every kind of missing value."""
    return None if value is None or value is pd.NA or value is pd.NaT or value != value else value


def mature_quarters(rows: Sequence[Row]) -> dict[str, Period]:
    """Metric -> the newest quarter in which any of its rows is published and not short of follow-up."""
    newest: dict[str, Period] = {}
    for row in rows:
        period, metric = row["period"], str(row["metric"])
        if period.grain != "quarter" or row["evidence_reason"] == TOO_EARLY:
            continue
        if metric not in newest or period.start > newest[metric].start:
            newest[metric] = period
    return newest


# ---------------------------------------------------------------- what differs


def _differs(facts: Facts, found: Mapping[str, list[Row] | None], quarters: Mapping[str, Period]) -> dict[str, Any]:
    tested = [
        row
        for row in found["segment_contrasts"] or []
        if quarters.get(str(row["metric"])) == row["period"]
        and row["p_value"] is not None
        and row["evidence_reason"] != TOO_EARLY
    ]
    signals = [row for row in tested if row["is_signal"] and row["difference"] is not None]
    signals.sort(
        key=lambda row: (
            facts.label("dimension", row["dimension"]), row["dimension"], -abs(row["difference"]), row["segment"],
            row["metric"], row["comparator"],
        )
    )  # fmt: skip
    costs = bottlenecks(found["funnel_bottlenecks"] or [], quarters)
    segments = sorted(
        {(facts.label("dimension", row["dimension"]), row["dimension"], row["segment"]) for row in signals}
    )
    return {
        "finding": differs_sentence(len(tested), len(signals)),
        "patterns": [
            (term(facts, "dimension", row["dimension"]), pattern_sentence(facts, row))
            for row in _patterns(found["segment_patterns"] or [], quarters)
        ],
        "costs": [
            (term(facts, "dimension", dimension), bottleneck_sentence(facts, costs[(dimension, segment)]))
            for _, dimension, segment in segments
            if (dimension, segment) in costs
        ],
        "rows": [_signal_row(facts, row) for row in signals],
    }


def differs_sentence(tested: int, signals: int) -> str:
    """How many contrasts were tested, how many are signals, and what share of the claims may be false."""
    if not tested:
        return "No contrast between segments is old enough and large enough to be tested."
    plural = "s were" if tested > 1 else " was"
    start = f"{words.count(tested)} contrast{plural} tested in the newest mature quarter of each metric"
    if not signals:
        return f"{start}, and none is a signal."
    said = "is a signal" if signals == 1 else "are signals"
    return f"{start}, and {words.count(signals)} {said}; at most 5{NBSP}% of the claims are expected to be false."


def _signal_row(facts: Facts, row: Row) -> Row:
    is_rate = row["unit"] == "difference"
    evidence, comparator = str(row["evidence"]), str(row["comparator"])
    return {
        "dimension": term(facts, "dimension", row["dimension"]),
        "segment": row["segment"],
        "metric": term(facts, "metric", row["metric"]),
        "period": row["period"],
        "comparator": "the rest" if comparator == REST else comparator,
        "css": "up" if row["difference"] > 0 else "down",
        "sign": "▲" if row["difference"] > 0 else "▼",
        "difference": words.points(row["difference"], 1) if is_rate else _relative(row["difference"]),
        "interval": _interval(row["low"], row["high"], is_rate),
        "unit": "points" if is_rate else "%",
        "sort": round(row["difference"] * 100, 6),
        "q": "" if row["q_value"] is None else probability(row["q_value"]),
        "n": words.count(row["n"]),
        "evidence": evidence,
        "mark": words.EVIDENCE_MARKS[evidence],
        "title": row["caveat"]
        or (words.reason_of(row["evidence_reason"]).sentence if row["evidence_reason"] else evidence),
    }


def _relative(share: float) -> str:
    """A ratio less one in percent with its sign; from 10 % on without decimals."""
    return words.points(share, 0 if abs(share) >= 0.1 else 1)


def _interval(low: float | None, high: float | None, is_rate: bool) -> str:
    if low is None or high is None:
        return ""
    write = (lambda value: words.points(value, 1)) if is_rate else _relative
    return f"{write(low)} to {write(high)}"


def probability(value: float) -> str:
    """'0.012'; below a thousandth '<0.001'."""
    return "<0.001" if value < 0.001 else f"{value:.3f}"


def _patterns(rows: Sequence[Row], quarters: Mapping[str, Period]) -> list[Row]:
    """Patterns of the quarter in which both of their metrics are mature."""
    kept = []
    for row in rows:
        both = [quarters.get(str(row["early_metric"])), quarters.get(str(row["late_metric"]))]
        known = [period for period in both if period is not None]
        if len(known) == 2 and row["period"] == min(known, key=lambda period: period.start):
            kept.append(row)
    return sorted(kept, key=lambda row: (row["dimension"], row["segment"], row["early_metric"], row["late_metric"]))


def pattern_sentence(facts: Facts, row: Row) -> str:
    """'Trade show: higher than the rest in Lead to MQL by 19 points (15 to 23), lower in ...'."""
    early = _by(row["early_difference"], row["early_low"], row["early_high"])
    late = _by(row["late_difference"], row["late_low"], row["late_high"])
    hollow = " (directional)" if row["evidence"] == "directional" else ""
    return (
        f"{row['segment']}: {_word(row['early_difference'])} than the rest in "
        f"{facts.label('metric', row['early_metric'])} by {early}, {_word(row['late_difference'])} in "
        f"{facts.label('metric', row['late_metric'])} by {late}, {row['period'].label}{hollow}."
    )


def _word(difference: float) -> str:
    return "higher" if difference > 0 else "lower"


def _by(difference: float, low: float | None, high: float | None) -> str:
    decimals = 0 if abs(difference) >= 0.0995 else 1
    size = f"{words.percent(abs(difference), decimals)}{NBSP}points"
    if low is None or high is None:
        return size
    ends = (low, high) if low < 0 < high else sorted((abs(low), abs(high)))
    return f"{size} ({words.percent(ends[0], decimals)} to {words.percent(ends[1], decimals)})"


def bottlenecks(rows: Sequence[Row], quarters: Mapping[str, Period]) -> dict[tuple[str, str], Row]:
    """(dimension, segment) -> its costliest transition: rank 1, a signal, fewer than at the rest's rate."""
    found: dict[tuple[str, str], Row] = {}
    for row in sorted(rows, key=lambda row: (row["period"].start, row["from_stage"], row["to_stage"])):
        metric = f"{row['from_stage']}_to_{row['to_stage']}_rate"
        is_cost = row["converted_difference"] is not None and row["converted_difference"] < 0
        if row["conversion_rank"] == 1 and row["is_signal"] and is_cost and quarters.get(metric) == row["period"]:
            found[(str(row["dimension"]), str(row["segment"]))] = row
    return found


def bottleneck_sentence(facts: Facts, row: Row) -> str:
    """'Partner: Lead to MQL, 28 conversions fewer than at the rest's rate, 2025 Q3.'"""
    metric = f"{row['from_stage']}_to_{row['to_stage']}_rate"
    fewer = round(-row["converted_difference"])
    said = "less than one conversion" if not fewer else f"{words.count(fewer)} conversion{'s' if fewer > 1 else ''}"
    hollow = " (directional)" if row["evidence"] == "directional" else ""
    return (
        f"{row['segment']}: {facts.label('metric', metric)}, {said} fewer than at the rest\u2019s rate, "
        f"{row['period'].label}{hollow}."
    )


# ---------------------------------------------------------------- what moved, and what is out of line


def _moved(facts: Facts, changes: list[Row] | None, anomalies: list[Row] | None) -> dict[str, Any]:
    previous = [row for row in changes or [] if row["comparison"] == "previous" and row["total_change"] is not None]
    quarters = mature_quarters(previous)
    kept = [row for row in previous if quarters.get(str(row["metric"])) == row["period"]]
    kept.sort(key=lambda row: (row["metric"], row["dimension"]))
    screened = _newest(anomalies or [])
    outliers = [row for row in screened if row["is_flagged"] or row["is_drifting"]]
    outliers.sort(
        key=lambda row: (
            row["period"].grain, row["dimension"], row["segment"], row["metric"], row["horizon_days"] or 0,
        )
    )  # fmt: skip
    parts = []
    if changes is not None:
        parts.append(moved_sentence(kept))
    if anomalies is not None:
        parts.append(outliers_sentence(screened, outliers))
    units = {score.metric: score.unit for score in facts.scores}
    return {
        "finding": " ".join(parts),
        "changes": [_change_row(facts, row) for row in kept],
        "outliers": [_outlier_row(facts, row, units) for row in outliers],
    }


def moved_sentence(rows: Sequence[Row]) -> str:
    """How many changes were split, and in how many the rate effect has an interval that excludes 0."""
    if not rows:
        return "No change from a previous quarter is old enough and large enough to be split into mix and rate."
    clear = sum(_rate_change(row).word in ("higher", "lower") for row in rows)
    turned = sum(bool(row["is_simpson"]) for row in rows)
    plural = "s" if len(rows) > 1 else ""
    opposite = "in none" if not turned else f"in {turned}"
    return (
        f"Of {len(rows)} change{plural} split into mix and rate, {clear if clear else 'none'} "
        f"{'has' if clear == 1 or not clear else 'have'} a rate effect whose interval excludes 0; {opposite} the "
        "segments moved against the total."
    )


def _rate_change(row: Row) -> words.Change:
    return words.change(row["rate_effect"], row["rate_effect_low"], row["rate_effect_high"], has_previous=True)


def _change_row(facts: Facts, row: Row) -> Row:
    points = {
        key: "" if row[key] is None else words.points(row[key], 1)
        for key in ("total_change", "mix_effect", "rate_effect")
    }
    return {
        **points,
        "metric": term(facts, "metric", row["metric"]),
        "dimension": term(facts, "dimension", row["dimension"]),
        "period": row["period"],
        "interval": _interval(row["rate_effect_low"], row["rate_effect_high"], True),
        "change": _rate_change(row),
        "simpson": "segments moved against the total" if row["is_simpson"] else "no",
        "n": words.count(row["n"]),
        "evidence": row["evidence"],
        "mark": words.EVIDENCE_MARKS[str(row["evidence"])],
        "title": row["caveat"] or row["evidence"],
    }


def _newest(rows: Sequence[Row]) -> list[Row]:
    """The series screened in the newest month and in the newest quarter: published, with a p value."""
    tested = [row for row in rows if row["p_value"] is not None]
    newest = {
        grain: max((row["period"].start for row in tested if row["period"].grain == grain), default=None)
        for grain in ("month", "quarter")
    }
    return [row for row in tested if newest.get(row["period"].grain) == row["period"].start]


def outliers_sentence(screened: Sequence[Row], outliers: Sequence[Row]) -> str:
    """'Of 1,204 series screened in Dec 2025 and 2025 Q4, none is out of line with its past and none drifts.'"""
    if not screened:
        return "No series is long enough to be screened against its past."
    periods = sorted({row["period"] for row in screened}, key=lambda period: (period.months, period.start))
    flagged = sum(bool(row["is_flagged"]) for row in outliers)
    drifting = sum(bool(row["is_drifting"]) for row in outliers)
    one = f"{words.count(flagged) if flagged else 'none'} {'are' if flagged > 1 else 'is'} out of line with the past"
    two = f"{words.count(drifting) if drifting else 'none'} {'drift' if drifting > 1 else 'drifts'}"
    where = " and ".join(period.label for period in periods)
    return f"Of {words.count(len(screened))} series screened in {where}, {one} and {two}."


def _unit(metric: str, units: Mapping[str, str]) -> str:
    """As the scorecards say, else by the ending of the name; an amount without a known currency has no unit."""
    if metric in units:
        return units[metric]
    endings = {"_rate": "rate", "_count": "count", "_days": "days"}
    return next((unit for ending, unit in endings.items() if metric.endswith(ending)), "")


def _value(value: float, unit: str) -> str:
    return words.number(value, unit) if unit else words.significant(value)


def _outlier_row(facts: Facts, row: Row, units: Mapping[str, str]) -> Row:
    unit = _unit(str(row["metric"]), units)
    low, high = row["expected_low"], row["expected_high"]
    said = []
    if row["is_flagged"]:
        said.append(("out of line", str(row["direction"])))
    if row["is_drifting"]:
        said.append(("drifting", str(row["drift_direction"])))
    expected = ""
    if low is not None and high is not None:
        expected = words.between(low, high, unit) if unit else f"{_value(low, unit)} to {_value(high, unit)}"
    return {
        "dimension": Term("All", None) if row["dimension"] == TOTAL else term(facts, "dimension", row["dimension"]),
        "segment": "All" if row["segment"] == TOTAL else row["segment"],
        "metric": term(facts, "metric", row["metric"]),
        "horizon": f", {row['horizon_days']}{NBSP}days" if row["horizon_days"] else "",
        "period": row["period"],
        "observed": "" if row["observed"] is None else _value(row["observed"], unit),
        "expected": expected,
        "said": [
            (f"{kind}, {way}", "▲" if way == "higher" else "▼", "up" if way == "higher" else "down")
            for kind, way in said
        ],
        "power": "" if row["power"] is None else words.percent(math.floor(row["power"] * 100) / 100, 0),
        "n": words.count(row["n"]),
        "evidence": row["evidence"],
        "mark": words.EVIDENCE_MARKS[str(row["evidence"])],
        "title": row["caveat"] or row["evidence"],
    }
