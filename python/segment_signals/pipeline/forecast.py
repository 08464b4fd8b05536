"""The signals `forecast_backtest` and `open_deal_outlook`, and the forecast of a total that they share.

Booked, plus what open deals will bring, plus what deals yet to be created will bring: for the month and the quarter
that hold the first day after the as-of date, and the 60 days that begin with it.
"""

import hashlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from threadpoolctl import threadpool_limits

from segment_signals.funnel.cells import table
from segment_signals.pipeline.forecast_inputs import (
    TARGET_PERIODS,
    ForecastData,
    Window,
    column_codes,
    forecast_data,
    state_positions,
)
from segment_signals.pipeline.forecast_model import (
    Fit,
    Outlook,
    Spreads,
    amount_error,
    fit_origin,
    new_deals,
    open_deals,
    outlook,
    probability_errors,
    same_day_last_quarter,
    scatter_of_arrivals,
    scatter_of_winning,
    stage_conversion,
    stage_weighted,
    value_origin,
    weeks_ahead,
)
from segment_signals.statistics.forecast_accuracy import pinball_loss

LEVELS = (0.1, 0.5, 0.9)
# Open deals that are won or not one by one; the rest is summed.
SINGLY = 200
YEAR_DAYS = 365
UNKNOWN = {
    "model": "",
    "stage_weighted": "No history of amounts: what open deals were worth then is not known",
    "same_day_last_quarter": "History does not reach back to the same days of the quarter before",
}
Thresholds = Mapping[str, float]

BACKTEST_SCHEMA = pa.schema(
    [
        ("origin_date", pa.date32()),
        ("target_period", pa.string()),
        ("method", pa.string()),
        ("window_start_date", pa.date32()),
        ("window_end_date", pa.date32()),
        ("booked_amount", pa.float64()),
        ("actual_amount", pa.float64()),
        ("p10_amount", pa.float64()),
        ("p50_amount", pa.float64()),
        ("p90_amount", pa.float64()),
        ("pinball_loss", pa.float64()),
        ("is_covered", pa.bool_()),
        ("caveat", pa.string()),
    ]
)
OUTLOOK_SCHEMA = pa.schema(
    [
        ("opportunity_id", pa.string()),
        ("stage", pa.string()),
        ("age_in_stage_days", pa.int64()),
        ("win_probability", pa.float64()),
        ("win_probability_within_a_year", pa.float64()),
        ("expected_amount", pa.float64()),
        ("evidence_reason", pa.string()),
    ]
)


@dataclass(frozen=True)
class Marts:
    """The marts that a forecast is made from."""

    calendar: pa.Table
    risk_counts: pa.Table
    snapshots: pa.Table
    wins: pa.Table
    arrivals: pa.Table


def forecast_backtest(marts: Marts, thresholds: Thresholds, seed: str) -> pa.Table:
    """Forecasts as they would have been made at earlier origins, from what was known then, beside what came.

    Args:
        marts: the marts.
        thresholds: the rows of `evidence_thresholds`.
        seed: text that the draws are derived from, the same for the same inputs.

    Returns:
        Table of `BACKTEST_SCHEMA`: origin, target period and method; simple methods give one number for all quantiles.
    """
    with threadpool_limits(1, user_api="blas"):
        return _backtest(load(marts)[0], thresholds, seed)


def _backtest(data: ForecastData, thresholds: Thresholds, seed: str) -> pa.Table:
    rows: list[dict[str, object]] = []
    for snapshot in range(1, int(thresholds["forecast_origins"]) + 1):
        windows = windows_of(data, snapshot)
        fit = fit_windows(data, windows, thresholds)
        if fit is None:
            break
        complete = [window for window in windows if window.is_complete]
        for window, found in zip(complete, totals(data, fit, complete, thresholds, seed), strict=True):
            rows.extend(_judged(data, window, found))
    return table(pd.DataFrame(rows, columns=BACKTEST_SCHEMA.names), BACKTEST_SCHEMA)


def open_deal_outlook(marts: Marts, open_deals_now: pa.Table, thresholds: Thresholds) -> pa.Table:
    """The probability of winning of every open deal: within the current quarter, and within a year.

    Args:
        marts: the marts.
        open_deals_now: the mart `open_deals`.
        thresholds: the rows of `evidence_thresholds`.

    Returns:
        Table of `OUTLOOK_SCHEMA`, one row per deal. `expected_amount` is what it brings if won times the probability of
        winning within a year. Without enough history numbers are null and `evidence_reason` says so.
    """
    with threadpool_limits(1, user_api="blas"):
        return _outlook(marts, open_deals_now, thresholds)


