"""Levers beside their own past and the thresholds in force, and scenarios: arithmetic, not causal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from segment_signals.review import words
from segment_signals.review.facts import TOTAL, Facts
from segment_signals.review.optional import CELL, EVIDENCE, Row, by_dimension, mark, money, rows, span, why_held
from segment_signals.review.views import Term, clamp, place, term
from segment_signals.review.words import NBSP

BASES = ("cohort", "closed")
LEVERS = {
    "qualified_count": ("Opportunities", "count"),
    "win_rate": ("Win rate", "rate"),
    "mean_deal_amount": ("Mean deal amount", "money"),
    "mean_cycle_days": ("Mean cycle", "days"),
    "typical_deal_amount": ("Typical deal (geometric mean)", "money"),
    "typical_cycle_days": ("Typical cycle (geometric mean)", "days"),
    "pipeline_velocity": ("Velocity a day", "money"),
}
COUNT_NAMES = {"cohort": "Opportunities qualified", "closed": "Deals closed"}
SCENARIOS = {
    "qualified_count": "more opportunities",
    "win_rate": "higher win rate",
    "mean_deal_amount": "larger deals",
    "mean_cycle_days": "shorter cycle",
    "all": "all four together",
}
# Beyond this a change runs off the plot, which says so.
MOST = 0.5


def view(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any]:
    """What the template names: `signals` and `scenarios`, each None where its table was not given."""
    return {"signals": _signals(facts, tables), "scenarios": _scenarios(facts, tables)}


# ---------------------------------------------------------------- levers beside their past


def _signals(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    found = rows(
        tables,
        "lever_signals",
        (*CELL, "basis", "signal", "lever", "comparator", "currency", "unit", "threshold_value", "text", *EVIDENCE),
        ("value", "low", "high", "reference_value", "difference", "difference_low", "difference_high", "p_value",
         "q_value", "is_signal"),
    )  # fmt: skip
    if found is None:
        return None
    quarters = [row for row in found if row["period"].grain == "quarter"]
    tested = [row for row in quarters if row["p_value"] is not None]
    told = sorted((row for row in tested if row["is_signal"]), key=_place)
    crossed = sorted(
        (row for row in quarters if row["comparator"] == "threshold" and row["is_signal"]),
        key=lambda row: (row["dimension"] != TOTAL, row["signal"], *_place(row)),
    )
    total = sorted(
        (
            row
            for row in quarters
            if row["dimension"] == TOTAL and row["comparator"] == "history" and row["value"] is not None
        ),
        key=_place,
    )
    of_total = [row for row in crossed if row["dimension"] == TOTAL]
    return {
        "finding": signals_sentence(tested, told, crossed),
        "rows": [
            (basis, mine) for basis in BASES if (mine := [_lever_row(row) for row in total if row["basis"] == basis])
        ],
        "told": [_told_row(facts, row) for row in told if row["dimension"] != TOTAL],
        "crossed": [_told_row(facts, row) for row in crossed],
        "crossed_total": [str(row["text"]).split(":")[0] for row in of_total],
        "top": words.percent(MOST, 0),
    }


def _place(row: Row) -> tuple[int, str, str, int]:
    order = list(LEVERS)
    return (
        BASES.index(row["basis"]) if row["basis"] in BASES else len(BASES),
        str(row["dimension"]),
        str(row["segment"]),
        order.index(row["lever"]) if row["lever"] in order else len(order),
    )


def signals_sentence(tested: Sequence[Row], told: Sequence[Row], crossed: Sequence[Row]) -> str:
    """How many levers were held against their past, how many changed, how many thresholds are crossed."""
    if not tested:
        said = "No lever has enough of a past to be held against"
    else:
        many = words.count(len(told)) if told else "none"
        verb = "have" if len(told) > 1 else "has"
        said = (
            f"Of {words.count(len(tested))} levers of the total and its segments held against the twelve months before "
            f"or a benchmark, {many} {verb} clearly changed"
        )
    if not crossed:
        return f"{said}; no threshold is crossed."
    total = sum(row["dimension"] == TOTAL for row in crossed)
    where = f"{total} of them by the total" if total else "none of them by the total"
    verb = "are" if len(crossed) > 1 else "is"
    plural = "s" if len(crossed) > 1 else ""
    return f"{said}; {words.count(len(crossed))} threshold{plural} {verb} crossed, {where}."


def _unit(row: Row) -> str:
    kind = LEVERS.get(str(row["lever"]), ("", "count"))[1]
    return str(row["currency"]) if kind == "money" else kind


def name_of(row: Row) -> str:
    """The lever as its basis names it."""
    if row["lever"] == "qualified_count":
        return COUNT_NAMES.get(str(row["basis"]), LEVERS["qualified_count"][0])
    return LEVERS.get(str(row["lever"]), (words.sentence_case(words.plain(str(row["lever"]))), ""))[0]


def reading(row: Row) -> words.Change:
    """'higher' or 'lower' only where the test under the page's control says so."""
    difference, low, high = row["difference"], row["difference_low"], row["difference_high"]
    if difference is None or low is None or high is None:
        return words.change(difference, low, high, has_previous=True)
    if row["is_signal"]:
        word, sign, css = ("higher", "▲", "up") if difference > 0 else ("lower", "▼", "down")
        return words.Change(word, sign, css, difference, low, high)
    return words.Change("no clear difference", "◇", "flat", difference, low, high)


