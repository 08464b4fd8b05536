"""Retention intervals, survival, unit economics, contrasts and churn risk: by hand, and where the truth is known."""

from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from segment_signals.retention.churn import (
    Landmarks,
    at_capacity,
    churn_contributions,
    churn_models,
    churn_quality,
    churn_risk,
    strata_of,
)
from segment_signals.retention.contrasts import retention_contrasts, retention_patterns
from segment_signals.retention.unit_economics import _lives, unit_economics
from segment_signals.review import retention as review_retention
from segment_signals.review.words import Period
from segment_signals.statistics.retention import retention_intervals
from segment_signals.statistics.survival import restricted_mean

AS_OF = date(2025, 12, 31)
PARAMETERS = {
    "churn_horizon_days": 60,
    "churn_minimum_customers": 300,
    "churn_minimum_notices": 60,
    "churn_capacity_share": 0.1,
    "churn_high_band": 0.1,
    "churn_medium_band": 0.05,
    "gross_margin": 0.8,
    "ltv_horizon_months": 3,
}
THRESHOLDS = {
    "minimum_n": 20,
    "reportable_n": 100,
    "minimum_at_risk": 5,
    "maximum_relative_half_width": 0.25,
    "false_discovery_rate": 0.05,
    "practical_floor_rate": 0.03,
}
CAVEATS = {
    "incomplete_data": "Incomplete",
    "spend_not_by_segment": "Spend is not known",
    "insufficient_sample": "Too few",
    "period_not_over": "Open",
}


def customers(n: int, seed: int, churn: float = 0.1) -> tuple[np.ndarray, np.ndarray]:
    rng = np.random.default_rng(seed)
    opening = np.exp(rng.normal(0, 0.8, n))
    kept = np.where(rng.random(n) < churn, 0.0, np.where(rng.random(n) < 0.2, 1.3, 1.0))
    return opening, opening * kept


def test_gross_lies_within_zero_and_one_and_below_net() -> None:
    opening, closing = customers(4000, 1)
    cell = np.arange(4000) % 80
    found = retention_intervals(opening, closing, cell, 80)
    assert ((found.gross_low >= 0) & (found.gross_high <= 1)).all()
    assert (found.gross_low <= found.net_low + 1e-12).all()
    assert (found.gross_high <= found.net_high + 1e-12).all()


def test_a_cell_has_the_same_interval_whatever_stands_beside_it() -> None:
    opening, closing = customers(60, 2)
    alone = retention_intervals(opening, closing, np.zeros(60, dtype=np.int64), 1)
    more, later = customers(2500, 3)
    beside = retention_intervals(
        np.concatenate([opening, more]), np.concatenate([closing, later]), np.repeat([0, 1], [60, 2500]), 2
    )
    assert alone.net_low[0] == beside.net_low[0]
    assert alone.gross_high[0] == beside.gross_high[0]


def test_nobody_left_is_not_certainty() -> None:
    found = retention_intervals(np.ones(30), np.ones(30), np.zeros(30, dtype=np.int64), 1)
    assert found.gross_low[0] < 0.95
    assert found.net_high[0] > 1.0


def test_empty_cells_have_no_interval() -> None:
    found = retention_intervals(np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), 2)
    assert np.isnan(found.net_low).all()


def test_many_customers_in_groups_are_as_uncertain_as_one_by_one() -> None:
    opening, closing = customers(6000, 4)
    found = retention_intervals(opening, closing, np.zeros(6000, dtype=np.int64), 1)
    ratio = closing.sum() / opening.sum()
    error = np.sqrt(((closing - ratio * opening) ** 2).sum()) / opening.sum()
    assert (found.net_high[0] - found.net_low[0]) / (2 * 1.96 * error) == pytest.approx(1, abs=0.08)


