"""The review page of a release: one self-contained HTML file from the published tables.

Who draws what, and why there is one charting system: everything with an axis of its own (trends, velocity, waterfalls)
is an Altair chart rendered to SVG by vl-convert at build time (about 0.1 s and 8 kB each, so about a dozen of them).
The dot-and-interval rows are not charts but table cells: a line, a bar and a dot in percent coordinates, 200 bytes a
row, printed by a Jinja macro and redrawn for another period by page.js from the same numbers. As Altair charts they
would weigh twenty times as much, could not share rows with their numbers and could not follow the chosen period.

The page is a pure function of its input: no clock, no random ids, no network, sorted data. Jinja escapes everything;
what is inserted as markup is our own CSS, our own script, SVG that the renderer escaped, and JSON with < > & escaped.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from segment_signals.review import charts, sentences, words
from segment_signals.review.facts import (
    SPINE,
    STATUSES,
    TOTAL,
    Cell,
    Dimension,
    Facts,
    Score,
    Transition,
    Velocity,
    newest_mature,
    read_facts,
)
from segment_signals.review.words import NBSP, Change, Period

HERE = Path(__file__).parent
SHADES = 9
# Beyond this a relative change is drawn at the edge: the number beside it stays exact.
MAX_RELATIVE_CHANGE = 0.5
LINKED_KINDS = ("metric", "stage", "dimension", "horizon")
KIND_TITLES = {
    "metric": "Metrics",
    "stage": "Stages",
    "dimension": "Dimensions",
    "horizon": "Horizons",
    "threshold": "Thresholds",
    "check": "Checks",
    "stage_map": "Source labels of stages",
    "segment_rule": "Segment rules",
}
# Long registers are folded; what a reader looks up stands open.
OPEN_KINDS = ("metric", "stage", "dimension", "horizon")
STATUS_MARKS = {
    "blocked": ("■", "blocked"),
    "flagged": ("▲", "flagged"),
    "insufficient_sample": ("○", "too few to judge"),
    "too_early": ("◔", "too early to judge"),
    "not_applicable": ("–", "not applicable"),
    "pass": ("●", "pass"),
}


def render_review(tables: Mapping[str, pd.DataFrame], *, dataset: str) -> str:
    """The review page as one HTML text.

    Args:
        tables: name -> frame for funnel_conversion, segment_scorecards, pipeline_velocity, gate_results, definitions
            and release, with the columns of the published contract; other tables are ignored; any may have 0 rows.
        dataset: the name of the dataset, as it stands in the masthead.

    Raises:
        ReviewError: a table or a column of the contract is missing; the message names it.
    """
    facts = read_facts(tables, dataset=dataset)
    environment = Environment(
        loader=FileSystemLoader(HERE), autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.policies["json.dumps_kwargs"] = {"sort_keys": True, "separators": (",", ":"), "ensure_ascii": False}
    page = environment.get_template("page.html.j2").render(
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        **_context(facts),
    )
    return re.sub(r"\n\s*\n+", "\n", page)


# ---------------------------------------------------------------- what the template sees


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
class DotRow:
    segment: str
    css: str
    n: str
    value: str
    interval: str
    title: str
    svg: Markup
    change: Change
    change_text: str
    mark: str
    evidence: str


@dataclass(frozen=True)
class Step:
    """A transition as the page shows it."""

    step: Transition
    label: str
    href: str | None
    period: Period | None
    decimals: int
    shade_top: float


def _context(facts: Facts) -> dict[str, Any]:
    periods = {step: facts.latest(step) for step in facts.transitions}
    steps = [_step(facts, step, periods[step]) for step in facts.transitions]
    dot_steps = {dimension.code: _dot_step(facts, dimension, periods) for dimension in facts.dimensions}
    dot_tops = {step: _dot_top(facts, step, dot_steps, periods[step]) for step in facts.transitions}
    heat = [_heat_block(facts, dimension, steps, periods) for dimension in facts.dimensions]
    dots = [
        _dot_block(facts, dimension, dot_steps[dimension.code], periods, dot_tops) for dimension in facts.dimensions
    ]
    grain = _trend_grain(facts)
    return {
        "facts": facts,
        "words": words,
        "reasons": list(words.REASONS.values()),
        "as_of": words.day(facts.as_of),
        "print_line": Markup(_css_text(f"{facts.dataset}, release {_short(facts.release.get('release_id'))}, as of {words.day(facts.as_of)}")),
        "title": f"{facts.dataset}: review as of {words.day(facts.as_of)}",
        "masthead": _masthead(facts),
        "published": sentences.published(facts),
        "empty": _empty(facts),
        "headline": sentences.headline(facts),
        "headline_groups": _headline_groups(facts),
        "horizon_rows": _horizon_rows(facts, steps, periods),
        "steps": steps,
        "funnel": sentences.funnel(facts, periods),
        "heat_columns": _columns(heat, 2 if len(steps) > 2 else 3),
        "heat_width": 150 + 78 * len(steps) if len(steps) > 2 else 250,
        "dots": sentences.dots(facts, dot_steps, periods),
        "dot_columns": _columns(dots, 2),
        "trend_grain": grain,
        "trends": sentences.trends(facts, grain) if facts.transitions else "",
        "trend_panels": _trend_panels(facts, steps, grain),
        "velocity": _velocity(facts),
        "gates": sentences.gates(facts.checks),
        "checks": [_check_view(check) for check in facts.checks],
        "caveats": sentences.caveats(facts),
        "caveat_table": _caveat_table(facts),
        "caveat_sentences": _caveat_sentences(facts),
        "definitions": _definitions(facts),
        "change_of": sentences.change_of,
        "term": lambda kind, code: _term(facts, kind, code),
        "data": _data(facts, steps, dot_steps, dot_tops),
    }


def _short(text: str | None) -> str:
    """Hashes are shown by their first 12 characters."""
    return (text or "none")[:12]


def _css_text(text: str) -> str:
    """A CSS string: everything but plain characters is escaped, so no value can leave the string."""
    return '"' + "".join(char if re.match(r"[A-Za-z0-9 ,._-]", char) else f"\\{ord(char):x} " for char in text) + '"'


def _slug(text: str) -> str:
    return re.sub(r"[^a-z0-9]+", "-", text.lower()).strip("-")


def anchor(kind: str, code: str) -> str:
    """The id of a definition on the page."""
    return f"def-{kind}-{_slug(code)}"


def _term(facts: Facts, kind: str, code: str) -> Term:
    is_defined = kind in LINKED_KINDS and any(row.kind == kind and row.code == code for row in facts.definitions)
    return Term(facts.label(kind, code), f"#{anchor(kind, code)}" if is_defined else None)


def _masthead(facts: Facts) -> list[tuple[str, str, str]]:
    """(name, what is read, what hovering says)."""
    release = facts.release
    rows = [("As of", words.day(facts.as_of), facts.as_of.isoformat() if facts.as_of else "")]
    names = {
        "release_id": "Release",
        "supersedes": "Supersedes",
        "review_id": "Review",
        "code_version": "Code",
        "input_hash": "Input",
        "definitions_hash": "Definitions",
    }
    rows += [(name, _short(release[key]), release[key]) for key, name in names.items() if release.get(key)]
    if not release.get("release_id"):
        rows.append(("Release", "none yet", "the release table has no row"))
    return rows


def _empty(facts: Facts) -> list[str]:
    """Why nothing is published, as sentences; an empty list where something is."""
    if not facts.is_empty:
        return []
    said = [
        "Nothing is published: funnel conversion, segment scorecards and pipeline velocity hold no rows, so this page has "
        "no number to show."
    ]
    blocked = [check for check in facts.checks if check.status == "blocked"]
    if blocked:
        named = "; ".join(f"{check.subject}, {words.plain(check.name)}: {check.detail or 'no detail'}" for check in blocked[:5])
        said.append(f"The gate report blocks {len(blocked)} of {len(facts.checks)} checks. {named}")
    elif facts.checks:
        said.append(
            f"No check is blocked ({len(facts.checks)} reported), so the export holds no record that enters a stage on or "
            "before the as-of date. The gate report below names what was read."
        )
    else:
        said.append(
            "The gate report is empty as well, so the checks have not run: build the whole project, then release again."
        )
    return said


def _columns(blocks: Sequence[Any], number: int) -> list[list[Any]]:
    """Columns of about equal height, each block in the shortest one: opening a table moves only what is below it."""
    columns: list[list[Any]] = [[] for _ in range(number)]
    heights = [0] * number
    for block in blocks:
        side = heights.index(min(heights))
        columns[side].append(block)
        heights[side] += len(block["rows"]) + 6
    return [column for column in columns if column]


# ---------------------------------------------------------------- headline


def _headline_groups(facts: Facts) -> list[dict[str, Any]]:
    """All metrics of the total at their newest mature period, in groups."""
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
    stages = {stage: place for place, stage in enumerate(SPINE)}
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

    rows: list[tuple[tuple[int, int], str, dict[str, Any]]] = []
    for metric, scores in by_metric.items():
        period = newest_mature(((score.period, score.is_published) for score in scores), facts.as_of)
        shown = next((score for score in scores if score.period == period), None)
        if shown is None:
            # Nothing is mature: the newest complete period is shown as held back, with its reason.
            complete = [score for score in scores if score.period.is_complete(facts.as_of)]
            shown = max(complete or scores, key=lambda score: (score.period.grain == "quarter", score.period.index))
        rows.append((place(metric, shown), metric, _headline_row(facts, shown)))
    rows.sort(key=lambda row: (row[0], row[1]))
    return [
        {"title": title, "rows": [row for (group, _), _, row in rows if group == number]}
        for number, title in enumerate(titles)
        if any(group == number for (group, _), _, _ in rows)
    ]


def _headline_row(facts: Facts, score: Score) -> dict[str, Any]:
    unit = score.unit
    change = sentences.change_of(score)
    has_interval = score.low is not None and score.high is not None
    return {
        "score": score,
        "term": _term(facts, "metric", score.metric),
        "period": score.period.label,
        "value": words.number(score.value, unit) if score.value is not None else "",
        "interval": words.between(score.low, score.high, unit, with_unit=False) if score.low is not None and score.high is not None else "",
        "has_interval": has_interval,
        "change": change,
        "change_text": words.difference(change.delta, unit, score.value or 0.0) if change.delta is not None else "",
        "change_interval": words.difference_between(change.low, change.high, unit, score.value or 0.0)
        if change.low is not None and change.high is not None
        else "",
        "plot": _change_plot(score, change),
        "previous": words.number(score.previous, unit) if score.previous is not None else "",
        "year_ago": words.number(score.year_ago, unit) if score.year_ago is not None else "",
        "n": words.count(score.n),
        "mark": words.EVIDENCE_MARKS.get(score.evidence, ""),
        "reason": words.reason_of(score.reason) if score.evidence != "reportable" else None,
        "exact": words.exact(score.value, unit),
    }


def _change_plot(score: Score, change: Change) -> Markup:
    """The change relative to the previous value as a dot and interval around 0; empty where there is no interval."""
    if not score.previous or change.delta is None or change.low is None or change.high is None:
        return Markup("")
    relative = [part / abs(score.previous) for part in (change.delta, change.low, change.high)]
    at, low, high = (_clamp(part / MAX_RELATIVE_CHANGE * 0.5 + 0.5) for part in relative)
    aria = f"{change.word}, {words.percent(relative[0])} percent of the previous value"
    return Markup(
        '<svg class="dot" role="img" aria-label="{aria}"><line class="zero" x1="50%" x2="50%" y1="0" y2="100%"/>'
        '<line class="iv {css}" x1="{low}%" x2="{high}%" y1="50%" y2="50%"/>'
        '<circle class="{css}" cx="{at}%" cy="50%" r="3.5"/></svg>'
    ).format(aria=aria, css=change.css, low=_place(low), high=_place(high), at=_place(at))


def _clamp(share: float) -> float:
    return min(max(share, 0.0), 1.0)


def _place(share: float) -> str:
    """A position in percent with two decimals, as page.js writes it: from integers, half up."""
    hundredths = int(share * 10_000 + 0.5)
    return f"{hundredths / 100:g}"


def _horizon_rows(
    facts: Facts, steps: Sequence[Step], periods: Mapping[Transition, Period | None]
) -> list[dict[str, Any]]:
    """The same cohorts of the total at every horizon."""
    rows = []
    for step in steps:
        period = periods[step.step]
        cells = [
            (days, facts.totals_by_horizon.get((step.step, period, days)) if period else None) for days in facts.horizons
        ]
        rows.append(
            {
                "step": step,
                "period": period.label if period else "none",
                "cells": [(days, _cell_view(cell, step.decimals, 0.0), _interval(cell, step.decimals)) for days, cell in cells],
            }
        )
    return rows


def _interval(cell: Cell | None, decimals: int) -> str:
    if cell is None or cell.low is None or cell.high is None:
        return ""
    return f"{words.percent(cell.low, decimals)} to {words.percent(cell.high, decimals)}"


# ---------------------------------------------------------------- segments: heatmap and dots


def _step(facts: Facts, step: Transition, period: Period | None) -> Step:
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
        href=_term(facts, "metric", step.rate_metric).href,
        period=period,
        decimals=2 if top < 0.1 else 1,
        shade_top=round(top, 6),
    )


def shade(rate: float, top: float) -> int:
    """0 (lightest) .. 8 (darkest), linear from 0 to `top`."""
    return min(SHADES - 1, int(rate / top * SHADES)) if top > 0 else 0


def _cell_view(cell: Cell | None, decimals: int, shade_top: float) -> CellView:
    """What page.js's `cellView` makes of the same numbers."""
    if cell is None:
        return CellView("na", "·", "no record")
    reason = words.reason_of(cell.reason)
    if cell.reason == "not_applicable":
        return CellView("na", reason.short, sentence(reason.sentence))
    if not cell.is_published or cell.rate is None:
        return CellView("sup", reason.short, f"held back: {reason.sentence}; n {words.count(cell.n)}")
    low = f"{words.percent(cell.low, 2)} to {words.percent(cell.high, 2)} %" if cell.low is not None and cell.high is not None else "no interval"
    title = f"{words.percent(cell.rate, 2)} % ({low}), n {words.count(cell.n)}, {cell.evidence}"
    text = words.percent(cell.rate, decimals)
    if cell.evidence == "directional":
        return CellView("dir", f"○{NBSP}{text}", f"{title}: {reason.sentence}")
    return CellView(f"q{shade(cell.rate, shade_top)}" if shade_top else "plain", text, title)


