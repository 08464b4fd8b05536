"""Win and loss reasons, and what separates wins from losses: by hand, and whole pages without any difference."""

from datetime import date
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from segment_signals.pipeline.win_loss import win_loss
from segment_signals.pipeline.win_loss_patterns import win_loss_patterns

THRESHOLDS = {"maximum_half_width": 0.10, "false_discovery_rate": 0.05, "practical_floor_rate": 0.03}
CAVEATS = {
    "closed_deals_only": "Closed deals only",
    "insufficient_sample": "Too few",
    "incomplete_data": "Incomplete",
    "missing_reasons": "Reasons are missing",
    "recorded_late": "Recorded late",
    "wide_interval": "Wide",
    "no_losses": "No losses",
    "too_early": "Too early",
}
REASON = {
    "period_grain": "quarter",
    "period_start": date(2025, 4, 1),
    "dimension": "all",
    "segment": "all",
    "outcome": "lost",
    "category": "reason",
    "reason": "Price",
    "deal_count": 30,
    "n": 120,
    "reason_count": 2,
    "previous_deal_count": 20,
    "previous_n": 100,
    "suppressed_reason": None,
    "directional_reason": None,
    "caveat_key": None,
}
PATTERN = {
    "period_grain": "quarter",
    "period_start": date(2025, 4, 1),
    "basis": "at_opening",
    "attribute": "region",
    "attribute_value": "Europe",
    "rest_value": None,
    "n": 200,
    "won_count": 60,
    "rest_n": 300,
    "rest_won_count": 45,
    "account_records": 1.0,
    "rest_account_records": 1.0,
    "account_count": 500,
    "account_n": 500,
    "account_nn": 500,
    "between_squares": 80.0,
    "within_squares": 0.0,
    "suppressed_reason": None,
    "directional_reason": None,
    "caveat_key": None,
}


def inputs(template: dict[str, Any], rows: list[dict[str, Any]]) -> pa.Table:
    frame = pd.DataFrame([{**template, **row} for row in rows])
    for column in {"rest_value", "suppressed_reason", "directional_reason", "caveat_key"} & set(frame.columns):
        frame[column] = frame[column].astype("string")
    return pa.Table.from_pandas(frame, preserve_index=False)