def test_months_of_life_by_hand() -> None:
    # 10 at risk; 2 leave after a month, 4 of 8 after two: 1 + 0.8 + 0.4 = 2.2 months up to the cap of 3.
    mean, error, horizon = restricted_mean(np.array([10.0, 10, 8, 4]), np.array([0.0, 2, 4, 0]), 3, 4)
    assert (mean, horizon) == (pytest.approx(2.2), 3)
    # Areas beyond: 1.2 (2 of 10) and 0.4 (4 of 8).
    assert error == pytest.approx(np.sqrt(1.2**2 * 2 / (10 * 8) + 0.4**2 * 4 / (8 * 4)))
    assert restricted_mean(np.array([10.0, 3]), np.array([0.0, 0]), 36, 4)[2] == 1
    assert np.isnan(restricted_mean(np.array([3.0]), np.array([0.0]), 36, 4)[0])


def economics(*, ltv_horizon_months: int = 3, **changes: Any) -> pd.DataFrame:
    cap = ltv_horizon_months
    row = {
        "period_grain": "quarter",
        "period_start": date(2025, 1, 1),
        "dimension": "all",
        "segment": "all",
        "new_count": 100,
        "new_mrr_amount": 20000.0,
        "new_arr_amount": 240000.0,
        "mrr_square_sum": 100 * 200.0**2,
        "spend_amount": 120000.0,
        "is_spend_incomplete": False,
        "is_unfinished": False,
        "is_left_truncated": False,
        **changes,
    }
    cohorts = pd.DataFrame(
        {
            "period_grain": "all",
            "dimension": "all",
            "segment": "all",
            "age_months": [0, 1, 2, 3],
            "at_risk_count": [100, 100, 80, 60],
            "event_count": [0, 20, 20, 0],
        }
    )
    inputs = pa.Table.from_pandas(pd.DataFrame([row]), preserve_index=False)
    for name in ("spend_amount", "new_mrr_amount"):
        at = inputs.schema.get_field_index(name)
        inputs = inputs.set_column(at, name, inputs[name].cast(pa.float64()).cast(pa.decimal128(18, 2)))
    parameters = {**PARAMETERS, "ltv_horizon_months": cap}
    found = unit_economics(inputs, pa.Table.from_pandas(cohorts), "USD", parameters, THRESHOLDS, CAVEATS)
    return found.to_pandas().set_index("metric")


def test_unit_economics_by_hand() -> None:
    """120,000 for 100 customers of 200 a month at a margin of 0.8, who stay 1 + 0.8 + 0.6 months."""
    found = economics()
    assert found["value"].to_dict() == {
        "cac": pytest.approx(1200),
        "new_cac_ratio": pytest.approx(0.5),
        "cac_payback_months": pytest.approx(7.5),
        "ltv": pytest.approx(200 * 0.8 * 2.4),
        "ltv_to_cac": pytest.approx(200 * 0.8 * 2.4 / 1200),
    }
    assert (found["low"] < found["value"]).all()
    assert (found["high"] > found["value"]).all()
    assert found.loc["cac", "high"] / found.loc["cac", "value"] == pytest.approx(np.exp(1.959964 / 10), rel=1e-5)


def test_segments_without_spend_have_a_value_but_no_cost() -> None:
    found = economics(spend_amount=None)
    assert found.loc["ltv", "evidence"] != "suppressed"
    assert set(found.drop("ltv")["evidence_reason"]) == {"not_applicable"}
    assert set(found.drop("ltv")["caveat"]) == {"Spend is not known"}
    assert set(economics(new_count=19)["evidence_reason"]) == {"insufficient_sample"}


def test_lifetime_value_tells_how_many_months_it_counts() -> None:
    """The months of ages 0 to 3, of 36: directional whatever the interval."""
    short = economics(ltv_horizon_months=36)
    assert (short.loc["ltv", "evidence"], short.loc["ltv", "caveat"]) == ("directional", "Counts 4 of 36 months")
    assert short.loc["cac", "caveat"] != "Counts 4 of 36 months"
    assert economics().loc["ltv", "evidence"] == "reportable"


def test_the_segments_of_a_dimension_have_one_horizon() -> None:
    cells = pd.DataFrame({"dimension": "team", "segment": ["A", "B", "C"]})
    curves = [("A", age, 200, 0) for age in range(13)] + [("B", age, 150, 15 * (age == 1)) for age in range(7)]
    curves += [("C", age, 30, 0) for age in range(3)]
    cohorts = pd.DataFrame(curves, columns=["segment", "age_months", "at_risk_count", "event_count"])
    months, _, horizon = _lives(
        cells, pa.Table.from_pandas(cohorts.assign(period_grain="all", dimension="team")), 36, THRESHOLDS
    )
    assert horizon.tolist() == [7, 7, 0]  # C was not followed for so long
    assert months[0] == 7
    assert np.isnan(months[2])