def sentence(text: str) -> str:
    return words.sentence_case(text)


def _heat_block(
    facts: Facts, dimension: Dimension, steps: Sequence[Step], periods: dict[Transition, Period | None]
) -> dict[str, Any]:
    rows = []
    for code, segment, name in [(TOTAL, TOTAL, "All"), *((dimension.code, name, name) for name in dimension.segments)]:
        cells = [facts.cell(code, segment, step.step, step.period) for step in steps]
        rows.append(
            {
                "segment": segment,
                "name": name,
                "cells": [
                    (step, cell, _cell_view(cell, step.decimals, step.shade_top))
                    for step, cell in zip(steps, cells, strict=True)
                ],
            }
        )
    return {
        "dimension": dimension,
        "term": _term(facts, "dimension", dimension.code),
        "finding": sentences.funnel_dimension(facts, dimension, periods),
        "rows": rows,
    }


def _dot_step(facts: Facts, dimension: Dimension, periods: Mapping[Transition, Period | None]) -> Transition:
    """End-to-end conversion where the dimension has it, else its last step."""
    last_first = sorted(facts.transitions, key=lambda step: step.is_end_to_end, reverse=True)
    ends = [step for step in last_first if step.is_end_to_end] + [step for step in reversed(facts.transitions) if not step.is_end_to_end]
    for step in ends:
        for name in dimension.segments:
            cell = facts.cell(dimension.code, name, step, periods[step])
            if cell is not None and cell.is_published:
                return step
    return next((step for step in reversed(facts.transitions) if not step.is_end_to_end), facts.transitions[-1])


