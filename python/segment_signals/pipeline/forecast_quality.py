"""The signal `forecast_quality`: how good each method was over the origins of the backtest, with intervals."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import numbers, table
from segment_signals.pipeline.forecast_inputs import TARGET_PERIODS
from segment_signals.statistics.forecast_accuracy import (
    absolute_percentage_error,
    mean_of_overlapping,
    parts_of_ratio,
    pinball_loss,
)
from segment_signals.statistics.intervals import wilson_interval

MODEL = "model"
SIMPLE = ("stage_weighted", "same_day_last_quarter")
# Origins are a month apart: neighbours see some of the same days.
RUN = {"month": 1, "quarter": 3, "next_60_days": 2}
NO_INTERVAL = "No interval: the origins hold fewer than three windows side by side"

SCHEMA = pa.schema(
    [
        ("target_period", pa.string()),
        ("method", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
        ("caveat", pa.string()),
    ]
)
Measure = tuple[str, float, float, float, int]


def forecast_quality(backtest: pa.Table, thresholds: Mapping[str, float]) -> pa.Table:
    """MAPE, WAPE, bias, pinball loss and coverage of each method, and the forecast beside each simple one.

    Intervals are 95 %: of coverage Wilson's, of the others `mean_of_overlapping`, of ratios by their linearisation.

    Args:
        backtest: the signal `forecast_backtest`.
        thresholds: the rows of `evidence_thresholds`.

    Returns:
        Table of `SCHEMA`. `pinball_loss` is the mean over the three quantiles in the reporting currency, a simple
        method's number standing for all three; `median_pinball_loss` compares the medians alone, and
        `median_pinball_loss_difference` of a simple method is the forecast's less its own, at origins where every
        method is known: below 0 the forecast was closer. n counts origins.
    """
    rows = backtest.to_pandas()
    found = []
    for target_period in TARGET_PERIODS:
        of_window = rows[rows["target_period"] == target_period]
        losses = median_losses(of_window)
        for method in (MODEL, *SIMPLE):
            cell = of_window[(of_window["method"] == method) & of_window["p50_amount"].notna()]
            measures = [*_measured(cell.sort_values("origin_date"), RUN[target_period], method == MODEL)]
            if method in losses.columns and method != MODEL:
                measures.append(_compared(losses, method, RUN[target_period]))
            for metric, value, low, high, n in measures:
                caveat = _caveat(value, low, n, thresholds)
                found.append((target_period, method, metric, value, low, high, n, caveat))
    return table(pd.DataFrame(found, columns=SCHEMA.names), SCHEMA)


def median_losses(of_window: pd.DataFrame) -> pd.DataFrame:
    """Pinball loss of the median by origin and method, at origins where every method is known that ever is.

    Args:
        of_window: rows of `forecast_backtest` of one target period.
    """
    loss = pinball_loss(numbers(of_window, "actual_amount"), numbers(of_window, "p50_amount"), 0.5)
    by_origin = of_window.assign(loss=loss).pivot_table("loss", "origin_date", "method", "mean")
    known: pd.DataFrame = by_origin.dropna(axis="columns", how="all").dropna().sort_index()
    return known


def closer_method(of_window: pd.DataFrame, target_period: str) -> str | None:
    """The simple method that was closest to what came, where it was clearly closer than the forecast."""
    losses = median_losses(of_window)
    if MODEL not in losses.columns:
        return None
    told = [
        (value, method)
        for method in SIMPLE
        if method in losses.columns
        for _, value, low, _, _ in [_compared(losses, method, RUN[target_period])]
        if low > 0
    ]
    return max(told)[1] if told else None


def _measured(cell: pd.DataFrame, run: int, is_model: bool) -> Iterator[Measure]:
    actual, median = numbers(cell, "actual_amount"), numbers(cell, "p50_amount")
    series = {
        "mape": absolute_percentage_error(actual, median),
        "wape": parts_of_ratio(np.abs(actual - median), actual),
        "bias": parts_of_ratio(median - actual, actual),
        "pinball_loss": numbers(cell, "pinball_loss"),
        "median_pinball_loss": pinball_loss(actual, median, 0.5),
    }
    for metric, values in series.items():
        value, low, high = mean_of_overlapping(values, run)
        # Of these only the bias can be below 0.
        yield metric, value, low if metric == "bias" else float(np.maximum(low, 0)), high, len(cell)
    if is_model:
        covered = cell["is_covered"].astype(bool).to_numpy()
        share = float(covered.mean()) if len(covered) else np.nan
        interval = wilson_interval([share], [len(covered)])
        yield "coverage", share, float(interval.low[0]), float(interval.high[0]), len(cell)


def _compared(losses: pd.DataFrame, method: str, run: int) -> Measure:
    difference = numbers(losses, MODEL) - numbers(losses, method)
    value, low, high = mean_of_overlapping(difference, run)
    return "median_pinball_loss_difference", value, low, high, len(losses)


def _caveat(value: float, low: float, n: int, thresholds: Mapping[str, float]) -> str | None:
    if np.isnan(value):
        return "Not known at any origin"
    if np.isnan(low):
        return NO_INTERVAL
    if n < thresholds["forecast_minimum_origins"]:
        return f"Backtested at {n} earlier origins only"
    return None
