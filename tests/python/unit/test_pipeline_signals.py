"""The pipeline's signals on cells made by hand: what is shown, held back or called a signal, and in which words."""

import re
from collections.abc import Sequence
from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from segment_signals.pipeline.lever_signals import lever_signals
from segment_signals.pipeline.scenarios import velocity_scenarios
from segment_signals.pipeline.velocity import SUMS, pipeline_velocity
from segment_signals.statistics.velocity import LEVERS

THRESHOLDS = {
    "minimum_n": 20,
    "reportable_n": 100,
    "minimum_outcome_n": 5,
    "minimum_wins": 10,
    "reportable_wins": 30,
    "maximum_half_width": 0.10,
    "maximum_relative_half_width": 0.25,
    "maximum_velocity_span": 4,
    "lever_minimum_months": 6,
    "false_discovery_rate": 0.05,
    "practical_floor_rate": 0.03,
    "practical_floor_relative": 0.10,
}
CAVEATS = {
    code: f"caveat {code}"
    for code in (
        "insufficient_sample",
        "too_early",
        "incomplete_data",
        "wide_interval",
        "not_applicable",
        "closed_deals_only",
        "nothing_won",
        "no_losses",
        "zero_cycle",
        "not_causal",
        "win_rate_beyond_one",
        "short_history",
    )
}
ADVICE = re.compile(r"\b(should|recommend|because|driven by|due to|improve|must|need|caused?)\b", re.IGNORECASE)


def sums(qualified: int, amounts: Sequence[float], cycles: Sequence[float], prefix: str = "") -> dict[str, float]:
    """The columns of `velocity_facts` for deals of which those with an amount and a cycle were won."""
    a, c = np.array(amounts, dtype=np.float64), np.array(cycles, dtype=np.float64)
    la, lc = np.log(a), np.log(c + 1)
    values = {
        "qualified_count": qualified,
        "won_count": len(a),
        "amount_count": len(a),
        "amount_sum": a.sum(),
        "amount_square_sum": (a**2).sum(),
        "amount_log_count": len(a),
        "amount_log_sum": la.sum(),
        "amount_log_square_sum": (la**2).sum(),
        "cycle_count": len(c),
        "cycle_days_sum": c.sum(),
        "cycle_days_square_sum": (c**2).sum(),
        "cycle_log_sum": lc.sum(),
        "cycle_log_square_sum": (lc**2).sum(),
        "pair_count": len(a),
        "pair_amount_sum": a.sum(),
        "pair_cycle_days_sum": c.sum(),
        "pair_amount_cycle_days_sum": (a * c).sum(),
        "pair_log_count": len(a),
        "pair_amount_log_sum": la.sum(),
        "pair_amount_log_square_sum": (la**2).sum(),
        "pair_cycle_log_sum": lc.sum(),
        "pair_cycle_log_square_sum": (lc**2).sum(),
        "pair_log_product_sum": (la * lc).sum(),
    }
    return {f"{prefix}{name}": value for name, value in values.items()}


def spread(mean: float, n: int) -> np.ndarray:
    """N values around a mean with a coefficient of variation of 0.5."""
    return mean * np.tile([0.5, 1.5], n)[:n]


def velocity_cell(segment: str, cell: dict[str, float], **also: Any) -> dict[str, Any]:
    row = {
        "period_grain": "quarter",
        "period_start": date(2025, 1, 1),
        "dimension": "all" if segment == "all" else "team",
        "segment": segment,
        "basis": "cohort",
        "currency": "USD",
        "expected_win_count": 50.0,
        "suppressed_reason": None,
        "suppressed_caveat": None,
        "directional_reason": None,
        **{f"previous_{name}": None for name in SUMS},
    }
    return {**row, **cell, **also}


def velocities(*cells: dict[str, Any]) -> tuple[pa.Table, pa.Table]:
    inputs = pa.Table.from_pandas(pd.DataFrame(cells))
    return inputs, pipeline_velocity(inputs, THRESHOLDS, CAVEATS)


