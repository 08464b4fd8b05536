"""The signal `segment_contrasts`: deals of an account from SQL to the test, and the evidence of the thinner side."""

import datetime
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
import statsmodels.formula.api as smf
from segment_signals.funnel.contrasts import segment_contrasts
from segment_signals.statistics.contrasts import contrast, followed_rates
from statsmodels.stats.anova import anova_lm

from certification.contrasts import ALIKE
from certification.engine import Warehouse, dbt, frame
from certification.pages import STAGES, journeys_table, names, simulate

THRESHOLDS = {
    "minimum_n": 20,
    "reportable_n": 100,
    "minimum_outcome_n": 5,
    "maximum_half_width": 0.10,
    "maximum_relative_half_width": 0.25,
    "minimum_at_risk": 20,
    "minimum_mature_share": 0.5,
    "false_discovery_rate": 0.05,
    "practical_floor_rate": 0.03,
    "practical_floor_relative": 0.10,
}
CAVEATS = {"insufficient_sample": "few", "too_early": "early", "wide_interval": "wide"}
ACCOUNTS = ("account_count", "account_n", "account_nn", "between_squares", "within_squares")
# 50 accounts of two deals and 800 of one, without any difference within them: a correlation of 1.
ALL_ALIKE = dict(zip(ACCOUNTS, (850.0, 900.0, 1_000.0, 200.0, 0.0), strict=True))


def inputs(rows: list[dict[str, object]]) -> pa.Table:
    """Rows of `contrast_inputs`: followed cohorts of accounts with one record each, unless a row says otherwise."""
    columns: dict[str, object] = {
        "period_grain": "quarter",
        "period_start": datetime.date(2025, 1, 1),
        "dimension": "region",
        "comparator": "rest",
        "metric": "opportunity_to_won_rate",
        "unit": "difference",
        "own_evidence": "reportable",
        "own_evidence_reason": None,
        **dict.fromkeys([*ACCOUNTS, "account_records", "other_account_records"]),
        **dict.fromkeys(["log_sum", "log_square_sum", "other_log_sum", "other_log_square_sum"]),
    }
    filled = []
    for at, row in enumerate(rows):
        whole = columns | {"segment": f"Segment {at:02d}"} | row
        for side in ("", "other_"):
            n, rate = whole[f"{side}n"], whole.get(f"{side}rate")
            whole |= {f"{side}rate": rate, f"{side}variance": None if rate is None else rate * (1 - rate) / n}
            for name in ("followed_count", "mature_count", "at_risk_count"):
                whole.setdefault(f"{side}{name}", n)
        filled.append(whole)
    return pa.Table.from_pandas(pd.DataFrame(filled).infer_objects(), preserve_index=False)


def judged(*rows: dict[str, object]) -> pd.DataFrame:
    return frame(segment_contrasts(inputs(list(rows)), THRESHOLDS, CAVEATS))


def test_a_contrast_is_as_thin_as_its_thinner_side() -> None:
    wide_logs = {"log_sum": 300 * 2.0, "log_square_sum": 300 * (4 + 0.5)}
    days = {"unit": "relative", "metric": "mean_cycle_days", "n": 300, "rate": None, "other_rate": None} | wide_logs
    got = judged(
        {"n": 900, "rate": 0.3, "other_n": 800, "other_rate": 0.4},
        {"n": 900, "rate": 0.3, "other_n": 19, "other_rate": 0.4},
        {"n": 900, "rate": 0.3, "other_n": 99, "other_rate": 0.4},
        {"n": 900, "rate": 0.3, "other_n": 400, "other_rate": 0.01},
        {"n": 900, "rate": 0.3, "other_n": 400, "other_rate": 0.995},
        # 140 deals of 70 accounts that win or lose together: 11 points either way.
        {"n": 900, "rate": 0.3, "other_n": 140, "other_rate": 0.5}
        | ALL_ALIKE
        | {"account_records": 1.0, "other_account_records": 2.0},
        {"n": 140, "rate": 0.5, "other_n": 900, "other_rate": 0.3}
        | ALL_ALIKE
        | {"account_records": 2.0, "other_account_records": 1.0},
        {"n": 900, "rate": 0.3, "other_n": 800, "other_rate": 0.4, "other_at_risk_count": 19},
        {"n": 900, "rate": 0.3, "other_n": 800, "other_rate": 0.4, "other_mature_count": 399},
        {"n": 50, "rate": 0.3, "other_n": 101, "other_rate": 0.5}
        | {"own_evidence": "directional", "own_evidence_reason": "incomplete_data"},
        days | {"other_n": 800, "other_log_sum": 1_600.0, "other_log_square_sum": 800 * 4.5},
        # A standard deviation of 1.5 among 120: 27 points of the logarithm either way.
        days | {"other_n": 120, "other_log_sum": 240.0, "other_log_square_sum": 120 * (4 + 2.25)},
    )
    assert list(zip(got["evidence"], got["evidence_reason"].fillna(""), strict=True)) == [
        ("reportable", ""),
        ("suppressed", "insufficient_sample"),
        ("directional", "insufficient_sample"),
        ("directional", "insufficient_sample"),
        ("directional", "insufficient_sample"),
        ("directional", "wide_interval"),
        ("directional", "wide_interval"),
        ("directional", "too_early"),
        ("suppressed", "too_early"),
        ("directional", "incomplete_data"),
        ("reportable", ""),
        ("directional", "wide_interval"),
    ]
    assert got["caveat"].tolist()[1:3] == ["few", "few"]


