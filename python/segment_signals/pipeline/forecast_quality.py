"""The signal `forecast_quality`: how good each method was over the origins of the backtest, with intervals."""

from collections.abc import Callable

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import table
from segment_signals.pipeline.forecast import generator
from segment_signals.pipeline.forecast_inputs import TARGET_PERIODS
from segment_signals.statistics.arrays import Floats
from segment_signals.statistics.forecast_accuracy import (
    absolute_percentage_error,
    pinball_loss,
    relative_bias,
    weighted_absolute_percentage_error,
)
from segment_signals.statistics.intervals import wilson_interval

METHODS = ("model", "stage_weighted", "same_day_last_quarter")
RESAMPLES = 1_000
# An interval from fewer origins says nothing.
FEWEST_ORIGINS = 4
# Neighbouring origins see some of the same days: they are drawn in runs.
RUN = {"month": 1, "quarter": 3, "next_60_days": 2}

SCHEMA = pa.schema(
    [
        ("target_period", pa.string()),
        ("method", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)


def forecast_quality(backtest: pa.Table) -> pa.Table:
    """MAPE, WAPE, bias, pinball loss and coverage of each method.

    Intervals are 95 %: of coverage Wilson's, of the others from origins that are drawn again, in runs as long as their
    windows overlap (moving-block bootstrap, Kunsch 1989).

    Args:
        backtest: the signal `forecast_backtest`.

    Returns:
        Table of `SCHEMA`. `pinball_loss` is the mean over the three quantiles in the reporting currency, a simple
        method's number standing for all three; `median_pinball_loss` compares the medians alone. n counts origins.
    """
    rows = backtest.to_pandas()
    found = []
    for target_period in TARGET_PERIODS:
        for method in METHODS:
            cell = rows[(rows["target_period"] == target_period) & (rows["method"] == method)]
            cell = cell[cell["p50_amount"].notna()].sort_values("origin_date")
            for metric, value, low, high in _measured(cell, target_period, method):
                found.append((target_period, method, metric, value, low, high, len(cell)))
    return table(pd.DataFrame(found, columns=SCHEMA.names), SCHEMA)


def _measured(cell: pd.DataFrame, target_period: str, method: str) -> list[tuple[str, float, float, float]]:
    actual, median, losses = (cell[name].to_numpy(dtype=np.float64) for name in _COLUMNS)
    measures: dict[str, Callable[[Floats, Floats, Floats], float]] = {
        "mape": lambda a, m, _: _mean(absolute_percentage_error(a, m)),
        "wape": lambda a, m, _: weighted_absolute_percentage_error(a, m),
        "bias": lambda a, m, _: relative_bias(a, m),
        "pinball_loss": lambda _, __, losses: _mean(losses),
        "median_pinball_loss": lambda a, m, _: _mean(pinball_loss(a, m, 0.5)),
    }
    drawn = _resamples(len(actual), RUN[target_period], generator("forecast_quality", target_period, method))
    rows = []
    for metric, measure in measures.items():
        low, high = np.nan, np.nan
        if len(actual) >= FEWEST_ORIGINS:
            again = np.array([measure(actual[at], median[at], losses[at]) for at in drawn])
            if np.isfinite(again).any():
                low, high = (float(limit) for limit in np.nanquantile(again, (0.025, 0.975)))
        rows.append((metric, measure(actual, median, losses), low, high))
    if method == "model":
        covered = cell["is_covered"].astype(bool).to_numpy()
        share = float(covered.mean()) if len(covered) else np.nan
        interval = wilson_interval([share], [len(covered)])
        rows.append(("coverage", share, float(interval.low[0]), float(interval.high[0])))
    return rows


_COLUMNS = ("actual_amount", "p50_amount", "pinball_loss")


def _mean(values: Floats) -> float:
    known = values[np.isfinite(values)]
    return float(known.mean()) if len(known) else float("nan")


def _resamples(count: int, run: int, rng: np.random.Generator) -> "np.ndarray[tuple[int, int], np.dtype[np.int64]]":
    """Positions of origins drawn in runs, shape (RESAMPLES, count)."""
    length = min(run, max(count, 1))
    runs = -(-count // length)
    starts = rng.integers(0, max(count - length + 1, 1), (RESAMPLES, runs))
    positions = (starts[:, :, None] + np.arange(length)).reshape(RESAMPLES, -1)[:, :count]
    return positions.astype(np.int64)