def by_segment(found: pa.Table) -> pd.DataFrame:
    return found.to_pandas().set_index("segment")


def test_velocity_by_hand_and_its_evidence() -> None:
    # 200 opportunities, 50 wins of 1,000 on average in 40 days: 200 x 0.25 x 1,000 / 40 = 1,250 a day.
    whole = sums(200, spread(1000, 50), spread(40, 50)[::-1])
    _, found = velocities(
        velocity_cell("all", whole),
        velocity_cell("none", sums(60, [], [])),
        velocity_cell("giant", sums(200, [*[1000.0] * 49, 1e8], [40.0] * 50)),
        velocity_cell("unpriced", {**whole, "amount_count": 0, "amount_sum": 0, "pair_count": 0}),
        velocity_cell("negative", {**whole, "amount_sum": -5.0}),
        velocity_cell(
            "instant",
            {**whole, "cycle_days_sum": 0, "cycle_days_square_sum": 0},
            suppressed_reason="not_applicable",
            suppressed_caveat="zero_cycle",
        ),
    )
    cells = by_segment(found)
    assert cells.loc["all", "velocity_per_day"] == pytest.approx(1250)
    assert cells.loc["all", "evidence"] == "reportable"
    # 60 opportunities without a win: 0, up to 3.689 wins at 1,000 / 40 a day each.
    assert cells.loc["none", ["velocity_per_day", "velocity_low"]].tolist() == [0, 0]
    assert cells.loc["none", "velocity_high"] == pytest.approx(3.68888 * 25, rel=1e-5)
    assert cells.loc["none", "caveat"] == "caveat nothing_won"
    # One deal of a hundred million among fifty: the interval says so.
    assert cells.loc["giant", ["evidence", "evidence_reason"]].tolist() == ["directional", "wide_interval"]
    for segment in ("unpriced", "negative", "instant"):
        assert cells.loc[segment, "evidence"] == "suppressed"
        assert cells.loc[segment, ["velocity_per_day", "velocity_low", "velocity_high", "win_rate"]].isna().all()
    assert cells.loc["unpriced", "evidence_reason"] == "incomplete_data"
    assert cells.loc["instant", "caveat"] == "caveat zero_cycle"
    assert not np.isinf(cells[["velocity_per_day", "velocity_high"]].to_numpy(dtype=float)).any()


CHANGES = pa.table({"change_pct": [10.0, 15.0, 20.0, 30.0], "comment": [""] * 4})


def scenarios(*cells: dict[str, Any]) -> pd.DataFrame:
    inputs, found = velocities(*cells)
    return velocity_scenarios(found, inputs, CHANGES, THRESHOLDS, CAVEATS).to_pandas()


def test_scenarios_reproduce_the_worked_example() -> None:
    # 50 opportunities, 11 wins (22 %) of 18,000 in 45 days: 4,400 a day.
    rows = scenarios(velocity_cell("all", sums(50, [*spread(18_000, 10), 18_000.0], [45.0] * 11)))
    at = rows[rows["change_pct"] == 15].set_index("lever")["velocity_per_day"]
    expected = dict.fromkeys(LEVERS, 5_060.00) | {"mean_cycle_days": 5_176.47, "all": 7_872.76}
    for lever, velocity in expected.items():
        assert at[lever] == pytest.approx(velocity, abs=0.005), lever
    assert len(rows) == 5 * 4
    assert not rows["is_causal"].any()
    assert set(rows["caveat"]) == {"caveat not_causal"}
    # The uplift is what is above 4,400, and its interval that of the velocity, to scale.
    some = rows[(rows["change_pct"] == 15) & (rows["lever"] == "win_rate")].iloc[0]
    assert some["uplift_per_day"] == pytest.approx(660)
    assert some["uplift_low"] < 660 < some["uplift_high"]


