"""The section on customers: the revenue bridge, what segments keep, cohort curves, and how good the risk list is.

Everything is optional: without its table a part is left out, and without any the whole section. Suppressed rows are
dropped on reading, so nothing here can print one.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from markupsafe import Markup

from segment_signals.review import charts, words
from segment_signals.review.facts import TOO_EARLY, TOTAL, Facts
from segment_signals.review.signals import Row, read_rows
from segment_signals.review.views import Term, term
from segment_signals.review.words import NBSP, Period

CELL = ("period_grain", "period_start", "dimension", "segment", "within_dimension", "n", "evidence", "evidence_reason",
        "caveat")  # fmt: skip
COLUMNS: dict[str, tuple[str, ...]] = {
    "revenue_retention": (
        *CELL, "window_name", "currency", "opening_arr_amount", "new_amount", "expansion_amount", "contraction_amount",
        "churn_amount", "reactivation_amount", "closing_arr_amount", "grr", "grr_low", "grr_high", "nrr", "nrr_low",
        "nrr_high", "logo_retention", "logo_low", "logo_high",
    ),
    "retention_cohorts": (
        *CELL, "age_months", "at_risk_count", "survival_rate", "survival_low", "survival_high", "revenue_retention",
        "revenue_low", "revenue_high",
    ),
    "retention_patterns": (
        *CELL, "pattern", "win_metric", "win_difference", "win_low", "win_high", "retention_difference",
        "retention_low", "retention_high",
    ),
    "unit_economics": (*CELL, "metric", "unit", "currency", "value", "low", "high", "horizon_months"),
}  # fmt: skip
FLOWS = (
    ("New", "new_amount", 1),
    ("Expansion", "expansion_amount", 1),
    ("Reactivation", "reactivation_amount", 1),
    ("Contraction", "contraction_amount", -1),
    ("Churn", "churn_amount", -1),
)
QUALITY = (
    ("roc_auc", "AUC: a customer that gave notice had the higher risk", "share"),
    ("precision_at_capacity", "Of the customers with the highest risk{share}, gave notice", "rate"),
    ("base_rate", "Of all customers, gave notice", "rate"),
    ("revenue_captured", "Of the revenue of those that gave notice, with the list{share}", "rate"),
    ("revenue_captured_by_size", "The same with the largest customers instead of the list", "rate"),
    ("revenue_captured_by_chance", "The same with customers drawn by chance", "rate"),
    ("log_loss_skill", "Log loss below that of one rate for all", "share"),
    ("calibration_slope", "Calibration slope (1: risks come true)", "share"),
)
SIDES = ("value", "low", "high")
RENEWALS = (
    "any month",
    "renewal within 60 days",
    "renewal in 61 to 180 days",
    "renewal later",
    "renewal unknown",
)
WIDTH, HEIGHT, LEFT, BOTTOM = 430, 190, 38, 24


def view(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What the template names, or None where no table of customers was given or nothing of them is published."""
    found = {name: read_rows(tables.get(name), name, COLUMNS[name]) for name in COLUMNS}
    retained = [row for row in found["revenue_retention"] or [] if row["evidence_reason"] != TOO_EARLY]
    quarters = [row for row in retained if row["period"].grain == "quarter" and row["dimension"] == TOTAL]
    year = _newest([row for row in quarters if row["window_name"] == "trailing_year"])
    newest = _newest([row for row in quarters if row["window_name"] == "period"])
    risk = _risk(tables.get("churn_risk"), tables.get("model_quality"), tables.get("model_registry"))
    if newest is None and year is None and risk is None:
        return None
    return {
        "finding": _finding(year, newest),
        "bridge": _bridge(newest),
        "segments": _segments(facts, retained, year or newest),
        "window": "the twelve months up to the end of" if year else "",
        "period": (year or newest or {}).get("period"),
        "cohorts": _cohorts(facts, found["retention_cohorts"] or []),
        "patterns": _patterns(facts, found["retention_patterns"] or [], None if year is None else year["period"]),
        "economics": _economics(facts, found["unit_economics"] or []),
        "risk": risk,
        "terms": {name: term(facts, "metric", name) for name in ("grr", "nrr", "logo_retention", "churn_probability")},
    }


