"""Stages of the pipeline: what became of the deals that entered each within the horizon, and how long it took."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from segment_signals.review import words
from segment_signals.review.facts import TOTAL, Facts
from segment_signals.review.optional import (
    CELL,
    EVIDENCE,
    Row,
    by_dimension,
    dot,
    mark,
    rows,
    span,
    why_held,
)
from segment_signals.review.words import NBSP, Period

OUTCOMES = {"advanced": "went on", "lost": "were lost", "went_back": "went back"}
MEASURES = (
    "outcome_rate", "outcome_low", "outcome_high", "median_stage_days", "median_stage_days_low",
    "median_stage_days_high",
)  # fmt: skip
Visit = dict[str, Row]


def view(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What the template names; None where there is no stage map."""
    keys = (*CELL, "stage", "stage_order", "order_rule", "outcome", "horizon_days", *EVIDENCE)
    found = rows(tables, "pipeline_stage_map", keys, MEASURES)
    if found is None:
        return None
    quarters = [
        row
        for row in found
        if row["horizon_days"] == facts.horizon
        and row["period"].grain == "quarter"
        and row["period"].is_complete(facts.as_of)
    ]
    total = [row for row in quarters if row["dimension"] == TOTAL]
    period = _period(total)
    shown = [row for row in total if row["period"] == period]
    stages = [_stage_row(visit, visit["advanced"]["stage"]) for visit in _visits(shown)]
    earlier = sorted({row["period"] for row in total}, key=lambda each: -each.index)
    return {
        "finding": sentence(facts, shown, total),
        "period": period,
        "horizon": facts.horizon,
        "stages": stages,
        "is_observed": any(row["order_rule"] == "observed" for row in shown),
        "quarters": [
            (each.label, [_stage_row(visit, visit["advanced"]["stage"]) for visit in _visits(part)])
            for each in earlier
            if (part := [row for row in total if row["period"] == each])
        ],
        "segments": [
            (
                label,
                [
                    _stage_row(visit, f"{visit['advanced']['segment']}, {visit['advanced']['stage']}")
                    for visit in _visits(part)
                ],
            )
            for label, part in by_dimension(facts, [row for row in quarters if row["period"] == period])
        ],
    }


def _period(total: Sequence[Row]) -> Period | None:
    """The newest quarter in which no stage is too young; else the newest in which any stage is published."""
    periods = sorted({row["period"] for row in total}, key=lambda period: -period.index)
    told = {row["period"] for row in total if row["outcome_rate"] is not None}
    young = {row["period"] for row in total if row["evidence_reason"] == "too_early"}
    return next((period for period in periods if period in told - young), None) or next(
        (period for period in periods if period in told), None
    )


def _visits(found: Sequence[Row]) -> list[Visit]:
    """Segment by segment the stages in their order, each with its outcomes."""
    cells: dict[tuple[str, str, int], Visit] = {}
    order = {segment: at for at, segment in enumerate(dict.fromkeys(row["segment"] for row in found))}
    for row in found:
        cells.setdefault((row["segment"], row["stage"], row["stage_order"]), {})[row["outcome"]] = row
    ordered = sorted(cells, key=lambda key: (order[key[0]], key[2], key[1]))
    return [cells[key] for key in ordered if OUTCOMES.keys() <= cells[key].keys()]


def sentence(facts: Facts, shown: Sequence[Row], total: Sequence[Row]) -> str:
    """From which stage most and fewest deals went on, and where they stayed shortest and longest; or why not."""
    told = [row for row in shown if row["outcome"] == "advanced" and row["outcome_rate"] is not None]
    if not told:
        newest = max((row["period"].index for row in total), default=None)
        why = (
            why_held([row for row in total if row["period"].index == newest]) or "no deal entered a stage in a quarter"
        )
        return f"No stage of the pipeline is published: {why}."
    within = f"within {facts.horizon}{NBSP}days"

    def rate(row: Row) -> str:
        return (
            f"{words.number(row['outcome_rate'], 'rate')} ({span(row['outcome_low'], row['outcome_high'], 'rate')}) "
            f"in {row['stage']}"
        )

    def days(row: Row) -> str:
        return f"{words.count(row['median_stage_days'])}{NBSP}days ({_days_span(row)}) in {row['stage']}"

    ordered = sorted(told, key=lambda row: (row["outcome_rate"], row["stage_order"]))
    least, most = ordered[0], ordered[-1]
    said = f"Of the deals that entered a stage in {most['period'].label}, {rate(least)} "
    said += f"went on {within}" if least is most else f"to {rate(most)} went on {within}"
    timed = sorted(
        (row for row in told if row["median_stage_days"] is not None), key=lambda row: row["median_stage_days"]
    )
    if len(timed) > 1:
        said += f"; half had left after {days(timed[0])} to {days(timed[-1])}"
    elif timed:
        said += f"; half had left after {days(timed[0])}"
    return f"{said}."


def _days_span(row: Row) -> str:
    low, high = row["median_stage_days_low"], row["median_stage_days_high"]
    if low is None:
        return "no interval"
    return f"{words.count(low)} and more" if high is None else f"{words.count(low)} to {words.count(high)}"


def _stage_row(visit: Visit, name: str) -> Row:
    advanced = visit["advanced"]
    return {
        **mark(advanced),
        "name": name,
        "plot": _plot(advanced),
        "outcomes": [_outcome(visit[code]) for code in OUTCOMES],
        "days": "" if advanced["median_stage_days"] is None else words.count(advanced["median_stage_days"]),
        "days_interval": "" if advanced["median_stage_days"] is None else _days_span(advanced),
    }


def _outcome(row: Row) -> Row:
    value = row["outcome_rate"]
    held = words.reason_of(row["evidence_reason"]).short if value is None else ""
    return {
        **mark(row),
        "css": "sup" if value is None else row["evidence"],
        "value": held if value is None else words.percent(value),
        "sort": value,
        "interval": "" if value is None else span(row["outcome_low"], row["outcome_high"], "rate", with_unit=False),
    }


def _plot(row: Row) -> Markup:
    if row["outcome_rate"] is None:
        return Markup("")
    return dot(
        row["outcome_rate"],
        row["outcome_low"],
        row["outcome_high"],
        is_hollow=row["evidence"] == "directional",
        label=f"{words.percent(row['outcome_rate'])} %",
    )