def test_a_win_rate_beyond_one_is_no_scenario() -> None:
    rows = scenarios(velocity_cell("all", sums(50, spread(1000, 42), spread(30, 42))))
    # 84 %: 10 and 15 % more are 92.4 and 96.6 %, 20 and 30 % more would be above 100 %.
    held_back = rows[rows["evidence"] == "suppressed"]
    assert set(zip(held_back["lever"], held_back["change_pct"], strict=True)) == {
        (lever, change) for lever in ("win_rate", "all") for change in (20.0, 30.0)
    }
    assert set(held_back["evidence_reason"]) == {"not_applicable"}
    assert held_back[["velocity_per_day", "uplift_per_day", "uplift_low", "uplift_high"]].isna().all(axis=None)


def test_the_newest_published_period_is_taken_and_its_correlation_stands_beside() -> None:
    cell = sums(200, spread(1000, 50), spread(40, 50))
    rows = scenarios(
        velocity_cell("all", cell, period_start=date(2024, 10, 1)),
        velocity_cell("all", cell),
        velocity_cell("thin", sums(40, spread(1000, 10), spread(40, 10))),
        velocity_cell("all", cell, period_start=date(2025, 4, 1), suppressed_reason="too_early"),
    )
    assert set(rows["period_start"]) == {date(2025, 1, 1)}
    total = rows[rows["segment"] == "all"].iloc[0]
    # Amounts and cycles have two values each, which go together.
    assert total["size_length_correlation"] == pytest.approx(1, abs=1e-9)
    assert rows.loc[rows["segment"] == "thin", "size_length_correlation"].isna().all()
    assert rows.loc[rows["segment"] == "thin", "correlation_n"].iloc[0] == 10


def lever_cell(segment: str, kind: str, now: dict[str, float], before: dict[str, float], **also: Any) -> dict[str, Any]:
    row = {
        "period_grain": "quarter",
        "period_start": date(2025, 10, 1),
        "dimension": "all" if segment == "all" else "team",
        "segment": segment,
        "basis": "cohort",
        "kind": kind,
        "period_months": 3,
        "period_days": 92,
        "earlier_days": 365,
        "earlier_count_square_sum": before["earlier_qualified_count"] ** 2 / 365,
        "is_missing_by_outcome": False,
        "currency": "USD",
    }
    return {**row, **now, **before, **also}


REFERENCES = [
    ("threshold", "low_win_rate", "Low", "win_rate", "cohort", None, None, "value", "below", 0.15, "every_segment"),
    (
        "threshold",
        "long_cycle",
        "Long",
        "mean_cycle_days",
        "cohort",
        None,
        None,
        "value",
        "above",
        60.0,
        "every_segment",
    ),
    ("threshold", "few_opportunities", "Few", "qualified_count", "cohort", None, None, "value", "below", 30.0, "total"),
    (
        "threshold",
        "declining_deal_size",
        "Down",
        "typical_deal_amount",
        "cohort",
        None,
        None,
        "change",
        "below",
        0.0,
        "every_segment",
    ),
    (
        "threshold",
        "flat_opportunities",
        "Flat",
        "qualified_count",
        "cohort",
        None,
        None,
        "change",
        "within",
        0.10,
        "total",
    ),
    ("benchmark", "win_rate_benchmark", None, "win_rate", "cohort", "all", "all", "value", None, 0.40, None),
]
REFERENCE_COLUMNS = ["comparator", "signal", "label", "lever", "basis", "dimension", "segment", "statistic"]


def levers(*cells: dict[str, Any]) -> pd.DataFrame:
    references = pd.DataFrame(REFERENCES, columns=[*REFERENCE_COLUMNS, "comparison", "reference_value", "applies_to"])
    found = lever_signals(
        pa.Table.from_pandas(pd.DataFrame(cells)), pa.Table.from_pandas(references), THRESHOLDS, CAVEATS
    )
    return found.to_pandas()


def both_kinds(segment: str, now: dict[str, float], before: dict[str, float], **also: Any) -> list[dict[str, Any]]:
    return [lever_cell(segment, kind, now, before, **also) for kind in ("count", "outcome")]