def _dot_top(
    facts: Facts, step: Transition, dot_steps: Mapping[str, Transition], period: Period | None
) -> float:
    """One scale per conversion for all dimensions: to the highest reportable interval or directional value."""
    ends = []
    for code, segment in [(TOTAL, TOTAL), *((d.code, name) for d in facts.dimensions if dot_steps[d.code] == step for name in d.segments)]:
        cell = facts.cell(code, segment, step, period)
        if cell is not None and cell.rate is not None:
            ends.append(cell.high if cell.is_reportable and cell.high is not None else cell.rate)
    return min(1.0, charts.ceiling(ends)) if ends else 1.0


def _dot_block(
    facts: Facts,
    dimension: Dimension,
    step: Transition,
    periods: dict[Transition, Period | None],
    tops: Mapping[Transition, float],
) -> dict[str, Any]:
    period = periods[step]
    total = facts.cell(TOTAL, TOTAL, step, period)
    population = total.rate if total is not None else None
    top = tops[step]
    decimals = 2 if top <= 0.1 else 1
    rows = []
    for name in dimension.segments:
        cell = facts.cell(dimension.code, name, step, period)
        if cell is None:
            continue
        score = facts.changes.get((dimension.code, name, step.rate_metric, period)) if period else None
        rows.append((cell, _dot_row(name, cell, score, population, top, decimals)))
    rows.sort(key=lambda row: (not row[0].is_published, -(row[0].rate or 0.0), -row[0].n, row[1].segment))
    return {
        "dimension": dimension,
        "term": _term(facts, "dimension", dimension.code),
        "step": step,
        "step_number": facts.transitions.index(step),
        "step_label": sentences.step_label(facts, step),
        "step_href": _term(facts, "metric", step.rate_metric).href,
        "period": period,
        "finding": sentences.dots_dimension(facts, dimension, step, period),
        "ticks": [(f"{part * 25}", words.percent(top * part / 4, 0 if abs(top * 50 - round(top * 50)) < 1e-9 else 1)) for part in range(0, 5, 2)],
        "total": None if total is None else _dot_row("All", total, facts.changes.get((TOTAL, TOTAL, step.rate_metric, period)) if period else None, population, top, decimals),
        "rows": [row for _, row in rows],
    }  # fmt: skip