def _newest(rows: Sequence[Row]) -> Row | None:
    return max(rows, key=lambda row: row["period"].index, default=None)


def _span(row: Row, name: str) -> str:
    low, high = (float(row[f"{name}_{side}"]) for side in ("low", "high"))
    return f"{words.percent(low)} to {words.percent(high)}"


def _finding(year: Row | None, newest: Row | None) -> str:
    if year is not None:
        return (
            f"Of the revenue of a year before, {words.percent(year['nrr'])}{NBSP}% is there at the end of "
            f"{year['period'].label} from the same customers ({_span(year, 'nrr')}{NBSP}%), and "
            f"{words.percent(year['grr'])}{NBSP}% without what they added ({_span(year, 'grr')}{NBSP}%); "
            f"{words.count(year['n'])} customers."
        )
    if newest is not None:
        return (
            f"In {newest['period'].label} the customers of its beginning kept {words.percent(newest['nrr'])}{NBSP}% of "
            f"their revenue ({_span(newest, 'nrr')}{NBSP}%); {words.count(newest['n'])} customers."
        )
    return "No retention is published: too few customers, or too short a history."


def _bridge(row: Row | None) -> dict[str, Any] | None:
    if row is None:
        return None
    currency = str(row["currency"])
    steps = [(name, sign * float(row[column])) for name, column, sign in FLOWS]
    label = f"Yearly recurring revenue through {row['period'].label}"
    svg = charts.waterfall_svg(
        steps,
        before=("Opening", float(row["opening_arr_amount"])),
        now="Closing",
        currency=currency,
        label=label,
        prefix="arr-bridge",
        height=190,
    )
    lines = [("Opening", row["opening_arr_amount"]), *((n, sign * row[c]) for n, c, sign in FLOWS)]
    lines.append(("Closing", row["closing_arr_amount"]))
    return {
        "period": row["period"],
        "svg": Markup(svg),
        "currency": currency,
        "lines": [(name, f"{amount:,.2f}") for name, amount in lines],
    }


def _segments(facts: Facts, rows: Sequence[Row], of: Row | None) -> list[dict[str, Any]]:
    if of is None:
        return []
    same = [row for row in rows if row["period"] == of["period"] and row["window_name"] == of["window_name"]]
    top = max([1.2, *(min(float(row["nrr_high"]), 2.0) for row in same)])
    blocks = []
    # Those of the funnel first, in its order; a dataset without a funnel has segments of its customers all the same.
    codes = [dimension.code for dimension in facts.dimensions]
    codes += sorted({str(row["dimension"]) for row in same} - {TOTAL, *codes})
    for code in codes:
        own = [row for row in same if row["dimension"] == code]
        if own:
            ordered = sorted(own, key=lambda row: (-float(row["nrr"]), str(row["segment"])))
            shown = [_segment_row(row, of, top) for row in [of, *ordered]]
            blocks.append({"term": term(facts, "dimension", code), "rows": shown})
    return blocks


def _segment_row(row: Row, total: Row, top: float) -> dict[str, Any]:
    title = (
        f"NRR {words.percent(row['nrr'])} % ({_span(row, 'nrr')} %), GRR {words.percent(row['grr'])} % "
        f"({_span(row, 'grr')} %), n {words.count(row['n'])}, {row['evidence']}"
        + (f": {row['caveat']}" if row["caveat"] else "")
    )
    return {
        "segment": "All" if row is total else str(row["segment"]),
        "name": "All" if row is total else _named(str(row["segment"])),
        "is_total": row is total,
        "evidence": str(row["evidence"]),
        "mark": "○" if row["evidence"] == "directional" else "●",
        "n": words.count(row["n"]),
        "title": title,
        "svg": _dots(row, float(total["nrr"]), top, title),
        "nrr": words.percent(row["nrr"]),
        "nrr_span": _span(row, "nrr"),
        "grr": words.percent(row["grr"]),
        "grr_span": _span(row, "grr"),
        "logo": words.percent(row["logo_retention"]),
    }