def _change(row: Row, value: Any) -> str:
    if value is None:
        return ""
    return words.points(float(value), 1 if row["unit"] == "difference" else 0)


def _unit_of_change(row: Row) -> str:
    return f"{NBSP}points" if row["unit"] == "difference" else f"{NBSP}%"


def _lever_row(row: Row) -> Row:
    unit = _unit(row)
    return {
        **mark(row),
        "name": name_of(row),
        "period": row["period"],
        "value": words.number(row["value"], unit),
        "interval": span(row["low"], row["high"], unit),
        "past": "" if row["reference_value"] is None else words.number(row["reference_value"], unit),
        "change": f"{_change(row, row['difference'])}{_unit_of_change(row)}" if row["difference"] is not None else "",
        "change_interval": f"{_change(row, row['difference_low'])} to {_change(row, row['difference_high'])}"
        if row["difference_low"] is not None and row["difference_high"] is not None
        else "",
        "plot": _plot(row),
        "said": reading(row),
    }


def _plot(row: Row) -> Markup:
    """The change relative to the past as a dot and interval around 0; of a rate its points over the past rate."""
    values = [row["difference"], row["difference_low"], row["difference_high"]]
    if any(value is None for value in values):
        return Markup("")
    if row["unit"] == "difference":
        if not row["reference_value"]:
            return Markup("")
        values = [value / row["reference_value"] for value in values]
    css = reading(row).css
    at, low, high = (place(clamp(value / MOST * 0.5 + 0.5)) for value in values)
    parts = [
        Markup(
            '<svg class="dot" role="img" aria-label="{} % of the past"><line class="zero" x1="50%" x2="50%" y1="0" '
            'y2="100%"/><line class="iv {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/>'
        ).format(words.percent(values[0], 0), css, low, high)
    ]
    if abs(values[0]) <= MOST:
        parts.append(Markup('<circle class="{}" cx="{}%" cy="50%" r="3.5"/>').format(css, at))
    if values[2] > MOST:
        parts.append(Markup('<text class="off" x="100%" y="50%" dy=".35em">\u203a</text>'))
    if values[1] < -MOST:
        parts.append(Markup('<text class="off start" x="0" y="50%" dy=".35em">\u2039</text>'))
    return Markup("").join([*parts, Markup("</svg>")])


def _told_row(facts: Facts, row: Row) -> Row:
    total = row["dimension"] == TOTAL
    return {
        **mark(row),
        "dimension": Term("All", None) if total else term(facts, "dimension", row["dimension"]),
        "segment": "All" if total else row["segment"],
        "basis": row["basis"],
        "period": row["period"],
        "text": row["text"],
    }


# ---------------------------------------------------------------- scenarios


