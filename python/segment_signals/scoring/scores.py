"""The signals `lead_score_history`, `score_contributions` and `account_scores`."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segment_signals.learning import Rules, Scores, quality, registry
from segment_signals.learning.contributions import CONTRIBUTIONS_SCHEMA, contribution_rows
from segment_signals.learning.days import date_of, day_of
from segment_signals.learning.splits import fold_of
from segment_signals.scoring.inputs import Calendar, FeatureTable
from segment_signals.statistics.arrays import Bools, Floats

SCORES_SCHEMA = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("person_id", pa.string()),
        ("account_id", pa.string()),
        ("stage", pa.string()),
        ("fit_score", pa.float64()),
        ("intent_score", pa.float64()),
        ("engagement_score", pa.float64()),
        ("composite_score", pa.float64()),
        ("composite_band", pa.string()),
        ("disqualifier", pa.string()),
        ("pql_score", pa.float64()),
        ("pql_band", pa.string()),
        ("probability", pa.float64()),
        ("probability_band", pa.string()),
        ("model_version", pa.string()),
        ("reason", pa.string()),
        ("caveat", pa.string()),
    ]
)
ACCOUNTS_SCHEMA = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("account_id", pa.string()),
        ("open_lead_count", pa.int64()),
        ("senior_lead_count", pa.int64()),
        ("composite_score", pa.float64()),
        ("composite_band", pa.string()),
        ("probability_low", pa.float64()),
        ("probability_high", pa.float64()),
        ("model_version", pa.string()),
        ("reason", pa.string()),
    ]
)
COMPOSITE = "composite"
SENIOR = ("executive", "director")
Bands = Sequence[tuple[str, str, float]]


@dataclass(frozen=True)
class Snapshot:
    """Open leads of a score date: their rows, points beside them, the model in force, what it says."""

    at: int
    rows: FeatureTable
    points: pa.Table
    model: Mapping[str, object] | None
    scores: Scores | None
    reason: str | None
    caveat: str | None


def lead_score_history(
    features: FeatureTable,
    points: pa.Table,
    calendar: Calendar,
    models: pa.Table,
    bands: Bands,
    thresholds: Mapping[str, float],
) -> pa.Table:
    """The scores of every open lead on every score date that is told: today's, and earlier months' as they were.

    Args:
        features: the mart lead_features.
        points: the mart lead_points.
        calendar: the mart lead_calendar.
        models: the signal lead_models.
        bands: the seed score_bands: score, band, lower bound.
        thresholds: the rows of `evidence_thresholds`.

    Returns:
        Table of `SCORES_SCHEMA`. Without a model the probability is null and `reason` says why; with one, `reason` says
        what speaks against it (`model_too_old`, `model_drifted`, `model_miscalibrated`, `no_dates`).
    """
    parts = [
        _score_rows(snapshot, bands)
        for snapshot in snapshots(features, points, calendar, models, thresholds)
        if snapshot.rows.rows.num_rows
    ]
    return pa.concat_tables(parts) if parts else SCORES_SCHEMA.empty_table()


def score_contributions(
    features: FeatureTable, points: pa.Table, calendar: Calendar, models: pa.Table, thresholds: Mapping[str, float]
) -> pa.Table:
    """What today's scores are made of: of a probability its log-odds by feature group, of a composite its points.

    Returns:
        Table of `CONTRIBUTIONS_SCHEMA`. The contributions of a lead and a model version add up to the log-odds of its
        probability (`base` and `calibration` are blocks like others); those of `composite` to its composite score.
    """
    parts = []
    for snapshot in snapshots(features, points, calendar, models, thresholds, only_current=True):
        ids = snapshot.rows.rows["person_id"].combine_chunks()
        if snapshot.scores is not None and snapshot.model is not None:
            version = str(snapshot.model["model_version"])
            parts.append(contribution_rows(date_of(snapshot.at), version, ids, snapshot.scores.blocks))
        weights = {name: thresholds[f"composite_{name}_weight"] for name in ("fit", "intent", "engagement")}
        total = sum(weights.values())
        points = {
            name: _floats(snapshot.points, f"{name}_score") * (weight / total if total else 0.0)
            for name, weight in weights.items()
        }
        parts.append(contribution_rows(date_of(snapshot.at), COMPOSITE, ids, points))
    return pa.concat_tables(parts) if parts else CONTRIBUTIONS_SCHEMA.empty_table()


def account_scores(
    history: pa.Table, features: FeatureTable, bands: Bands, thresholds: Mapping[str, float]
) -> pa.Table:
    """Accounts with open leads today: the buying group's composite, and the range of the chance that any lead converts.

    The chance is at least that of the best lead, and at most what independent leads would have (leads of an account go
    together, which only lowers it).

    Args:
        history: the signal lead_score_history.
        features: the mart lead_features.
        bands: the seed score_bands.
        thresholds: the rows of `evidence_thresholds`.
    """
    if history.num_rows == 0:
        return ACCOUNTS_SCHEMA.empty_table()
    newest = pc.max(history["as_of_date"])
    today = history.filter(pc.equal(history["as_of_date"], newest))
    senior = features.rows.filter(pc.equal(features.rows["snapshot_date"].cast(pa.date32()), newest))
    is_senior = dict(
        zip(senior["person_id"].to_pylist(), (s in SENIOR for s in senior["seniority"].to_pylist()), strict=True)
    )
    rows: dict[str, list[dict[str, object]]] = {}
    for row in today.to_pylist():
        if row["account_id"] is not None and row["disqualifier"] is None:
            rows.setdefault(row["account_id"], []).append(row)
    found = []
    for account in sorted(rows):
        leads = rows[account]
        seniors = sum(bool(is_senior.get(str(row["person_id"]))) for row in leads)
        best = max(float(row["composite_score"]) for row in leads)  # type: ignore[arg-type]
        composite = best + (len(leads) - 1) * thresholds["account_people_points"]
        composite = min(composite + seniors * thresholds["account_senior_points"], 100.0)
        chances = [float(row["probability"]) for row in leads if row["probability"] is not None]  # type: ignore[arg-type]
        found.append(
            {
                "as_of_date": leads[0]["as_of_date"],
                "account_id": account,
                "open_lead_count": len(leads),
                "senior_lead_count": seniors,
                "composite_score": composite,
                "composite_band": band_names(np.array([composite]), COMPOSITE, bands)[0],
                "probability_low": max(chances) if chances else None,
                # Of a single lead both are its own chance: 1 - (1 - p) may fall below p by a rounding error.
                "probability_high": max(*chances, 1 - float(np.prod(1 - np.array(chances))), 0.0) if chances else None,
                "model_version": leads[0]["model_version"],
                "reason": leads[0]["reason"],
            }
        )
    return pa.Table.from_pylist(found, schema=ACCOUNTS_SCHEMA)


def snapshots(
    features: FeatureTable,
    points: pa.Table,
    calendar: Calendar,
    models: pa.Table,
    thresholds: Mapping[str, float],
    only_current: bool = False,
) -> Iterator[Snapshot]:
    """The score dates that are told, oldest first, each by the model that was in force; blocks only of today's."""
    by_day = {row["trained_on_date"]: row for row in models.to_pylist()}
    ordered = points.sort_by([("snapshot_date", "ascending"), ("person_id", "ascending")])
    told = ordered["snapshot_date"].cast(pa.date32())
    at = features.at
    for day in calendar.at[calendar.is_current if only_current else calendar.is_scored]:
        rows = features.where(at == day)
        beside = ordered.filter(pc.equal(told, pa.scalar(date_of(int(day)), pa.date32())))
        if not features.is_dated:
            # Whoever has converted is scored to judge the model, and is no open lead.
            is_open = np.asarray(rows.rows["outcome"].to_numpy() == 0)
            yield _scored(int(day), rows, beside, by_day.get(date_of(int(day))), thresholds, is_open, only_current)
        else:
            model = by_day.get(date_of(calendar.model_day(int(day))))
            yield _scored(int(day), rows, beside, model, thresholds, None, only_current)