def _dots(row: Row, population: float, top: float, title: str) -> Markup:
    """NRR as dot and interval; GRR as a tick on the same scale from 0."""

    def at(value: float) -> str:
        return f"{100 * min(max(value / top, 0.0), 1.0):.2f}"

    css = "hollow" if row["evidence"] == "directional" else "solid"
    parts = [
        Markup('<svg class="dot" role="img" aria-label="{}">').format(title),
        Markup('<line class="pop" x1="{0}%" x2="{0}%" y1="0" y2="100%"/>').format(at(population)),
        Markup('<line class="iv {}" x1="{}%" x2="{}%" y1="50%" y2="50%"/>').format(
            css, at(float(row["nrr_low"])), at(float(row["nrr_high"]))
        ),
        Markup('<line class="iv solid" x1="{0}%" x2="{0}%" y1="25%" y2="75%"/>').format(at(float(row["grr"]))),
        Markup('<circle class="{}" cx="{}%" cy="50%" r="4"/></svg>').format(css, at(float(row["nrr"]))),
    ]
    return Markup("").join(parts)


def _cohorts(facts: Facts, rows: Sequence[Row]) -> list[dict[str, Any]]:
    """Curves of all cohorts together, and of the quarters in which customers started."""
    together = sorted(
        (row for row in rows if row["period"].grain == "all" and row["dimension"] == TOTAL),
        key=lambda row: row["age_months"],
    )
    figures = []
    for value, title in (("survival", "Customers kept"), ("revenue", "Revenue kept")):
        middle = "survival_rate" if value == "survival" else "revenue_retention"
        points = [
            (int(row["age_months"]), float(row[middle]), float(row[f"{value}_low"]), float(row[f"{value}_high"]))
            for row in together
        ]
        lines = _starts(rows, middle)
        if len(points) > 1:
            # The headline is the last point that is reportable: the newest ages rest on the fewest customers.
            sure = [at for row, at in zip(together, points, strict=True) if row["evidence"] == "reportable"]
            last = (sure or points)[-1]
            label = f"{title} by months since the start, all cohorts: {words.percent(last[1])} % after {last[0]} months"
            said = (
                f"{words.percent(last[1])}{NBSP}% after {last[0]} months "
                f"({words.percent(last[2])} to {words.percent(last[3])}{NBSP}%)."
            )
            figures.append(
                {
                    "title": title,
                    "term": term(facts, "metric", middle),
                    "said": said,
                    "svg": _curve(points, lines, label),
                    "rows": [(row, point) for row, point in zip(together, points, strict=True)],
                }
            )
    return figures


def _starts(rows: Sequence[Row], column: str) -> list[tuple[str, list[tuple[int, float]]]]:
    cohorts: dict[Period, list[tuple[int, float]]] = {}
    for row in rows:
        if row["period"].grain == "quarter" and row["dimension"] == TOTAL:
            cohorts.setdefault(row["period"], []).append((int(row["age_months"]), float(row[column])))
    kept = sorted(cohorts.items(), key=lambda pair: pair[0].index)
    return [(period.label, sorted(points)) for period, points in kept if len(points) > 1]