def facts(counts: dict[str, tuple[int, int]]) -> pa.Table:
    rows = [("all", "all", *map(sum, zip(*counts.values(), strict=True)))]
    rows += [("team", name, *pair) for name, pair in counts.items()]
    frame = pd.DataFrame(rows, columns=["dimension", "segment", "opening_count", "churned_count"]).assign(
        period_grain="quarter",
        period_start=date(2025, 7, 1),
        window_name="trailing_year",
        suppressed_reason=None,
        directional_reason=None,
    )
    return pa.Table.from_pandas(frame, preserve_index=False)


def won(difference: float, is_signal: bool, start: date = date(2025, 4, 1)) -> pa.Table:
    row = {
        "period_grain": "quarter",
        "period_start": start,
        "dimension": "team",
        "segment": "A",
        "metric": "opportunity_to_won_rate",
        "comparator": "rest",
        "difference": difference,
        "low": difference - 0.05,
        "high": difference + 0.05,
        "is_signal": is_signal,
        "n": 150,
        "evidence": "reportable",
        "evidence_reason": None,
        "caveat": None,
    }
    return pa.Table.from_pylist([row])


def test_wins_well_and_retains_badly_only_where_both_are_signals() -> None:
    spine = ["lead", "opportunity", "won"]
    kept = retention_contrasts(facts({"A": (300, 120), "B": (300, 30)}), THRESHOLDS, CAVEATS)
    first = kept.to_pandas().set_index("segment").loc["A"]
    assert first["difference"] == pytest.approx(-0.3)
    assert first["is_signal"]
    found = retention_patterns(won(0.1, True), kept, spine).to_pandas()
    assert found[["segment", "pattern"]].to_numpy().tolist() == [["A", "wins_well_retains_badly"]]
    assert retention_patterns(won(-0.1, True), kept, spine).num_rows == 0
    assert retention_patterns(won(0.1, False), kept, spine).num_rows == 0
    assert retention_patterns(won(0.1, True, date(2025, 10, 1)), kept, spine).num_rows == 0
    alike = retention_contrasts(facts({"A": (300, 60), "B": (300, 62)}), THRESHOLDS, CAVEATS)
    assert retention_patterns(won(0.1, True), alike, spine).num_rows == 0


def test_a_pattern_is_no_surer_than_its_weaker_half_and_said_once() -> None:
    spine = ["lead", "opportunity", "won"]
    kept = retention_contrasts(facts({"A": (300, 120), "B": (300, 30)}), THRESHOLDS, CAVEATS)
    halves = won(0.1, True).to_pandas()
    weak = {"evidence": "directional", "evidence_reason": "wide_interval", "caveat": "Wide", "n": 900}
    other = {"segment": "B", "difference": -0.1}
    wins = pa.Table.from_pylist([{**halves.iloc[0], **weak}, {**halves.iloc[0], **weak, **other}])
    rows = retention_patterns(wins, kept, spine).to_pylist()
    told = [(row["segment"], row["pattern"], row["n"], row["evidence"], row["caveat"]) for row in rows]
    assert told == [("A", "wins_well_retains_badly", 300, "directional", "Wide")]


SEED = [
    ("usage", "Use", "usage", "number", "score_time"),
    ("days_to_renewal", "Renewal", "renewal", "number", "score_time"),
]