def _scored(
    day: int,
    rows: FeatureTable,
    points: pa.Table,
    model: Mapping[str, object] | None,
    thresholds: Mapping[str, float],
    is_open: Bools | None,
    with_blocks: bool,
) -> Snapshot:
    scores, reason, caveat = None, None, None
    if model is None:
        reason = "no_model"
    elif model["model"] is None:
        reason, caveat = str(model["reason"]), str(model["caveat"])
    else:
        stored = registry.read(str(model["model"]), str(model["model_version"]))
        fold = None
        if len(stored.members) > 1:
            fold = fold_of(rows.examples().group, Rules.of(thresholds).folds)
        if rows.rows.num_rows:
            columns = rows.columns()
            scores = stored.score(columns, fold) if with_blocks else Scores(stored.probability(columns, fold), {})
            reason, caveat = _against(model, day, scores.probability, thresholds)
    if is_open is not None:
        kept = np.flatnonzero(is_open)
        rows = rows.where(is_open)
        points = points.filter(pa.array(is_open))
        if scores is not None:
            scores = Scores(scores.probability[kept], {name: block[kept] for name, block in scores.blocks.items()})
    return Snapshot(day, rows, points, model, scores, reason, caveat)


def _against(
    model: Mapping[str, object], day: int, probability: Floats, thresholds: Mapping[str, float]
) -> tuple[str | None, str | None]:
    """What speaks against a model's scores on a day: reason and sentence."""
    last = model["last_example_date"]
    if last is None:
        return "no_dates", "The list has no dates: whether a value was known before the outcome cannot be checked."
    age = day - day_of(last)  # type: ignore[arg-type]
    if age > thresholds["model_maximum_age_days"]:
        return "model_too_old", f"The newest example that was learned from is {age} days old."
    slope = model["calibration_slope"]
    low, high = model["calibration_slope_low"], model["calibration_slope_high"]
    if slope is not None and (
        float(high) < thresholds["model_minimum_slope"] or float(low) > thresholds["model_maximum_slope"]  # type: ignore[arg-type]
    ):
        return "model_drifted", f"Tested out of time, the calibration slope is {slope:.2f} ({low:.2f} to {high:.2f})."
    told = quality.came_true(_test_metrics(model))
    if told is not None and not told[0]:
        # What is tested is the procedure, one step earlier: it could not know the months it was tested on.
        later = "That is of a model made the same way before those months; the one in force is calibrated on them."
        return "model_miscalibrated", f"{told[1]} {later}"
    drift = drift_of(model, probability)
    if drift and drift[0].value > max(thresholds["model_maximum_psi"], drift[1].high):
        return (
            "model_drifted",
            f"Scores differ from those learned from: population stability index {drift[0].value:.2f}.",
        )
    return None, None


