"""Pipeline movement as a bridge that adds up to the cent, and pipeline coverage against targets."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from decimal import Decimal
from typing import Any

import pandas as pd
from markupsafe import Markup

from segment_signals.review import charts, sentences, words
from segment_signals.review.facts import TOTAL, Facts
from segment_signals.review.optional import (
    CELL,
    EVIDENCE,
    Row,
    by_dimension,
    mark,
    money,
    newest_quarter,
    rows,
    span,
    why_held,
)
from segment_signals.review.words import NBSP

# Column, name on the bridge, sign.
STEPS = (
    ("created", "created", 1),
    ("reopened", "re-opened", 1),
    ("pulled_in", "pulled in", 1),
    ("pushed_out", "pushed out", -1),
    ("up", "amount raised", 1),
    ("down", "amount lowered", -1),
    ("won", "won", -1),
    ("lost", "lost", -1),
)
SCOPES = {
    "open_pipeline": ("All open pipeline", "every open deal, whenever it is planned to close"),
    "closing_in_period": ("Planned to close in the quarter", "deals whose planned close lay in the quarter"),
}

COVERAGE_COLUMNS = {
    "weighted": "Weighted",
    "interval": f"95{NBSP}% interval",
    "target": "Target",
    "booked": "Booked",
    "ratio": "Ratio",
}


def view(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What the template names; None where neither movement nor coverage was given."""
    names = ["opening", *(column for column, _, _ in STEPS), "closing"]
    found = rows(
        tables,
        "pipeline_movement",
        (*CELL, "scope", "currency", *EVIDENCE),
        (*(f"{name}_amount" for name in names), *(f"{name}_count" for name in names), "missing_amount_share",
         "largest_deal_share"),
    )  # fmt: skip
    coverage = _coverage(facts, tables)
    if found is None:
        return None if coverage is None else {"bridge": None, "coverage": coverage}
    shown = {}
    for scope in SCOPES:
        mine = [row for row in found if row["scope"] == scope]
        period = newest_quarter(mine, facts, "closing_amount")
        row = next((row for row in mine if row["dimension"] == TOTAL and row["period"] == period), None)
        if row is not None:
            shown[scope] = row
    total = [row for row in found if row["dimension"] == TOTAL and row["period"].grain == "quarter"]
    bridge = {
        "finding": sentence(shown, total, facts),
        "bridges": [_bridge(scope, row, number) for number, (scope, row) in enumerate(shown.items())],
        "quarters": _quarters(facts, found),
        "segments": _segments(facts, found, shown.get("open_pipeline")),
    }
    return {"bridge": bridge, "coverage": coverage}


def imbalance(row: Row) -> Decimal:
    """Opening plus everything that moved less closing: 0 to the cent."""
    moved = sum((sign * Decimal(str(row[f"{column}_amount"] or 0)) for column, _, sign in STEPS), Decimal(0))
    return Decimal(str(row["opening_amount"])) + moved - Decimal(str(row["closing_amount"]))


def sentence(shown: Mapping[str, Row], total: Sequence[Row], facts: Facts) -> str:
    """From what to what, and the largest parts; or why there is none."""
    row = shown.get("open_pipeline")
    if row is None:
        held = [row for row in total if row["scope"] == "open_pipeline" and row["period"].is_complete(facts.as_of)]
        newest = max((row["period"].index for row in held), default=None)
        why = why_held([row for row in held if row["period"].index == newest]) or "no quarter is complete"
        return f"No pipeline movement is published: {why}."
    currency, period = str(row["currency"]), row["period"]
    opening, closing = money(row["opening_amount"], currency), money(row["closing_amount"], currency)
    said = (
        f"In {period.label} open pipeline went from {opening} to {closing}: "
        f"{money(row['created_amount'], currency)} was created, {money(row['won_amount'], currency)} won and "
        f"{money(row['lost_amount'], currency)} lost"
    )
    planned = shown.get("closing_in_period")
    if planned is not None and planned["period"] == period:
        said += (
            f"; {money(planned['pushed_out_amount'], currency)} of planned closes left the quarter and "
            f"{money(planned['pulled_in_amount'], currency)} came into it"
        )
    return said + "." + sentences.caveat_clause(row["evidence"], row["evidence_reason"], row["caveat"])


