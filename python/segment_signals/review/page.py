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
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pandas as pd
from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from segment_signals.review import (
    deals,
    forecast,
    headline,
    levers,
    movement,
    registers,
    retention,
    scores,
    segments,
    sentences,
    signals,
    stages,
    trends,
    velocity,
    views,
    words,
)
from segment_signals.review.facts import Facts, read_facts

HERE = Path(__file__).parent


def render_review(tables: Mapping[str, pd.DataFrame], *, dataset: str) -> str:
    """The review page as one HTML text.

    Args:
        tables: name -> frame for funnel_conversion, segment_scorecards, pipeline_velocity, gate_results, definitions
            and release, with the columns of the published contract; any may have 0 rows. The tables of signals
            (signals.COLUMNS) and of the pipeline are shown where given, other tables are ignored.
        dataset: the name of the dataset, as it stands in the masthead.

    Raises:
        ReviewError: a table or a column of the contract is missing; the message names it.
    """
    facts = read_facts(tables, dataset=dataset)
    environment = Environment(
        loader=FileSystemLoader(HERE),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.policies["json.dumps_kwargs"] = {
        "sort_keys": True,
        "separators": (",", ":"),
        "ensure_ascii": False,
    }
    page = environment.get_template("page.html.j2").render(
        style=Markup((HERE / "style.css").read_text(encoding="utf-8")),
        script=Markup((HERE / "page.js").read_text(encoding="utf-8")),
        **_context(facts),
        signals=signals.view(facts, tables),
        scores=scores.view(tables),
        forecast=forecast.view(facts, tables),
        movement=movement.view(facts, tables),
        stages=stages.view(facts, tables),
        levers=levers.view(facts, tables),
        outcomes=deals.outcomes(facts, tables),
        stalled=deals.stalled(tables),
        retention=retention.view(facts, tables),
    )
    return re.sub(r"\n\s*\n+", "\n", page)


def _context(facts: Facts) -> dict[str, Any]:
    """Everything that the template names."""
    periods = {step: facts.latest(step) for step in facts.transitions}
    steps = [views.step_view(facts, step, periods[step]) for step in facts.transitions]
    dot_steps = {dimension.code: segments.dot_step(facts, dimension, periods) for dimension in facts.dimensions}
    dot_tops = {step: segments.dot_top(facts, step, dot_steps, periods[step]) for step in facts.transitions}
    heat = [segments.heat_block(facts, dimension, steps, periods) for dimension in facts.dimensions]
    dots = [
        segments.dot_block(facts, dimension, dot_steps[dimension.code], steps, periods, dot_tops)
        for dimension in facts.dimensions
    ]
    grain = trends.grain(facts)
    groups, change_top = headline.groups(facts)
    release = facts.release.get("release_id") or "none yet"
    return {
        "facts": facts,
        "words": words,
        "reasons": list(words.REASONS.values()),
        "as_of": words.day(facts.as_of),
        "print_line": Markup(_css_text(f"{facts.dataset}, release {release}, as of {words.day(facts.as_of)}")),
        "title": f"{facts.dataset}: review as of {words.day(facts.as_of)}",
        "masthead": _masthead(facts),
        "published": sentences.published(facts),
        "empty": _empty(facts),
        "headline": sentences.headline(facts),
        "headline_groups": groups,
        "change_top": change_top,
        "horizon_rows": headline.horizon_rows(facts, steps, periods),
        "steps": steps,
        "funnel": sentences.funnel(facts, periods),
        "heat_columns": segments.columns(heat, 2 if len(steps) > 2 else 3),
        "heat_width": 150 + 78 * len(steps) if len(steps) > 2 else 250,
        "dots": sentences.dots(facts, dot_steps, periods),
        "dot_columns": segments.columns(dots, 2),
        "trend_grain": grain,
        "trends": sentences.trends(facts, grain) if facts.transitions else "",
        "trend_panels": trends.panels(facts, steps, grain),
        "velocity": velocity.blocks(facts),
        "gates": sentences.gates(facts.checks),
        "checks": [registers.check_view(facts, check) for check in facts.checks],
        "caveats": sentences.caveats(facts),
        "caveat_table": registers.caveat_table(facts),
        "caveat_sentences": registers.caveat_sentences(facts),
        "definitions": registers.definition_blocks(facts),
        "term": lambda kind, code: views.term(facts, kind, code),
        "data": segments.data(facts, steps, dot_steps, dot_tops),
    }


def _css_text(text: str) -> str:
    """A CSS string: everything but plain characters is escaped, so no value can leave the string."""
    return '"' + "".join(char if re.match(r"[A-Za-z0-9 ,._-]", char) else f"\\{ord(char):x} " for char in text) + '"'


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
    for key, name in names.items():
        if release.get(key):
            # Hashes are shown by their first characters, whole on hover.
            rows.append((name, release[key][:12] if key.endswith("_hash") else release[key], release[key]))
    if not release.get("release_id"):
        rows.append(("Release", "none yet", "the release table has no row"))
    return rows


def _empty(facts: Facts) -> list[str]:
    """Why nothing is published, as sentences; an empty list where something is."""
    if not facts.is_empty:
        return []
    said = [
        "Nothing is published: funnel conversion, segment scorecards and pipeline velocity hold no rows, so this page "
        "has no number to show."
    ]
    blocked = [check for check in facts.checks if check.status == "blocked"]
    if blocked:
        named = "; ".join(
            f"{check.subject}, {words.plain(check.name)}: {check.detail or 'no detail'}" for check in blocked[:5]
        )
        said.append(f"The gate report blocks {len(blocked)} of {len(facts.checks)} checks. {named}")
    elif facts.checks:
        said.append(
            f"No check is blocked ({len(facts.checks)} reported), so the export holds no record that enters a stage "
            "on or before the as-of date. The gate report below names what was read."
        )
    else:
        said.append(
            "The gate report is empty as well, so the checks have not run: build the whole project, then release again."
        )
    return said