def _dot_row(
    name: str, cell: Cell, score: Score | None, population: float | None, top: float, decimals: int
) -> DotRow:
    view = _cell_view(cell, decimals, 0.0)
    change = sentences.change_of(score)
    published = cell.is_published and cell.rate is not None
    return DotRow(
        segment=name,
        css=cell.evidence if cell.reason != "not_applicable" else "na",
        n=words.count(cell.n),
        value=words.percent(cell.rate, decimals) if cell.is_published and cell.rate is not None else view.text,
        interval=_interval(cell, decimals),
        title=view.title,
        svg=_dot_svg(cell, population, top, view.title),
        change=change,
        change_text=words.difference(change.delta, "rate", cell.rate or 0.0).removesuffix(f"{NBSP}points") if published and change.delta is not None else "",
        mark=words.EVIDENCE_MARKS.get(cell.evidence, ""),
        evidence=cell.evidence,
    )  # fmt: skip


def _dot_svg(cell: Cell, population: float | None, top: float, title: str) -> Markup:
    """A line for the population, a bar for the interval, a dot for the value; hatched where held back.

    page.js's `dotSvg` writes the same text.
    """
    parts = [Markup('<svg class="dot" role="img" aria-label="{}">').format(title)]
    if not cell.is_published or cell.rate is None:
        parts.append(Markup('<rect x="0" y="25%" width="100%" height="50%" fill="url(#hatch)"/>'))
    if population is not None:
        at = _place(_clamp(population / top))
        parts.append(Markup('<line class="pop" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>').format(at))
    if cell.is_published and cell.rate is not None:
        css = "hollow" if cell.evidence == "directional" else "solid"
        if cell.low is not None and cell.high is not None:
            low, high = _place(_clamp(cell.low / top)), _place(_clamp(cell.high / top))
            parts.append(Markup('<line class="iv {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/>').format(css, low, high))
            if cell.high > top:
                parts.append(Markup('<text class="off" x="100%" y="50%" dy=".35em">›</text>'))
        at = _place(_clamp(cell.rate / top))
        parts.append(Markup('<circle class="{}" cx="{}%" cy="50%" r="4"/>').format(css, at))
    parts.append(Markup("</svg>"))
    return Markup("").join(parts)


