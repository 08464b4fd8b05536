"""The sentence that each section opens with: deterministic templates over facts.

Only facts that are published are put into words; a directional one always carries its caveat. A change is "higher" or
"lower" only where its interval excludes 0. No advice, no cause, no praise.
"""

from __future__ import annotations

from collections.abc import Sequence

from segment_signals.review import words
from segment_signals.review.facts import (
    UNNAMED_SEGMENTS,
    Cell,
    Check,
    Dimension,
    Facts,
    Score,
    Transition,
    Velocity,
    newest_mature,
)
from segment_signals.review.words import NBSP, Change, Period

ENTERED = {
    "lead": "leads created",
    "mql": "leads that became MQLs",
    "sql": "leads that became SQLs",
    "opportunity": "opportunities created",
}
REACHED = {
    "mql": "became MQLs",
    "sql": "became SQLs",
    "opportunity": "became opportunities",
    "won": "were won",
}


def change_of(score: Score | None) -> Change:
    """The change of a score from its previous period, in words."""
    if score is None or not score.is_published:
        return words.change(None, None, None, has_previous=True)
    return words.change(score.delta, score.delta_low, score.delta_high, has_previous=score.previous is not None)


def caveat_clause(evidence: str, reason: str | None, caveat: str | None) -> str:
    """' Directional: ...' for a directional fact, else nothing."""
    if evidence != "directional":
        return ""
    text = (caveat or words.reason_of(reason).sentence).rstrip(".")
    return f" Directional: {text[:1].lower() + text[1:]}."


def change_clause(change: Change, unit: str, scale: float, earlier: str) -> str:
    """', no clear difference from the previous quarter' and its kin."""
    if change.word == "no clear difference":
        return f", no clear difference from {earlier}"
    if change.delta is None or change.low is None or change.high is None:
        said = {
            "too few to say": f"; too few to say how it compares with {earlier}",
            "no previous value": f"; there is no value for {earlier}",
        }
        return said.get(change.word, "")
    low, high = sorted((abs(change.low), abs(change.high)))
    size = words.difference(abs(change.delta), unit, scale).removeprefix("+")
    return f", {change.word} than in {earlier} by {size} ({words.difference_between(low, high, unit, scale)})"


def conversion(facts: Facts, step: Transition, cell: Cell, period: Period, score: Score | None) -> str:
    """'Of 1,204 opportunities created in 2025 Q2, 27.9 % were won within 90 days (25.4 to 30.5 %), no clear ...'."""
    entered = ENTERED.get(step.from_stage, f"journeys that entered {facts.label('stage', step.from_stage)}")
    reached = REACHED.get(step.to_stage, f"reached {facts.label('stage', step.to_stage)}")
    assert cell.rate is not None  # the caller only verbalises published cells
    interval = "" if cell.low is None or cell.high is None else f" ({words.between(cell.low, cell.high, 'rate')})"
    change = change_clause(change_of(score), "rate", cell.rate, f"the previous {period.grain}")
    return (
        f"Of {words.count(cell.n)} {entered} in {period.label}, {words.number(cell.rate, 'rate')} {reached} within "
        f"{facts.horizon}{NBSP}days{interval}{change}."
        f"{caveat_clause(cell.evidence, cell.reason, cell.caveat)}"
    )


def headline(facts: Facts) -> str:
    """The last step to won where it is published, else the last step that is."""
    steps = [step for step in facts.transitions if not step.is_end_to_end] or list(facts.transitions)
    for step in reversed(steps):
        period = facts.latest(step)
        cell = facts.cell("all", "all", step, period)
        if period is not None and cell is not None and cell.is_published:
            return conversion(facts, step, cell, period, facts.changes.get(("all", "all", step.rate_metric, period)))
    return "No conversion of the total is old enough and large enough to be published."


# ---------------------------------------------------------------- segments


def _named(segments: Sequence[tuple[str, Cell]]) -> list[tuple[str, Cell]]:
    return [(name, cell) for name, cell in segments if name not in UNNAMED_SEGMENTS]


def funnel_dimension(facts: Facts, dimension: Dimension, periods: dict[Transition, Period | None]) -> str:
    """Counts by evidence: which segment is highest is no finding, the section on differences says what is one."""
    by_level = _levels(facts, dimension, periods)
    return (
        f"Of {sum(by_level.values())} cells {by_level['reportable']} are reportable, {by_level['directional']} "
        f"directional, {by_level['suppressed']} held back."
    )


def _levels(facts: Facts, dimension: Dimension, periods: dict[Transition, Period | None]) -> dict[str, int]:
    """Evidence level -> cells of a dimension that are applicable."""
    cells = [
        cell
        for name in dimension.segments
        for step in facts.transitions
        if (cell := facts.cell(dimension.code, name, step, periods[step])) is not None
        and cell.reason != "not_applicable"
    ]
    return {level: sum(cell.evidence == level for cell in cells) for level in words.EVIDENCE}


