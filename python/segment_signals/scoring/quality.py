"""The signal `model_quality`: how good models, composite and PQL score were."""

import json
from collections.abc import Iterator, Mapping

import numpy as np
import pyarrow as pa

from segment_signals.learning.days import date_of, day_of, days_of
from segment_signals.learning.quality import Metric
from segment_signals.learning.quality_rows import (
    ALL,
    QUALITY_SCHEMA,
    Judged,
    Row,
    band_bounds,
    category_rows,
    quality_row,
    segment_rows,
    whole_rows,
)
from segment_signals.scoring.inputs import Calendar, FeatureTable
from segment_signals.scoring.models import NAME
from segment_signals.scoring.scores import COMPOSITE, Bands, drift_of, snapshots
from segment_signals.statistics.intervals import wilson_interval

MONTH = "score_month"
BACKTEST, TODAY = "backtest", "today"
PQL = "pql"


def model_quality(
    features: FeatureTable,
    points: pa.Table,
    calendar: Calendar,
    models: pa.Table,
    history: pa.Table,
    outcomes: pa.Table,
    bands: Bands,
    thresholds: Mapping[str, float],
) -> pa.Table:
    """Metrics with intervals of the model in force (out of time, or out of fold) and of the last months' scores.

    Args:
        features: the mart lead_features.
        points: the mart lead_points.
        calendar: the mart lead_calendar.
        models: the signal lead_models.
        history: the signal lead_score_history.
        outcomes: the mart lead_outcomes: person and day of the win.
        bands: the seed score_bands.
        thresholds: the rows of `evidence_thresholds`.

    Returns:
        Table of `QUALITY_SCHEMA`. Below the minimum sample n stays and the values are null.
    """
    minimum = int(thresholds["minimum_n"])
    rows = list(_current(models))
    rows.extend(_backtest(features, history, bands, minimum))
    rows.extend(_crossings(history, outcomes, bands, minimum))
    rows.extend(_pql(history, outcomes, bands, thresholds, minimum))
    rows.extend(_drift(features, points, calendar, models, thresholds))
    return pa.Table.from_pylist(rows, schema=QUALITY_SCHEMA)


def _current(models: pa.Table) -> Iterator[Row]:
    """The model in force, on rows that it has not seen, as its training found them."""
    newest = models.to_pylist()[-1]
    if newest["test_metrics"] is not None:
        for row in json.loads(newest["test_metrics"]):
            yield {**row, "model_version": newest["model_version"]}


def _backtest(features: FeatureTable, history: pa.Table, bands: Bands, minimum: int) -> Iterator[Row]:
    """The scores of the last months as they were, where the horizon is over, model and composite on the same rows."""
    if not features.is_dated or history.num_rows == 0:
        return
    at, person = features.at, features.rows["person_id"].to_pylist()
    outcome = features.rows["outcome"].cast(pa.float64()).to_numpy()
    followed = {
        (int(day), who): row for row, (day, who) in enumerate(zip(at, person, strict=True)) if np.isfinite(outcome[row])
    }
    told = zip(days_of(history["as_of_date"]), history["person_id"].to_pylist(), strict=True)
    pairs = [(row, followed[key]) for row, key in enumerate((int(day), who) for day, who in told) if key in followed]
    if not pairs:
        return
    scored, known = (np.array(column, dtype=np.int64) for column in zip(*pairs, strict=True))
    group = features.examples().group
    probability = np.asarray(history["probability"].to_numpy(), dtype=np.float64)[scored]
    composite = np.asarray(history["composite_score"].to_numpy(), dtype=np.float64)[scored]
    has_model = np.isfinite(probability)
    kinds = (
        (NAME, probability, band_bounds("probability", bands), True, has_model),
        (COMPOSITE, composite, band_bounds(COMPOSITE, bands), False, np.ones(len(known), dtype=bool)),
    )
    months = [date_of(int(day)).strftime("%Y-%m") for day in at[known]]
    for name, score, bounds, is_probability, where in kinds:
        if not where.any():
            continue
        rows = known[where]
        of = Judged(None, name, BACKTEST, score[where], outcome[rows], group[rows], bounds, is_probability)
        yield from whole_rows(of, minimum)
        yield from segment_rows(of, MONTH, [months[row] for row in np.flatnonzero(where)], minimum)
        mask = np.zeros(len(at), dtype=bool)
        mask[rows] = True
        order = np.argsort(rows, kind="stable")
        ordered = Judged(
            None, name, BACKTEST, of.score[order], of.label[order], of.group[order], bounds, is_probability
        )
        yield from category_rows(ordered, features.features, features.where(mask).columns(), minimum)


