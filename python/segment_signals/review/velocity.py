"""Pipeline velocity: per basis the current value with its levers, the quarters, what moved, and the segments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from markupsafe import Markup

from segment_signals.review import charts, sentences, words
from segment_signals.review.facts import TOTAL, Facts, Velocity, newest_mature
from segment_signals.review.views import Term, term
from segment_signals.review.words import Period

BASIS_TITLES = {
    "cohort": "Cohort basis: opportunities that qualified in the period",
    "closed": "Closed basis: deals that closed in the period",
}
BASIS_NOTES = {
    "cohort": "Not biased, but older: a period counts once its opportunities have had their full horizon.",
    "closed": "Current, but biased toward fast deals: slow deals of the same age are still open and not counted.",
}
LEVERS = ("opportunities", "win rate", "deal amount", "cycle days")


def blocks(facts: Facts) -> dict[str, Any]:
    """The finding, and a block per basis and currency: the unbiased basis first."""
    bases = sorted(
        {(row.basis, row.currency) for row in facts.velocities},
        key=lambda key: (key[0] != "cohort", key),
    )
    latest: list[Velocity] = []
    made = []
    everything = [row for row in facts.velocities if row.dimension == TOTAL and row.period.grain == "quarter"]
    ends = [
        min(row.high, 2 * row.value) if row.high is not None else row.value
        for row in everything
        if row.value is not None and row.period.is_complete(facts.as_of)
    ]
    for number, (basis, currency) in enumerate(bases):
        rows = [row for row in facts.velocities if (row.basis, row.currency) == (basis, currency)]
        total = [row for row in rows if row.dimension == TOTAL]
        period = newest_mature(((row.period, row.is_mature) for row in total), facts.as_of)
        shown = next((row for row in total if row.period == period), None)
        if shown is not None:
            latest.append(shown)
        quarters = sorted(
            (row for row in total if row.period.grain == "quarter" and row.period.is_complete(facts.as_of)),
            key=lambda row: row.period.index,
        )
        made.append(
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
                "contributions": _contributions(shown),
                "quarters": [_velocity_row(row) for row in reversed(quarters)],
                "segments": _velocity_segments(facts, rows, period),
            }
        )
    return {"finding": sentences.velocity(latest), "blocks": made}


def _velocity_row(row: Velocity) -> dict[str, Any]:
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
        (
            "opportunity_count" if row.basis == "cohort" else "",
            "Qualified opportunities" if row.basis == "cohort" else "Deals closed",
            None if row.qualified is None else words.count(row.qualified),
        ),
        ("win_rate", "Win rate", None if row.win_rate is None else words.number(row.win_rate, "rate")),
        (
            "mean_deal_amount",
            "Mean deal amount",
            None if row.deal_amount is None else words.money(row.deal_amount, row.currency),
        ),
        (
            "mean_cycle_days",
            "Mean cycle",
            None if row.cycle_days is None else words.number(row.cycle_days, "days"),
        ),
    )
    return [(Term(label, term(facts, "metric", metric).href), text or "none") for metric, label, text in written]


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
            intervals=row.effect_limits,
        )
    )


def _contributions(row: Velocity | None) -> list[tuple[str, str, str, words.Change]]:
    """(lever, its contribution, the interval of it, in words); empty where a lever has none."""
    if row is None or any(effect is None for effect in row.effects):
        return []
    made = []
    for name, effect, limits in zip(LEVERS, row.effects, row.effect_limits, strict=True):
        assert effect is not None
        low, high = limits or (None, None)
        text = "" if low is None or high is None else words.difference_between(low, high, row.currency, effect)
        made.append(
            (
                words.sentence_case(name),
                words.difference(effect, row.currency, effect),
                text,
                words.change(effect, low, high, has_previous=True),
            )
        )
    return made


def _velocity_segments(facts: Facts, rows: Sequence[Velocity], period: Period | None) -> list[dict[str, Any]]:
    found = {(row.dimension, row.segment): row for row in rows if row.period == period}
    blocks = []
    for dimension in facts.dimensions:
        listed = [found[key] for name in dimension.segments if (key := (dimension.code, name)) in found]
        listed.sort(key=lambda row: (not row.is_published, -(row.value or 0.0), -row.n, row.segment))
        if listed:
            blocks.append(
                {
                    "term": term(facts, "dimension", dimension.code),
                    "dimension": dimension,
                    "rows": [_velocity_row(row) for row in listed],
                }
            )
    return blocks