def _rated(name: str, cell: Cell) -> str:
    return f"{words.number(cell.rate or 0.0, 'rate')} ({name})"


def step_label(facts: Facts, step: Transition) -> str:
    """The label of the step's metric where it is defined, else its two stages."""
    defined = [
        row.label for row in facts.definitions if row.kind == "metric" and row.code == step.rate_metric and row.label
    ]
    if defined:
        return defined[-1]
    return f"{facts.label('stage', step.from_stage)} to {facts.label('stage', step.to_stage)}"


def funnel(facts: Facts, periods: dict[Transition, Period | None]) -> str:
    """How much of the funnel can be read by segment."""
    levels = [_levels(facts, dimension, periods) for dimension in facts.dimensions]
    total = sum(sum(level.values()) for level in levels)
    if not total:
        return "No dimension has a segment whose conversion is old enough to be shown."
    reportable, directional = (sum(level[name] for level in levels) for name in ("reportable", "directional"))
    return (
        f"Of {words.count(total)} cells of segment and step {words.count(reportable)} are reportable and "
        f"{words.count(directional)} directional; a higher cell alone is no finding."
    )


def dots_dimension(facts: Facts, dimension: Dimension, step: Transition, period: Period | None) -> str:
    """The range of one conversion over the segments, and whether the intervals of its ends overlap."""
    if period is None:
        return "No period is old enough and large enough to be published."
    found = [
        (name, cell)
        for name in dimension.segments
        if (cell := facts.cell(dimension.code, name, step, period)) is not None
    ]
    named = _named(found)
    readable = sorted(
        ((name, cell) for name, cell in named if cell.is_published),
        key=lambda item: (-(item[1].rate or 0.0), item[0]),
    )
    start = f"{len(readable)} of {len(named)} segments can be read in {period.label}"
    if not readable:
        return f"{start}: too few to say."
    total = facts.cell("all", "all", step, period)
    population = (
        f"; the population stands at {words.number(total.rate, 'rate')}"
        if total is not None and total.rate is not None
        else ""
    )
    if len(readable) == 1:
        return f"{start}: {_rated(*readable[0])}{population}.{_directional(readable)}"
    (top, high), (bottom, low) = readable[0], readable[-1]
    overlap = ""
    if high.low is not None and low.high is not None:
        overlap = "; the two intervals overlap" if high.low <= low.high else "; the two intervals do not overlap"
    return (
        f"{start}, from {_rated(bottom, low)} to {_rated(top, high)}{overlap}{population}."
        f"{_directional([readable[0], readable[-1]])}"
    )


def _directional(named: Sequence[tuple[str, Cell]]) -> str:
    """The caveats of those that are directional, each caveat said once."""
    by_reason: dict[str, list[str]] = {}
    for name, cell in named:
        if cell.evidence == "directional":
            by_reason.setdefault(_why(cell), []).append(name)
    if not by_reason:
        return ""
    return f" Directional: {'; '.join(f'{_listed(names)} ({why})' for why, names in by_reason.items())}."


def _why(cell: Cell) -> str:
    text = (cell.caveat or words.reason_of(cell.reason).sentence).rstrip(".")
    return text[:1].lower() + text[1:]


def dots(facts: Facts, steps: dict[str, Transition], periods: dict[Transition, Period | None]) -> str:
    """How many segments moved against the quarter before, beside the number that chance alone would give."""
    moved = {"higher": 0, "lower": 0, "no clear difference": 0}
    for dimension in facts.dimensions:
        step = steps[dimension.code]
        period = periods[step]
        for segment in dimension.segments:
            if period is None or segment in UNNAMED_SEGMENTS:
                continue
            change = change_of(facts.changes.get((dimension.code, segment, step.rate_metric, period)))
            if change.word in moved:
                moved[change.word] += 1
    comparable = sum(moved.values())
    if not comparable:
        return "Too few to say whether any segment changed: no segment has both periods published."
    expected = words.significant(comparable * 0.05, 1 if comparable < 200 else 2)
    return (
        f"Against the period before, {moved['higher']} of {comparable} comparable segments are higher, "
        f"{moved['lower']} are lower and {moved['no clear difference']} show no clear difference; in {comparable} "
        f"unchanged segments about {expected} would look changed by chance."
    )


# ---------------------------------------------------------------- trends, velocity, gates, caveats, definitions


def newest(facts: Facts, step: Transition, grain: str) -> Period | None:
    """The newest mature period of the total in one grain."""
    return newest_mature(
        (
            (period, cell.is_mature)
            for (dimension, _, found, period), cell in facts.cells.items()
            if dimension == "all" and found == step and period.grain == grain
        ),
        facts.as_of,
    )