def _curve(
    points: Sequence[tuple[int, float, float, float]],
    lines: Sequence[tuple[str, Sequence[tuple[int, float]]]],
    label: str,
) -> Markup:
    """A band with its line, steps from month to month, and a thin line for every start quarter."""
    last = max(point[0] for point in points)
    highest = max([point[3] for point in points] + [value for _, own in lines for _, value in own])
    step = 0.5 if highest <= 1.5 else charts.ceiling([highest]) / 4
    top = max(1.05, highest)

    def x(age: float) -> str:
        return f"{LEFT + (WIDTH - LEFT - 8) * age / max(last, 1):.1f}"

    def y(share: float) -> str:
        return f"{8 + (HEIGHT - BOTTOM - 8) * (1 - min(share, top) / top):.1f}"

    def steps(pairs: Sequence[tuple[int, float]]) -> str:
        path = f"M{x(pairs[0][0])},{y(pairs[0][1])}"
        return path + "".join(f"H{x(age)}V{y(share)}" for age, share in pairs[1:])

    parts = [
        Markup('<svg class="chart curve" viewBox="0 0 {} {}" role="img" aria-label="{}">').format(WIDTH, HEIGHT, label)
    ]
    for tick in [step * number for number in range(int(top / step) + 1)]:
        parts.append(
            Markup(
                '<line class="rule" x1="{}" x2="{}" y1="{}" y2="{}"/><text x="{}" y="{}" dy=".35em">{}</text>'
            ).format(LEFT, WIDTH - 8, y(tick), y(tick), LEFT - 6, y(tick), f"{100 * tick:.0f} %")
        )
    for age in range(0, last + 1, 6 if last > 6 else 2):
        parts.append(Markup('<text class="x" x="{}" y="{}">{}</text>').format(x(age), HEIGHT - 6, age))
    upper = [(age, high) for age, _, _, high in points]
    lower = [(age, low) for age, _, low, _ in points]
    back = "".join(
        f"V{y(low)}H{x(lower[at - 1][0] if at else age)}" for at, (age, low) in reversed(list(enumerate(lower)))
    )
    parts.append(Markup('<path class="band" d="{}{}Z"/>').format(Markup(steps(upper)), Markup(back)))
    for name, own in lines:
        parts.append(Markup('<path class="start" d="{}"><title>{}</title></path>').format(Markup(steps(own)), name))
    parts.append(Markup('<path class="line" d="{}"/></svg>').format(Markup(steps([(p[0], p[1]) for p in points]))))
    return Markup("").join(parts)


def _patterns(facts: Facts, rows: Sequence[Row], period: Period | None) -> list[tuple[Term, str]]:
    """Those of the section's period: what an older one said the newest data may deny."""
    said = {
        "wins_well_retains_badly": ("higher", "fewer"),
        "wins_badly_retains_well": ("lower", "more"),
    }
    found = []
    for row in rows:
        if row["period"] != period:
            continue
        wins, keeps = said[str(row["pattern"])]
        weak = f" Directional: {row['caveat']}." if row["evidence"] == "directional" else ""
        text = (
            f"{_named(str(row['segment']))}: its win rate is {wins} than the rest's by "
            f"{_size(row['win_difference'])} points, and in the year up to the end of "
            f"{row['period'].label} it kept {keeps} of its customers, by "
            f"{_size(row['retention_difference'])} points "
            f"({words.points(row['retention_low'], 1)} to {words.points(row['retention_high'], 1)}).{weak}"
        )
        found.append((term(facts, "dimension", str(row["dimension"])), text))
    return found


def _size(difference: float) -> str:
    return f"{100 * abs(difference):.1f}"


def _economics(facts: Facts, rows: Sequence[Row]) -> list[dict[str, Any]]:
    kept = [row for row in rows if row["evidence_reason"] != TOO_EARLY and row["dimension"] == TOTAL]
    newest = max((row["period"].index for row in kept), default=None)
    found = []
    for row in kept:
        if row["period"].index != newest:
            continue
        unit = str(row["currency"]) if row["unit"] == "amount" else ""

        def told(value: float, unit: str = unit) -> str:
            return words.money(value, unit) if unit else words.significant(value)

        found.append(
            {
                "term": term(facts, "metric", str(row["metric"])),
                "unit": "months" if row["unit"] == "months" else _counted(row),
                "period": row["period"],
                "value": told(float(row["value"])),
                "interval": f"{told(float(row['low']))} to {told(float(row['high']))}",
                "n": words.count(row["n"]),
                "evidence": str(row["evidence"]),
                "mark": "○" if row["evidence"] == "directional" else "●",
                "title": str(row["caveat"] or row["evidence"]),
            }
        )
    return found


