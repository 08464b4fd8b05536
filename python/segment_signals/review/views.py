"""What several sections share: terms with their anchors, cells as they are read, positions in a plot."""

from __future__ import annotations

import re
from dataclasses import dataclass

from segment_signals.review import sentences, words
from segment_signals.review.facts import Cell, Facts, Transition
from segment_signals.review.words import NBSP, Period

SHADES = 9
LINKED_KINDS = ("metric", "stage", "dimension", "horizon", "check")


@dataclass(frozen=True)
class Term:
    """A label with the anchor of its definition, or none where nothing defines it."""

    label: str
    href: str | None


@dataclass(frozen=True)
class CellView:
    """One cell of a heatmap: css class, what is read, what hovering says."""

    css: str
    text: str
    title: str


@dataclass(frozen=True)
class Step:
    """A transition as the page shows it."""

    step: Transition
    label: str
    href: str | None
    period: Period | None
    decimals: int
    shade_top: float


def slug(text: str) -> str:
    """Letters and digits, the rest as single hyphens."""
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def anchor(kind: str, code: str) -> str:
    """The id of a definition on the page."""
    return f"def-{kind}-{slug(code)}"


def term(facts: Facts, kind: str, code: str) -> Term:
    """The label of a code, linked where the page holds its definition."""
    is_defined = kind in LINKED_KINDS and any(row.kind == kind and row.code == code for row in facts.definitions)
    return Term(facts.label(kind, code), f"#{anchor(kind, code)}" if is_defined else None)


def clamp(share: float) -> float:
    """Cut to 0..1."""
    return min(max(share, 0.0), 1.0)


def place(share: float) -> str:
    """A position in percent with two decimals, as page.js writes it: from integers, half up."""
    hundredths = int(share * 10_000 + 0.5)
    return f"{hundredths / 100:g}"


def shade(rate: float, top: float) -> int:
    """0 (lightest) .. 8 (darkest), linear from 0 to `top`."""
    return min(SHADES - 1, int(rate / top * SHADES)) if top > 0 else 0


def step_view(facts: Facts, step: Transition, period: Period | None) -> Step:
    """A transition with its label, period, decimals and the top of its shade: the highest reportable quarterly rate."""
    quarters = [
        cell.rate
        for (_, _, found, when), cell in facts.cells.items()
        if found == step and when.grain == "quarter" and cell.is_reportable and cell.rate is not None
    ]
    anything = quarters or [
        cell.rate for (_, _, found, _), cell in facts.cells.items() if found == step and cell.rate is not None
    ]
    top = max(anything, default=1.0) or 1.0
    return Step(
        step=step,
        label=sentences.step_label(facts, step),
        href=term(facts, "metric", step.rate_metric).href,
        period=period,
        decimals=2 if top < 0.1 else 1,
        shade_top=round(top, 6),
    )


def cell_view(cell: Cell | None, decimals: int, shade_top: float) -> CellView:
    """What page.js's `cellView` makes of the same numbers."""
    if cell is None:
        return CellView("na", "·", "no record")
    reason = words.reason_of(cell.reason)
    if cell.reason == "not_applicable":
        return CellView("na", reason.short, words.sentence_case(reason.sentence))
    if not cell.is_published or cell.rate is None:
        return CellView("sup", reason.short, f"held back: {reason.sentence}; n {words.count(cell.n)}")
    low = (
        f"{words.percent(cell.low, 2)} to {words.percent(cell.high, 2)} %"
        if cell.low is not None and cell.high is not None
        else "no interval"
    )
    title = f"{words.percent(cell.rate, 2)} % ({low}), n {words.count(cell.n)}, {cell.evidence}"
    text = words.seen_percent(cell.rate, decimals)
    if cell.evidence == "directional":
        return CellView("dir", f"○{NBSP}{text}", f"{title}: {reason.sentence}")
    return CellView(f"q{shade(cell.rate, shade_top)}" if shade_top else "plain", text, title)


def interval_text(cell: Cell | None, decimals: int) -> str:
    """'25.4 to 30.5', in percent without the sign; empty where nothing is published."""
    if cell is None or cell.low is None or cell.high is None:
        return ""
    return f"{words.seen_percent(cell.low, decimals)} to {words.seen_percent(cell.high, decimals)}"