def _outlook(marts: Marts, open_deals_now: pa.Table, thresholds: Thresholds) -> pa.Table:
    data, stages, tiers = load(marts)
    windows = windows_of(data, 0)
    rows = open_deals_now.sort_by("opportunity_id")
    fit = fit_windows(data, windows, thresholds)
    blank = np.full(rows.num_rows, np.nan)
    quarter, year, amount = blank, blank, blank
    if fit is not None and rows.num_rows > 0:
        state = fit.position[state_positions(rows, data.states, stages, tiers)]
        window = windows[TARGET_PERIODS.index("quarter")]
        weeks = np.array([window.days_ahead / 7, YEAR_DAYS / 7])
        quarter, year = fit.hazard.probabilities(fit.states, weeks)[state].T
        worth = value_origin(data, 0)
        quoted = rows["quoted_amount"].cast(pa.float64()).to_numpy(zero_copy_only=False)
        is_quoted = np.isfinite(quoted)
        of_stage = worth.ratio_mean[column_codes(rows, "stage_label", stages)]
        of_tier = worth.tier_mean[column_codes(rows, "tier", tiers)]
        amount = year * np.where(is_quoted, np.where(is_quoted, quoted, 0) * of_stage, of_tier)
    return pa.table(
        [
            rows["opportunity_id"],
            rows["stage_label"],
            rows["age_in_stage_days"].cast(pa.int64()),
            pa.array(quarter, from_pandas=True),
            pa.array(year, from_pandas=True),
            pa.array(amount, from_pandas=True),
            pa.array([None if fit is not None else "insufficient_sample"] * rows.num_rows, pa.string()),
        ],
        schema=OUTLOOK_SCHEMA,
    )


@dataclass(frozen=True)
class Found:
    """A forecast beside the simple ones."""

    outlook: Outlook
    static: float
    last_quarter: float
    spreads: Spreads


def load(marts: Marts) -> tuple[ForecastData, Mapping[str, int], Mapping[str, int]]:
    """The marts as arrays, with the labels of stages and tiers."""
    return forecast_data(marts.calendar, marts.risk_counts, marts.snapshots, marts.wins, marts.arrivals)


def windows_of(data: ForecastData, snapshot: int) -> list[Window]:
    """The windows that an origin forecasts: month, quarter, 60 days."""
    return [window for window in data.windows if window.snapshot == snapshot]


def fit_windows(data: ForecastData, windows: list[Window], thresholds: Thresholds) -> Fit | None:
    """The hazard of an origin; None where there is too little to learn from."""
    if not windows or not windows[0].is_in_history:
        return None
    if windows[0].history_days < thresholds["forecast_minimum_history_days"]:
        return None
    fit = fit_origin(data, windows[0].snapshot)
    return fit if fit.wins >= thresholds["minimum_wins"] else None


def generator(seed: str, *cell: object) -> np.random.Generator:
    """Draws of a cell: the same for the same seed and cell, whatever else is drawn."""
    digest = hashlib.md5("|".join([seed, *map(str, cell)]).encode(), usedforsecurity=False).digest()
    return np.random.Generator(np.random.PCG64(int.from_bytes(digest[:8], "big")))


def totals(data: ForecastData, fit: Fit, windows: list[Window], thresholds: Thresholds, seed: str) -> Iterator[Found]:
    """The forecasts of an origin's windows, of all deals together."""
    deals = data.deals.take(np.flatnonzero(data.deals.snapshot == fit.snapshot)).sorted()
    worth = value_origin(data, fit.snapshot)
    weeks = weeks_ahead(windows)
    probability = fit.hazard.probabilities(fit.states, weeks)[fit.position[deals.state]]
    scatter, conversion = scatter_of_arrivals(data, fit.snapshot), stage_conversion(data, fit.snapshot)
    is_quoted = np.isfinite(deals.quoted)
    amounts = open_deals(deals, np.ones(len(deals.state)), worth).amount
    errors = probability_errors(fit, deals, amounts, weeks, generator(seed, windows[0].origin if windows else 0))
    for at, window in enumerate(windows):
        valued = open_deals(deals, probability[:, at], worth)
        booked = data.wins.booked(window.start, window.origin)
        spreads = Spreads(
            float(np.hypot(errors[at], np.sqrt(scatter_of_winning(data, fit, window.days_ahead)))),
            amount_error(valued, is_quoted, worth),
        )
        found = outlook(
            booked,
            valued,
            new_deals(data.wins, window, scatter),
            spreads,
            generator(seed, window.origin, window.target_period),
            int(thresholds["forecast_draws"]),
            SINGLY,
        )
        yield Found(
            found,
            stage_weighted(conversion, deals, window, booked),
            same_day_last_quarter(data.wins, window, booked),
            spreads,
        )


def _judged(data: ForecastData, window: Window, found: Found) -> Iterator[dict[str, object]]:
    """The rows of an origin: each method beside what came."""
    actual = data.wins.booked(window.start, window.end)
    methods = {
        "model": found.outlook.quantiles,
        "stage_weighted": 3 * (found.static,),
        "same_day_last_quarter": 3 * (found.last_quarter,),
    }
    for method, quantiles in methods.items():
        losses = [
            pinball_loss(np.array([actual]), np.array([quantile]), level)[0]
            for quantile, level in zip(quantiles, LEVELS, strict=True)
        ]
        is_known = bool(np.isfinite(quantiles[1]))
        yield {
            "origin_date": np.datetime64(window.origin, "D").astype(object),
            "target_period": window.target_period,
            "method": method,
            "window_start_date": np.datetime64(window.start, "D").astype(object),
            "window_end_date": np.datetime64(window.end, "D").astype(object),
            "booked_amount": found.outlook.booked,
            "actual_amount": actual,
            "p10_amount": quantiles[0],
            "p50_amount": quantiles[1],
            "p90_amount": quantiles[2],
            "pinball_loss": float(np.mean(losses)),
            "is_covered": quantiles[0] <= actual <= quantiles[2] if method == "model" else None,
            "caveat": None if is_known else UNKNOWN[method],
        }