def _test_metrics(model: Mapping[str, object]) -> list[quality.Metric]:
    """What the test said of all records together."""
    rows = json.loads(str(model["test_metrics"])) if model["test_metrics"] is not None else []
    return [
        quality.Metric(row["metric"], row["value"], row["low"], row["high"], row["n"])
        for row in rows
        if row["dimension"] == "all" and None not in (row["value"], row["low"], row["high"])
    ]


def drift_of(model: Mapping[str, object], probability: Floats) -> list[quality.Metric]:
    """Population stability of scores against those of the model's own examples."""
    if model["reference_scores"] is None:
        return []
    reference = np.array(json.loads(str(model["reference_scores"])))
    return quality.stability(reference, probability, int(model["example_count"]))  # type: ignore[call-overload]


def _score_rows(snapshot: Snapshot, bands: Bands) -> pa.Table:
    rows, n = snapshot.rows.rows, snapshot.rows.rows.num_rows
    probability = snapshot.scores.probability if snapshot.scores is not None else np.full(n, np.nan)
    version = snapshot.model["model_version"] if snapshot.model is not None else None
    columns = {
        "as_of_date": pa.array([date_of(snapshot.at)] * n, pa.date32()),
        "person_id": rows["person_id"],
        "account_id": rows["account_id"],
        "stage": rows["stage"],
        **{
            name: snapshot.points[name]
            for name in (
                *("fit_score", "intent_score", "engagement_score", "composite_score", "composite_band"),
                *("disqualifier", "pql_score", "pql_band"),
            )
        },
        "probability": pa.array(probability, pa.float64(), from_pandas=True),
        "probability_band": pa.array(
            band_names(probability, "probability", bands) if snapshot.scores is not None else [None] * n, pa.string()
        ),
        "model_version": pa.array([version] * n, pa.string()),
        "reason": pa.array([snapshot.reason] * n, pa.string()),
        "caveat": pa.array([snapshot.caveat] * n, pa.string()),
    }
    return pa.table([_one(columns[field.name]).cast(field.type) for field in SCORES_SCHEMA], schema=SCORES_SCHEMA)


def band_names(score: Floats, of: str, bands: Bands) -> list[str | None]:
    """The band of each score: the one with the highest bound that it reaches."""
    own = sorted((bound, band) for name, band, bound in bands if name == of)
    names: list[str | None] = [None, *(band for _, band in own)]
    found = np.searchsorted(np.array([bound for bound, _ in own]), score, side="right")
    return [names[at] for at in found]


def _floats(table: pa.Table, name: str) -> Floats:
    return np.asarray(table[name].cast(pa.float64()).to_numpy(), dtype=np.float64)


def _one(column: "pa.Array | pa.ChunkedArray") -> pa.Array:
    return column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