def _bridge(scope: str, row: Row, number: int) -> dict[str, Any]:
    currency, period = str(row["currency"]), row["period"]
    steps = [
        (name, sign * float(row[f"{column}_amount"] or 0), int(row[f"{column}_count"] or 0))
        for column, name, sign in STEPS
    ]
    steps = [step for step in steps if step[2]]
    title, note = SCOPES[scope]
    label = f"{title}, {period.label}: opening {money(row['opening_amount'], currency)}, " + ", ".join(
        f"{name} {words.difference(amount, currency, amount)}" for name, amount, _ in steps
    )
    svg = charts.waterfall_svg(
        [(name, amount) for name, amount, _ in steps],
        before=("opening", float(row["opening_amount"])),
        now="closing",
        currency=currency,
        label=f"{label}, closing {money(row['closing_amount'], currency)}",
        prefix=f"bridge{number}",
        height=46 + 24 * (len(steps) + 2),
        neutral=("won",),
    )
    off = imbalance(row)
    table = [
        ("opening", row["opening_amount"], row["opening_count"]),
        *((name, amount, count) for name, amount, count in steps),
        ("closing", row["closing_amount"], row["closing_count"]),
    ]
    share, missing = row["largest_deal_share"], row["missing_amount_share"]
    notes = [f"{note}; n{NBSP}{words.count(row['n'])}"]
    if share is not None:
        notes.append(f"the largest deal is {words.number(share, 'rate')} of the amount")
    if missing:
        notes.append(f"{words.number(missing, 'rate')} of the deals have no amount")
    return {
        "title": f"{title}, {period.label}",
        "note": words.sentence_case("; ".join(notes)) + ".",
        "caveat": sentences.caveat_clause(row["evidence"], row["evidence_reason"], row["caveat"]).strip(),
        "svg": Markup(svg),
        "currency": currency,
        "adds_up": "adds up to the cent" if not off else f"does not add up by {off:,.2f}",
        "table": [
            (name, f"{float(amount):,.2f}".replace("-", words.MINUS), words.count(count), float(amount))
            for name, amount, count in table
        ],
    }


def _amounts(row: Row) -> list[tuple[str, float | None]]:
    currency = str(row["currency"])
    columns = ("opening", "created", "won", "lost", "closing")
    cells = [(money(row[f"{name}_amount"], currency), row[f"{name}_amount"]) for name in columns]
    other = None
    if row["closing_amount"] is not None:
        other = sum(
            sign * float(row[f"{column}_amount"] or 0)
            for column, _, sign in STEPS
            if column in ("reopened", "pulled_in", "pushed_out", "up", "down")
        )
    cells.insert(4, ("" if other is None else words.difference(other, currency, other), other))
    return [(text, None if value is None else float(value)) for text, value in cells]


def _moved_row(row: Row, name: str) -> Row:
    return {
        **mark(row),
        "name": name,
        "period": row["period"],
        "cells": _amounts(row),
        "held": "" if row["closing_amount"] is not None else words.reason_of(row["evidence_reason"]).short,
    }


def _quarters(facts: Facts, found: Sequence[Row]) -> list[Row]:
    mine = [
        row
        for row in found
        if row["dimension"] == TOTAL
        and row["scope"] == "open_pipeline"
        and row["period"].grain == "quarter"
        and row["period"].is_complete(facts.as_of)
    ]
    mine.sort(key=lambda row: -row["period"].index)
    return [_moved_row(row, row["period"].label) for row in mine]


def _segments(facts: Facts, found: Sequence[Row], shown: Row | None) -> dict[str, Any] | None:
    if shown is None:
        return None
    mine = [row for row in found if row["scope"] == "open_pipeline" and row["period"] == shown["period"]]
    blocks = [(label, [_moved_row(row, row["segment"]) for row in part]) for label, part in by_dimension(facts, mine)]
    return {"period": shown["period"], "blocks": blocks}


# ---------------------------------------------------------------- coverage


