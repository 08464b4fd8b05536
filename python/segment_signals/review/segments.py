"""Segments: heatmap blocks, dot-and-interval rows, and the data that lets the script show another period."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from markupsafe import Markup

from segment_signals.review import charts, sentences, words
from segment_signals.review.facts import TOTAL, Cell, Dimension, Facts, Score, Transition
from segment_signals.review.views import Step, cell_view, clamp, interval_text, place, term
from segment_signals.review.words import Change, Period


@dataclass(frozen=True)
class DotRow:
    """One segment with its interval, as the table prints it."""

    segment: str
    css: str
    n: str
    value: str
    interval: str
    title: str
    svg: Markup
    change: Change
    change_text: str
    evidence: str


def heat_block(
    facts: Facts, dimension: Dimension, steps: Sequence[Step], periods: dict[Transition, Period | None]
) -> dict[str, Any]:
    """One dimension: segments x steps, the whole population first."""
    rows = []
    for code, segment, name in [
        (TOTAL, TOTAL, "All"),
        *((dimension.code, name, name) for name in dimension.segments),
    ]:
        cells = [facts.cell(code, segment, step.step, step.period) for step in steps]
        rows.append(
            {
                "segment": segment,
                "name": name,
                "cells": [
                    (step, cell, cell_view(cell, step.decimals, step.shade_top))
                    for step, cell in zip(steps, cells, strict=True)
                ],
            }
        )
    return {
        "dimension": dimension,
        "term": term(facts, "dimension", dimension.code),
        "finding": sentences.funnel_dimension(facts, dimension, periods),
        "rows": rows,
    }


def dot_step(facts: Facts, dimension: Dimension, periods: Mapping[Transition, Period | None]) -> Transition:
    """End-to-end conversion where the dimension has it, else its last step."""
    last_first = sorted(facts.transitions, key=lambda step: step.is_end_to_end, reverse=True)
    ends = [step for step in last_first if step.is_end_to_end] + [
        step for step in reversed(facts.transitions) if not step.is_end_to_end
    ]
    for step in ends:
        for name in dimension.segments:
            cell = facts.cell(dimension.code, name, step, periods[step])
            if cell is not None and cell.is_published:
                return step
    return next((step for step in reversed(facts.transitions) if not step.is_end_to_end), facts.transitions[-1])


def dot_top(facts: Facts, step: Transition, dot_steps: Mapping[str, Transition], period: Period | None) -> float:
    """One scale per conversion for all dimensions: to the highest reportable interval or directional value."""
    ends = []
    for code, segment in [
        (TOTAL, TOTAL),
        *((d.code, name) for d in facts.dimensions if dot_steps[d.code] == step for name in d.segments),
    ]:
        cell = facts.cell(code, segment, step, period)
        if cell is not None and cell.rate is not None:
            ends.append(cell.high if cell.is_reportable and cell.high is not None else cell.rate)
    return min(1.0, charts.ceiling(ends)) if ends else 1.0


def dot_block(
    facts: Facts,
    dimension: Dimension,
    step: Transition,
    steps: Sequence[Step],
    periods: dict[Transition, Period | None],
    tops: Mapping[Transition, float],
) -> dict[str, Any]:
    """One dimension: its segments by value with their intervals, the total first."""
    period = periods[step]
    total = facts.cell(TOTAL, TOTAL, step, period)
    population = total.rate if total is not None else None
    top = tops[step]
    decimals = next(item.decimals for item in steps if item.step == step)
    rows = []
    for name in dimension.segments:
        cell = facts.cell(dimension.code, name, step, period)
        if cell is None:
            continue
        score = facts.changes.get((dimension.code, name, step.rate_metric, period)) if period else None
        rows.append((cell, _dot_row(name, cell, score, population, top, decimals)))
    rows.sort(key=lambda row: (not row[0].is_published, -(row[0].rate or 0.0), -row[0].n, row[1].segment))
    total_score = facts.changes.get((TOTAL, TOTAL, step.rate_metric, period)) if period else None
    tick_decimals = 0 if abs(top * 50 - round(top * 50)) < 1e-9 else 1
    return {
        "dimension": dimension,
        "term": term(facts, "dimension", dimension.code),
        "step": step,
        "step_number": facts.transitions.index(step),
        "step_label": sentences.step_label(facts, step),
        "step_href": term(facts, "metric", step.rate_metric).href,
        "period": period,
        "finding": sentences.dots_dimension(facts, dimension, step, period),
        "ticks": [(f"{share * 100:.0f}", words.percent(top * share, tick_decimals)) for share in (0.0, 0.5, 1.0)],
        "total": None if total is None else _dot_row("All", total, total_score, population, top, decimals),
        "rows": [row for _, row in rows],
    }


def _dot_row(name: str, cell: Cell, score: Score | None, population: float | None, top: float, decimals: int) -> DotRow:
    view = cell_view(cell, decimals, 0.0)
    change = sentences.change_of(score)
    change_text = ""
    if cell.is_published and change.delta is not None:
        change_text = words.points(change.delta, decimals)
    return DotRow(
        segment=name,
        css=cell.evidence if cell.reason != "not_applicable" else "na",
        n=words.count(cell.n),
        value=words.seen_percent(cell.rate, decimals) if cell.is_published and cell.rate is not None else view.text,
        interval=interval_text(cell, decimals),
        title=view.title,
        svg=_dot_svg(cell, population, top, view.title),
        change=change,
        change_text=change_text,
        evidence=cell.evidence,
    )


def _along(rate: float, top: float) -> str:
    """Position on the scale from 0 to `top`; both in millionths, as the script has them, so that both round alike."""
    return place(clamp(round(rate * 1_000_000) / round(top * 1_000_000)))


def _dot_svg(cell: Cell, population: float | None, top: float, title: str) -> Markup:
    """A line for the population, a bar for the interval, a dot for the value; hatched where held back.

    page.js's `dotSvg` writes the same text.
    """
    parts = [Markup('<svg class="dot" role="img" aria-label="{}">').format(title)]
    if not cell.is_published or cell.rate is None:
        parts.append(Markup('<rect x="0" y="25%" width="100%" height="50%" fill="url(#hatch)"/>'))
    if population is not None:
        at = _along(population, top)
        parts.append(Markup('<line class="pop" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>').format(at))
    if cell.is_published and cell.rate is not None:
        css = "hollow" if cell.evidence == "directional" else "solid"
        if cell.low is not None and cell.high is not None:
            low, high = _along(cell.low, top), _along(cell.high, top)
            parts.append(Markup('<line class="iv {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/>').format(css, low, high))
            if cell.high > top:
                parts.append(Markup('<text class="off" x="100%" y="50%" dy=".35em">\u203a</text>'))
        at = _along(cell.rate, top)
        parts.append(Markup('<circle class="{}" cx="{}%" cy="50%" r="4"/>').format(css, at))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


def columns(blocks: Sequence[Any], number: int) -> list[list[Any]]:
    """Columns of about equal height, each block in the shortest one: opening a table moves only what is below it."""
    columns: list[list[Any]] = [[] for _ in range(number)]
    heights = [0] * number
    for block in blocks:
        side = heights.index(min(heights))
        columns[side].append(block)
        heights[side] += len(block["rows"]) + 6
    return [column for column in columns if column]


def data(
    facts: Facts,
    steps: Sequence[Step],
    dot_steps: Mapping[str, Transition],
    dot_tops: Mapping[Transition, float],
) -> dict[str, Any]:
    """All conversions at the primary horizon, so that the script can show another period.

    `cells[d][s][t][p]` is null, or [n, code], or [n, code, converted, lost, open, rate, low, high, median] with rates
    in millionths; code = evidence * 16 + reason. Position 0 of `dimensions` is the total.
    """
    periods = facts.periods()
    reasons = ["", *words.REASONS]
    extra = sorted({cell.reason for cell in facts.cells.values() if cell.reason and cell.reason not in words.REASONS})
    reasons += extra[: 16 - len(reasons)]
    lookup = {code: place for place, code in enumerate(reasons)}

    def packed(cell: Cell | None) -> list[int | float | None] | None:
        if cell is None:
            return None
        evidence = words.EVIDENCE.index(cell.evidence) if cell.is_published else words.EVIDENCE.index("suppressed")
        head: list[int | float | None] = [cell.n, evidence * 16 + lookup.get(cell.reason or "", 0)]
        if not cell.is_published or cell.rate is None:
            return head
        rates = [None if rate is None else round(rate * 1_000_000) for rate in (cell.rate, cell.low, cell.high)]
        median = None if cell.median_days is None else round(cell.median_days, 1)
        return [*head, cell.converted, cell.lost, cell.open, *rates, median]

    view_of = {step.step: step for step in steps}
    shown = [Dimension(TOTAL, (TOTAL,), 0), *facts.dimensions]
    return {
        "horizon": facts.horizon,
        "evidence": list(words.EVIDENCE),
        "periods": [[period.key, period.label, period.grain] for period in periods],
        "reasons": [
            [words.reason_of(code or None).short, words.reason_of(code or None).sentence, code] for code in reasons
        ],
        "steps": [
            {
                "label": step.label,
                "decimals": step.decimals,
                "top": round(step.shade_top * 1_000_000),
                "dotTop": round(dot_tops[step.step] * 1_000_000),
                "latest": periods.index(step.period) if step.period in periods else -1,
                "changes": [_packed_change(facts, TOTAL, TOTAL, step, period) for period in periods],
            }
            for step in steps
        ],
        "dimensions": [
            {
                "code": dimension.code,
                "label": "All" if dimension.code == TOTAL else facts.label("dimension", dimension.code),
                "segments": list(dimension.segments),
                "dotStep": -1 if dimension.code == TOTAL else facts.transitions.index(dot_steps[dimension.code]),
                "notes": []
                if dimension.code == TOTAL
                else [
                    [
                        sentences.funnel_dimension(facts, dimension, dict.fromkeys(facts.transitions, period)),
                        sentences.dots_dimension(facts, dimension, dot_steps[dimension.code], period),
                    ]
                    for period in periods
                ],
                "cells": [
                    [
                        [packed(facts.cell(dimension.code, name, step.step, period)) for period in periods]
                        for step in steps
                    ]
                    for name in dimension.segments
                ],
                "changes": []
                if dimension.code == TOTAL
                else [
                    [
                        _packed_change(facts, dimension.code, name, view_of[dot_steps[dimension.code]], period)
                        for period in periods
                    ]
                    for name in dimension.segments
                ],
            }
            for dimension in shown
        ],
    }


def _packed_change(facts: Facts, dimension: str, segment: str, step: Step, period: Period) -> list[str] | int:
    """[change, word, css] of a dot row in another period; 0 where there is nothing to say."""
    change = sentences.change_of(facts.changes.get((dimension, segment, step.step.rate_metric, period)))
    if change.delta is None:
        return 0
    return [words.points(change.delta, step.decimals), change.word, change.css]
