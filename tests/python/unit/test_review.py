"""The review page: words, choices and sentences against hand-computed values, and the page as a whole.

`published_tables` is a small builder of frames in the published shape. The browser tests use it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

import segment_signals.review as review_package
from segment_signals.review import charts, facts, page, render_review, sentences, words
from segment_signals.review.words import NBSP, Period

# ---------------------------------------------------------------- synthetic published tables

STAGES = {"lead": "Lead", "mql": "MQL", "sql": "SQL", "opportunity": "Opportunity", "won": "Closed won"}
DEMO_STEPS = (
    ("lead", "mql", 0.42, 1000),
    ("mql", "sql", 0.38, 420),
    ("sql", "opportunity", 0.55, 160),
    ("opportunity", "won", 0.27, 90),
    ("lead", "won", 0.021, 1000),
)
DEMO_DIMENSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "lead_source": ("lead", ("Organic search", "Paid search", "Referral", "Event", "Outbound", "Partner")),
    "region": ("lead", ("North America", "EMEA", "APAC", "LATAM")),
    "company_size": ("lead", ("1 to 49", "50 to 249", "250 to 999", "1000 and more")),
    "industry": ("opportunity", ("Software", "Retail", "Healthcare", "Finance", "Manufacturing", "Education", "Other")),
    "product_series": ("opportunity", ("Core", "Plus", "Enterprise")),
    "owner": ("opportunity", tuple(f"Owner {number:02d}" for number in range(1, 19))),
    "deal_size_tier": ("opportunity", ("under 10k", "10k to 50k", "50k and more")),
}
MAVEN_DIMENSIONS: dict[str, tuple[str, tuple[str, ...]]] = {
    "region": ("opportunity", ("Central", "East", "West")),
    "manager": ("opportunity", tuple(f"Manager {letter}" for letter in "ABCDEF")),
    "sector": ("opportunity", ("medical", "retail", "software", "telecommunications", "finance", "services")),
    "company_size": ("opportunity", ("1 to 49", "50 to 249", "250 to 999", "1000 and more")),
    "product_series": ("opportunity", ("GTX", "GTK", "MG")),
    "owner": ("opportunity", tuple(f"Seller {number:02d}" for number in range(1, 31))),
    "deal_size_tier": ("opportunity", ("under 1k", "1k to 5k", "5k and more")),
}


def wilson(rate: float, n: int) -> tuple[float, float]:
    z = 1.959963984540054
    middle = (rate + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (rate * (1 - rate) / n + z * z / (4 * n * n)) ** 0.5
    return max(0.0, middle - half), min(1.0, middle + half)


def evidence_of(n: int, converted: float, half: float, *, young: bool, na: bool) -> tuple[str, str | None, str | None]:
    if na:
        return "suppressed", "not_applicable", None
    if young:
        return "suppressed", "too_early", None
    if n < 20:
        return "suppressed", "insufficient_sample", None
    if n < 100 or min(converted, n - converted) < 5:
        return "directional", "insufficient_sample", "Fewer than 100 records or fewer than 5 of either outcome."
    if half > 0.1:
        return "directional", "wide_interval", "The interval is wider than 10 points either way."
    return "reportable", None, None


def published_tables(
    *,
    steps: tuple[tuple[str, str, float, int], ...] = DEMO_STEPS,
    dimensions: Mapping[str, tuple[str, tuple[str, ...]]] = DEMO_DIMENSIONS,
    months: int = 24,
    as_of: date = date(2025, 6, 30),
    fiscal_start: int = 1,
    seed: int = 4,
) -> dict[str, pd.DataFrame]:
    """Frames in the published shape, a small world: rates differ by segment, newest cohorts are too young."""
    rng = np.random.default_rng(seed)
    last = as_of.year * 12 + as_of.month - 1
    month_periods = [Period("month", date(i // 12, i % 12 + 1, 1)) for i in range(last - months + 1, last + 1)]
    quarters = [
        Period("quarter", period.start) for period in month_periods if (period.start.month - fiscal_start) % 3 == 0
    ]
    spine = [start for start, _, _, _ in steps]
    cells = [("all", "all", 1.0, 1.0, "lead")]
    for name, (known, segments) in dimensions.items():
        shares = rng.dirichlet(np.full(len(segments), 3.0))
        lifts = rng.normal(1, 0.14, len(segments))
        cells += [
            (name, segment, share, lift, known) for segment, share, lift in zip(segments, shares, lifts, strict=True)
        ]
        cells.append((name, "unknown", 0.012, 0.9, known))
    funnel, scores, velocity = [], [], []

    def key(period: Period, dimension: str, segment: str) -> dict[str, Any]:
        return {
            "as_of_date": as_of, "period_grain": period.grain, "period_start": period.start, "dimension": dimension,
            "segment": segment, "within_dimension": "all", "within_segment": "all",
        }  # fmt: skip

    def score(base: dict[str, Any], metric: str, unit: str, basis: str, value: float | None, half: float | None,
              before: dict[str, Any] | None, n: int, level: tuple[str, str | None, str | None]) -> dict[str, Any]:  # fmt: skip
        held = level[0] == "suppressed" or value is None
        previous = None if before is None else before["value"]
        delta = None if held or previous is None or value is None else value - previous
        spread = None if half is None else half * 1.45
        return {
            **base, "metric": metric, "unit": unit, "basis": basis, "value": None if held else value,
            "low": None if held or half is None or value is None else max(0.0, value - half),
            "high": None if held or half is None or value is None else value + half,
            "previous_value": previous, "delta": delta,
            "delta_low": None if delta is None or spread is None else delta - spread,
            "delta_high": None if delta is None or spread is None else delta + spread,
            "year_ago_value": None if held or value is None or base["period_start"].year < 2025 else value * 0.95,
            "n": n, "evidence": level[0], "evidence_reason": level[1], "caveat": level[2],
        }  # fmt: skip

    for dimension, segment, share, lift, known in cells:
        for grain in (month_periods, quarters):
            before: dict[str, dict[str, Any]] = {}
            for place, period in enumerate(grain):
                base = key(period, dimension, segment)
                age = (as_of - period.start).days

                def add(metric: str, unit: str, basis: str, value: float | None, half: float | None, n: int,
                        level: tuple[str, str | None, str | None], base: dict[str, Any] = base,
                        before: dict[str, dict[str, Any]] = before) -> None:  # fmt: skip
                    row = score(base, metric, unit, basis, value, half, before.get(metric), n, level)
                    before[metric] = row
                    scores.append(row)

                for start, end, rate, size in steps:
                    na = known in spine and start in spine and spine.index(start) < spine.index(known)
                    drift = 1 + 0.1 * np.sin(place / 3)
                    n = 0 if na else int(rng.poisson(size * share * period.months * (1 + place * 0.01)))
                    level: tuple[str, str | None, str | None] = ("suppressed", "not_applicable", None)
                    for horizon in (30, 90, 180):
                        true = min(0.95, rate * lift * drift * (1 - 0.5 ** (horizon / 30)) / 0.875)
                        converted = int(rng.binomial(n, true)) if n else 0
                        estimate = converted / n if n else 0.0
                        low, high = wilson(estimate, n) if n else (0.0, 0.0)
                        found = evidence_of(n, converted, (high - low) / 2, young=age < horizon + 5, na=na)
                        held = found[0] == "suppressed"
                        funnel.append({
                            **base, "from_stage": start, "to_stage": end, "horizon_days": horizon, "entered_count": n,
                            "converted_count": converted, "lost_count": int((n - converted) * 0.8),
                            "open_count": n - converted - int((n - converted) * 0.8),
                            "conversion_rate": None if held else estimate, "conversion_low": None if held else low,
                            "conversion_high": None if held else high, "median_days": None if held else 20 + horizon / 9,
                            "imputed_share": 0.0, "n": n, "evidence": found[0], "evidence_reason": found[1], "caveat": found[2],
                        })  # fmt: skip
                        if horizon == 90:
                            level = found
                            add(f"{start}_to_{end}_rate", "rate", "cohort", estimate, (high - low) / 2, n, found)
                            add(f"{start}_to_{end}_count", "count", "cohort", float(converted), None, n, found)
                    if start == "lead" and end == "won":
                        continue
                    plain = level if level[1] == "not_applicable" or n < 20 else ("reportable", None, None)
                    add(f"{start}_count", "count", "entered", float(n), 2 * n**0.5, n, plain)
                    add(f"{start}_stage_days", "days", "exited", 18 + rng.normal(), 2.1, n, plain)
                won = int(rng.binomial(max(1, int(90 * share * period.months)), 0.3))
                level = evidence_of(won * 3, won, 0.05, young=False, na=False)
                add("win_rate", "rate", "closed", won / max(1, won * 3.2), 0.05, won * 3, level)
                add("won_amount", "USD", "closed", won * 18_400.0, won**0.5 * 18_400 * 2, won, level)
                add("mean_deal_amount", "USD", "closed", 18_400 + rng.normal(0, 900), 2_300.0, won, level)
                add("mean_cycle_days", "days", "closed", 61 + rng.normal(), 5.0, won, level)
                previous = None
                for basis, horizon in (("closed", 0), ("cohort", 180 + 30 * period.months)):
                    speed = won * 18_400 / 61
                    held = age < horizon or won < 10
                    effects = [None] * 4 if held or place < 1 else [speed * part for part in (0.06, -0.03, 0.02, -0.01)]
                    velocity.append({
                        **base, "basis": basis, "currency": "USD", "qualified_count": won * 3,
                        "win_rate": None if held else 0.31, "mean_deal_amount": None if held else 18_400.0,
                        "mean_cycle_days": None if held else 61.0, "velocity_per_day": None if held else speed,
                        "velocity_low": None if held else speed * 0.7, "velocity_high": None if held else speed * 1.4,
                        "count_effect": effects[0], "win_rate_effect": effects[1], "deal_amount_effect": effects[2],
                        "cycle_days_effect": effects[3], "n": won * 3,
                        "evidence": "suppressed" if held else "directional" if won < 30 else "reportable",
                        "evidence_reason": ("too_early" if age < horizon else "insufficient_sample") if held or won < 30 else None,
                        "caveat": "Fewer than 30 wins: the interval spans a factor of three." if not held and won < 30 else None,
                    })  # fmt: skip
                    previous = speed
                assert previous is not None
    labels = {name: name.replace("_", " ").capitalize() for name in dimensions}
    definitions = [
        *(("stage", code, label, f"Meaning of {label} (spine, order {i})") for i, (code, label) in enumerate(STAGES.items(), 1)),
        *(("dimension", code, label, "Known from lead on, mapped by segment rules") for code, label in labels.items()),
        *(("metric", f"{a}_to_{b}_rate", f"{STAGES[a]} to {STAGES[b]}", "Cumulative incidence (rate, basis cohort)") for a, b, _, _ in steps),
        ("metric", "win_rate", "Win rate of closed deals", "Won divided by won plus lost (rate, basis closed)"),
        ("metric", "pipeline_velocity", "Pipeline velocity", "Opportunities x win rate x amount / cycle (amount per day, basis cohort)"),
        ("horizon", "30", "Secondary", "Advanced within 30 days"),
        ("horizon", "90", "Primary", "Advanced within 90 days of entering the stage"),
        ("horizon", "180", "Secondary", "Advanced within 180 days"),
        ("threshold", "minimum_n", "minimum_n", "20"),
        *(("segment_rule", f"company_size: from {low} to below any", name, "rule") for low, name in zip((0, 50, 250, 1000), MAVEN_DIMENSIONS["company_size"][1], strict=True)),
    ]  # fmt: skip
    gates = [
        ("raw", "people", "row_count", 24_310.0, 1.0, "pass", "24,310 rows were read."),
        ("raw", "people.country", "completeness", 0.913, 0.95, "flagged", "8.7 % of people have no country."),
        ("raw", "opportunities.amount", "completeness", 0.989, 0.95, "pass", "1.1 % of opportunities have no amount."),
        ("publication", "funnel_conversion", "rates_in_range", 0.0, 0.0, "pass", "Every rate lies between 0 and 1."),
        ("publication", "lead_to_won", "cohort_age", 12.0, 90.0, "too_early", "The newest cohort is 12 days old."),
        ("publication", "region", "unmapped_share", 0.004, 0.02, "pass", "0.4 % of journeys match no rule."),
    ]
    release = [("2c9e5b7a41d0", as_of, "9a7c1e0f52d34b68", "51b0d7c2e94a6f38", "0.1.0", "review-0007", "7f1ab2c94e55")]
    return {
        "funnel_conversion": pd.DataFrame(funnel),
        "segment_scorecards": pd.DataFrame(scores),
        "pipeline_velocity": pd.DataFrame(velocity),
        "gate_results": pd.DataFrame(gates, columns=list(facts.COLUMNS["gate_results"])),
        "definitions": pd.DataFrame(
            [(*row, date(2000, 1, 1), "hash") for row in definitions], columns=list(facts.COLUMNS["definitions"])
        ),
        "release": pd.DataFrame(release, columns=list(facts.COLUMNS["release"])),
    }


def maven_tables() -> dict[str, pd.DataFrame]:
    """A pipeline without leads: one step, one year, thirty sellers."""
    return published_tables(
        steps=(("opportunity", "won", 0.5, 600),), dimensions=MAVEN_DIMENSIONS, months=10, as_of=date(2017, 12, 31)
    )


def empty_tables() -> dict[str, pd.DataFrame]:
    return {name: pd.DataFrame({column: [] for column in columns}) for name, columns in facts.COLUMNS.items()}