@pytest.fixture(scope="module")
def judged() -> pd.DataFrame:
    before = sums(4000, spread(10_000, 1000), spread(40, 1000), "earlier_")
    # The team: a tenth of the opportunities of its quarters before, a third of the win rate, half the size, twice
    # as long.
    slower = sums(300, spread(5_000, 24), spread(80, 24))
    return pd.concat(
        [
            levers(
                *both_kinds(
                    "all",
                    sums(4040, spread(10_000, 1008), spread(40, 1008)),
                    sums(16_000, spread(10_000, 4000), spread(40, 4000), "earlier_"),
                ),
                *both_kinds("slow", slower, before),
                *both_kinds("new", slower, before, earlier_days=100),
                *both_kinds("tiny", sums(12, [], []), sums(40, [], [], "earlier_")),
            )
        ]
    ).set_index(["segment", "lever", "comparator", "signal"])


def test_what_did_not_change_is_no_signal(judged: pd.DataFrame) -> None:
    total = judged.loc["all"]
    assert not total.loc[total.index.get_level_values("comparator") == "history", "is_signal"].any()
    assert total.loc[("win_rate", "history", "win_rate_change"), "difference"] == pytest.approx(1008 / 4040 - 0.25)
    # 16,000 in 365 days are 4,032.9 in 92; 4,040 lie wholly within 10 % of them either way, although four quarters tell
    # little of how much quarters differ.
    count = total.loc[("qualified_count", "threshold", "flat_opportunities")]
    assert count["reference_value"] == pytest.approx(4032.88, abs=0.01)
    assert count["is_signal"]
    assert not total.loc[("qualified_count", "threshold", "few_opportunities"), "is_signal"]


def test_what_changed_is_a_signal_of_its_size(judged: pd.DataFrame) -> None:
    slow = judged.loc["slow"]
    rate = slow.loc[("win_rate", "history", "win_rate_change")]
    assert (rate["value"], rate["reference_value"]) == pytest.approx((0.08, 0.25))
    assert (rate["difference"], rate["unit"], rate["is_signal"]) == (pytest.approx(-0.17), "difference", True)
    amount = slow.loc[("typical_deal_amount", "history", "typical_deal_amount_change")]
    assert (amount["difference"], amount["unit"]) == (pytest.approx(-0.5), "relative")
    assert amount["is_signal"]
    assert slow.loc[("qualified_count", "history", "qualified_count_change"), "difference"] == pytest.approx(
        300 / 92 / (4000 / 365) - 1
    )
    # Velocity: 300 x 0.08 x 5,000 / 80 = 1,500 a day against 1,008.2 x 0.25 x 10,000 / 40 = 63,014.
    velocity = slow.loc[("pipeline_velocity", "history", "pipeline_velocity_change")]
    assert (velocity["value"], velocity["reference_value"]) == pytest.approx((1500, 63_013.7), rel=1e-5)
    assert velocity["is_signal"]


def test_a_change_has_the_sign_and_size_of_the_two_numbers_beside_it() -> None:
    # One giant deal lifts the mean above that of the months before; the typical deal is half as large.
    now = sums(300, [*spread(5_000, 59), 900_000], spread(30, 60))
    whole = both_kinds("all", now, sums(4000, spread(10_000, 1000), spread(40, 1000), "earlier_"))
    found = levers(*whole)
    changes = found[found["reference_value"].notna() & found["value"].notna()]
    assert {"typical_deal_amount", "typical_cycle_days"} <= set(changes["lever"])
    assert (np.sign(changes["difference"]) == np.sign(changes["value"] - changes["reference_value"])).all()
    amount = found.set_index("signal").loc["typical_deal_amount_change"]
    assert amount["value"] == pytest.approx(np.exp(np.log([*spread(5_000, 59), 900_000]).mean()))
    assert amount["difference"] == pytest.approx(amount["value"] / amount["reference_value"] - 1)
    assert amount["low"] < amount["value"] < amount["high"] < amount["reference_value"]
    # The mean of days plus one, less one.
    cycle = found.set_index("signal").loc["typical_cycle_days_change"]
    assert cycle["value"] == pytest.approx(np.exp(np.log(spread(30, 60) + 1).mean()) - 1)
    assert not set(found.loc[found["comparator"] == "history", "lever"]) & {"mean_deal_amount", "mean_cycle_days"}


