"""Gate report, caveats and definitions as the page lists them."""

from __future__ import annotations

from typing import Any

from segment_signals.review import words
from segment_signals.review.facts import STATUSES, TOTAL, Check, Facts, stage_order
from segment_signals.review.views import LINKED_KINDS, Term, anchor, term

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
    "not_applicable": ("\u2013", "not applicable"),
    "pass": ("●", "pass"),
}


def check_view(facts: Facts, check: Check) -> dict[str, Any]:
    """One check with its mark and word; an unknown status is drawn like a blocked one, never like a pass."""
    name = term(facts, "check", f"{check.gate}: {check.name}")
    mark, word = STATUS_MARKS.get(check.status, ("?", check.status or "no status"))
    return {
        "check": check,
        "mark": mark,
        "word": word,
        "css": check.status if check.status in STATUSES else "blocked",
        "term": name if name.href else Term(words.sentence_case(words.plain(check.name)), None),
        "observed": "" if check.observed is None else words.significant(check.observed),
        "threshold": "" if check.threshold is None else words.significant(check.threshold),
    }


def caveat_table(facts: Facts) -> dict[str, Any]:
    """Cells per dimension by what they are: columns are (evidence, reason)."""
    counts = facts.evidence
    weak = counts[counts["evidence"] != "reportable"]
    order_of = {name: place for place, name in enumerate(words.EVIDENCE)}
    found = {(str(evidence), str(reason)) for evidence, reason in zip(weak["evidence"], weak["reason"], strict=True)}
    columns = sorted(found, key=lambda key: (order_of.get(key[0], 9), key[1] == "not_applicable", key[1]))
    order = [TOTAL, *(dimension.code for dimension in facts.dimensions)]
    order += sorted(set(counts["dimension"]) - set(order))
    rows = []
    for code in order:
        mine = counts[counts["dimension"] == code]
        if mine.empty:
            continue
        by_key: dict[tuple[str, str], int] = {}
        for evidence, reason, cells in zip(mine["evidence"], mine["reason"], mine["cells"], strict=True):
            key = (str(evidence), str(reason))
            by_key[key] = by_key.get(key, 0) + int(cells)
        rows.append(
            {
                "term": Term("All", None) if code == TOTAL else term(facts, "dimension", code),
                "cells": words.count(int(mine["cells"].sum())),
                "reportable": words.count(sum(cells for (level, _), cells in by_key.items() if level == "reportable")),
                "counts": [words.count(by_key.get(key, 0)) for key in columns],
            }
        )
    return {
        "columns": [(evidence, words.reason_of(reason or None)) for evidence, reason in columns],
        "rows": rows,
    }


def caveat_sentences(facts: Facts) -> list[tuple[str, str]]:
    """The caveats that stand in the tables, most frequent first."""
    said = facts.evidence[facts.evidence["caveat"] != ""]
    totals = said.groupby("caveat")["cells"].sum().to_dict()
    ordered = sorted(totals.items(), key=lambda item: (-item[1], str(item[0])))
    return [(str(text), words.count(number)) for text, number in ordered[:12]]


def definition_blocks(facts: Facts) -> list[dict[str, Any]]:
    """Definitions by kind; what the page links to comes first and stands open."""
    kinds = list(dict.fromkeys([*KIND_TITLES, *sorted({row.kind for row in facts.definitions})]))
    order = stage_order(facts.definitions)
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
            title = KIND_TITLES.get(kind, words.sentence_case(words.plain(kind)))
            blocks.append({"kind": kind, "title": title, "rows": views, "is_open": kind in OPEN_KINDS})
    return blocks