def _scenarios(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    found = rows(
        tables,
        "velocity_scenarios",
        (*CELL, "basis", "lever", "change_pct", "currency", *EVIDENCE),
        ("velocity_per_day", "uplift_per_day", "uplift_low", "uplift_high", "size_length_correlation",
         "correlation_low", "correlation_high", "correlation_n"),
    )  # fmt: skip
    if found is None:
        return None
    quarters = [row for row in found if row["period"].grain == "quarter"]
    for basis in BASES:
        mine = [row for row in quarters if row["basis"] == basis]
        total = [row for row in mine if row["dimension"] == TOTAL and row["uplift_per_day"] is not None]
        if total:
            break
    else:
        why = why_held([row for row in quarters if row["dimension"] == TOTAL]) or "no quarter has a velocity"
        return {"finding": f"No scenario is published: {why}.", "rows": []}
    steps = sorted({float(row["change_pct"]) for row in total})
    cells = {(row["lever"], float(row["change_pct"])): row for row in total}
    least = [row for row in mine if float(row["change_pct"]) == steps[0] and row["dimension"] != TOTAL]
    return {
        "finding": scenario_sentence(cells, steps[0]),
        "basis": basis,
        "period": total[0]["period"],
        "currency": total[0]["currency"],
        "steps": [words.significant(step) for step in steps],
        "rows": _scenario_rows(cells, steps),
        "levers": [words.sentence_case(name) for name in SCENARIOS.values()],
        **mark(total[0]),
        "segments": [
            (label, _scenario_segments(part)) for label, part in by_dimension(facts, least) if _scenario_segments(part)
        ],
    }


def _scenario_rows(
    cells: Mapping[tuple[str, float], Row], steps: Sequence[float]
) -> list[tuple[str, list[tuple[str, str, Any]]]]:
    """One row for all levers that arithmetic makes the same, so that nothing is read twice."""
    made: list[tuple[str, list[tuple[str, str, Any]]]] = []
    for lever, name in SCENARIOS.items():
        row = [_scenario_cell(cells.get((lever, step))) for step in steps]
        if made and [cell[:2] for cell in made[-1][1]] == [cell[:2] for cell in row]:
            made[-1] = (f"{made[-1][0]}, or {name}", row)
        else:
            made.append((words.sentence_case(name), row))
    return [(_listed(name), row) for name, row in made]


def _listed(name: str) -> str:
    """'a, or b, or c' as 'a, b or c'."""
    parts = name.split(", or ")
    return parts[0] if len(parts) == 1 else f"{', '.join(parts[:-1])} or {parts[-1]}"


def _scenario_cell(row: Row | None) -> tuple[str, str, Any]:
    if row is None:
        return "", "", ""
    currency = str(row["currency"])
    return (
        f"+{money(row['uplift_per_day'], currency)}",
        span(row["uplift_low"], row["uplift_high"], currency),
        row["uplift_per_day"],
    )


def _scenario_segments(part: Sequence[Row]) -> list[Row]:
    """Segment by segment the four levers and all together at the smallest change; held-back segments are left out."""
    made = []
    for segment in dict.fromkeys(row["segment"] for row in part):
        cells = {row["lever"]: row for row in part if row["segment"] == segment}
        if any(row["uplift_per_day"] is None for row in cells.values()):
            continue
        first = next(iter(cells.values()))
        made.append(
            {**mark(first), "name": segment, "cells": [_scenario_cell(cells.get(lever)) for lever in SCENARIOS]}
        )
    return made


def scenario_sentence(cells: Mapping[tuple[str, float], Row], step: float) -> str:
    """What each lever alone and all together add at the smallest change, and how size and length go together."""
    single = [row for (lever, change), row in cells.items() if change == step and lever != "all"]
    together = cells.get(("all", step))
    first = single[0]
    currency = str(first["currency"])
    sizes = sorted(float(row["uplift_per_day"]) for row in single)
    said = (
        f"Arithmetic, not causal: one lever moved by {words.significant(step)}{NBSP}% is {money(sizes[0], currency)} "
    )
    if sizes[-1] > sizes[0]:
        said += f"to {money(sizes[-1], currency)} "
    said += "a day more"
    if together is not None:
        said += f", all four {money(together['uplift_per_day'], currency)}"
    said += "."
    correlation, low, high = (
        first[name] for name in ("size_length_correlation", "correlation_low", "correlation_high")
    )
    if correlation is not None:
        if low is None or high is None:
            said += f" Amount and cycle of the same wins are correlated by {_decimal(correlation)}."
        elif low <= 0 <= high:
            said += (
                f" Amount and cycle of the same wins show no clear correlation: {_decimal(correlation)} "
                f"({_decimal(low)} to {_decimal(high)})."
            )
        else:
            said += (
                f" Amount and cycle of the same wins are correlated by {_decimal(correlation)} ({_decimal(low)} to "
                f"{_decimal(high)}), so these levers need not move alone."
            )
    return said


def _decimal(value: float) -> str:
    return f"{value:.2f}".replace("-", words.MINUS)