def test_thresholds_are_passed_only_by_whole_intervals(judged: pd.DataFrame) -> None:
    slow = judged.loc["slow"]
    # 24 of 300: 8.0 % (5.4 to 11.6 %), wholly below 15 %. 80 days (64 to 99), wholly above 60.
    assert slow.loc[("win_rate", "threshold", "low_win_rate"), "is_signal"]
    assert slow.loc[("mean_cycle_days", "threshold", "long_cycle"), "is_signal"]
    assert slow.loc[("typical_deal_amount", "threshold", "declining_deal_size"), "is_signal"]
    # 4,040 in three months are 1,347 a month; a segment has few because it is small.
    assert ("qualified_count", "threshold", "few_opportunities") not in slow.index
    few = judged.loc[("all", "qualified_count", "threshold", "few_opportunities")]
    assert (few["reference_value"], few["threshold_value"], few["is_signal"]) == (90, 30, False)
    assert judged["p_value"][judged.index.get_level_values("comparator") == "threshold"].isna().all()


def test_what_nobody_filled_in_is_no_signal() -> None:
    slower = sums(300, spread(5_000, 24), spread(80, 24))
    before = sums(4000, spread(10_000, 1000), spread(40, 1000), "earlier_")
    whole = sums(4040, spread(10_000, 1008), spread(40, 1008))
    past = sums(16_000, spread(10_000, 4000), spread(40, 4000), "earlier_")
    names = ("slow", "unknown", "unmapped")
    found = levers(
        *both_kinds("all", whole, past), *(row for name in names for row in both_kinds(name, slower, before))
    )
    assert found.groupby("segment")["is_signal"].sum().to_dict() == {
        "all": 2,
        "slow": found.loc[found["segment"] == "slow", "is_signal"].sum(),
        "unknown": 0,
        "unmapped": 0,
    }
    assert found.loc[found["segment"] == "slow", "is_signal"].any()


def test_a_benchmark_holds_for_the_segment_that_it_names(judged: pd.DataFrame) -> None:
    benchmarks = judged[judged.index.get_level_values("comparator") == "benchmark"]
    assert list(benchmarks.index.get_level_values("segment")) == ["all"]
    row = benchmarks.iloc[0]
    assert row["difference"] == pytest.approx(1008 / 4040 - 0.40)
    assert row["is_signal"]
    assert row["q_value"] >= row["p_value"]


def test_too_little_history_or_too_few_records_are_held_back(judged: pd.DataFrame) -> None:
    new = judged.loc["new"]
    history = new[new.index.get_level_values("comparator") == "history"]
    assert set(history["evidence"]) == {"suppressed"}
    assert set(history["caveat"]) == {"caveat short_history"}
    # A threshold of the value needs no history.
    assert new.loc[("win_rate", "threshold", "low_win_rate"), "evidence"] != "suppressed"
    tiny = judged.loc["tiny"]
    assert set(tiny["evidence"]) == {"suppressed"}
    assert tiny[["value", "low", "high", "difference", "q_value", "text"]].isna().all(axis=None)
    assert not tiny["is_signal"].any()


def test_the_words_say_what_is(judged: pd.DataFrame) -> None:
    texts = judged["text"].dropna()
    assert len(texts) > 20
    assert not [text for text in texts if ADVICE.search(text)]
    assert judged.loc[("slow", "win_rate", "threshold", "low_win_rate"), "text"] == (
        "Win rate 8.0 % (5.4 to 11.6 %): the whole interval is below 15.0 %"
    )
    assert judged.loc[("all", "win_rate", "benchmark", "win_rate_benchmark"), "text"].startswith(
        "Win rate 25.0 % (23.6 to 26.3 %): -15.0 points"
    )


def test_no_cells_are_no_rows() -> None:
    empty = pa.table({"kind": pa.array([], pa.string())})
    assert lever_signals(empty, pa.table({}), THRESHOLDS, CAVEATS).num_rows == 0
