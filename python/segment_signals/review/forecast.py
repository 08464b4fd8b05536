"""The forecast: what month, quarter and the next 60 days bring, beside two simple forecasts, and its backtest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from segment_signals.review import charts, sentences, words
from segment_signals.review.facts import TOTAL, Facts
from segment_signals.review.optional import (
    CELL,
    EVIDENCE,
    Row,
    as_date,
    by_dimension,
    mark,
    money,
    rows,
    span,
    why_held,
)
from segment_signals.review.words import NBSP

WINDOWS = ("month", "quarter", "next_60_days")
WINDOW_NAMES = {"month": "Month", "quarter": "Quarter", "next_60_days": "60 days"}
METHODS = {"model": "Forecast", "stage_weighted": "Stage-weighted", "same_day_last_quarter": "Quarter before"}
AMOUNTS = (
    "booked_amount", "open_amount", "new_amount", "p10_amount", "p50_amount", "p90_amount", "static_amount",
    "same_day_last_quarter_amount",
)  # fmt: skip


def view(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What the template names; None where there is no table of forecasts."""
    found = rows(
        tables,
        "pipeline_forecast",
        (*CELL, "target_period", "currency", "mape", "mape_floor", *EVIDENCE),
        (*AMOUNTS, "expected_wins"),
    )
    if found is None:
        return None
    total = sorted((row for row in found if row["dimension"] == TOTAL), key=_place)
    shown = [row for row in total if row["p50_amount"] is not None]
    ends = [row[name] for row in shown for name in (*AMOUNTS[5:], "p50_amount") if row[name] is not None]
    top = charts.ceiling([float(end) for end in ends])
    return {
        "finding": sentence(total),
        "short": short_sentence(shown),
        "windows": [_panel(row, top, number) for number, row in enumerate(shown)],
        "rows": [_row(row) for row in total],
        "segments": [
            (label, [_row(row) for row in sorted(mine, key=lambda row: (row["segment"], _place(row)))])
            for label, mine in by_dimension(facts, found)
        ],
        "backtest": _backtest(tables, total),
    }


def _place(row: Row) -> int:
    return WINDOWS.index(row["target_period"]) if row["target_period"] in WINDOWS else len(WINDOWS)


def window(row: Row) -> str:
    """'2026 Q1', 'Jan 2026', '60 days from 1 Jan 2026'."""
    period = row["period"]
    if row["target_period"] in ("month", "quarter"):
        return str(period.label)
    return f"60{NBSP}days from {words.day(period.start)}"


def sentence(total: Sequence[Row]) -> str:
    """The quarter where it is published, else the first window that is; what is held back, and why."""
    shown = [row for row in total if row["p50_amount"] is not None]
    held = [row for row in total if row["p50_amount"] is None]
    if not shown:
        why = why_held(held) or "there are no deals to learn from"
        return f"No forecast is published: {why}."
    row = _chosen(shown)
    currency = str(row["currency"])
    said = (
        f"New business of {window(row)} is forecast at {money(row['p50_amount'], currency)}, with an 80{NBSP}% range "
        f"of {span(row['p10_amount'], row['p90_amount'], currency)}: {money(row['booked_amount'], currency)} booked, "
        f"{money(row['open_amount'], currency)} expected from open deals, {money(row['new_amount'], currency)} from "
        "deals that do not exist yet."
    )
    said += sentences.caveat_clause(row["evidence"], row["evidence_reason"], row["caveat"])
    if held:
        said += f" Held back: {', '.join(window(each) for each in held)} ({why_held(held)})."
    return said


def short_sentence(shown: Sequence[Row]) -> str:
    """What the headline says of it: '2026 Q1 is forecast at $6.52 M, 80 % range $5.42 M to $7.89 M'."""
    if not shown:
        return ""
    row = _chosen(shown)
    currency = str(row["currency"])
    hollow = ", directional" if row["evidence"] == "directional" else ""
    return (
        f"{words.sentence_case(window(row))} is forecast at {money(row['p50_amount'], currency)}, 80{NBSP}% range "
        f"{span(row['p10_amount'], row['p90_amount'], currency)}{hollow}"
    )


def _chosen(shown: Sequence[Row]) -> Row:
    return next((row for row in shown if row["target_period"] == "quarter"), shown[0])


def _panel(row: Row, top: float, number: int) -> dict[str, Any]:
    currency = str(row["currency"])
    bars = [("Forecast", row["p50_amount"], row["p10_amount"], row["p90_amount"])]
    simple = {"Stage-weighted": row["static_amount"], "Quarter before": row["same_day_last_quarter_amount"]}
    bars += [(name, value, None, None) for name, value in simple.items() if value is not None]
    finding = (
        f"{money(row['p50_amount'], currency)} ({span(row['p10_amount'], row['p90_amount'], currency)})."
        f"{sentences.caveat_clause(row['evidence'], row['evidence_reason'], row['caveat'])}"
    )
    svg = charts.range_svg(
        bars,
        top=top,
        currency=currency,
        hollow=row["evidence"] == "directional",
        label=f"Forecast of {window(row)}. {finding}",
        prefix=f"forecast{number}",
    )
    return {"title": window(row), "finding": finding, "svg": Markup(svg)}