def _crossings(history: pa.Table, outcomes: pa.Table, bands: Bands, minimum: int) -> Iterator[Row]:
    """Of the deals won lately: the share whose lead reached each band while it was open, and the days until the win."""
    if history.num_rows == 0:
        return
    first = int(days_of(history["as_of_date"]).min())
    won_at = {
        row["person_id"]: day_of(row["won_date"])
        for row in outcomes.to_pylist()
        if row["won_date"] is not None and day_of(row["won_date"]) > first
    }
    days, people = days_of(history["as_of_date"]), history["person_id"].to_pylist()
    for name, column in ((NAME, "probability"), (COMPOSITE, "composite_score")):
        score = np.asarray(history[column].to_numpy(), dtype=np.float64)
        rows = [row for row, who in enumerate(people) if who in won_at and np.isfinite(score[row])]
        seen = {people[row] for row in rows}
        of = Judged(None, name, BACKTEST, score, score, days, {}, False)
        scored = wilson_interval([len(seen) / max(len(won_at), 1)], [max(len(won_at), 1)])
        share = Metric(
            "won_deals_scored",
            len(seen) / max(len(won_at), 1),
            float(scored.low[0]),
            float(scored.high[0]),
            len(won_at),
        )
        if not won_at:
            continue
        yield quality_row(of, ALL, ALL, share, minimum)
        for band, bound in band_bounds("probability" if name == NAME else COMPOSITE, bands).items():
            reached: dict[str, int] = {}
            for row in rows:
                if score[row] >= bound and (people[row] not in reached or days[row] < reached[people[row]]):
                    reached[people[row]] = int(days[row])
            n = len(seen)
            rate = len(reached) / max(n, 1)
            limits = wilson_interval([rate], [max(n, 1)])
            yield quality_row(
                of,
                ALL,
                ALL,
                Metric(f"won_deals_reached:{band}", rate, float(limits.low[0]), float(limits.high[0]), n),
                minimum,
            )
            waited = np.sort([won_at[who] - day for who, day in reached.items()])
            if len(waited):
                low, middle, high = np.quantile(waited, [0.1, 0.5, 0.9])
                found = Metric(f"days_to_win_from:{band}", float(middle), float(low), float(high), len(waited))
                yield quality_row(of, ALL, ALL, found, minimum)


def _pql(
    history: pa.Table, outcomes: pa.Table, bands: Bands, thresholds: Mapping[str, float], minimum: int
) -> Iterator[Row]:
    """Share of leads won within the PQL horizon: from the first score date in the top PQL band, and below it.

    A lead counts below from its first score date on which it was not in the band, whatever it did later: on that day
    nobody knew. It may count on both sides, at different days.
    """
    bounds = band_bounds(PQL, bands)
    if history.num_rows == 0 or not bounds:
        return
    days, people = days_of(history["as_of_date"]), history["person_id"].to_pylist()
    last, horizon = int(days.max()), int(thresholds["pql_horizon_days"])
    is_qualified = [band == next(iter(bounds)) for band in history["pql_band"].to_pylist()]
    won_at = {row["person_id"]: day_of(row["won_date"]) for row in outcomes.to_pylist() if row["won_date"] is not None}
    of = Judged(None, PQL, BACKTEST, np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), {}, False)
    for metric, wanted in (("precision", True), ("won_share_not_qualified", False)):
        first: dict[str, int] = {}
        for day, who, qualified in zip(days, people, is_qualified, strict=True):
            if qualified == wanted:
                first[who] = min(int(day), first.get(who, int(day)))
        followed = {who: day for who, day in first.items() if day + horizon <= last}
        n = len(followed)
        if n == 0:
            continue
        rate = sum(who in won_at and day <= won_at[who] <= day + horizon for who, day in followed.items()) / n
        limits = wilson_interval([rate], [n])
        yield quality_row(of, ALL, ALL, Metric(metric, rate, float(limits.low[0]), float(limits.high[0]), n), minimum)


def _drift(
    features: FeatureTable, points: pa.Table, calendar: Calendar, models: pa.Table, thresholds: Mapping[str, float]
) -> Iterator[Row]:
    """How far today's scores are from those that the model in force was made from."""
    for snapshot in snapshots(features, points, calendar, models, thresholds, only_current=True):
        if snapshot.scores is None or snapshot.model is None:
            return
        version = str(snapshot.model["model_version"])
        of = Judged(version, NAME, TODAY, np.empty(0), np.empty(0), np.empty(0, dtype=np.int64), {}, True)
        for metric in drift_of(snapshot.model, snapshot.scores.probability):
            yield quality_row(of, ALL, ALL, metric, int(thresholds["minimum_n"]))
