"""Forecast, movement, coverage, levers, won and lost, stalled deals: sentences, rows and pictures by hand.

`pipeline_tables` holds small frames in the published shape. The browser tests use it too.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from typing import Any

import pandas as pd
import pytest
from segment_signals.review import charts, deals, forecast, levers, movement, render_review, stages
from segment_signals.review.facts import COLUMNS, Facts, ReviewError, read_facts
from segment_signals.review.words import MINUS, NBSP

AS_OF = date(2025, 6, 30)
Q2, Q3 = date(2025, 4, 1), date(2025, 7, 1)
REPORTABLE = {"evidence": "reportable", "evidence_reason": None, "caveat": None}
DIRECTIONAL = {"evidence": "directional", "evidence_reason": "insufficient_sample", "caveat": "Few wins are expected"}
HELD = {"evidence": "suppressed", "evidence_reason": "incomplete_data", "caveat": "Losses have no amount"}


def cell(start: date = Q2, dimension: str = "all", segment: str = "all", **values: Any) -> dict[str, Any]:
    return {
        "as_of_date": AS_OF, "period_grain": "quarter", "period_start": start, "dimension": dimension,
        "segment": segment, "within_dimension": "all", "within_segment": "all", "n": 391, **REPORTABLE, **values,
    }  # fmt: skip


def forecast_rows() -> list[dict[str, Any]]:
    made = []
    windows = (("month", Q3, 2.0, DIRECTIONAL), ("quarter", Q3, 6.5, REPORTABLE), ("next_60_days", Q3, 4.2, REPORTABLE))
    for dimension, segment, share in (("all", "all", 1.0), ("region", "EMEA", 0.4), ("region", "APAC", 0.1)):
        for target, start, middle, evidence in windows:
            size = middle * share * 1e6
            made.append(cell(
                start, dimension, segment,
                **{"period_grain": "days" if target == "next_60_days" else target},
                target_period=target, currency="USD", booked_amount=0.0, open_amount=size * 0.6, new_amount=size * 0.4,
                p10_amount=size * 0.8, p50_amount=size, p90_amount=size * 1.25, static_amount=size * 0.9,
                same_day_last_quarter_amount=size * 1.1, mape=0.15, mape_floor=0.12, expected_wins=120.0,
                **(HELD if segment == "APAC" else evidence),
            ))  # fmt: skip
    return made


def backtest_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    origins, quality = [], []
    for target in ("month", "quarter", "next_60_days"):
        for number in range(8):
            # The last outcome lies above its range.
            actual = 1.0e6 if number < 7 else 1.4e6
            origins.append({
                "as_of_date": AS_OF, "origin_date": date(2024, 5 + number, 28) if number < 8 else AS_OF,
                "target_period": target, "method": "model", "currency": "USD",
                "window_start_date": date(2024, 5 + number, 1), "window_end_date": date(2024, 5 + number, 28),
                "booked_amount": 0.0, "actual_amount": actual, "p10_amount": 0.8e6, "p50_amount": 1.0e6,
                "p90_amount": 1.2e6, "pinball_loss": 5e4, "is_covered": number < 7, "caveat": None,
            })  # fmt: skip
        for method in ("model", "stage_weighted", "same_day_last_quarter"):
            value = {"model": 0.036, "stage_weighted": 0.4, "same_day_last_quarter": 0.2}[method]
            quality += [
                {"as_of_date": AS_OF, "target_period": target, "method": method, "metric": metric, "value": number,
                 "low": low, "high": high, "n": 8, "caveat": None}
                for metric, number, low, high in (
                    ("mape", value, value / 2, value * 2), ("bias", -0.05, -0.15, 0.03),
                    ("pinball_loss", 50_000.0, 4e4, 6e4), ("coverage", 0.875, 0.53, 0.98),
                )
            ]  # fmt: skip
        quality += [
            {"as_of_date": AS_OF, "target_period": target, "method": method, "n": 8, "caveat": None,
             "metric": "median_pinball_loss_difference", "value": middle, "low": low, "high": high}
            for method, middle, low, high in (
                ("stage_weighted", -4e5, -6e5, -2e5), ("same_day_last_quarter", -1e5, -3e5, 1e5),
            )
        ]  # fmt: skip
    return origins, quality


def movement_row(scope: str = "open_pipeline", **values: Any) -> dict[str, Any]:
    amounts = {
        "opening": "28633560.70", "created": "25938740.50", "reopened": "454827.70", "pulled_in": "0",
        "pushed_out": "0",
        "up": "144304.00", "down": "103801.00", "won": "7626449.00", "lost": "21273988.00", "closing": "26167194.90",
    }  # fmt: skip
    counts = (507, 659, 10, 0, 0, 26, 35, 200, 470, 506)
    if scope == "closing_in_period":
        amounts |= {"pulled_in": "3449542.20", "pushed_out": "6445297.10", "closing": "23171440.00"}
        counts = (407, 292, 6, 57, 156, 19, 20, 200, 331, 75)
    return cell(
        scope=scope, currency="USD",
        **{f"{name}_amount": Decimal(amount) for name, amount in amounts.items()},
        **{f"{name}_count": count for name, count in zip(amounts, counts, strict=True)},
        missing_amount_share=0.0, largest_deal_share=0.0172, **values,
    )  # fmt: skip


def coverage_row(measure: str, start: date, amount: float, target: float | None, **values: Any) -> dict[str, Any]:
    base = {
        "measure": measure, "currency": "USD", "amount": amount, "target_amount": target, "weighted_amount": None,
        "weighted_low": None, "weighted_high": None, "booked_amount": None, "overdue_amount": 0.0,
        "coverage_ratio": None if target is None else amount / target,
    }  # fmt: skip
    return cell(start, **{**base, **values})


def lever_row(lever: str, **values: Any) -> dict[str, Any]:
    base = {
        "basis": "closed", "signal": f"{lever}_change", "lever": lever, "comparator": "history", "currency": "USD",
        "unit": "relative", "threshold_value": None, "text": "Mean cycle 77.6 days (63.7 to 94.4): more than 60 days.",
        "value": 55.0, "low": 49.0, "high": 61.0, "reference_value": 50.0, "difference": 0.10, "difference_low": -0.02,
        "difference_high": 0.22, "p_value": 0.1, "q_value": 0.4, "is_signal": False,
    }  # fmt: skip
    return cell(**{**base, **values})


def scenario_rows() -> list[dict[str, Any]]:
    made = []
    for lever in levers.SCENARIOS:
        for percent in (10.0, 20.0):
            uplift = 1_000.0 * percent * {"mean_cycle_days": 1.2, "all": 4.8}.get(lever, 1.0)
            made.append(cell(
                basis="cohort", lever=lever, change_pct=percent, currency="USD", velocity_per_day=1e5 + uplift,
                uplift_per_day=uplift, uplift_low=uplift * 0.7, uplift_high=uplift * 1.4, is_causal=False,
                size_length_correlation=0.45, correlation_low=0.32, correlation_high=0.56, correlation_n=177,
            ))  # fmt: skip
    return made


def reason_row(category: str, reason: str, share: float, **values: Any) -> dict[str, Any]:
    base = {
        "outcome": "lost", "category": category, "reason": reason, "deal_count": round(share * 391), "share": share,
        "low": share - 0.05, "high": share + 0.06, "previous_share": share - 0.01, "delta": 0.01, "delta_low": -0.07,
        "delta_high": 0.08,
    }  # fmt: skip
    return cell(**{**base, **values})


def stage_rows(start: date = Q2, **values: Any) -> list[dict[str, Any]]:
    """Two stages in the order in which they are entered, each with its three outcomes."""
    made = []
    for order, (stage, shares, days) in enumerate((("Review", (0.7, 0.2, 0.05), 21), ("Offer", (0.6, 0.3, 0.0), 9)), 1):
        for outcome, share in zip(("advanced", "lost", "went_back"), shares, strict=True):
            made.append(cell(
                start, stage=stage, stage_order=order, order_rule="observed", outcome=outcome, horizon_days=90,
                entered_count=391, outcome_count=round(391 * share), other_outcome_count=0, open_count=0,
                outcome_rate=share, outcome_low=max(share - 0.05, 0), outcome_high=share + 0.05,
                median_stage_days=days, median_stage_days_low=days - 2,
                median_stage_days_high=None if stage == "Review" else days + 2,
                **{**(DIRECTIONAL if share == 0 else REPORTABLE), **values},
            ))  # fmt: skip
    return made


def pattern_row(**values: Any) -> dict[str, Any]:
    base = {
        "attribute": "region", "attribute_value": "EMEA", "rest_value": None, "basis": "at_opening", "rest_n": 500,
        "win_rate": 0.174,
        "rest_win_rate": 0.328, "difference": -0.154, "low": -0.225, "high": -0.066, "p_value": 0.001, "q_value": 0.02,
        "is_signal": True,
    }  # fmt: skip
    return cell(**{**base, **values})


def deal(name: str, flags: int, **values: Any) -> dict[str, Any]:
    made = dict.fromkeys(deals.FLAGS, False) | dict.fromkeys(list(deals.FLAGS)[:flags], True)
    return {
        "opportunity_id": name, "stage": "Negotiation", "currency": "USD", "amount": Decimal("22030.00"),
        "close_date": date(2025, 5, 1), "age_in_stage_days": 68, "age_limit_days": 28, "push_count": 2,
        "last_activity_date": date(2025, 3, 1), "flag_count": flags, "win_probability_within_a_year": 0.198,
        "win_probability_reason": None, **made, **values,
    }  # fmt: skip


def pipeline_tables() -> dict[str, pd.DataFrame]:
    """Every table of the pipeline, with a total and a region."""
    origins, quality = backtest_rows()
    open_rows = {"weighted_amount": 4.75e6, "weighted_low": 3.57e6, "weighted_high": 5.94e6, "booked_amount": 0.0}
    rows = {
        "pipeline_forecast": forecast_rows(),
        "forecast_backtest": origins,
        "forecast_quality": quality,
        "pipeline_movement": [
            movement_row(),
            movement_row("closing_in_period"),
            {**movement_row(), "dimension": "region", "segment": "EMEA"},
        ],
        "pipeline_coverage": [
            coverage_row("open", Q3, 18.9e6, 8e6, **open_rows),
            coverage_row("created", Q2, 25.9e6, 32e6),
            coverage_row("won", Q2, 7.63e6, 7.5e6),
            {**coverage_row("open", Q3, 9e6, None, **open_rows), "dimension": "region", "segment": "EMEA"},
        ],
        "lever_signals": [
            lever_row("typical_cycle_days"),
            lever_row("win_rate", unit="difference", value=0.3, low=0.27, high=0.34, reference_value=0.25,
                      difference=0.05, difference_low=0.01, difference_high=0.09, q_value=0.01, is_signal=True),
            lever_row("mean_cycle_days", dimension="region", segment="EMEA", comparator="threshold",
                      signal="long_cycle", p_value=None, q_value=None, is_signal=True, threshold_value=60.0),
        ],
        "velocity_scenarios": scenario_rows(),
        "win_loss": [
            reason_row("reason", "No Decision", 0.298),
            reason_row("reason", "Price", 0.25),
            reason_row("missing_reason", "not recorded", 0.097, n=464),
            reason_row("competitor", "Bluefin", 0.6, **DIRECTIONAL),
            {**reason_row("reason", "Price", 0.4), "dimension": "region", "segment": "EMEA"},
            {**reason_row("reason", "Price", 0.4, **HELD), "dimension": "region", "segment": "APAC"},
        ],
        "win_loss_patterns": [pattern_row(), pattern_row(attribute_value="APAC", is_signal=False, p_value=0.4)],
        "pipeline_stage_map": [
            *stage_rows(), *stage_rows(date(2025, 1, 1)),
            *({**row, "dimension": "region", "segment": "EMEA"} for row in stage_rows()),
        ],
        "stalled_deals": [deal("006A", 4), deal("006B", 1), deal("006C", 0), deal("<b>006D</b>", 3)],
    }  # fmt: skip
    return {name: pd.DataFrame(found) for name, found in rows.items()}


@pytest.fixture(scope="module")
def facts() -> Facts:
    tables = {name: pd.DataFrame(columns=list(columns)) for name, columns in COLUMNS.items()}
    tables["release"] = pd.DataFrame([dict.fromkeys(COLUMNS["release"], "x") | {"as_of_date": AS_OF}])
    tables["funnel_conversion"] = pd.DataFrame([
        cell(
            Q2, "region", segment, from_stage="opportunity", to_stage="won", horizon_days=90, entered_count=391,
            converted_count=100, lost_count=200, open_count=91, conversion_rate=0.25, conversion_low=0.2,
            conversion_high=0.3, median_days=40.0, imputed_share=0.0,
        )
        for segment in ("EMEA", "APAC")
    ])  # fmt: skip
    return read_facts(tables, dataset="demo")


def plain(text: str) -> str:
    return text.replace(NBSP, " ")


def one(name: str, *rows: Mapping[str, Any]) -> dict[str, pd.DataFrame]:
    """The tables with one of them replaced."""
    return {**pipeline_tables(), name: pd.DataFrame(list(rows))}


def shown(view: dict[str, Any] | None) -> dict[str, Any]:
    assert view is not None
    return view


# ---------------------------------------------------------------- forecast


def test_the_forecast_is_said_with_its_range_and_its_parts(facts: Facts) -> None:
    view = shown(forecast.view(facts, pipeline_tables()))
    assert plain(view["finding"]) == (
        "New business of 2025 Q3 is forecast at $6.50 M, with an 80 % range of $5.20 M to $8.12 M: $0 booked, $3.90 M "
        "expected from open deals, $2.60 M from deals that do not exist yet."
    )
    assert plain(view["short"]) == "2025 Q3 is forecast at $6.50 M, 80 % range $5.20 M to $8.12 M"
    assert [plain(panel["title"]) for panel in view["windows"]] == ["Jul 2025", "2025 Q3", "60 days from 1 Jul 2025"]
    assert plain(view["windows"][0]["finding"]).endswith("Directional: few wins are expected.")


def test_a_forecast_that_is_held_back_says_why_and_shows_nothing(facts: Facts) -> None:
    held = [{**row, **HELD} for row in forecast_rows()]
    view = shown(forecast.view(facts, one("pipeline_forecast", *held)))
    assert view["finding"] == "No forecast is published: losses have no amount."
    assert view["windows"] == []
    assert view["short"] == ""
    assert {text for row in view["rows"] for text, _ in row["amounts"]} == {""}


def test_without_a_row_there_is_one_sentence(facts: Facts) -> None:
    frame = pipeline_tables()["pipeline_forecast"].iloc[:0]
    view = shown(forecast.view(facts, {**pipeline_tables(), "pipeline_forecast": frame}))
    assert view["finding"] == "No forecast is published: there are no deals to learn from."


def test_one_window_held_back_is_named(facts: Facts) -> None:
    rows = [{**row, **(HELD if row["target_period"] == "month" else {})} for row in forecast_rows()]
    view = shown(forecast.view(facts, one("pipeline_forecast", *rows)))
    assert plain(view["finding"]).endswith("Held back: Jul 2025 (losses have no amount).")


def test_the_backtest_counts_what_fell_into_the_range(facts: Facts) -> None:
    backtest = shown(forecast.view(facts, pipeline_tables()))["backtest"]
    assert plain(backtest["finding"]) == (
        "Repeated at earlier dates from what was known then, the forecast was off by 4 % for a month (floor 12 %), 4 % "
        "for a quarter (floor 12 %), 4 % for 60 days (floor 12 %) on average; outcomes in the 80 % range: 7 of 8 for a "
        "month, 7 of 8 for a quarter, 7 of 8 for 60 days. Where the error is below its floor, the origins are too few "
        "to tell the two apart."
    )
    assert (
        plain(backtest["panels"][0]["finding"])
        == "Off by 3.60 % on average (1.80 to 7.20 %); 7 of 8 outcomes in the range."
    )
    row = backtest["quality"][0]
    assert (row["method"], row["mape"], row["floor"]) == ("Forecast", ("4", "2 to 7"), "12")
    assert [row["floor"] for row in backtest["quality"][1:3]] == ["", ""]


def test_the_forecast_is_held_against_the_simple_ones(facts: Facts) -> None:
    backtest = shown(forecast.view(facts, pipeline_tables()))["backtest"]
    assert plain(backtest["beside"]) == (
        "Closest to what came, median by median: the forecast for a month, a quarter and 60 days. The forecast was "
        "clearly closer than the stage-weighted one for a month, a quarter and 60 days; no clear difference elsewhere."
    )
    weighted, before = backtest["compared"][:2]
    assert (weighted["window"], weighted["method"], weighted["n"]) == ("Month", "Stage-weighted", "8")
    assert plain(weighted["difference"]) == f"{MINUS}$400 k"
    assert plain(weighted["interval"]) == f"{MINUS}$600 k to {MINUS}$200 k"
    assert (weighted["said"].word, before["said"].word) == ("lower", "no clear difference")


@pytest.mark.parametrize(
    ("value", "low", "high", "told"),
    [
        (2e4, 1e4, 3e4, "The forecast was clearly further off than the quarter before for a quarter"),
        (2e4, -1e4, 3e4, "No clear difference between the forecast and a simple one"),
        (-2e4, None, None, "Too few dates to say for a quarter"),
    ],
)
def test_a_simple_forecast_that_was_closest_is_named(
    facts: Facts, value: float, low: float | None, high: float | None, told: str
) -> None:
    quality = pipeline_tables()["forecast_quality"]
    mine = (quality["target_period"] == "quarter") & (quality["method"] == "same_day_last_quarter")
    name = "the quarter before" if value > 0 else "the forecast"
    row = quality[mine & (quality["metric"] == "median_pinball_loss_difference")].assign(
        value=value, low=low, high=high
    )
    view = shown(forecast.view(facts, {**pipeline_tables(), "forecast_quality": row}))
    assert plain(view["backtest"]["beside"]) == f"Closest to what came, median by median: {name} for a quarter. {told}."


def test_without_a_simple_forecast_nothing_is_held_against(facts: Facts) -> None:
    quality = pipeline_tables()["forecast_quality"]
    alone = quality[quality["method"] == "model"]
    backtest = shown(forecast.view(facts, {**pipeline_tables(), "forecast_quality": alone}))["backtest"]
    assert backtest["beside"].startswith("No simple forecast could be made")
    assert backtest["compared"] == []


def test_a_method_that_could_not_be_made_has_no_row(facts: Facts) -> None:
    tables = pipeline_tables()
    quality = tables["forecast_quality"]
    tables["forecast_quality"] = quality.assign(value=quality["value"].where(quality["method"] != "stage_weighted"))
    backtest = shown(forecast.view(facts, tables))["backtest"]
    assert {row["method"] for row in backtest["quality"]} == {"Forecast", "Quarter before"}


def test_no_earlier_origin_is_said(facts: Facts) -> None:
    tables = {
        name: frame.iloc[:0] if name.startswith("forecast_") else frame for name, frame in pipeline_tables().items()
    }
    backtest = shown(forecast.view(facts, tables))["backtest"]
    assert backtest["finding"].startswith("There is no backtest: ")
    assert backtest["panels"] == []


def test_what_lies_outside_its_range_is_a_diamond() -> None:
    day = date(2024, 5, 28)
    inside = charts.backtest_svg([(day, 0.8, 1.0, 1.2, 1.1, True)], currency="USD", label="a", prefix="a")
    outside = charts.backtest_svg([(day, 0.8, 1.0, 1.2, 1.3, False)], currency="USD", label="a", prefix="a")
    assert (inside.count(charts.DOWN), outside.count(charts.DOWN)) == (0, 1)


# ---------------------------------------------------------------- stages


def test_stages_stand_in_their_order_with_what_became_of_deals(facts: Facts) -> None:
    view = shown(stages.view(facts, pipeline_tables()))
    assert plain(view["finding"]) == (
        "Of the deals that entered a stage in 2025 Q2, 60.0 % (55.0 to 65.0 %) in Offer to 70.0 % (65.0 to 75.0 %) "
        "in Review went on within 90 days; half had left after 9 days (7 to 11) in Offer to 21 days (19 and more) in "
        "Review."
    )
    review, offer = view["stages"]
    assert [row["name"] for row in view["stages"]] == ["Review", "Offer"]
    assert [(each["value"], each["interval"]) for each in review["outcomes"]] == [
        ("70.0", "65.0 to 75.0"), ("20.0", "15.0 to 25.0"), ("5.0", "0.0 to 10.0"),
    ]  # fmt: skip
    assert (offer["outcomes"][2]["css"], offer["evidence"]) == ("directional", "reportable")
    assert [plain(label) for label, _ in view["quarters"]] == ["2025 Q2", "2025 Q1"]
    assert [row["name"] for _, rows in view["segments"] for row in rows] == ["EMEA, Review", "EMEA, Offer"]


def test_the_stage_map_waits_until_visits_were_followed(facts: Facts) -> None:
    young = {"evidence": "suppressed", "evidence_reason": "too_early", "caveat": "Too young"}
    # One stage of the newest quarter is too young: the quarter before is told, whole.
    newest = [{**row, **young} if row["stage"] == "Offer" else row for row in stage_rows()]
    view = shown(stages.view(facts, one("pipeline_stage_map", *newest, *stage_rows(date(2025, 1, 1)))))
    assert plain(view["period"].label) == "2025 Q1"
    # Nothing older: what there is of it, with the reason in the other stage.
    view = shown(stages.view(facts, one("pipeline_stage_map", *newest)))
    assert plain(view["period"].label) == "2025 Q2"
    assert [row["outcomes"][0]["css"] for row in view["stages"]] == ["reportable", "sup"]
    assert plain(view["finding"]).startswith("Of the deals that entered a stage in 2025 Q2, 70.0 % (65.0 to 75.0 %) in")
    view = shown(stages.view(facts, one("pipeline_stage_map", *({**row, **HELD} for row in stage_rows()))))
    assert view["finding"] == "No stage of the pipeline is published: losses have no amount."
    assert view["stages"] == []


# ---------------------------------------------------------------- movement and coverage


def test_the_bridge_adds_up_to_the_cent(facts: Facts) -> None:
    view = shown(movement.view(facts, pipeline_tables()))["bridge"]
    assert plain(view["finding"]) == (
        "In 2025 Q2 open pipeline went from $28.6 M to $26.2 M: $25.9 M was created, $7.63 M won and $21.3 M lost; "
        "$6.45 M of planned closes left the quarter and $3.45 M came into it."
    )
    assert [bridge["adds_up"] for bridge in view["bridges"]] == ["adds up to the cent"] * 2
    names = [name for name, _, _, _ in view["bridges"][0]["table"]]
    assert names == ["opening", "created", "re-opened", "amount raised", "amount lowered", "won", "lost", "closing"]
    assert sum(exact for name, _, _, exact in view["bridges"][1]["table"] if name != "closing") == pytest.approx(
        23_171_440.00, abs=0.001
    )


def test_a_bridge_that_is_a_cent_off_says_so(facts: Facts) -> None:
    row = movement_row() | {"closing_amount": Decimal("26167194.91")}
    assert movement.imbalance(row) == Decimal("-0.01")
    view = shown(movement.view(facts, one("pipeline_movement", row)))["bridge"]
    assert view["bridges"][0]["adds_up"] == "does not add up by -0.01"


def test_movement_held_back_says_why(facts: Facts) -> None:
    view = shown(movement.view(facts, one("pipeline_movement", movement_row() | HELD)))["bridge"]
    assert view["finding"] == "No pipeline movement is published: losses have no amount."
    assert view["bridges"] == []


def test_coverage_is_against_what_is_missing(facts: Facts) -> None:
    view = shown(movement.view(facts, pipeline_tables()))["coverage"]
    assert plain(view["finding"]) == (
        "Open pipeline planned to close in 2025 Q3 is $18.9 M, weighted by stage $4.75 M ($3.57 M to $5.94 M). That is "
        "2.36 times what is missing to the target of $8.00 M. Created in 2025 Q2: $25.9 M, 80.9 % of the target."
    )
    assert [plain(row["ratio"]) for row in view["rows"]] == [
        "2.36 times what is missing", "80.9 % of the target", "102 % of the target",
    ]  # fmt: skip


def test_without_targets_there_is_no_ratio(facts: Facts) -> None:
    row = coverage_row("open", Q3, 18.9e6, None, weighted_amount=4.75e6)
    view = shown(movement.view(facts, one("pipeline_coverage", row)))["coverage"]
    assert "no target is set for it, so there is no ratio" in view["finding"]
    assert [code for code, _ in view["columns"]] == ["weighted"]


# ---------------------------------------------------------------- levers and scenarios


def test_a_lever_is_higher_only_as_a_signal(facts: Facts) -> None:
    signals = levers.view(facts, pipeline_tables())["signals"]
    assert signals["finding"] == (
        "Of 2 levers of the total and its segments held against the twelve months before or a benchmark, 1 has clearly "
        "changed; 1 threshold is crossed, none of them by the total."
    )
    ((basis, rows),) = signals["rows"]
    assert basis == "closed"
    assert [(row["name"], plain(row["change"]), row["said"].word) for row in rows] == [
        ("Win rate", "+5.0 points", "higher"), ("Typical cycle (geometric mean)", "+10 %", "no clear difference"),
    ]  # fmt: skip
    # An interval that excludes 0 is no signal where the whole page is tested.
    alone = lever_row("typical_cycle_days", difference_low=0.01)
    assert levers.reading(alone).word == "no clear difference"


def test_scenarios_are_arithmetic_and_say_each_number_once(facts: Facts) -> None:
    scenarios = levers.view(facts, pipeline_tables())["scenarios"]
    assert plain(scenarios["finding"]) == (
        "Arithmetic, not causal: one lever moved by 10 % is $10.0 k to $12.0 k a day more, all four $48.0 k. Amount "
        "and cycle of the same wins are correlated by 0.45 (0.32 to 0.56), so these levers need not move alone."
    )
    assert [name for name, _ in scenarios["rows"]] == [
        "More opportunities, higher win rate or larger deals", "Shorter cycle", "All four together",
    ]  # fmt: skip


def test_a_correlation_around_zero_is_not_clear(facts: Facts) -> None:
    rows = [{**row, "size_length_correlation": 0.01, "correlation_low": -0.05} for row in scenario_rows()]
    said = plain(levers.view(facts, one("velocity_scenarios", *rows))["scenarios"]["finding"])
    assert said.endswith("show no clear correlation: 0.01 (−0.05 to 0.56).")  # noqa: RUF001


def test_scenarios_held_back_say_why(facts: Facts) -> None:
    rows = [{**row, **HELD} for row in scenario_rows()]
    assert levers.view(facts, one("velocity_scenarios", *rows))["scenarios"] == {
        "finding": "No scenario is published: losses have no amount.", "rows": [],
    }  # fmt: skip


# ---------------------------------------------------------------- won, lost and stalled


def test_reasons_are_said_with_their_intervals(facts: Facts) -> None:
    view = shown(deals.outcomes(facts, pipeline_tables()))
    assert plain(view["finding"]) == (
        "Of 464 deals lost in 2025 Q2, 90.3 % have a recorded reason. The most recorded reasons are No Decision, 29.8 "
        "% (24.8 to 35.8 %) and Price, 25.0 % (20.0 to 31.0 %); no share has clearly changed from the quarter before."
    )
    assert [block["title"] for block in view["blocks"]] == ["Reasons of lost deals", "Competitors named in lost deals"]
    assert plain(view["blocks"][0]["note"]).endswith("9.7 % (4.7 to 15.7 %) of 464 name none.")
    assert [row["held"] for _, rows in view["segments"] for row in rows] == ["incomplete", ""]


def test_no_reason_at_all_is_said(facts: Facts) -> None:
    view = shown(deals.outcomes(facts, one("win_loss", reason_row("missing_reason", "not recorded", 1.0))))
    assert plain(view["finding"]) == "None of the 391 deals lost in 2025 Q2 has a recorded reason."


def test_patterns_are_the_signals_of_the_newest_quarter(facts: Facts) -> None:
    patterns = shown(deals.outcomes(facts, pipeline_tables()))["patterns"]
    assert plain(patterns["finding"]) == "2 contrasts were tested in 2025 Q2; 1 is a signal. A contrast, not a cause."
    assert [(row["value"], row["difference"]) for row in patterns["rows"]] == [("EMEA", "−15.4")]  # noqa: RUF001
    two = shown(deals.outcomes(facts, one("win_loss_patterns", pattern_row(rest_value="APAC"))))["patterns"]
    assert [row["value"] for row in two["rows"]] == ["EMEA against APAC"]


def test_stalled_deals_are_counted_and_the_most_flagged_listed() -> None:
    view = shown(deals.stalled(pipeline_tables()))
    assert view["finding"] == (
        "Of 4 open opportunities, 3 have been in their stage longer than nine of ten deals that later won from it; 2 "
        "carry three flags or more."
    )
    assert [row["id"] for row in view["rows"]] == ["006A", "<b>006D</b>", "006B"]
    assert view["flags"][0]["share"] == "75.0"


def test_a_deal_without_a_probability_says_why() -> None:
    unknown = {"win_probability_within_a_year": None, "win_probability_reason": "not_applicable"}
    view = shown(deals.stalled(one("stalled_deals", deal("006A", 2, **unknown), deal("006B", 1))))
    assert [(row["probability"], row["held"]) for row in view["rows"]] == [("", "not new business"), ("20", "")]


def test_a_flag_that_nobody_could_judge_is_named_not_counted() -> None:
    rows = [deal("006A", 1, is_inactive=None), deal("006B", 0, is_inactive=None)]
    view = shown(deals.stalled(one("stalled_deals", *rows)))
    assert view["unknown"] == ["no recent activity"]
    assert len(view["flags"]) == len(deals.FLAGS) - 1


# ---------------------------------------------------------------- shape


def test_tables_that_are_not_given_leave_their_sections_out(facts: Facts) -> None:
    assert forecast.view(facts, {}) is None
    assert movement.view(facts, {}) is None
    assert levers.view(facts, {}) == {"signals": None, "scenarios": None}
    assert deals.outcomes(facts, {}) is None
    assert deals.stalled({}) is None
    assert stages.view(facts, {}) is None


@pytest.mark.parametrize("name", sorted(pipeline_tables()))
def test_a_missing_column_is_named(name: str) -> None:
    tables = {table: pd.DataFrame(columns=list(columns)) for table, columns in COLUMNS.items()}
    frame = pipeline_tables()[name]
    column = {"forecast_backtest": "origin_date", "forecast_quality": "metric", "stalled_deals": "stage"}.get(name, "n")
    with pytest.raises(ReviewError, match=f"'{name}' lacks the column {column}"):
        render_review({**tables, **pipeline_tables(), name: frame.drop(columns=column)}, dataset="demo")


@pytest.mark.parametrize("name", sorted(pipeline_tables()))
def test_an_empty_table_has_a_sentence_and_no_error(name: str, facts: Facts) -> None:
    tables = {**pipeline_tables(), name: pipeline_tables()[name].iloc[:0]}
    views = [forecast.view(facts, tables), deals.outcomes(facts, tables), deals.stalled(tables)]
    views.append(stages.view(facts, tables))
    moved = shown(movement.view(facts, tables))
    found = levers.view(facts, tables)
    for view in (*views, moved["bridge"], moved["coverage"], found["signals"], found["scenarios"]):
        assert shown(view)["finding"].endswith(".")


def test_what_the_page_says_neither_advises_nor_explains() -> None:
    tables = {table: pd.DataFrame(columns=list(columns)) for table, columns in COLUMNS.items()}
    tables["release"] = pd.DataFrame([dict.fromkeys(COLUMNS["release"], "x") | {"as_of_date": AS_OF}])
    tables["segment_scorecards"] = pd.DataFrame([
        cell(metric="win_rate", unit="rate", basis="closed", value=0.3, low=0.2, high=0.4, previous_value=None,
             delta=None, delta_low=None, delta_high=None, year_ago_value=None)
    ])  # fmt: skip
    page = render_review({**tables, **pipeline_tables()}, dataset="demo")
    text = re.sub(r"<style>.*?</style>|<script.*?</script>|<[^>]+>", " ", page, flags=re.DOTALL)
    advice = r"should|recommend\w*(?<!recommendation)|because|driven by|due to"
    banned = rf"\b({advice}|good|bad|best|better|worst|improv\w+|must)\b"
    assert re.findall(banned, text, flags=re.IGNORECASE) == []
    assert "<b>006D" not in page
    for section in ("forecast", "movement", "stages", "coverage", "velocity", "outcomes", "stalled"):
        assert f'<section id="{section}">' in page
        assert f'href="#{section}"' in page