def _row(row: Row) -> Row:
    currency = str(row["currency"])
    return {
        **mark(row),
        "segment": row["segment"],
        "window": window(row),
        "held": row["p50_amount"] is None,
        "reason": words.reason_of(row["evidence_reason"]).short,
        "amounts": [(money(row[name], currency), row[name]) for name in AMOUNTS],
        "wins": "" if row["expected_wins"] is None else words.significant(row["expected_wins"]),
        "mape": "" if row["mape"] is None else words.percent(row["mape"], 0),
        "floor": "" if row["mape_floor"] is None else words.percent(row["mape_floor"], 0),
    }


# ---------------------------------------------------------------- backtest


def _backtest(tables: Mapping[str, pd.DataFrame], total: Sequence[Row]) -> dict[str, Any] | None:
    measures = ("booked_amount", "actual_amount", "p10_amount", "p50_amount", "p90_amount", "is_covered")
    keys = ("origin_date", "target_period", "method", "currency", "window_start_date")
    found = rows(tables, "forecast_backtest", (*keys, *measures), ())
    measured = ("target_period", "method", "metric", "value", "low", "high", "n", "caveat")
    quality = rows(tables, "forecast_quality", measured, ())
    if found is None or quality is None:
        return None
    model = [row for row in found if row["method"] == "model" and row["actual_amount"] is not None]
    for row in model:
        row["origin"], row["start"] = as_date(row["origin_date"]), as_date(row["window_start_date"])
    model.sort(key=lambda row: (_place(row), row["origin"]))
    floors = {str(row["target_period"]): row["mape_floor"] for row in total}
    metrics = {(str(row["target_period"]), str(row["method"]), str(row["metric"])): row for row in quality}
    panels = []
    for number, code in enumerate(WINDOWS):
        mine = [row for row in model if row["target_period"] == code]
        if mine:
            panels.append(_backtest_panel(code, mine, metrics, number))
    return {
        "finding": backtest_sentence(model, metrics, floors),
        "beside": beside_sentence(metrics),
        "panels": panels,
        "compared": [_compared_row(row, str(model[0]["currency"])) for row in _compared(metrics)] if model else [],
        "quality": [
            _quality_row(code, method, metrics, floors)
            for code in WINDOWS
            for method in METHODS
            if (metrics.get((code, method, "mape")) or {"value": None})["value"] is not None
        ],
        "origins": [
            {
                "window": WINDOW_NAMES[row["target_period"]],
                "origin": words.day(row["origin"]),
                "sort": row["origin"].toordinal(),
                "start": words.day(row["start"]),
                "amounts": [
                    (money(row[name], str(row["currency"])), row[name])
                    for name in ("actual_amount", "p10_amount", "p50_amount", "p90_amount")
                ],
                "inside": "in the range" if row["is_covered"] else "outside",
            }
            for row in model
        ],
    }


def backtest_sentence(
    model: Sequence[Row], metrics: Mapping[tuple[str, str, str], Row], floors: Mapping[str, float | None]
) -> str:
    """The error of each window beside its floor, and how many outcomes fell into the range."""
    errors, is_below = [], False
    for code in WINDOWS:
        error, floor = metrics.get((code, "model", "mape")), floors.get(code)
        if error is not None and error["value"] is not None:
            least = "" if floor is None else f" (floor {words.percent(floor, 0)}{NBSP}%)"
            is_below = is_below or (floor is not None and error["value"] < floor)
            errors.append(f"{words.percent(error['value'], 0)}{NBSP}% for {WINDOW_WORDS[code]}{least}")
    judged = [row for row in model if row["is_covered"] is not None]
    if not errors or not judged:
        return "There is no backtest: no earlier date has enough history before it and a complete window after it."
    # Windows overlap: their outcomes are not counted together.
    held = []
    for code in WINDOWS:
        mine = [bool(row["is_covered"]) for row in judged if row["target_period"] == code]
        if mine:
            held.append(f"{sum(mine)} of {len(mine)} for {WINDOW_WORDS[code]}")
    said = (
        f"Repeated at earlier dates from what was known then, the forecast was off by {', '.join(errors)} on average; "
        f"outcomes in the 80{NBSP}% range: {', '.join(held)}."
    )
    if is_below:
        said += " Where the error is below its floor, the origins are too few to tell the two apart."
    return said


def _compared(metrics: Mapping[tuple[str, str, str], Row]) -> list[Row]:
    """The forecast beside each simple one, window by window: median pinball losses at the same origins."""
    return [
        row
        for code in WINDOWS
        for method in METHODS
        if (row := metrics.get((code, method, "median_pinball_loss_difference"))) is not None
        and row["value"] is not None
    ]