def test_the_order_of_rows_does_not_matter() -> None:
    rows = [
        {"n": 100 + 37 * at, "rate": 0.1 + 0.013 * at, "other_n": 900 + 11 * at, "other_rate": 0.3 - 0.007 * at}
        for at in range(20)
    ]
    table = inputs(rows)
    backwards = table.take(np.arange(20)[::-1])
    assert segment_contrasts(table, THRESHOLDS, CAVEATS).equals(segment_contrasts(backwards, THRESHOLDS, CAVEATS))


def test_deals_of_an_account_are_worth_less() -> None:
    # Pairs of deals with one outcome each: 100 deals are worth 50, the rest's 800 of single accounts themselves.
    pairs = ALL_ALIKE | {"account_records": 2.0, "other_account_records": 1.0}
    sides = {"n": 100, "rate": 0.4, "other_n": 800, "other_rate": 0.25}
    got = judged(sides, sides | pairs)
    for row, n in zip(got.itertuples(), (100, 50), strict=True):
        expected = contrast(followed_rates([0.4 * n], [n]), followed_rates([200], [800]))
        assert row.p_value == pytest.approx(expected.p_value[0], rel=1e-9)
        assert (row.low, row.high) == pytest.approx((expected.low[0], expected.high[0]))
        assert row.n == 100


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder: Path = tmp_path_factory.mktemp("contrasts")
    dbt(folder, "compile")
    return Warehouse(folder)


def test_sums_over_accounts_equal_statsmodels(warehouse: Warehouse) -> None:
    """Every metric of deals: correlation from statsmodels' analysis of variance, spread from the journeys."""
    journeys = simulate(np.random.default_rng(7), 1, ALIKE)
    warehouse.run("account_cluster_sums", journeys=journeys_table(journeys))
    quarter = "period_grain = 'quarter' and period_start = date '1000-01-01'"
    made = frame(warehouse.table(f"select * from marts.account_cluster_sums where {quarter}"))
    made = made.set_index(["metric", "dimension", "segment"])
    dates = {stage: pd.Series(journeys.dates[stage]) for stage in (*STAGES, "lost")}
    closed = dates["won"].fillna(dates["lost"])
    end = np.datetime64("1000-04-01")
    is_won = dates["won"].notna()
    days = (closed - dates["opportunity"]).dt.days
    in_time = (is_won & (days <= warehouse.horizon_days)).astype(float)
    observed = {
        "opportunity_to_won_rate": (in_time, dates["opportunity"] < end),
        "opportunity_stage_days": (np.log1p(days), closed < end),
        "win_rate": (is_won.astype(float), closed < end),
        "mean_deal_amount": (np.log(journeys.amount.round(2)), is_won & (closed < end)),
        "mean_cycle_days": (np.log1p(days), is_won & (closed < end)),
    }
    for metric, (value, counts) in observed.items():
        deals = pd.DataFrame({"y": value, "account": journeys.account})[counts.to_numpy()]
        table = anova_lm(smf.ols("y ~ C(account)", deals).fit())
        for dimension in ("region", "team"):
            segment = journeys.segments[dimension][counts.to_numpy()] == 0
            row = made.loc[(metric, dimension, names(dimension)[0])]
            assert (row["between_squares"], row["within_squares"]) == pytest.approx(table["sum_sq"].tolist())
            assert (row["account_count"], row["account_n"]) == (deals["account"].nunique(), len(deals))
            assert row["account_nn"] == (deals.groupby("account").size() ** 2).sum()
            for column, of in (("account_records", deals[segment]), ("rest_account_records", deals[~segment])):
                assert row[column] == pytest.approx((of.groupby("account").size() ** 2).sum() / len(of))
