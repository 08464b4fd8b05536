"""The signal `pipeline_forecast`: the total and every segment, with its evidence."""

from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from threadpoolctl import threadpool_limits

from segment_signals.funnel.cells import EVIDENCE_FIELDS, table
from segment_signals.pipeline.forecast import Found, Marts, Thresholds, fit_windows, generator, load, totals, windows_of
from segment_signals.pipeline.forecast_inputs import (
    TARGET_PERIODS,
    Deals,
    ForecastData,
    Labels,
    Window,
    column_codes,
    column_days,
    column_floats,
    column_integers,
    state_positions,
    vocabulary,
)
from segment_signals.pipeline.forecast_model import (
    Fit,
    Spreads,
    new_deals,
    open_deals,
    outlook,
    same_day_last_quarter,
    scatter_of_arrivals,
    stage_conversion,
    stage_weighted,
    value_origin,
    weeks_ahead,
)
from segment_signals.pipeline.forecast_quality import closer_method
from segment_signals.statistics.arrays import Floats, ratio
from segment_signals.statistics.compound import OpenDeals, with_odds
from segment_signals.statistics.shrinkage import shrunken_ratios

# A segment's range needs fewer draws than the total's: there are many of them.
DRAWS, SINGLY = 1_000, 100
# Won within eight weeks says how a segment differs; every such win is seen at two monthly snapshots.
EFFECT_WEEKS, SEEN_TIMES = 8.0, 2.0
UNAVOIDABLE = "even with every probability known the mean error would be"
# Of the variance of a window; of open deals without an amount.
LARGEST_SHARE, UNKNOWN_SHARE = 0.5, 0.2
SIMPLE_NAMES = {"stage_weighted": "stage-weighted forecast", "same_day_last_quarter": "quarter before"}
GRAINS = {"month": "month", "quarter": "quarter", "next_60_days": "days"}

SCHEMA = pa.schema(
    [
        ("period_grain", pa.string()),
        ("period_start", pa.date32()),
        ("dimension", pa.string()),
        ("segment", pa.string()),
        ("target_period", pa.string()),
        ("booked_amount", pa.float64()),
        ("open_amount", pa.float64()),
        ("new_amount", pa.float64()),
        ("p10_amount", pa.float64()),
        ("p50_amount", pa.float64()),
        ("p90_amount", pa.float64()),
        ("static_amount", pa.float64()),
        ("same_day_last_quarter_amount", pa.float64()),
        ("mape", pa.float64()),
        ("mape_floor", pa.float64()),
        ("expected_wins", pa.float64()),
        *EVIDENCE_FIELDS,
    ]
)


@dataclass(frozen=True)
class Segments:
    """What the forecast of segments needs besides: `open_deals`, `forecast_segment_counts` and `forecast_segments`."""

    open_deals: pa.Table
    counts: pa.Table
    closed: pa.Table


@dataclass(frozen=True)
class Cell:
    """What is known of a cell besides its forecast: closed deals of the last two years, and their defects."""

    closed: int = 0
    won: int = 0
    won_without_amount: int = 0
    is_telling: bool = False


def pipeline_forecast(
    marts: Marts, segments: Segments, backtest: pa.Table, thresholds: Thresholds, seed: str
) -> pa.Table:
    """The forecast of the month, the quarter and the 60 days ahead, of the total and of every segment.

    Args:
        marts: the marts of the total.
        segments: the marts of segments.
        backtest: the signal `forecast_backtest`.
        thresholds: the rows of `evidence_thresholds`.
        seed: text that the draws are derived from, the same for the same inputs.

    Returns:
        Table of `SCHEMA`, amounts in the reporting currency. Where a cell is suppressed its amounts are null; the floor
        of the error stays, for it says why.
    """
    # On one thread, sums come out the same on every machine.
    with threadpool_limits(1, user_api="blas"):
        return _cells(marts, segments, backtest, thresholds, seed)