# ---------------------------------------------------------------- trends


def _trend_grain(facts: Facts) -> str:
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


def _trend_panels(facts: Facts, steps: Sequence[Step], grain: str) -> list[dict[str, Any]]:
    series: dict[Transition, list[tuple[Period, Cell]]] = {step.step: [] for step in steps}
    for (dimension, _, step, period), cell in facts.cells.items():
        if dimension == TOTAL and period.grain == grain and period.is_complete(facts.as_of):
            series[step].append((period, cell))

    def highest(chosen: Sequence[Step]) -> list[float]:
        return [
            cell.high if cell.high is not None and cell.is_reportable else cell.rate
            for step in chosen
            for _, cell in series[step.step]
            if cell.rate is not None
        ]

    # Steps share a scale. End to end is an order of magnitude smaller: it has its own, and its subtitle says so.
    shared = min(1.0, charts.ceiling(highest([step for step in steps if not step.step.is_end_to_end])))
    panels = []
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
        panels.append(
            {
                "step": step,
                "own_scale": own,
                "finding": finding,
                "svg": Markup(charts.trend_svg(points, top=top, unit="rate", label=label, prefix=f"trend{number}")),
                "rows": [
                    (period, cell, _cell_view(cell, step.decimals, 0.0), _interval(cell, step.decimals), facts.changes.get((TOTAL, TOTAL, step.step.rate_metric, period)))
                    for period, cell in reversed(rows)
                ],
            }
        )  # fmt: skip
    return panels


