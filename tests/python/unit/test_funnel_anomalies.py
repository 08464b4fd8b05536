"""The signal `anomalies`: growth of a company is no drift of its segments, a shifting share is."""

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from segment_signals.funnel.anomalies import anomalies

pytestmark = pytest.mark.filterwarnings("error")

THRESHOLDS = {
    "minimum_n": 20,
    "reportable_n": 100,
    "anomaly_false_discovery_rate": 0.10,
    "anomaly_baseline_periods": 6,
    "anomaly_minimum_power": 0.50,
}
MONTHS = pd.date_range("2023-01-01", periods=30, freq="MS")


def counted(draws: np.random.Generator, share: np.ndarray, growth: float) -> pd.DataFrame:
    """Drift of lead counts of a company with 2,000 leads in the first month; `share` of shape (months, segments)."""
    mean = 2_000 * np.power(1 + growth, np.arange(len(MONTHS)))[:, None] * share
    counts = draws.poisson(mean)
    cells = [
        {"dimension": dimension, "segment": segment, "period_start": month.date(), "value": float(value)}
        for dimension, segments in (("all", {"all": counts.sum(axis=1)}), ("region", dict(enumerate(counts.T))))
        for segment, values in segments.items()
        for month, value in zip(MONTHS, values, strict=True)
    ]
    rows = pd.DataFrame(cells)
    rows = rows.assign(
        segment=rows["segment"].astype(str),
        period_grain="month",
        metric="lead_count",
        horizon_days=0,
        kind="count",
        n=rows["value"],
        period_days=30,
    )
    return anomalies(pa.Table.from_pandas(rows, preserve_index=False), THRESHOLDS, {}).to_pandas()


def test_a_growing_company_does_not_drift() -> None:
    draws = np.random.default_rng(1)
    steady = np.tile([0.5, 0.3, 0.2], (len(MONTHS), 1))
    companies = [counted(draws, steady, growth=0.04) for _ in range(20)]
    found = pd.concat([cells.assign(company=at) for at, cells in enumerate(companies)])
    of_segments = found[found["dimension"] == "region"]
    assert of_segments["drift_q_value"].notna().all()
    assert of_segments.groupby(["company", "period_start"])["is_drifting"].any().mean() <= 0.10
    # The total is part of nothing: not judged.
    of_total = found[found["dimension"] == "all"]
    assert of_total["drift_q_value"].isna().all()
    assert not of_total["is_drifting"].any()


@pytest.mark.parametrize("growth", [0.0, 0.04])
def test_a_segment_that_loses_its_share_drifts(growth: float) -> None:
    draws = np.random.default_rng(2)
    losing = 0.2 * np.power(0.98, np.maximum(np.arange(len(MONTHS)) - 11, 0))
    share = np.stack([0.5 * np.ones(len(MONTHS)), 0.5 - losing, losing], axis=1)
    found = counted(draws, share, growth)
    newest = found[(found["dimension"] == "region") & (found["period_start"] == MONTHS[-1].date())].set_index("segment")
    assert newest.loc["2", "is_drifting"]
    assert newest.loc["2", "drift_direction"] == "lower"
    assert newest.loc["1", "drift_direction"] == "higher"
    assert not found.loc[found["period_start"] <= MONTHS[11].date(), "is_drifting"].any()