def _cells(marts: Marts, segments: Segments, backtest: pa.Table, thresholds: Thresholds, seed: str) -> pa.Table:
    data, stages, tiers = load(marts)
    windows = windows_of(data, 0)
    fit = fit_windows(data, windows, thresholds)
    cells = {
        (row["dimension"], row["segment"]): Cell(
            row["closed_count"], row["won_count"], row["won_without_amount_count"], row["is_missing_by_outcome"]
        )
        for row in segments.closed.to_pylist()
    }
    cells.setdefault(("all", "all"), Cell())
    rows: list[dict[str, object]] = []
    if fit is None:
        for (dimension, segment), cell in sorted(cells.items()):
            verdict = ("too_early", "Too little history, or too few wins in it, to learn from"), None
            rows.extend(_row(dimension, segment, window, None, cell, verdict) for window in windows)
        return table(pd.DataFrame(rows, columns=SCHEMA.names), SCHEMA)
    found = list(totals(data, fit, windows, thresholds, seed))
    total = cells["all", "all"]
    errors = backtest.to_pandas()
    closer = {name: closer_method(errors[errors["target_period"] == name], name) for name in TARGET_PERIODS}
    of_all = _caveats_of_all(segments, total)
    for window, forecast in zip(windows, found, strict=True):
        past = errors[(errors["method"] == "model") & (errors["target_period"] == window.target_period)]
        suppressed = _suppressed(total, forecast, thresholds)
        directional = _unproven(past, closer[window.target_period], thresholds) or of_all or _thin(forecast)
        mape = float((past["actual_amount"] - past["p50_amount"]).abs().div(past["actual_amount"]).mean())
        rows.append(_row("all", "all", window, forecast, total, (suppressed, directional), mape))
    split = _Split(data, fit, windows, found, (marts, segments), (stages, tiers))
    for dimension in sorted({dimension for dimension, _ in cells} - {"all"}):
        for segment, window, forecast in split.forecasts(dimension, seed):
            cell = cells.get((dimension, segment), Cell())
            # Of a dimension that is filled for one outcome more than for another no segment can be forecast.
            is_telling = any(other.is_telling for (name, _), other in cells.items() if name == dimension)
            suppressed = _suppressed(replace(cell, is_telling=is_telling), forecast, thresholds)
            directional = of_all or ("insufficient_sample", "Only the total was backtested, not its segments")
            rows.append(_row(dimension, segment, window, forecast, cell, (suppressed, directional)))
    return table(pd.DataFrame(rows, columns=SCHEMA.names), SCHEMA)


Reason = tuple[str, str] | None


def _suppressed(cell: Cell, found: Found, thresholds: Thresholds) -> Reason:
    if cell.is_telling:
        return "incomplete_data", "The dimension is filled for one outcome more than for another"
    if cell.closed < thresholds["minimum_n"] or cell.won < thresholds["minimum_wins"]:
        return "insufficient_sample", "Too few deals of the last two years were closed, or won"
    if cell.won_without_amount > (1 - thresholds["minimum_completeness"]) * cell.won:
        return "incomplete_data", "Too many wins have no amount"
    limit = thresholds["forecast_maximum_floor"]
    if np.isnan(found.outlook.floor):
        return "insufficient_sample", "Nothing is expected"
    if found.outlook.floor > limit:
        return "insufficient_sample", f"Too few wins are expected: {UNAVOIDABLE} above {limit:.0%}"
    return None


def _thin(found: Found) -> Reason:
    if found.outlook.largest_share > LARGEST_SHARE:
        return "wide_interval", "One open deal makes up more than half of the uncertainty"
    return None


def _unproven(past: pd.DataFrame, closer: str | None, thresholds: Thresholds) -> Reason:
    origins = len(past)
    if origins < thresholds["forecast_minimum_origins"]:
        return "insufficient_sample", f"Backtested at {origins} earlier origins only"
    covered = int(past["is_covered"].astype(bool).sum())
    # Windows overlap, so that a run of misses is one event: half of the origins missed is beyond that.
    if 2 * covered < origins:
        return "wide_interval", f"In the backtest the range held {covered} of {origins} outcomes"
    if closer is not None:
        return "wide_interval", f"In the backtest the {SIMPLE_NAMES[closer]} was closer to the outcome"
    return None


def _caveats_of_all(segments: Segments, total: Cell) -> Reason:
    """What makes every cell directional."""
    if total.closed == total.won:
        return "incomplete_data", "No deal is recorded as lost"
    deals = segments.open_deals
    if deals.num_rows == 0:
        return None
    extreme = int(column_integers(deals, "is_extreme_amount").sum())
    if extreme > 0:
        return "incomplete_data", f"Valued at the mean win for an amount beyond the usual: {extreme} open deals"
    unknown = int(np.isnan(column_floats(deals, "quoted_amount")).sum())
    if unknown > UNKNOWN_SHARE * deals.num_rows:
        return "incomplete_data", f"Valued at the mean win of their size for want of an amount: {unknown} open deals"
    if not column_integers(deals, "is_as_was").any():
        return "incomplete_data", "Without a history of amounts and planned closes"
    return None


def _row(
    dimension: str,
    segment: str,
    window: Window,
    found: Found | None,
    cell: Cell,
    verdict: tuple[Reason, Reason],
    mape: float = np.nan,
) -> dict[str, object]:
    suppressed, directional = verdict
    reason = suppressed or directional
    row: dict[str, object] = {
        "period_grain": GRAINS[window.target_period],
        "period_start": np.datetime64(window.start, "D").astype(object),
        "dimension": dimension,
        "segment": segment,
        "target_period": window.target_period,
        "mape": mape,
        "mape_floor": found.outlook.floor if found is not None else np.nan,
        "expected_wins": found.outlook.expected_wins if found is not None else np.nan,
        "n": cell.closed,
        "evidence": "suppressed" if suppressed else "directional" if directional else "reportable",
        "evidence_reason": reason[0] if reason else None,
        "caveat": reason[1] if reason else None,
    }
    if found is not None and not suppressed:
        row |= {
            "booked_amount": found.outlook.booked,
            "open_amount": found.outlook.open,
            "new_amount": found.outlook.new,
            "p10_amount": found.outlook.quantiles[0],
            "p50_amount": found.outlook.quantiles[1],
            "p90_amount": found.outlook.quantiles[2],
            "static_amount": found.static,
            "same_day_last_quarter_amount": found.last_quarter,
        }
    return row