def _coverage(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    found = rows(
        tables,
        "pipeline_coverage",
        (*CELL, "measure", "currency", *EVIDENCE),
        ("amount", "weighted_amount", "weighted_low", "weighted_high", "target_amount", "booked_amount",
         "coverage_ratio", "overdue_amount"),
    )  # fmt: skip
    if found is None:
        return None
    quarters = [row for row in found if row["period"].grain == "quarter"]
    total = [row for row in quarters if row["dimension"] == TOTAL]
    ahead = sorted(
        (
            row
            for row in total
            if row["measure"] == "open" and row["amount"] is not None and not row["period"].is_complete(facts.as_of)
        ),
        key=lambda row: row["period"].index,
    )
    done = []
    for measure in ("created", "won"):
        period = newest_quarter([row for row in quarters if row["measure"] == measure], facts, "amount")
        done += [row for row in total if row["measure"] == measure and row["period"] == period]
    first = ahead[0] if ahead else None
    shown = [_coverage_row(row, f"{_measure_name(row)} {row['period'].label}") for row in [*ahead, *done]]
    segments = [row for row in quarters if first and row["measure"] == "open" and row["period"] == first["period"]]
    return {
        "finding": coverage_sentence(first, done, [row for row in total if not row["period"].is_complete(facts.as_of)]),
        "rows": shown,
        # Without targets or weights their columns are left out.
        "columns": [(code, name) for code, name in COVERAGE_COLUMNS.items() if any(row[code] for row in shown)],
        "segments": None
        if first is None
        else {
            "period": first["period"],
            "blocks": [
                (label, [_coverage_row(row, row["segment"]) for row in mine])
                for label, mine in by_dimension(facts, segments)
            ],
        },
    }


def _measure_name(row: Row) -> str:
    return {"open": "Open, planned to close in", "created": "Created in", "won": "Won in"}[str(row["measure"])]


def coverage_sentence(first: Row | None, done: Sequence[Row], ahead: Sequence[Row]) -> str:
    """Open pipeline of the next quarter beside what is missing to its target; or why there is no ratio."""
    if first is None:
        why = (
            why_held([row for row in ahead if row["measure"] == "open"])
            or "no open deal has a planned close in a quarter that is not over"
        )
        return f"No coverage by open pipeline is published: {why}."
    currency = str(first["currency"])
    said = (
        f"Open pipeline planned to close in {first['period'].label} is {money(first['amount'], currency)}, "
        f"weighted by stage {money(first['weighted_amount'], currency)}"
    )
    if first["weighted_low"] is not None:
        said += f" ({span(first['weighted_low'], first['weighted_high'], currency)})"
    if first["overdue_amount"]:
        said += f", {money(first['overdue_amount'], currency)} of it overdue"
    if first["coverage_ratio"] is not None:
        said += (
            f". That is {words.significant(first['coverage_ratio'])} times what is missing to the target of "
            f"{money(first['target_amount'], currency)}"
        )
    elif first["target_amount"] is None:
        said += "; no target is set for it, so there is no ratio"
    created = next((row for row in done if row["measure"] == "created" and row["coverage_ratio"] is not None), None)
    if created is not None:
        said += (
            f". Created in {created['period'].label}: {money(created['amount'], currency)}, "
            f"{_share_of(created['coverage_ratio'])} of the target"
        )
    return said + "." + sentences.caveat_clause(first["evidence"], first["evidence_reason"], first["caveat"])


def _share_of(ratio: float) -> str:
    return f"{words.percent(ratio, 0 if ratio >= 0.9995 else 1)}{NBSP}%"


def _coverage_row(row: Row, name: str) -> Row:
    currency, ratio = str(row["currency"]), row["coverage_ratio"]
    if row["measure"] == "open":
        said = "" if ratio is None else f"{words.significant(ratio)} times what is missing"
        if ratio is None and row["target_amount"] is not None:
            said = "nothing is missing"
    else:
        said = "" if ratio is None else f"{_share_of(ratio)} of the target"
    return {
        **mark(row),
        "name": name,
        "period": row["period"],
        "held": "" if row["amount"] is not None else words.reason_of(row["evidence_reason"]).short,
        "amount": money(row["amount"], currency),
        "sort": row["amount"],
        "weighted": money(row["weighted_amount"], currency),
        "interval": span(row["weighted_low"], row["weighted_high"], currency),
        "target": money(row["target_amount"], currency),
        "booked": money(row["booked_amount"], currency) if row["measure"] == "open" else "",
        "ratio": said,
    }