def reasons(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return win_loss(inputs(REASON, list(rows)), THRESHOLDS, CAVEATS).to_pylist()


def patterns(*rows: dict[str, Any]) -> list[dict[str, Any]]:
    return win_loss_patterns(inputs(PATTERN, list(rows)), THRESHOLDS, CAVEATS).to_pylist()


def test_a_share_and_its_change() -> None:
    [row] = reasons({})
    # 30 of 120 now, 20 of 100 before; two reasons share the error, so z is that of 97.5 %: 2.2414.
    assert (row["share"], row["previous_share"]) == (0.25, 0.2)
    assert row["delta"] == pytest.approx(0.05)
    z, p, n = 2.2414027, 0.25, 120
    centre, half = (p + z**2 / 2 / n) / (1 + z**2 / n), z / (1 + z**2 / n) * np.sqrt(p * (1 - p) / n + (z / 2 / n) ** 2)
    assert (row["low"], row["high"]) == (pytest.approx(centre - half), pytest.approx(centre + half))
    assert row["delta_low"] < 0 < row["delta_high"]
    assert (row["evidence"], row["evidence_reason"], row["caveat"]) == ("reportable", None, None)


def test_without_an_earlier_period_there_is_no_change() -> None:
    [row] = reasons({"previous_deal_count": np.nan, "previous_n": np.nan})
    assert row["share"] == 0.25
    assert {row[name] for name in ("previous_share", "delta", "delta_low", "delta_high")} == {None}


def test_suppressed_reasons_carry_nothing_but_n() -> None:
    [row] = reasons({"suppressed_reason": "insufficient_sample", "n": 12, "deal_count": 3})
    assert row["n"] == 12
    assert {row[name] for name in ("share", "low", "high", "delta")} == {None}
    assert row["evidence"] == "suppressed"


def test_missing_reasons_make_shares_directional_and_say_why() -> None:
    [row] = reasons({"directional_reason": "incomplete_data", "caveat_key": "missing_reasons"})
    assert (row["evidence"], row["caveat"]) == ("directional", "Reasons are missing")


def test_a_wide_interval_is_directional() -> None:
    [row] = reasons({"n": 40, "deal_count": 20})
    assert (row["evidence"], row["evidence_reason"]) == ("directional", "wide_interval")


def test_a_difference_of_win_rates() -> None:
    [row] = patterns({})
    # 60 of 200 against 45 of 300: 30 % against 15 %.
    assert (row["win_rate"], row["rest_win_rate"]) == (0.3, 0.15)
    assert row["difference"] == pytest.approx(0.15)
    assert row["low"] > 0.07
    assert row["high"] < 0.23
    assert row["is_signal"]
    assert row["q_value"] < 1e-4


def test_a_sure_difference_below_the_floor_is_no_signal() -> None:
    [row] = patterns({"n": 100_000, "won_count": 22_000, "rest_n": 100_000, "rest_won_count": 20_000})
    assert row["q_value"] < 1e-9
    assert not row["is_signal"]


def test_what_is_recorded_late_is_shown_but_never_a_signal() -> None:
    late, other = patterns(
        {
            "basis": "as_recorded",
            "attribute": "competitor",
            "directional_reason": "incomplete_data",
            "caveat_key": "recorded_late",
        },
        {},
    )
    assert late["difference"] == pytest.approx(0.15)
    assert (late["p_value"], late["q_value"], late["is_signal"]) == (None, None, False)
    assert (late["evidence"], late["caveat"]) == ("directional", "Recorded late")
    # It is no hypothesis of the page either.
    assert other["q_value"] == other["p_value"]


def test_a_page_counts_each_contrast_once_by_hand() -> None:
    """Three regions, and a team against the only other one: 4 hypotheses in 2 families."""
    regions = [{"attribute_value": name, "won_count": won} for name, won in (("A", 36), ("B", 48), ("C", 37))]
    *found, team = patterns(*regions, {"attribute": "team", "attribute_value": "A", "rest_value": "B"})
    p_values = sorted(row["p_value"] for row in found)
    # Benjamini and Hochberg in a family of three; Simes of it is the smallest of these; two families.
    within = [min(3 * p / rank for rank, p in list(enumerate(p_values, 1))[at:]) for at in range(3)]
    of_families = sorted([within[0], team["p_value"]])
    assert of_families[0] == team["p_value"] < 1e-3
    assert team["q_value"] == pytest.approx(2 * team["p_value"])
    assert sorted(row["q_value"] for row in found) == pytest.approx(within)
    assert team["rest_value"] == "B"


def test_no_losses_recorded_is_said() -> None:
    [row] = patterns(
        {"won_count": 200, "rest_won_count": 300, "suppressed_reason": "incomplete_data", "caveat_key": "no_losses"}
    )
    assert (row["evidence"], row["caveat"], row["win_rate"], row["is_signal"]) == (
        "suppressed",
        "No losses",
        None,
        False,
    )


def test_deals_of_one_account_are_worth_less() -> None:
    # Four deals an account that always end alike: within accounts nothing varies.
    [alike] = patterns(
        {
            "account_records": 4.0,
            "rest_account_records": 4.0,
            "account_count": 125,
            "account_nn": 2000,
            "between_squares": 80.0,
            "within_squares": 0.0,
        }
    )
    [alone] = patterns({})
    assert alike["high"] - alike["low"] > 1.8 * (alone["high"] - alone["low"])
    assert alike["p_value"] > alone["p_value"]


def test_pages_without_any_difference_claim_nothing() -> None:
    rng = np.random.default_rng(20260101)
    claims, pages = 0, 600
    for _ in range(pages):
        rows = []
        for attribute, sizes in {"region": [90, 60, 150], "industry": [40] * 6 + [60], "team": [150, 150]}.items():
            won = [int(rng.binomial(size, 0.22)) for size in sizes]
            rows += [
                {
                    "attribute": attribute,
                    "attribute_value": str(at),
                    "n": size,
                    "won_count": one,
                    "rest_n": sum(sizes) - size,
                    "rest_won_count": sum(won) - one,
                }
                for at, (size, one) in enumerate(zip(sizes, won, strict=True))
            ]
        claims += any(row["is_signal"] for row in patterns(*rows))
    # 5 % of the pages, and two standard errors.
    assert claims / pages <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / pages)


def test_no_rows_give_a_table_with_its_types() -> None:
    empty = inputs(REASON, [{}]).slice(0, 0)
    assert win_loss(empty, THRESHOLDS, CAVEATS).num_rows == 0
    assert win_loss_patterns(inputs(PATTERN, [{}]).slice(0, 0), THRESHOLDS, CAVEATS).num_rows == 0


def test_a_rate_of_closed_deals_says_so_where_nothing_else_is_said() -> None:
    [plain] = patterns({})
    assert (plain["evidence"], plain["caveat"]) == ("reportable", "Closed deals only")
    [late] = patterns({"directional_reason": "incomplete_data", "caveat_key": "recorded_late"})
    assert late["caveat"] == CAVEATS["recorded_late"]