class _Split:
    """The forecast of a total, split by the segments of its dimensions."""

    def __init__(
        self,
        data: ForecastData,
        fit: Fit,
        windows: list[Window],
        found: list[Found],
        marts: tuple[Marts, Segments],
        labels: tuple[Labels, Labels],
    ) -> None:
        """Value the open deals once for all dimensions.

        Args:
            data: the marts as arrays.
            fit: the hazard as of today.
            windows: what is forecast.
            found: the total's forecasts of these windows.
            marts: those of the total and those of segments.
            labels: of stages and tiers.
        """
        self.data, self.fit, self.windows, self.found, self.labels = data, fit, windows, found, labels
        self.wins, self.segments = marts[0].wins, marts[1]
        self.worth = value_origin(data, 0)
        deals = Deals(
            snapshot=np.zeros(self.segments.open_deals.num_rows, dtype=np.int64),
            state=state_positions(self.segments.open_deals, data.states, *labels),
            stage=column_codes(self.segments.open_deals, "stage_label", labels[0]),
            tier=column_codes(self.segments.open_deals, "tier", labels[1]),
            quoted=column_floats(self.segments.open_deals, "quoted_amount"),
            probability=column_floats(self.segments.open_deals, "probability"),
            close=column_days(self.segments.open_deals, "close_date"),
        )
        self.order = deals.order()
        self.deals = deals.take(self.order)
        self.probability = fit.hazard.probabilities(fit.states, weeks_ahead(windows))[fit.position[self.deals.state]]
        self.scatter, self.conversion = scatter_of_arrivals(data, 0), stage_conversion(data, 0)

    def forecasts(self, dimension: str, seed: str) -> Iterator[tuple[str, Window, Found]]:
        """Segment, window and forecast; expected amounts of the segments of a dimension add up to the total's."""
        column = f"segment_of_{dimension}"
        names = vocabulary([self.segments.open_deals, self.wins], column)
        of_deals = column_codes(self.segments.open_deals, column, names)[self.order]
        of_wins = column_codes(self.wins, column, names)[self.data.wins.row]
        pull, error = self._pulls(dimension, names)
        parts = {
            segment: (np.flatnonzero(of_deals == code), self.data.wins.take(of_wins == code))
            for segment, code in names.items()
        }
        for at, window in enumerate(self.windows):
            whole = open_deals(self.deals, self.probability[:, at], self.worth)
            moved = with_odds(whole.probability, pull[of_deals])
            # Every segment's pull is an estimate; together they bring what the total brings.
            scale = float(np.nan_to_num(ratio(whole.expected(), moved @ whole.amount), nan=1.0))
            for segment, (here, wins) in parts.items():
                if len(here) == 0 and len(wins.won) == 0:
                    continue
                deals = OpenDeals(moved[here], scale * whole.amount[here], whole.spread[here])
                shared = self.found[at].spreads
                spreads = Spreads(float(np.hypot(shared.probability, error[names[segment]])), shared.amount)
                booked = wins.booked(window.start, window.origin)
                forecast = outlook(
                    booked,
                    deals,
                    new_deals(wins, window, self.scatter),
                    spreads,
                    generator(seed, window.origin, window.target_period, dimension, segment),
                    DRAWS,
                    SINGLY,
                )
                static = stage_weighted(self.conversion, self.deals.take(here), window, booked)
                yield segment, window, Found(forecast, static, same_day_last_quarter(wins, window, booked), spreads)

    def _pulls(self, dimension: str, names: Labels) -> tuple[Floats, Floats]:
        """How much more or less often each segment's deals are won than their states say, and how unsure that is."""
        counts = self.segments.counts.filter(pc.equal(self.segments.counts["dimension"], dimension))
        state = state_positions(counts, self.data.states, *self.labels)
        known = np.where(state >= 0, self.fit.position[state], -1)
        probability = self.fit.hazard.probabilities(self.fit.states, np.array([EFFECT_WEEKS]))[:, 0]
        usable = known >= 0
        segment = column_codes(counts, "segment", {**names, **_further(counts, names)})[usable]
        expected = column_floats(counts, "deal_count")[usable] * probability[known[usable]]
        observed = column_floats(counts, "won_count")[usable]
        order = np.lexsort((observed, expected, segment))
        sums = (
            np.bincount(segment[order], values[order], minlength=len(names))[: len(names)] / SEEN_TIMES
            for values in (observed, expected)
        )
        return shrunken_ratios(*sums)


def _further(counts: pa.Table, names: Labels) -> dict[str, int]:
    """Numbers for segments that have neither open deals nor wins."""
    others = sorted(set(vocabulary([counts], "segment")) - set(names))
    return {name: len(names) + at for at, name in enumerate(others)}