def panel(effect: float, accounts: int = 700, seed: int = 5, shift: float = 0.0) -> pa.Table:
    """Month ends of two years; use is drawn for each, and a fall of it raises the odds of notice by `effect`."""
    rng = np.random.default_rng(seed)
    ends = [AS_OF - timedelta(days=30 * at) for at in range(24)]
    rows = []
    for account in range(accounts):
        alive = True
        for day in sorted(ends):
            if not alive:
                break
            usage = rng.normal()
            left = rng.random() < 1 / (1 + np.exp(2.5 + effect * usage))
            closed = day + timedelta(days=60) <= AS_OF
            rows.append(
                {
                    "account_id": f"a{account:04d}",
                    "landmark_date": day,
                    "is_current": day == AS_OF,
                    "outcome": (1 if left else 0) if closed else None,
                    "has_given_notice": account % 5 == 0 and day == AS_OF,
                    "arr_amount": 1200.0,
                    "usage": usage + (shift if day == AS_OF else 0.0),
                    "days_to_renewal": float(rng.integers(0, 365)),
                }
            )
            alive = not (left and closed)
    table = pa.Table.from_pylist(rows)
    at = table.schema.get_field_index("arr_amount")
    return table.set_column(at, "arr_amount", table["arr_amount"].cast(pa.decimal128(18, 2)))


def trained(table: pa.Table) -> tuple[Landmarks, pa.Table]:
    landmarks = Landmarks.of(table, SEED, [])
    return landmarks, churn_models(landmarks, AS_OF, PARAMETERS, {**THRESHOLDS, "model_isotonic_rows": 1e9}, "d")


@pytest.fixture(scope="module")
def planted() -> tuple[Landmarks, pa.Table]:
    return trained(panel(1.2))


def test_a_planted_decline_is_found_and_the_risk_adds_up(planted: tuple[Landmarks, pa.Table]) -> None:
    landmarks, models = planted
    (model,) = models.to_pylist()
    assert (model["status"], model["reason"]) == ("trained", None)
    metrics = {row["metric"]: row for row in churn_quality(models).to_pylist() if row["dimension"] == "all"}
    assert metrics["roc_auc"]["value"] > 0.7
    assert metrics["precision_at_capacity"]["value"] > 2 * metrics["base_rate"]["value"]
    assert 0.6 < metrics["calibration_slope"]["value"] < 1.4
    risks = churn_risk(landmarks, models, AS_OF, "USD", PARAMETERS).to_pandas().set_index("account_id")
    scored = risks[risks["probability"].notna()]
    assert set(risks.loc[risks["probability"].isna(), "reason"]) == {"notice_given"}
    assert ((scored["probability"] >= 0.1) == (scored["risk_band"] == "high")).all()
    parts = churn_contributions(landmarks, models, AS_OF).to_pandas()
    sums = parts.groupby("entity_id")["contribution"].sum()
    odds = np.log(scored["probability"] / (1 - scored["probability"]))
    assert np.abs(sums.loc[scored.index] - odds).max() < 1e-9
    usage = parts[parts["feature_group"] == "usage"].set_index("entity_id")["contribution"]
    now = landmarks.where(landmarks.flag("is_current"))
    values = pd.Series(now.number("usage"), index=now.rows["account_id"].to_pylist())
    assert np.corrcoef(usage, values.loc[usage.index])[0, 1] < -0.8


def test_churn_that_follows_nothing_ranks_nobody() -> None:
    landmarks, models = trained(panel(0.0))
    (model,) = models.to_pylist()
    assert (model["status"], model["reason"], model["model"]) == ("refused", "no_skill", None)
    risks = churn_risk(landmarks, models, AS_OF, "USD", PARAMETERS).to_pandas()
    assert risks["probability"].isna().all()
    assert set(risks["reason"]) == {"no_skill", "notice_given"}
    assert churn_contributions(landmarks, models, AS_OF).num_rows == 0
    assert churn_quality(models).num_rows > 0


def test_few_customers_train_no_model() -> None:
    _, models = trained(panel(1.2, accounts=100))
    (model,) = models.to_pylist()
    assert model["reason"] == "too_few_records"
    assert "customers" in model["caveat"]


def test_today_moves_no_model(planted: tuple[Landmarks, pa.Table]) -> None:
    """What is new on the as-of date is scored, not learned from."""
    _, models = trained(panel(1.2, shift=3.0))
    assert models["model"].to_pylist() == planted[1]["model"].to_pylist()


def test_no_customers_at_all() -> None:
    landmarks, models = trained(panel(1.2, accounts=1).slice(0, 0))
    assert models["status"].to_pylist() == ["refused"]
    assert churn_risk(landmarks, models, AS_OF, "USD", PARAMETERS).num_rows == 0


