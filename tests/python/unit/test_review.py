"""The review page: words, choices and sentences against hand-computed values, and the page as a whole.

`published_tables` is a small builder of frames in the published shape. The browser tests use it too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest
import segment_signals.review as review_package
from segment_signals.review import charts, facts, render_review, sentences, views, words
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


# Evidence level, reason, caveat.
Level = tuple[str, str | None, str | None]


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
              before: dict[str, Any] | None, n: int, level: Level) -> dict[str, Any]:  # fmt: skip
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
                        level: Level, base: dict[str, Any] = base,
                        before: dict[str, dict[str, Any]] = before) -> None:  # fmt: skip
                    row = score(base, metric, unit, basis, value, half, before.get(metric), n, level)
                    before[metric] = row
                    scores.append(row)

                for start, end, rate, size in steps:
                    na = known in spine and start in spine and spine.index(start) < spine.index(known)
                    drift = 1 + 0.1 * np.sin(place / 3)
                    n = 0 if na else int(rng.poisson(size * share * period.months * (1 + place * 0.01)))
                    level: Level = ("suppressed", "not_applicable", None)
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
                            "conversion_high": None if held else high,
                            "median_days": None if held else 20 + horizon / 9, "imputed_share": 0.0, "n": n,
                            "evidence": found[0], "evidence_reason": found[1], "caveat": found[2],
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
                for basis, horizon in (("closed", 0), ("cohort", 180 + 30 * period.months)):
                    speed = won * 18_400 / 61
                    held = age < horizon or won < 10
                    reason = "too_early" if age < horizon else "insufficient_sample"
                    effects = [None] * 4 if held or place < 1 else [speed * part for part in (0.06, -0.03, 0.02, -0.01)]
                    velocity.append({
                        **base, "basis": basis, "currency": "USD", "qualified_count": won * 3,
                        "win_rate": None if held else 0.31, "mean_deal_amount": None if held else 18_400.0,
                        "mean_cycle_days": None if held else 61.0, "velocity_per_day": None if held else speed,
                        "velocity_low": None if held else speed * 0.7, "velocity_high": None if held else speed * 1.4,
                        "count_effect": effects[0], "win_rate_effect": effects[1], "deal_amount_effect": effects[2],
                        "cycle_days_effect": effects[3], "n": won * 3,
                        **{
                            f"{name}_{end}": None if effect is None else effect + side * 0.05 * speed
                            for name, effect in zip(facts.EFFECTS, effects, strict=True)
                            for end, side in (("low", -1), ("high", 1))
                        },
                        "evidence": "suppressed" if held else "directional" if won < 30 else "reportable",
                        "evidence_reason": reason if held or won < 30 else None,
                        "caveat": "Fewer than 30 wins: a factor of three." if not held and won < 30 else None,
                    })  # fmt: skip
    sizes = zip((0, 50, 250, 1000), MAVEN_DIMENSIONS["company_size"][1], strict=True)
    labels = {name: name.replace("_", " ").capitalize() for name in dimensions}
    definitions = [
        *(("stage", code, label, f"{label} (spine, order {i})") for i, (code, label) in enumerate(STAGES.items(), 1)),
        *(("dimension", code, label, "Known from lead on, mapped by segment rules") for code, label in labels.items()),
        *(("metric", f"{a}_to_{b}_rate", f"{STAGES[a]} to {STAGES[b]}", "Incidence") for a, b, _, _ in steps),
        ("metric", "win_rate", "Win rate of closed deals", "Won divided by won plus lost (rate, basis closed)"),
        ("metric", "pipeline_velocity", "Pipeline velocity", "Opportunities x win rate x amount / cycle (per day)"),
        ("horizon", "30", "Secondary", "Advanced within 30 days"),
        ("horizon", "90", "Primary", "Advanced within 90 days of entering the stage"),
        ("horizon", "180", "Secondary", "Advanced within 180 days"),
        ("threshold", "minimum_n", "minimum_n", "20"),
        *(("segment_rule", f"company_size: from {low} to below any", name, "rule") for low, name in sizes),
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


# ---------------------------------------------------------------- words


@pytest.mark.parametrize(
    ("rate", "decimals", "written"),
    [
        (0.27885, 1, "27.9"),
        (0.2725, 1, "27.3"),
        (0.0213, 2, "2.13"),
        (1.0, 1, "100"),
        (0.0, 1, "0.0"),
        (-0.07, 1, "\u22127.0"),
    ],
)
def test_percent_rounds_half_up_and_keeps_three_digits(rate: float, decimals: int, written: str) -> None:
    assert words.percent(rate, decimals) == written


@pytest.mark.parametrize(
    ("value", "written"),
    [(1284.2, "1,280"), (0.1234, "0.123"), (99.96, "100"), (43.0, "43"), (0, "0"), (-5.678, "\u22125.68")],
)
def test_significant_keeps_three_digits(value: float, written: str) -> None:
    assert words.significant(value) == written


@pytest.mark.parametrize(
    ("value", "currency", "written"),
    [
        (1_284_000, "USD", "$1.28 M"),
        (67_000, "EUR", "€67.0 k"),
        (2_382.2, "USD", "$2,380"),
        (999_600, "USD", "$1.00 M"),
        (-573_400, "USD", "\u2212$573 k"),
        (1_500_000_000, "CHF", "CHF 1.50 bn"),
    ],
)
def test_money_has_three_digits_and_a_power_of_ten(value: float, currency: str, written: str) -> None:
    assert words.money(value, currency).replace(NBSP, " ") == written


def test_a_change_is_as_exact_as_the_value_that_changed() -> None:
    assert words.difference(-0.0093, "rate", 0.462) == f"\u22120.9{NBSP}points"
    assert words.difference(-0.0039, "rate", 0.0205) == f"\u22120.39{NBSP}points"
    assert words.difference(0.0719, "days", 61.3) == f"+0.1{NBSP}days"
    assert words.difference(0.0001, "rate", 0.3) == f"±0.0{NBSP}points"
    assert words.difference(-1605, "count", 1165) == "\u22121,605"
    assert words.difference_between(-0.138, -0.001, "rate", 0.211) == "\u221213.8 to \u22120.1"


def test_no_percentage_is_seen_with_four_digits() -> None:
    assert words.seen_percent(0.1099, 2) == "11.0"
    assert words.seen_percent(0.09996, 2) == "10.0"
    assert words.seen_percent(0.0999, 2) == "9.99"
    assert words.seen_percent(0.5, 1) == "50.0"
    assert words.points(-0.0897, 2) == "\u22128.97"
    assert words.points(0.1234, 2) == "+12.3"


def test_an_interval_says_its_unit_once() -> None:
    assert words.between(0.2541, 0.3046, "rate") == f"25.4 to 30.5{NBSP}%"
    assert words.between(47.3, 51.9, "days") == f"47.3 to 51.9{NBSP}days"
    assert words.between(0.0156, 0.0255, "rate", with_unit=False) == "1.56 to 2.55"


@pytest.mark.parametrize(
    ("grain", "start", "label", "end", "key"),
    [
        ("month", date(2025, 5, 1), "May 2025", date(2025, 5, 31), "2025-05"),
        ("quarter", date(2025, 4, 1), "2025 Q2", date(2025, 6, 30), "2025-04-quarter"),
        ("quarter", date(2024, 10, 1), "2024 Q4", date(2024, 12, 31), "2024-10-quarter"),
        ("quarter", date(2024, 2, 1), "Q starting Feb 2024", date(2024, 4, 30), "2024-02-quarter"),
        ("month", date(2024, 2, 1), "Feb 2024", date(2024, 2, 29), "2024-02"),
    ],
)
def test_periods_name_their_first_day_and_know_their_last(
    grain: str, start: date, label: str, end: date, key: str
) -> None:
    period = Period(grain, start)
    assert period.label.replace(NBSP, " ") == label
    assert period.end == end
    assert period.key == key
    assert period.is_complete(end)
    assert not period.is_complete(date.fromordinal(end.toordinal() - 1))


@pytest.mark.parametrize(
    ("delta", "low", "high", "word", "mark"),
    [
        (0.02, 0.001, 0.04, "higher", "▲"),
        (-0.02, -0.04, -0.001, "lower", "▼"),
        (0.02, -0.001, 0.04, "no clear difference", "◇"),
        (0.02, 0.0, 0.04, "no clear difference", "◇"),  # the interval touches 0: not excluded
        (0.02, None, None, "no interval", ""),
        (None, None, None, "too few to say", ""),
    ],
)
def test_a_change_is_named_only_where_its_interval_excludes_zero(
    delta: float | None, low: float | None, high: float | None, word: str, mark: str
) -> None:
    change = words.change(delta, low, high, has_previous=True)
    assert (change.word, change.mark) == (word, mark)


def test_a_change_without_a_previous_value_says_so() -> None:
    assert words.change(None, None, None, has_previous=False).word == "no previous value"


# ---------------------------------------------------------------- a world of one step, by hand


def one_step(**cell: Any) -> dict[str, pd.DataFrame]:
    """Opportunity to won of the total in 2025 Q1 and Q2, n 1,204 in Q2, with what the test replaces."""
    tables = empty_tables()
    base = {"as_of_date": date(2025, 9, 30), "period_grain": "quarter", "dimension": "all", "segment": "all",
            "within_dimension": "all", "within_segment": "all"}  # fmt: skip
    rate = {"rate": 0.279, "low": 0.254, "high": 0.305, "delta": 0.012, "delta_low": -0.021, "delta_high": 0.045,
            "evidence": "reportable", "evidence_reason": None, "caveat": None, **cell}  # fmt: skip
    evidence = {"n": 1204, **{name: rate[name] for name in ("evidence", "evidence_reason", "caveat")}}
    funnel = {
        **base, "period_start": date(2025, 4, 1), "from_stage": "opportunity", "to_stage": "won", "horizon_days": 90,
        "entered_count": 1204, "converted_count": 336, "lost_count": 700, "open_count": 168,
        "conversion_rate": rate["rate"], "conversion_low": rate["low"], "conversion_high": rate["high"],
        "median_days": 44.0, "imputed_share": 0.0, **evidence,
    }  # fmt: skip
    score = {
        **base, "period_start": date(2025, 4, 1), "metric": "opportunity_to_won_rate", "unit": "rate",
        "basis": "cohort", "value": rate["rate"], "low": rate["low"], "high": rate["high"], "previous_value": 0.267,
        "delta": rate["delta"], "delta_low": rate["delta_low"], "delta_high": rate["delta_high"],
        "year_ago_value": None, **evidence,
    }  # fmt: skip
    tables["funnel_conversion"] = pd.DataFrame([funnel])
    tables["segment_scorecards"] = pd.DataFrame([score])
    return tables


def headline_of(tables: Mapping[str, pd.DataFrame]) -> str:
    return sentences.headline(facts.read_facts(tables, dataset="world")).replace(NBSP, " ")


def test_the_headline_sentence_states_n_value_interval_and_change() -> None:
    assert headline_of(one_step()) == (
        "Of 1,204 opportunities created in 2025 Q2, 27.9 % were won within 90 days (25.4 to 30.5 %), no clear "
        "difference from the previous quarter."
    )


def test_a_lower_value_is_said_with_the_size_of_the_drop() -> None:
    said = headline_of(one_step(delta=-0.06, delta_low=-0.088, delta_high=-0.035))
    assert said.endswith("lower than in the previous quarter by 6.0 points (3.5 to 8.8).")


def test_a_directional_fact_carries_its_caveat() -> None:
    said = headline_of(
        one_step(evidence="directional", evidence_reason="wide_interval", caveat="The interval is wide.")
    )
    assert said.endswith("Directional: the interval is wide.")


def test_a_suppressed_value_is_never_put_into_words_even_if_the_frame_holds_one() -> None:
    tables = one_step(evidence="suppressed", evidence_reason="insufficient_sample", rate=0.123456)
    assert headline_of(tables) == "No conversion of the total is old enough and large enough to be published."
    page = render_review(tables, dataset="world")
    assert "12.3" not in page
    assert "123456" not in page
    assert "too few" in page


def test_decimals_from_the_warehouse_read_like_floats() -> None:
    tables = one_step()
    tables["segment_scorecards"]["value"] = [Decimal("0.279")]
    score = facts.read_facts(tables, dataset="world").scores[0]
    assert score.value == 0.279


def test_an_open_cohort_is_no_headline() -> None:
    # Published with the reason too_early: part of the cohort is still open, so the quarter before it stands.
    tables = one_step()
    newer = tables["funnel_conversion"].assign(
        period_start=date(2025, 7, 1), evidence="directional", evidence_reason="too_early", conversion_rate=0.6
    )
    tables["funnel_conversion"] = pd.concat([tables["funnel_conversion"], newer])
    assert "2025 Q2, 27.9 %" in headline_of(tables)


def test_newest_mature_prefers_quarters_and_skips_what_is_not_complete() -> None:
    quarters = [Period("quarter", date(2025, month, 1)) for month in (1, 4)]
    may = Period("month", date(2025, 5, 1))
    as_of = date(2025, 5, 31)
    assert facts.newest_mature([(quarters[0], True), (quarters[1], True), (may, True)], as_of) == quarters[0]
    assert facts.newest_mature([(quarters[0], False), (quarters[1], True), (may, True)], as_of) == may
    assert facts.newest_mature([(quarters[0], False)], as_of) is None
    assert facts.newest_mature([(quarters[0], True)], None) is None


# ---------------------------------------------------------------- reading the contract


def test_a_missing_table_is_named() -> None:
    tables = empty_tables()
    del tables["gate_results"]
    with pytest.raises(facts.ReviewError, match=r"'gate_results'.*not given"):
        render_review(tables, dataset="world")


def test_a_missing_column_is_named() -> None:
    tables = empty_tables()
    tables["funnel_conversion"] = tables["funnel_conversion"].drop(columns="conversion_low")
    with pytest.raises(facts.ReviewError, match="'funnel_conversion' lacks the column conversion_low"):
        render_review(tables, dataset="world")


def test_a_step_that_applies_to_nobody_is_not_shown() -> None:
    tables = one_step()
    ghost = tables["funnel_conversion"].assign(
        dimension="region", segment="West", from_stage="lead", to_stage="mql", evidence="suppressed",
        evidence_reason="not_applicable", n=0,
    )  # fmt: skip
    tables["funnel_conversion"] = pd.concat([tables["funnel_conversion"], ghost])
    found = facts.read_facts(tables, dataset="world")
    assert [(step.from_stage, step.to_stage) for step in found.transitions] == [("opportunity", "won")]


def test_steps_come_in_the_order_of_the_stages_and_end_to_end_last() -> None:
    found = facts.read_facts(published_tables(months=6, dimensions={}), dataset="demo")
    assert [(step.from_stage, step.to_stage, step.is_end_to_end) for step in found.transitions] == [
        ("lead", "mql", False),
        ("mql", "sql", False),
        ("sql", "opportunity", False),
        ("opportunity", "won", False),
        ("lead", "won", True),
    ]


def test_bands_are_read_from_low_to_high_and_unnamed_segments_last() -> None:
    found = facts.read_facts(published_tables(), dataset="demo")
    sizes = next(item for item in found.dimensions if item.code == "company_size")
    assert sizes.segments == ("1 to 49", "50 to 249", "250 to 999", "1000 and more", "unknown")


def test_a_dimension_with_very_many_segments_shows_the_largest_and_counts_the_rest() -> None:
    many = {"city": ("lead", tuple(f"City {number:03d}" for number in range(60)))}
    found = facts.read_facts(published_tables(months=6, dimensions=many), dataset="demo")
    assert len(found.dimensions[0].segments) == facts.MAX_SEGMENTS
    assert found.dimensions[0].left_out == 61 - facts.MAX_SEGMENTS


# ---------------------------------------------------------------- charts


def trend_points(values: list[float | None]) -> list[charts.Point]:
    periods = [Period("month", date(2024 + place // 12, place % 12 + 1, 1)) for place in range(len(values))]
    return [
        charts.Point(period, value, value and value - 0.02, value and value + 0.02, True, "" if value else "too young")
        for period, value in zip(periods, values, strict=True)
    ]


def test_charts_do_not_depend_on_what_was_drawn_before() -> None:
    points = trend_points([0.2, 0.22, None, 0.21, 0.23, None])
    first = charts.trend_svg(points, top=0.4, unit="rate", label="Trend", prefix="a")
    charts.trend_svg(points, top=0.4, unit="rate", label="Other", prefix="b")
    assert charts.trend_svg(points, top=0.4, unit="rate", label="Trend", prefix="a") == first


def test_what_is_held_back_is_hatched_and_named_and_nothing_is_drawn_across_it() -> None:
    svg = charts.trend_svg(trend_points([0.2, None, 0.22]), top=0.4, unit="rate", label="Trend", prefix="a")
    assert svg.count("url(#hatch)") == 1
    assert "too young" in svg
    assert not re.search(r'<path d="M[^"]*L[^"]*" stroke="#17606c" stroke-width="1.5"', svg)


@pytest.mark.parametrize(
    ("largest", "top"), [(0.39, 0.4), (0.41, 0.6), (0.03, 0.032), (26_900, 32_000), (0, 1), (1, 1)]
)
def test_axes_end_on_a_number_with_round_quarters(largest: float, top: float) -> None:
    assert charts.ceiling([largest / 2, largest]) == pytest.approx(top)


def test_a_waterfall_names_every_contribution_and_its_ends() -> None:
    svg = charts.waterfall_svg(
        [("deals", 1200.0), ("cycle", -200.0)],
        before=("previous quarter", 10_000.0), now="2025 Q2", currency="USD", label="Change", prefix="w",
    )  # fmt: skip
    for text in ("$10.0", "+$1,200", "\u2212$200", "$11.0", "previous quarter", "2025 Q2"):
        assert text in svg
    assert svg.count(charts.UP) == 1
    assert svg.count(charts.DOWN) == 1


# ---------------------------------------------------------------- the page


class Page(HTMLParser):
    """Ids, links, and the text outside script and style."""

    def __init__(self, html: str) -> None:
        super().__init__()
        self.ids: list[str] = []
        self.links: list[str] = []
        self.resources: list[str] = []
        self.sections: list[str] = []
        self.words: list[str] = []
        self._skip = 0
        self.feed(html)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        found = dict(attrs)
        self._skip += tag in ("script", "style")
        if found.get("id"):
            self.ids.append(found["id"] or "")
        if tag == "a":
            self.links.append(found.get("href") or "")
        if tag == "section":
            self.sections.append(found.get("id") or "")
        self.resources += [value or "" for name, value in attrs if name in ("src", "srcset", "data", "action")]
        if tag == "link":
            self.resources.append(found.get("href") or "")
        self.words += [value for name, value in attrs if name in ("title", "aria-label") and value]

    def handle_endtag(self, tag: str) -> None:
        self._skip -= tag in ("script", "style")

    def handle_data(self, data: str) -> None:
        if not self._skip:
            self.words.append(data)

    @property
    def text(self) -> str:
        return re.sub(r"\s+", " ", " ".join(self.words))


@pytest.fixture(scope="module")
def demo() -> dict[str, pd.DataFrame]:
    return published_tables()


@pytest.fixture(scope="module")
def demo_page(demo: dict[str, pd.DataFrame]) -> str:
    return render_review(demo, dataset="demo")


def test_the_same_input_gives_the_same_bytes(demo: dict[str, pd.DataFrame], demo_page: str) -> None:
    shuffled = {name: frame.sample(frac=1, random_state=3) for name, frame in demo.items()}
    assert render_review(shuffled, dataset="demo") == demo_page


def test_the_frames_are_not_changed(demo: dict[str, pd.DataFrame]) -> None:
    before = {name: frame.copy() for name, frame in demo.items()}
    render_review(demo, dataset="demo")
    for name, frame in demo.items():
        pd.testing.assert_frame_equal(frame, before[name])


def test_sections_stand_in_the_order_of_reading(demo_page: str) -> None:
    assert Page(demo_page).sections == [
        "headline", "funnel", "intervals", "trends", "velocity", "gates", "caveats", "definitions", "reading",
    ]  # fmt: skip


def test_the_page_is_one_file_without_network(demo_page: str) -> None:
    assert set(Page(demo_page).resources) == {"data:,"}
    addresses = set(re.findall(r"https?://[^\s\"'<)]+", demo_page))
    assert addresses <= {"http://www.w3.org/2000/svg", "http://www.w3.org/1999/xlink"}
    assert not re.search(r"@import|url\((?!#)", demo_page)
    assert len(demo_page.encode()) < 1_500_000


def test_every_link_leads_to_one_place_on_the_page(demo_page: str) -> None:
    page = Page(demo_page)
    assert len(page.ids) == len(set(page.ids))
    assert {link.removeprefix("#") for link in page.links} <= set(page.ids)


def test_the_masthead_counts_what_is_held_back_and_why(demo: dict[str, pd.DataFrame], demo_page: str) -> None:
    cells = pd.concat([demo[name][["evidence", "evidence_reason"]] for name in facts.CELL_TABLES])
    is_na = cells["evidence_reason"] == "not_applicable"
    reportable = int((cells["evidence"] == "reportable").sum())
    young = int(((cells["evidence"] == "suppressed") & (cells["evidence_reason"] == "too_early")).sum())
    text = Page(demo_page).text
    assert f"Published: {reportable:,} reportable and" in text
    assert f"of {len(cells):,} cells" in text
    assert f"{young:,} too young" in text
    assert f"not applicable: {int(is_na.sum()):,}" in text


def test_the_words_neither_advise_nor_explain_nor_praise(demo_page: str) -> None:
    banned = r"\b(should|recommend\w*(?<!recommendation)|because|driven by|due to|good|bad|best|worst|improv\w+|must)\b"
    for page in (demo_page, render_review(maven_tables(), dataset="maven"), render_review(empty_tables(), dataset="e")):
        assert re.findall(banned, Page(page).text, flags=re.IGNORECASE) == []


def test_suppressed_cells_show_their_reason_and_no_value(demo_page: str) -> None:
    cells = re.findall(r'<td class="h sup" title="([^"]*)">([^<]*)</td>', demo_page)
    assert cells
    for title, text in cells:
        assert title.startswith("held back: ")
        assert text in {reason.short for reason in words.REASONS.values()}


def test_directional_cells_are_hollow(demo_page: str) -> None:
    cells = re.findall(r'<td class="h dir" title="([^"]*)">([^<]*)</td>', demo_page)
    assert cells
    assert all(text.startswith("○") and "directional: " in title for title, text in cells)


def test_heatmap_cells_equal_the_table(demo: dict[str, pd.DataFrame], demo_page: str) -> None:
    funnel = demo["funnel_conversion"]
    row = funnel[
        (funnel["segment"] == "EMEA") & (funnel["horizon_days"] == 90) & (funnel["from_stage"] == "lead")
        & (funnel["to_stage"] == "mql") & (funnel["period_grain"] == "quarter")
        & (funnel["period_start"] == date(2025, 1, 1))
    ].iloc[0]  # fmt: skip
    block = demo_page[demo_page.index('class="block heat" data-dimension="region"') :]
    found = re.search(r'<th scope="row">EMEA</th><td class="h q\d" title="([^"]*)">([\d.]+)</td>', block)
    assert found
    assert found[2] == f"{row['conversion_rate'] * 100:.1f}"
    low, high = row["conversion_low"] * 100, row["conversion_high"] * 100
    assert found[1].startswith(f"{row['conversion_rate'] * 100:.2f} % ({low:.2f} to {high:.2f} %), n {row['n']:,}")


def test_the_data_for_the_script_equals_the_published_cells(demo: dict[str, pd.DataFrame], demo_page: str) -> None:
    found = re.search(r'<script type="application/json" id="data">(.*?)</script>', demo_page, flags=re.DOTALL)
    assert found
    data = json.loads(found[1])
    region = next(item for item in data["dimensions"] if item["code"] == "region")
    period = [key for key, _, _ in data["periods"]].index("2024-10-quarter")
    step = [item["label"] for item in data["steps"]].index("Opportunity to Closed won")
    cell = region["cells"][region["segments"].index("LATAM")][step][period]
    funnel = demo["funnel_conversion"]
    row = funnel[
        (funnel["segment"] == "LATAM") & (funnel["horizon_days"] == 90) & (funnel["from_stage"] == "opportunity")
        & (funnel["period_grain"] == "quarter") & (funnel["period_start"] == date(2024, 10, 1))
    ].iloc[0]  # fmt: skip
    assert cell[0] == row["n"]
    assert cell[2] == row["converted_count"]
    assert cell[5] == round(row["conversion_rate"] * 1_000_000)


def test_values_from_the_data_cannot_become_markup() -> None:
    evil = '</script><script>alert(1)</script><img src=x onerror="alert(2)">'
    tables = published_tables(months=6, dimensions={"region": ("lead", (evil, "Plain"))})
    tables["gate_results"].loc[1, "detail"] = evil
    tables["release"].loc[0, "release_id"] = '"} body { display: none } a{content:"'
    page = render_review(tables, dataset=evil)
    assert "<script>alert" not in page
    assert "<img" not in page
    style = page[page.index("<style>") : page.index("</style>")]
    assert "display: none }" not in style[style.index("@page { @bottom-left") :]
    assert "&lt;/script&gt;" in page


def test_gates_come_worst_first_with_a_word_beside_the_mark(demo: dict[str, pd.DataFrame]) -> None:
    gates = demo["gate_results"].copy()
    gates.loc[5, "status"] = "blocked"
    page = render_review({**demo, "gate_results": gates}, dataset="demo")
    states = re.findall(r'<td class="status (\w+)"><span aria-hidden="true">(.)</span> ([^<]+)</td>', page)
    assert [state for state, _, _ in states] == ["blocked", "flagged", "too_early", "pass", "pass", "pass"]
    assert states[0][1:] == ("■", "blocked")
    assert "Of 6 checks 3 passed; blocked: 1, flagged: 1, not judged or not applicable: 1." in Page(page).text


def test_an_unknown_status_does_not_pass(demo: dict[str, pd.DataFrame]) -> None:
    gates = demo["gate_results"].assign(status="odd")
    page = render_review({**demo, "gate_results": gates}, dataset="demo")
    assert '<td class="status blocked"><span aria-hidden="true">?</span> odd</td>' in page


def test_a_pipeline_without_leads_has_one_step_and_all_its_sellers() -> None:
    page = render_review(maven_tables(), dataset="maven_crm")
    assert "Lead to MQL" not in Page(page).text
    assert all(f">Seller {number:02d}</th>" in page for number in range(1, 31))
    assert "opportunities created in 2017 Q" in Page(page).text.replace(NBSP, " ")


def test_fiscal_quarters_are_named_by_their_first_month() -> None:
    page = render_review(published_tables(fiscal_start=2, as_of=date(2025, 7, 31), months=18), dataset="fiscal")
    assert f"Q starting Feb{NBSP}2025" in page
    assert f"2025{NBSP}Q" not in page


def test_months_give_way_to_quarters_where_months_are_thin() -> None:
    thin = tuple((start, end, rate, max(8, size // 20)) for start, end, rate, size in DEMO_STEPS)
    assert "by quarter of entry" in render_review(published_tables(steps=thin, dimensions={}), dataset="thin")
    assert "by month of entry" in render_review(published_tables(dimensions={}), dataset="thick")


def test_an_empty_release_says_that_nothing_is_published_and_why() -> None:
    text = Page(render_review(empty_tables(), dataset="empty")).text
    assert "Nothing is published" in text
    assert "the checks have not run" in text
    blocked = empty_tables()
    blocked["gate_results"] = pd.DataFrame(
        [("raw", "opportunities", "key_uniqueness", 12.0, 0.0, "blocked", "12 opportunities share a key.")],
        columns=list(facts.COLUMNS["gate_results"]),
    )
    text = Page(render_review(blocked, dataset="empty")).text
    assert "blocks 1 of 1 checks. opportunities, key uniqueness: 12 opportunities share a key." in text


def test_tables_may_be_empty_one_by_one() -> None:
    small = published_tables(months=12, dimensions={"region": DEMO_DIMENSIONS["region"]})
    for name in facts.COLUMNS:
        page = render_review({**small, name: empty_tables()[name]}, dataset="demo")
        assert Page(page).sections[0] == "headline", name


def test_both_velocity_bases_carry_their_label(demo_page: str) -> None:
    text = Page(demo_page).text
    assert "Not biased, but older" in text
    assert "biased toward fast deals" in text


# ---------------------------------------------------------------- colours

CSS = (Path(review_package.__file__).parent / "style.css").read_text(encoding="utf-8")


def colour(name: str) -> str:
    found = re.search(rf"--{name}: (#[0-9a-f]{{6}});", CSS)
    assert found, name
    return found[1]


def contrast(first: str, second: str) -> float:
    """WCAG 2.2 contrast ratio of two #rrggbb colours."""

    def luminance(text: str) -> float:
        parts = [int(text[at : at + 2], 16) / 255 for at in (1, 3, 5)]
        linear = [part / 12.92 if part <= 0.04045 else ((part + 0.055) / 1.055) ** 2.4 for part in parts]
        return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]

    high, low = sorted((luminance(first), luminance(second)), reverse=True)
    return (high + 0.05) / (low + 0.05)


def test_contrast_is_computed_as_defined() -> None:
    assert contrast("#000000", "#ffffff") == pytest.approx(21.0)
    assert contrast("#777777", "#ffffff") == pytest.approx(4.48, abs=0.01)


@pytest.mark.parametrize("name", ["ink", "grey", "up", "down", "accent", "line"])
@pytest.mark.parametrize("paper", ["paper", "faint", "accent-pale"])
def test_text_is_legible_on_every_paper(name: str, paper: str) -> None:
    assert contrast(colour(name), colour(paper)) >= 4.5


@pytest.mark.parametrize("shade", range(views.SHADES))
def test_numbers_are_legible_on_every_shade_and_shades_darken(shade: int) -> None:
    assert contrast(colour("ink"), colour(f"q{shade}")) >= 4.5
    if shade:
        assert contrast(colour(f"q{shade}"), "#ffffff") > contrast(colour(f"q{shade - 1}"), "#ffffff")


def test_shades_run_linearly_from_zero() -> None:
    assert [views.shade(rate, 0.9) for rate in (0.0, 0.09, 0.11, 0.5, 0.89, 0.9, 2.0)] == [0, 0, 1, 5, 8, 8, 8]