# ---------------------------------------------------------------- velocity


BASIS_TITLES = {
    "cohort": "Cohort basis: opportunities that qualified in the period",
    "closed": "Closed basis: deals that closed in the period",
}
BASIS_NOTES = {
    "cohort": "Not biased, but older: a period counts once its opportunities have had their full horizon.",
    "closed": "Current, but biased toward fast deals: slow deals of the same age are still open and not counted.",
}
LEVERS = ("opportunities", "win rate", "deal amount", "cycle days")


def _velocity(facts: Facts) -> dict[str, Any]:
    bases = sorted(
        {(row.basis, row.currency) for row in facts.velocities},
        key=lambda key: (key[0] != "cohort", key),
    )
    latest: list[Velocity] = []
    blocks = []
    everything = [row for row in facts.velocities if row.dimension == TOTAL and row.period.grain == "quarter"]
    ends = [
        min(row.high, 2 * row.value) if row.high is not None else row.value
        for row in everything
        if row.value is not None and row.period.is_complete(facts.as_of)
    ]
    for number, (basis, currency) in enumerate(bases):
        rows = [row for row in facts.velocities if (row.basis, row.currency) == (basis, currency)]
        total = [row for row in rows if row.dimension == TOTAL]
        period = newest_mature(((row.period, row.is_published) for row in total), facts.as_of)
        shown = next((row for row in total if row.period == period), None)
        if shown is not None:
            latest.append(shown)
        quarters = sorted(
            (row for row in total if row.period.grain == "quarter" and row.period.is_complete(facts.as_of)),
            key=lambda row: row.period.index,
        )
        blocks.append(
            {
                "basis": basis,
                "title": BASIS_TITLES.get(basis, f"Basis: {basis}"),
                "note": BASIS_NOTES.get(basis, ""),
                "currency": currency,
                "period": period,
                "shown": shown,
                "levers": _levers(facts, shown),
                "trend": _velocity_trend(quarters, charts.ceiling(ends), currency, basis, number),
                "waterfall": _velocity_waterfall(shown, basis, number),
                "quarters": [_velocity_row(facts, row) for row in reversed(quarters)],
                "segments": _velocity_segments(facts, rows, period),
            }
        )
    return {"finding": sentences.velocity(latest), "blocks": blocks}


def _velocity_row(facts: Facts, row: Velocity) -> dict[str, Any]:
    is_held = not row.is_published
    reason = words.reason_of(row.reason)
    return {
        "name": row.segment,
        "row": row,
        "css": row.evidence,
        "period": row.period,
        "n": words.count(row.n),
        "qualified": "" if row.qualified is None else words.count(row.qualified),
        "win_rate": "" if row.win_rate is None else words.percent(row.win_rate),
        "deal_amount": "" if row.deal_amount is None else words.money(row.deal_amount, row.currency),
        "cycle_days": "" if row.cycle_days is None else words.significant(row.cycle_days),
        "value": reason.short if is_held or row.value is None else words.money(row.value, row.currency),
        "interval": words.between(row.low, row.high, row.currency)
        if row.low is not None and row.high is not None
        else "",
        "mark": words.EVIDENCE_MARKS.get(row.evidence, ""),
        "title": f"held back: {reason.sentence}; n {words.count(row.n)}"
        if is_held
        else f"{words.exact(row.value, row.currency)} {row.currency} a day, n {words.count(row.n)}, {row.evidence}"
        + (f": {reason.sentence}" if row.evidence == "directional" else ""),
    }


