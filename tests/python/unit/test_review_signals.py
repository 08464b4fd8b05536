"""What differs and what moved: sentences and rows by hand, from small frames."""

from __future__ import annotations

from datetime import date
from typing import Any

import pandas as pd
import pytest
from segment_signals.review import signals
from segment_signals.review.facts import COLUMNS as OLD
from segment_signals.review.facts import Facts, ReviewError, read_facts
from segment_signals.review.words import NBSP

Q2, Q3, Q4 = date(2025, 4, 1), date(2025, 7, 1), date(2025, 10, 1)


@pytest.fixture(scope="module")
def facts() -> Facts:
    return read_facts({name: pd.DataFrame(columns=list(columns)) for name, columns in OLD.items()}, dataset="demo")


def cell(start: date = Q3, **values: Any) -> dict[str, Any]:
    return {
        "period_grain": "quarter", "period_start": start, "dimension": "lead_source", "segment": "Trade show",
        "within_dimension": "all", "n": 199, "evidence": "reportable", "evidence_reason": None, "caveat": None,
        **values,
    }  # fmt: skip


def contrast(start: date = Q3, **values: Any) -> dict[str, Any]:
    base = {
        "metric": "lead_to_mql_rate", "comparator": "rest", "unit": "difference", "difference": 0.193, "low": 0.155,
        "high": 0.23, "p_value": 0.0001, "q_value": 0.0004, "is_signal": True,
    }  # fmt: skip
    return cell(start, **{**base, **values})


def table(name: str, *rows: dict[str, Any]) -> dict[str, pd.DataFrame]:
    return {name: pd.DataFrame(list(rows), columns=list(signals.COLUMNS[name]))}


def test_absent_tables_leave_the_sections_out(facts: Facts) -> None:
    assert signals.view(facts, {}) == {"differs": None, "moved": None}


def test_empty_tables_say_so(facts: Facts) -> None:
    seen = signals.view(facts, {name: pd.DataFrame(columns=list(columns)) for name, columns in signals.COLUMNS.items()})
    assert seen["differs"]["finding"] == "No contrast between segments is old enough and large enough to be tested."
    assert seen["moved"]["finding"] == (
        "No change from a previous quarter is old enough and large enough to be split into mix and rate. "
        "No series is long enough to be screened against its past."
    )


def test_a_missing_column_is_named(facts: Facts) -> None:
    with pytest.raises(ReviewError, match="'anomalies' lacks the column power"):
        signals.view(facts, {"anomalies": table("anomalies")["anomalies"].drop(columns="power")})


def test_signals_of_the_mature_quarter_largest_first(facts: Facts) -> None:
    rows = table(
        "segment_contrasts",
        contrast(Q4, evidence="directional", evidence_reason="too_early"),
        contrast(Q2),
        contrast(segment="Website", difference=-0.05, low=-0.08, high=-0.02, is_signal=False),
        contrast(segment="Partner", difference=-0.31, low=-0.36, high=-0.25, comparator="Website", q_value=0.012),
        contrast(segment="Webinar", evidence="suppressed"),
        contrast(evidence="directional", evidence_reason="wide_interval"),
        contrast(metric="mean_cycle_days", unit="relative", difference=0.95, low=0.77, high=1.146, segment="Event"),
    )
    seen = signals.view(facts, rows)["differs"]
    assert seen["finding"] == (
        "4 contrasts were tested in the newest mature quarter of each metric, and 3 are signals; "
        f"at most 5{NBSP}% of the claims are expected to be false."
    )
    keys = ("segment", "comparator", "difference", "interval", "q", "mark")
    assert [tuple(row[key] for key in keys) for row in seen["rows"]] == [
        ("Event", "the rest", "+95", "+77 to +115", "<0.001", "●"),
        ("Partner", "Website", "\u221231.0", "\u221236.0 to \u221225.0", "0.012", "●"),
        ("Trade show", "the rest", "+19.3", "+15.5 to +23.0", "<0.001", "○"),
    ]


def test_a_pattern_and_the_costliest_transition_are_one_sentence_each(facts: Facts) -> None:
    pattern = {
        "early_metric": "lead_to_mql_rate", "early_difference": 0.192956, "early_low": 0.1549, "early_high": 0.229723,
        "late_metric": "opportunity_to_won_rate", "late_difference": -0.124523, "late_low": -0.169776,
        "late_high": -0.068169,
    }  # fmt: skip
    cost = {"from_stage": "opportunity", "to_stage": "won", "conversion_rank": 1, "is_signal": True}
    seen = signals.view(
        facts,
        {
            **table("segment_contrasts", contrast(), contrast(metric="opportunity_to_won_rate", difference=-0.1245)),
            **table("segment_patterns", cell(**pattern), cell(Q2, **pattern), cell(evidence="suppressed", **pattern)),
            **table(
                "funnel_bottlenecks",
                cell(converted_difference=-27.6, **cost),
                cell(Q2, converted_difference=-90.0, **cost),
                cell(segment="Website", converted_difference=12.0, **cost),
            ),
        },
    )["differs"]
    assert [text for _, text in seen["patterns"]] == [
        f"Trade show: higher than the rest in Lead to mql rate by 19{NBSP}points (15 to 23), lower in "
        f"Opportunity to won rate by 12{NBSP}points (7 to 17), 2025{NBSP}Q3."
    ]
    assert [text for _, text in seen["costs"]] == [
        f"Trade show: Opportunity to won rate, 28 conversions fewer than at the rest\u2019s rate, 2025{NBSP}Q3."
    ]


def test_changes_and_outliers_of_the_newest_periods(facts: Facts) -> None:
    change = {
        "metric": "win_rate", "comparison": "previous", "total_change": 0.033, "mix_effect": 0.001,
        "rate_effect": 0.032, "rate_effect_low": 0.006, "rate_effect_high": 0.07, "is_simpson": True,
    }  # fmt: skip
    series = {
        "metric": "won_count", "horizon_days": 0, "observed": 12.0, "expected_low": 20.0, "expected_high": 41.0,
        "p_value": 0.001, "direction": "lower", "power": 0.816, "drift_direction": "lower", "is_drifting": False,
    }  # fmt: skip
    seen = signals.view(
        facts,
        {
            **table("change_decomposition", cell(**change), cell(**{**change, "comparison": "year_ago"})),
            **table("anomalies", cell(is_flagged=True, **series), cell(Q2, is_flagged=True, **series)),
        },
    )["moved"]
    assert seen["finding"] == (
        "Of 1 change split into mix and rate, 1 has a rate effect whose interval excludes 0; in 1 the segments moved "
        f"against the total. Of 1 series screened in 2025{NBSP}Q3, 1 is out of line with the past and none drifts."
    )
    (row,) = seen["changes"]
    assert (row["total_change"], row["mix_effect"], row["interval"]) == ("+3.3", "+0.1", "+0.6 to +7.0")
    assert row["simpson"] == "segments moved against the total"
    (outlier,) = seen["outliers"]
    assert (outlier["observed"], outlier["expected"], outlier["power"]) == ("12", "20 to 41", "81")
    assert outlier["said"] == [("out of line, lower", "▼", "down")]