def trend(facts: Facts, step: Transition, grain: str) -> str:
    """The newest mature value of one panel and its change."""
    period = newest(facts, step, grain)
    if period is None:
        return "Too few to say: no period is published."
    cell = facts.cells[("all", "all", step, period)]
    score = facts.changes.get(("all", "all", step.rate_metric, period))
    interval = "" if cell.low is None or cell.high is None else f" ({words.between(cell.low, cell.high, 'rate')})"
    change = change_clause(change_of(score), "rate", cell.rate or 0.0, f"the {grain} before")
    return (
        f"{period.label}: {words.number(cell.rate or 0.0, 'rate')}{interval}{change}."
        f"{caveat_clause(cell.evidence, cell.reason, cell.caveat)}"
    )


def trends(facts: Facts, grain: str) -> str:
    """Which steps changed in the newest mature period."""
    parts: dict[str, list[str]] = {"higher": [], "lower": [], "no clear difference": [], "too few to say": []}
    for step in facts.transitions:
        period = newest(facts, step, grain)
        change = change_of(None if period is None else facts.changes.get(("all", "all", step.rate_metric, period)))
        parts.get(change.word, parts["too few to say"]).append(step_label(facts, step))
    said = [f"{word} in {_listed(steps)}" for word, steps in parts.items() if steps]
    return f"In the newest {grain} that is old enough, against the {grain} before: {'; '.join(said)}."


def _listed(items: Sequence[str]) -> str:
    return items[0] if len(items) == 1 else f"{', '.join(items[:-1])} and {items[-1]}"


BASIS_WORDS = {
    "cohort": "opportunities that qualified in {period} moved through the pipeline at {value} a day{interval}",
    "closed": "deals that closed in {period} show {value} a day{interval}, a basis that leans toward fast deals",
}


def velocity(latest: Sequence[Velocity]) -> str:
    """One clause per basis, the cohort basis first."""
    if not latest:
        return "No pipeline velocity is published: no period has enough expected wins that are old enough."
    clauses = []
    for row in latest:
        assert row.value is not None  # the caller passes published rows only
        interval = "" if row.low is None or row.high is None else f" ({words.between(row.low, row.high, row.currency)})"
        template = BASIS_WORDS.get(row.basis, row.basis + " basis, {period}: {value} a day{interval}")
        clauses.append(
            template.format(period=row.period.label, value=words.money(row.value, row.currency), interval=interval)
        )
    caveats = "".join(caveat_clause(row.evidence, row.reason, row.caveat) for row in latest)
    return words.sentence_case("; ".join(clauses)) + "." + caveats


def gates(checks: Sequence[Check]) -> str:
    """Checks by status."""
    if not checks:
        return "No check has reported, so nothing vouches for these numbers."
    tally = {status: sum(check.status == status for check in checks) for status in ("blocked", "flagged", "pass")}
    rest = len(checks) - sum(tally.values())
    return (
        f"Of {words.count(len(checks))} checks {tally['pass']} passed; blocked: {tally['blocked']}, flagged: "
        f"{tally['flagged']}, not judged or not applicable: {rest}."
    )


def published(facts: Facts) -> str:
    """One line: how much is published and how much is held back, with the reasons."""
    counts = facts.evidence
    cells = int(counts["cells"].sum())
    is_na = counts["reason"] == "not_applicable"
    by_level = counts[~is_na].groupby("evidence")["cells"].sum().to_dict()
    held = counts[(counts["evidence"] == "suppressed") & ~is_na].groupby("reason")["cells"].sum()
    reasons = ", ".join(
        f"{words.count(number)} {words.reason_of(str(code) or None).short}"
        for code, number in sorted(held.items(), key=lambda item: (-item[1], str(item[0])))
    )
    not_applicable = int(counts[is_na]["cells"].sum())
    text = (
        f"Published: {words.count(by_level.get('reportable', 0))} reportable and "
        f"{words.count(by_level.get('directional', 0))} directional of {words.count(cells)} cells. "
        f"Held back: {words.count(by_level.get('suppressed', 0))}"
    )
    text += f" ({reasons})" if reasons else ""
    return text + (f"; not applicable: {words.count(not_applicable)}." if not_applicable else ".")


def caveats(facts: Facts) -> str:
    """The share of cells that are not reportable, and the most frequent reason."""
    counts = facts.evidence[facts.evidence["reason"] != "not_applicable"]
    cells = int(counts["cells"].sum())
    weak = counts[counts["evidence"] != "reportable"]
    if not cells or weak.empty:
        return "Every published cell is reportable."
    by_reason = weak.groupby("reason")["cells"].sum()
    code = str(min(by_reason.items(), key=lambda item: (-item[1], str(item[0])))[0])
    share = words.percent(float(weak["cells"].sum()) / cells)
    return (
        f"{share}{NBSP}% of the {words.count(cells)} cells that apply are not "
        f"reportable; the most frequent reason is that {_reason_clause(code)}."
    )


def _reason_clause(code: str) -> str:
    sentence = words.reason_of(code or None).sentence
    return f"there are {sentence}" if code == "insufficient_sample" else sentence