def _refusal(reason: str, caveat: str) -> str:
    if reason == "no_skill":
        return "No risk list today: on later months its probabilities were no better than one rate for all customers."
    return f"No risk list today. {caveat}"


def _named(segment: str) -> str:
    """A segment as it is said: codes of words (sales_led) without their underscores."""
    is_code = "_" in segment and segment.replace("_", "").isalnum() and segment.islower()
    return segment.replace("_", " ").capitalize() if is_code else segment


def _counted(row: Row) -> str:
    return "" if row["horizon_months"] is None else f"over {int(row['horizon_months'])} months"


def _risk(
    risks: pd.DataFrame | None, quality: pd.DataFrame | None, registry: pd.DataFrame | None
) -> dict[str, Any] | None:
    """How good the list is, how many customers of each band, or why there is none."""
    if risks is None or quality is None or registry is None:
        return None
    models = registry[registry["model_name"] == "churn_risk"]
    if models.empty:
        return None
    model = models.iloc[0]
    of = quality[(quality["model_name"] == "churn_risk") & (quality["dimension"] == "all")]
    measured: dict[str, Any] = {str(row["metric"]): row for row in of.to_dict("records")}
    share = _capacity(measured)
    rows = []
    for name, label, kind in QUALITY:
        if name in measured and pd.notna(measured[name]["value"]):
            told = [
                words.percent(value) + f"{NBSP}%" if kind == "rate" else f"{value:.2f}".replace("-", words.MINUS)
                for value in (float(measured[name][side]) for side in SIDES)
                if not np.isnan(value)
            ]
            interval = " to ".join(told[1:])
            rows.append((label.format(share=share), told[0], interval, words.count(measured[name]["n"])))
    bands = []
    for band in ("high", "medium", "low"):
        own = risks[risks["risk_band"] == band]
        if len(own):
            amount = words.money(float(own["arr_amount"].astype(float).sum()), str(own["currency"].iloc[0]))
            bands.append((band, words.count(len(own)), words.percent(float(own["probability"].mean())), amount))
    unscored = risks[risks["probability"].isna()]
    reasons = [
        (str(caveat), words.count(len(own)))
        for caveat, own in unscored.groupby("caveat", sort=True)
        if str(caveat) != str(model["caveat"])
    ]
    return {
        "is_refused": model["status"] == "refused",
        "sentence": _refusal(model["reason"], str(model["caveat"]))
        if model["status"] == "refused"
        else (
            f"Learned from {words.count(model['example_count'])} month ends of {words.count(model['entity_count'])} "
            f"customers, {words.count(model['outcome_count'])} of whom gave notice within "
            f"{int(model['horizon_days'])} days."
        ),
        "rows": rows,
        "bands": bands,
        "reasons": reasons,
        "strata": _strata(quality),
    }


def _capacity(measured: Mapping[str, Any]) -> str:
    """How many of the customers can be looked after, by the counts of the test."""
    if "precision_at_capacity" not in measured or "base_rate" not in measured:
        return ""
    return f" ({100 * measured['precision_at_capacity']['n'] / measured['base_rate']['n']:.0f}{NBSP}% of them)"


def _strata(quality: pd.DataFrame) -> list[tuple[str, str, str, str]]:
    of = quality[(quality["model_name"] == "churn_risk") & (quality["dimension"] == "renewal")]
    found = []
    for stratum in RENEWALS:
        values: dict[str, Any] = {str(row["metric"]): row for row in of[of["segment"] == stratum].to_dict("records")}
        rate = values.get("base_rate")
        if rate is not None and pd.notna(rate["value"]):
            auc = values.get("roc_auc")
            told = ""
            if auc is not None and pd.notna(auc["value"]):
                told = f"{auc['value']:.2f} ({auc['low']:.2f} to {auc['high']:.2f})"
            found.append((stratum, words.count(rate["n"]), words.percent(float(rate["value"])), told))
    return found