def _levers(facts: Facts, row: Velocity | None) -> list[tuple[Term, str]]:
    if row is None:
        return []
    written = (
        ("opportunity_count", "Qualified opportunities", None if row.qualified is None else words.count(row.qualified)),
        ("win_rate", "Win rate", None if row.win_rate is None else words.number(row.win_rate, "rate")),
        (
            "mean_deal_amount",
            "Mean deal amount",
            None if row.deal_amount is None else words.money(row.deal_amount, row.currency),
        ),
        ("mean_cycle_days", "Mean cycle", None if row.cycle_days is None else words.number(row.cycle_days, "days")),
    )
    return [(Term(label, _term(facts, "metric", metric).href), text or "none") for metric, label, text in written]


def _velocity_trend(rows: Sequence[Velocity], top: float, currency: str, basis: str, number: int) -> Markup | None:
    if not any(row.is_published for row in rows):
        return None
    points = [
        charts.Point(
            row.period,
            row.value,
            row.low,
            row.high,
            row.evidence == "reportable",
            "" if row.is_published else words.reason_of(row.reason).short,
        )
        for row in rows
    ]
    label = f"Pipeline velocity by quarter, {basis} basis, in {currency} a day"
    return Markup(charts.trend_svg(points, top=top, unit=currency, label=label, prefix=f"velocity{number}", height=170))


def _velocity_waterfall(row: Velocity | None, basis: str, number: int) -> Markup | None:
    """The change from the previous period split into its levers; none where a lever has no contribution."""
    if row is None or row.value is None or any(effect is None for effect in row.effects):
        return None
    effects = [effect for effect in row.effects if effect is not None]
    before = row.value - sum(effects)
    steps = list(zip(LEVERS, effects, strict=True))
    label = f"Change of pipeline velocity by lever, {basis} basis: " + ", ".join(
        f"{name} {words.difference(effect, row.currency, effect)}" for name, effect in steps
    )
    return Markup(
        charts.waterfall_svg(
            steps,
            before=(f"previous {row.period.grain}", before),
            now=row.period.label,
            currency=row.currency,
            label=label,
            prefix=f"waterfall{number}",
        )
    )


def _velocity_segments(facts: Facts, rows: Sequence[Velocity], period: Period | None) -> list[dict[str, Any]]:
    found = {(row.dimension, row.segment): row for row in rows if row.period == period}
    blocks = []
    for dimension in facts.dimensions:
        listed = [found[key] for name in dimension.segments if (key := (dimension.code, name)) in found]
        listed.sort(key=lambda row: (not row.is_published, -(row.value or 0.0), -row.n, row.segment))
        if listed:
            blocks.append(
                {
                    "term": _term(facts, "dimension", dimension.code),
                    "dimension": dimension,
                    "rows": [_velocity_row(facts, row) for row in listed],
                }
            )
    return blocks


# ---------------------------------------------------------------- gates, caveats, definitions


def _check_view(check: Any) -> dict[str, Any]:
    mark, word = STATUS_MARKS.get(check.status, ("?", check.status or "no status"))
    return {
        "check": check,
        "mark": mark,
        "word": word,
        "css": check.status if check.status in STATUSES else "blocked",
        "name": sentence(words.plain(check.name)),
        "observed": "" if check.observed is None else words.significant(check.observed),
        "threshold": "" if check.threshold is None else words.significant(check.threshold),
    }