def test_precision_and_captured_revenue_by_hand() -> None:
    probability = np.array([0.9, 0.8, 0.1, 0.2, 0.3, 0.3, 0.3, 0.3, 0.3, 0.3])
    label = np.array([1.0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    arr = np.array([1.0, 10, 50, 1, 1, 1, 1, 1, 1, 1])
    day = np.zeros(10, dtype=np.int64)
    found = {m.name: m for m in at_capacity(probability, label, np.arange(10), arr, day, 0.2)}
    assert found["precision_at_capacity"].value == 0.5  # of the two called, one gave notice
    assert found["revenue_captured"].value == pytest.approx(50 / 51)  # 8 and 5 of revenue at risk go first
    assert found["revenue_captured_by_size"].value == pytest.approx(50 / 51)  # 50 and 10
    assert found["revenue_captured_by_chance"].value == pytest.approx(0.2)


def test_renewal_strata() -> None:
    assert strata_of(np.array([0.0, 1, 60, 61, 180, 181, np.nan])) == [
        "any month",
        "renewal within 60 days",
        "renewal within 60 days",
        "renewal in 61 to 180 days",
        "renewal in 61 to 180 days",
        "renewal later",
        "renewal unknown",
    ]


def test_the_page_says_a_pattern_of_its_own_period_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(review_retention, "term", lambda *told: told[-1])
    row = {
        "period": Period("quarter", date(2025, 7, 1)),
        "pattern": "wins_well_retains_badly",
        "dimension": "team",
        "segment": "sales_led",
        "evidence": "reportable",
        "caveat": None,
        "win_difference": 0.1,
        "retention_difference": -0.2,
        "retention_low": -0.3,
        "retention_high": -0.1,
    }
    facts_of: Any = None
    ((_, text),) = review_retention._patterns(facts_of, [row], Period("quarter", date(2025, 7, 1)))
    assert text.startswith("Sales led: its win rate is higher than the rest's by 10.0 points")
    assert review_retention._patterns(facts_of, [row], Period("quarter", date(2025, 10, 1))) == []
    assert review_retention._patterns(facts_of, [row], None) == []


def test_the_page_says_once_and_plainly_that_there_is_no_list() -> None:
    caveat = "Out of time the model is not above the base rate: log loss skill -0.016."
    risks = pd.DataFrame(
        {"risk_band": [None, None], "probability": [np.nan, np.nan], "caveat": [caveat, "It has given notice already"]}
    )
    registry = pd.DataFrame([{"model_name": "churn_risk", "status": "refused", "reason": "no_skill", "caveat": caveat}])
    measured = {"base_rate": 200, "precision_at_capacity": 20, "revenue_captured": 9, "revenue_captured_by_chance": 9}
    quality = pd.DataFrame(
        [
            {
                "model_name": "churn_risk",
                "dimension": "all",
                "segment": "all",
                "metric": metric,
                "value": 0.1,
                "low": np.nan if metric == "revenue_captured_by_chance" else 0.05,
                "high": np.nan if metric == "revenue_captured_by_chance" else 0.2,
                "n": n,
            }
            for metric, n in measured.items()
        ]
    )
    told = review_retention._risk(risks, quality, registry)
    assert told is not None
    assert told["sentence"].startswith("No risk list today: on later months")
    assert told["reasons"] == [("It has given notice already", "1")]
    labels = [row[0] for row in told["rows"]]
    assert any("10\N{NO-BREAK SPACE}% of them" in label for label in labels)
    by_chance = next(row for row in told["rows"] if "by chance" in row[0])
    assert by_chance[2] == ""
    assert all(row[2] for row in told["rows"] if row is not by_chance)


def test_the_bridge_of_the_page_adds_up() -> None:
    amounts = {"new_amount": 30, "expansion_amount": 5, "reactivation_amount": 1, "contraction_amount": 4}
    row = {
        "period": Period("quarter", date(2025, 7, 1)),
        "currency": "USD",
        "opening_arr_amount": 100,
        **amounts,
        "churn_amount": 12,
        "closing_arr_amount": 120,
    }
    found = review_retention._bridge(row)
    assert found is not None
    values = [float(text.replace(",", "")) for _, text in found["lines"]]
    assert sum(values[:-1]) == values[-1] == 120
