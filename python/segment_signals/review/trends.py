"""Trends of the total: one panel per step, small multiples on a shared scale."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from segment_signals.review import charts, sentences, words
from segment_signals.review.facts import TOTAL, Cell, Facts, Transition
from segment_signals.review.views import Step, cell_view, interval_text
from segment_signals.review.words import Period


def grain(facts: Facts) -> str:
    """Months, unless fewer than half of the months that are old enough are reportable in the median panel."""
    shares = []
    for step in facts.transitions:
        months = [
            cell
            for (dimension, _, found, period), cell in facts.cells.items()
            if dimension == TOTAL
            and found == step
            and period.grain == "month"
            and period.is_complete(facts.as_of)
            and cell.reason not in ("too_early", "left_truncated")
        ]
        if months:
            shares.append(sum(cell.is_reportable for cell in months) / len(months))
    shares.sort()
    return "month" if shares and shares[len(shares) // 2] >= 0.5 else "quarter"


def panels(facts: Facts, steps: Sequence[Step], grain: str) -> list[dict[str, Any]]:
    """One panel per step: title, finding, chart and the rows of its table, newest first."""
    series: dict[Transition, list[tuple[Period, Cell]]] = {step.step: [] for step in steps}
    for (dimension, _, found, period), cell in facts.cells.items():
        if dimension == TOTAL and period.grain == grain and period.is_complete(facts.as_of):
            series[found].append((period, cell))

    def highest(chosen: Sequence[Step]) -> list[float]:
        return [
            cell.high if cell.high is not None and cell.is_reportable else cell.rate
            for step in chosen
            for _, cell in series[step.step]
            if cell.rate is not None
        ]

    # Steps share a scale. End to end is an order of magnitude smaller: it has its own, and its subtitle says so.
    shared = min(1.0, charts.ceiling(highest([step for step in steps if not step.step.is_end_to_end])))
    made = []
    for number, step in enumerate(steps):
        rows = sorted(series[step.step], key=lambda item: item[0].index)
        if not rows:
            continue
        own = step.step.is_end_to_end
        top = min(1.0, charts.ceiling(highest([step]))) if own else shared
        points = [
            charts.Point(
                period,
                cell.rate,
                cell.low,
                cell.high,
                cell.is_reportable,
                "" if cell.is_published else words.reason_of(cell.reason).short,
            )
            for period, cell in rows
        ]
        finding = sentences.trend(facts, step.step, grain)
        label = f"{step.label} by {grain} of entry. {finding}"
        made.append(
            {
                "step": step,
                "own_scale": own,
                "finding": finding,
                "svg": Markup(charts.trend_svg(points, top=top, unit="rate", label=label, prefix=f"trend{number}")),
                "rows": [
                    (
                        period,
                        cell,
                        cell_view(cell, step.decimals, 0.0),
                        interval_text(cell, step.decimals),
                        sentences.change_of(facts.changes.get((TOTAL, TOTAL, step.step.rate_metric, period))),
                    )
                    for period, cell in reversed(rows)
                ],
            }
        )
    return made