def _caveat_table(facts: Facts) -> dict[str, Any]:
    """Cells per dimension by what they are: columns are (evidence, reason)."""
    counts = facts.evidence
    weak = counts[counts["evidence"] != "reportable"]
    level = {name: place for place, name in enumerate(words.EVIDENCE)}
    found = {(str(row.evidence), str(row.reason)) for row in weak.itertuples()}
    columns = sorted(found, key=lambda key: (level.get(key[0], 9), key[1] == "not_applicable", key[1]))
    order = [TOTAL, *(dimension.code for dimension in facts.dimensions)]
    order += sorted(set(counts["dimension"]) - set(order))
    rows = []
    for code in order:
        mine = counts[counts["dimension"] == code]
        if mine.empty:
            continue
        by_key = mine.groupby(["evidence", "reason"])["cells"].sum().to_dict()
        rows.append(
            {
                "term": Term("All", None) if code == TOTAL else _term(facts, "dimension", code),
                "cells": words.count(int(mine["cells"].sum())),
                "reportable": words.count(sum(v for (evidence, _), v in by_key.items() if evidence == "reportable")),
                "counts": [words.count(by_key.get(key, 0)) for key in columns],
            }
        )
    return {
        "columns": [(evidence, words.reason_of(reason or None)) for evidence, reason in columns],
        "rows": rows,
    }


def _caveat_sentences(facts: Facts) -> list[tuple[str, str]]:
    """The caveats that stand in the tables, most frequent first."""
    said = facts.evidence[facts.evidence["caveat"] != ""]
    totals = said.groupby("caveat")["cells"].sum().to_dict()
    ordered = sorted(totals.items(), key=lambda item: (-item[1], str(item[0])))
    return [(str(text), words.count(number)) for text, number in ordered[:12]]


def _definitions(facts: Facts) -> list[dict[str, Any]]:
    """Definitions by kind; what the page links to comes first and stands open."""
    kinds = list(dict.fromkeys([*KIND_TITLES, *sorted({row.kind for row in facts.definitions})]))
    order = {stage: place for place, stage in enumerate(SPINE)}
    blocks = []
    for kind in kinds:
        rows = [row for row in facts.definitions if row.kind == kind]
        if kind == "stage":
            rows.sort(key=lambda row: (order.get(row.code, 99), row.code))
        if kind == "horizon":
            rows.sort(key=lambda row: int(row.code) if row.code.isdigit() else 0)
        seen: set[str] = set()
        views = []
        for row in rows:
            # The first row of a code carries the anchor; later validities of it do not repeat an id.
            views.append((row, anchor(kind, row.code) if kind in LINKED_KINDS and row.code not in seen else None))
            seen.add(row.code)
        if views:
            title = KIND_TITLES.get(kind, sentence(words.plain(kind)))
            blocks.append({"kind": kind, "title": title, "rows": views, "is_open": kind in OPEN_KINDS})
    return blocks


# ---------------------------------------------------------------- data for the script


def _data(
    facts: Facts, steps: Sequence[Step], dot_steps: Mapping[str, Transition], dot_tops: Mapping[Transition, float]
) -> dict[str, Any]:
    """All conversions at the primary horizon, so that the script can show another period.

    `cells[d][s][t][p]` is null, or [n, code], or [n, code, converted, lost, open, rate, low, high, median] with rates in
    millionths; code = evidence * 16 + reason. Position 0 of `dimensions` is the total.
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

    shown = [Dimension(TOTAL, (TOTAL,), 0), *facts.dimensions]
    return {
        "horizon": facts.horizon,
        "evidence": list(words.EVIDENCE),
        "periods": [[period.key, period.label, period.grain] for period in periods],
        "reasons": [[words.reason_of(code or None).short, words.reason_of(code or None).sentence, code] for code in reasons],
        "steps": [
            {
                "label": step.label,
                "decimals": step.decimals,
                "top": round(step.shade_top * 1_000_000),
                "dotTop": round(dot_tops[step.step] * 1_000_000),
                "latest": periods.index(step.period) if step.period in periods else -1,
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
                    [_packed_change(facts, dimension, name, dot_steps[dimension.code], period) for period in periods]
                    for name in dimension.segments
                ],
            }
            for dimension in shown
        ],
    }


def _packed_change(
    facts: Facts, dimension: Dimension, segment: str, step: Transition, period: Period
) -> list[str] | int:
    """[mark + change, word, css] of a dot row in another period; 0 where there is nothing to say."""
    change = sentences.change_of(facts.changes.get((dimension.code, segment, step.rate_metric, period)))
    if change.delta is None:
        return 0
    cell = facts.cell(dimension.code, segment, step, period)
    scale = cell.rate if cell is not None and cell.rate is not None else 0.0
    return [words.difference(change.delta, "rate", scale).removesuffix(f"{NBSP}points"), change.word, change.css]