def beside_sentence(metrics: Mapping[tuple[str, str, str], Row]) -> str:
    """Which method was closest in each window, and from which simple one the forecast is told apart."""
    compared = _compared(metrics)
    if not compared:
        return "No simple forecast could be made at these dates, so there is none to hold the forecast against."
    closest: dict[str, list[str]] = {}
    for code in dict.fromkeys(row["target_period"] for row in compared):
        # The forecast's loss less the simple one's: the largest is that of the method which was closest.
        row = max((row for row in compared if row["target_period"] == code), key=lambda row: float(row["value"]))
        closest.setdefault(METHOD_WORDS[row["method"] if row["value"] > 0 else "model"], []).append(code)
    first = ", ".join(f"{name} for {_windows(codes)}" for name, codes in closest.items())
    said = []
    for word, text in APART_WORDS.items():
        of_method = {
            name: _windows([row["target_period"] for row in compared if row["method"] == method and _says(row, word)])
            for method, name in METHOD_WORDS.items()
        }
        named = [f"{name} for {windows}" for name, windows in of_method.items() if windows]
        if named:
            said.append(f"the forecast was clearly {text} than {', '.join(named)}")
    few = _windows([row["target_period"] for row in compared if _says(row, "too few to say")])
    if few:
        said.append(f"too few dates to say for {few}")
    if any(_says(row, "no clear difference") for row in compared):
        said.append(
            "no clear difference elsewhere" if said else "no clear difference between the forecast and a simple one"
        )
    return f"Closest to what came, median by median: {first}. {words.sentence_case('; '.join(said))}."


def _windows(codes: Sequence[str]) -> str:
    *most, last = [WINDOW_WORDS[code] for code in dict.fromkeys(codes)] or [""]
    return f"{', '.join(most)} and {last}" if most else last


def _says(row: Row, word: str) -> bool:
    return _apart(row).word == word


def _apart(row: Row) -> words.Change:
    # Without limits nothing is said, not even which way it seems.
    value = row["value"] if row["low"] is not None else None
    return words.change(value, row["low"], row["high"], has_previous=True)


def _compared_row(row: Row, currency: str) -> Row:
    difference = float(row["value"])
    both = row["low"] is not None and row["high"] is not None
    return {
        "window": WINDOW_NAMES[row["target_period"]],
        "method": METHODS[row["method"]],
        "n": words.count(row["n"]),
        "difference": words.difference(difference, currency, difference),
        "sort": difference,
        "interval": words.difference_between(row["low"], row["high"], currency, difference) if both else "",
        "said": _apart(row),
        "caveat": row["caveat"] or "",
    }


METHOD_WORDS = {
    "model": "the forecast",
    "stage_weighted": "the stage-weighted one",
    "same_day_last_quarter": "the quarter before",
}
APART_WORDS = {"lower": "closer", "higher": "further off"}
WINDOW_WORDS = {"month": "a month", "quarter": "a quarter", "next_60_days": f"60{NBSP}days"}


def _backtest_panel(
    code: str, mine: Sequence[Row], metrics: Mapping[tuple[str, str, str], Row], number: int
) -> dict[str, Any]:
    inside = sum(bool(row["is_covered"]) for row in mine)
    error = metrics.get((code, "model", "mape"))
    said = ""
    if error is not None and error["value"] is not None:
        said = f"Off by {words.number(error['value'], 'rate')} on average"
        if error["low"] is not None and error["high"] is not None:
            said += f" ({words.between(error['low'], error['high'], 'rate')})"
        said += "; "
    finding = words.sentence_case(f"{said}{inside} of {len(mine)} outcomes in the range.")
    currency = str(mine[0]["currency"])
    svg = charts.backtest_svg(
        [
            (row["origin"], row["p10_amount"], row["p50_amount"], row["p90_amount"], row["actual_amount"],
             bool(row["is_covered"]))
            for row in mine
        ],
        currency=currency,
        label=f"Backtest of the forecast of {WINDOW_WORDS[code]}. {finding}",
        prefix=f"backtest{number}",
    )  # fmt: skip
    return {"title": WINDOW_NAMES[code], "finding": finding, "svg": Markup(svg), "currency": currency}


def _quality_row(
    code: str, method: str, metrics: Mapping[tuple[str, str, str], Row], floors: Mapping[str, float | None]
) -> Row:
    def found(metric: str) -> Row:
        return metrics.get((code, method, metric)) or {"value": None, "low": None, "high": None, "n": 0}

    def write(value: float, metric: str) -> str:
        return words.points(value, 0) if metric == "bias" else words.percent(value, 0)

    def percent(metric: str) -> tuple[str, str]:
        row = found(metric)
        value = "" if row["value"] is None else write(row["value"], metric)
        both = row["low"] is not None and row["high"] is not None
        return value, f"{write(row['low'], metric)} to {write(row['high'], metric)}" if both else ""

    loss, coverage = found("pinball_loss")["value"], found("coverage")
    floor = floors.get(code) if method == "model" else None
    return {
        "window": WINDOW_NAMES[code],
        "method": METHODS[method],
        "n": words.count(found("mape")["n"]),
        "mape": percent("mape"),
        "floor": "" if floor is None else words.percent(floor, 0),
        "bias": percent("bias"),
        "loss": "" if loss is None else words.significant(loss),
        "coverage": "" if coverage["value"] is None else percent("coverage"),
    }
