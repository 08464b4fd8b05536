"""The headline table: every metric of the total at its newest mature period, and the same cohorts at every horizon."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from markupsafe import Markup

from segment_signals.review import charts, sentences, words
from segment_signals.review.facts import Facts, Score, Transition, newest_mature, stage_order
from segment_signals.review.views import Step, cell_view, clamp, interval_text, place, term
from segment_signals.review.words import NBSP, Change, Period

# Beyond this a relative change runs off the plot, which says so: the number beside it stays exact.
MAX_RELATIVE_CHANGE = 0.5


def groups(facts: Facts) -> tuple[list[dict[str, Any]], str]:
    """All metrics of the total at their newest mature period, in groups; and the end of the scale of changes, in %."""
    by_metric: dict[str, list[Score]] = {}
    for score in facts.scores:
        by_metric.setdefault(score.metric, []).append(score)
    rates = {step.rate_metric: place for place, step in enumerate(facts.transitions)}
    counts = {metric.removesuffix("_rate") + "_count": place for metric, place in rates.items()}
    titles = (
        f"Conversion within {facts.horizon}{NBSP}days of entering the stage",
        "Entered the stage in the period",
        "Deals closed in the period",
        "Days in the stage, of those that left it in the period",
        f"Converted within {facts.horizon}{NBSP}days, number",
    )
    stages = stage_order(facts.definitions)
    deals = ("win_rate", "won_amount", "mean_deal_amount", "mean_cycle_days")

    def place(metric: str, score: Score) -> tuple[int, int]:
        if metric in rates:
            return 0, rates[metric]
        if metric in counts:
            return 4, counts[metric]
        if score.basis == "entered":
            return 1, stages.get(metric.removesuffix("_count"), 99)
        if score.basis == "exited":
            return 3, stages.get(metric.removesuffix("_stage_days"), 99)
        return 2, deals.index(metric) if metric in deals else 99

    chosen = []
    for metric, scores in by_metric.items():
        period = newest_mature(((score.period, score.is_mature) for score in scores), facts.as_of)
        shown = next((score for score in scores if score.period == period), None)
        if shown is None:
            # Nothing is mature: the newest complete period is shown as it is, held back with its reason.
            complete = [score for score in scores if score.period.is_complete(facts.as_of)]
            shown = max(complete or scores, key=lambda score: (score.period.grain == "quarter", score.period.index))
        chosen.append((place(metric, shown), metric, shown))
    chosen.sort(key=lambda row: row[:2])
    ends = [abs(end) for _, _, score in chosen for end in _relative(score) or ()]
    top = min(MAX_RELATIVE_CHANGE, charts.ceiling(ends)) if ends else MAX_RELATIVE_CHANGE
    groups = []
    for number, title in enumerate(titles):
        mine = [score for (group, _), _, score in chosen if group == number]
        # A caveat that holds for reportable values too (a biased basis) is said once, beside the title.
        caveats = sorted({score.caveat for score in mine if score.caveat and score.evidence == "reportable"})
        if mine:
            rows = [_headline_row(facts, score, top) for score in mine]
            groups.append({"title": title, "caveats": caveats, "rows": rows})
    return groups, words.percent(top, 0)


def _headline_row(facts: Facts, score: Score, top: float) -> dict[str, Any]:
    unit = score.unit
    change = sentences.change_of(score)
    has_interval = score.low is not None and score.high is not None
    return {
        "score": score,
        "term": term(facts, "metric", score.metric),
        "period": score.period.label,
        "value": words.number(score.value, unit) if score.value is not None else "",
        "interval": words.between(score.low, score.high, unit, with_unit=False)
        if score.low is not None and score.high is not None
        else "",
        "has_interval": has_interval,
        "change": change,
        "change_text": words.difference(change.delta, unit, score.value or 0.0) if change.delta is not None else "",
        "change_interval": words.difference_between(change.low, change.high, unit, score.value or 0.0)
        if change.low is not None and change.high is not None
        else "",
        "plot": _change_plot(score, change, top),
        "previous": words.number(score.previous, unit) if score.previous is not None else "",
        "year_ago": words.number(score.year_ago, unit) if score.year_ago is not None else "",
        "n": words.count(score.n),
        "mark": words.EVIDENCE_MARKS.get(score.evidence, ""),
        "reason": words.reason_of(score.reason) if score.evidence != "reportable" else None,
        "exact": words.exact(score.value, unit),
    }


def _relative(score: Score) -> tuple[float, float, float] | None:
    """Change and its interval as shares of the previous value; none where there is no interval."""
    if not score.is_published or not score.previous or score.delta is None:
        return None
    if score.delta_low is None or score.delta_high is None:
        return None
    base = abs(score.previous)
    return score.delta / base, score.delta_low / base, score.delta_high / base


def _change_plot(score: Score, change: Change, top: float) -> Markup:
    """The relative change as a dot and interval around 0, from -top to top; arrows where it runs off."""
    relative = _relative(score)
    if relative is None:
        return Markup("")
    at, low, high = (place(clamp(part / top * 0.5 + 0.5)) for part in relative)
    parts = [
        Markup(
            '<svg class="dot" role="img" aria-label="{}, {} % of the previous value">'
            '<line class="zero" x1="50%" x2="50%" y1="0" y2="100%"/>'
            '<line class="iv {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/>'
        ).format(change.word, words.percent(relative[0]), change.css, low, high)
    ]
    if abs(relative[0]) <= top:
        parts.append(Markup('<circle class="{}" cx="{}%" cy="50%" r="3.5"/>').format(change.css, at))
    if relative[2] > top:
        parts.append(Markup('<text class="off" x="100%" y="50%" dy=".35em">\u203a</text>'))
    if relative[1] < -top:
        parts.append(Markup('<text class="off start" x="0" y="50%" dy=".35em">\u2039</text>'))
    return Markup("").join([*parts, Markup("</svg>")])


def horizon_rows(
    facts: Facts, steps: Sequence[Step], periods: Mapping[Transition, Period | None]
) -> list[dict[str, Any]]:
    """The same cohorts of the total at every horizon."""
    rows = []
    for step in steps:
        period = periods[step.step]
        cells = [
            (days, facts.totals_by_horizon.get((step.step, period, days)) if period else None)
            for days in facts.horizons
        ]
        rows.append(
            {
                "step": step,
                "period": period.label if period else "none",
                "cells": [
                    (days, cell_view(cell, step.decimals, 0.0), interval_text(cell, step.decimals))
                    for days, cell in cells
                ],
            }
        )
    return rows
