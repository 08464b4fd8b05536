"""The signal `lead_models`: the registry, one row per quarterly training with the stored model and its card."""

import json
from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from segment_signals.learning import Rules, Trained, quality, registry, train
from segment_signals.learning.splits import fold_of
from segment_signals.scoring.inputs import MODELS_SCHEMA, Calendar, FeatureTable, date_of
from segment_signals.scoring.told import Judged, band_bounds, category_rows, whole_rows

NAME = "lead_score"
# Scores of the training rows that are kept to tell later ones from: quantiles.
REFERENCE = 201


def lead_models(
    features: FeatureTable,
    calendar: Calendar,
    thresholds: Mapping[str, float],
    late_names: Sequence[str],
    bands: Sequence[tuple[str, str, float]],
    target: str,
    definitions_hash: str,
) -> pa.Table:
    """Train for each quarter whose scores are told, on what was known when it began.

    Args:
        features: the mart lead_features.
        calendar: the mart lead_calendar.
        thresholds: the rows of `evidence_thresholds`.
        late_names: patterns of the seed `late_attributes`.
        bands: the seed score_bands: score, band, lower bound.
        target: stage that is predicted.
        definitions_hash: of the definitions in force.

    Returns:
        Table of `MODELS_SCHEMA`. A refused training has no version and no model, and says why.
    """
    rows = [
        _trained(features, calendar, day, thresholds, late_names, bands, target, definitions_hash)
        for day in (calendar.training_days if features.is_dated else [int(calendar.at[calendar.is_current][0])])
    ]
    return pa.Table.from_pylist(rows, schema=MODELS_SCHEMA)


def _trained(
    features: FeatureTable,
    calendar: Calendar,
    day: int,
    thresholds: Mapping[str, float],
    late_names: Sequence[str],
    bands: Sequence[tuple[str, str, float]],
    target: str,
    definitions_hash: str,
) -> dict[str, object]:
    rules, horizon = Rules.of(thresholds), calendar.horizon_days
    known = features
    if features.is_dated:
        month_ends = calendar.at[calendar.is_month_end]
        usable = (features.at + horizon <= day) & (features.at > day - thresholds["model_training_days"])
        known = features.where(usable & np.isin(features.at, month_ends))
    examples = known.examples()
    trained = train(examples, features.features, horizon, day, rules, late_names, undated=not features.is_dated)
    closed = examples.take(trained.closed)
    text = registry.to_json(trained.model) if trained.model is not None else None
    on = date_of(day)
    version = registry.version(NAME, on, text) if text is not None else None
    metrics: list[quality.Metric] = []
    rows = None
    if trained.tested is not None:
        tested = trained.tested
        metrics = quality.measure(
            tested.probability, closed.label[tested.rows], closed.group[tested.rows], {}, is_probability=True
        )
        test = closed.take(tested.rows)
        bounds = band_bounds("probability", bands)
        of = Judged(None, NAME, tested.split, tested.probability, test.label, test.group, bounds, True)
        minimum = int(thresholds["minimum_n"])
        told = list(whole_rows(of, minimum))
        if day == int(calendar.training_days[-1]) or not features.is_dated:
            # Segments only of the model in force: nobody reads those of earlier ones.
            told.extend(category_rows(of, features.features, test.columns, minimum))
        rows = json.dumps(told)
    slope = next((metric for metric in metrics if metric.name == "calibration_slope"), None)
    alarms = "; ".join(f"{alarm.feature} ({alarm.rule}, AUC {alarm.auc:.3f})" for alarm in trained.alarms)
    return {
        "model_version": version,
        "model_name": NAME,
        "trained_on_date": on,
        "status": "refused" if text is None else "trained",
        "model_kind": None if trained.model is None else trained.model.kind,
        "reason": None if trained.refusal is None else trained.refusal.code,
        "caveat": None if trained.refusal is None else trained.refusal.sentence,
        "target": target,
        "horizon_days": horizon,
        "first_example_date": date_of(int(closed.at.min())) if len(closed) and features.is_dated else None,
        "last_example_date": date_of(int(closed.at.max())) if len(closed) and features.is_dated else None,
        "example_count": len(closed),
        "lead_count": len(np.unique(closed.entity)),
        "conversion_count": len(np.unique(closed.entity[closed.label > 0])),
        "calibration_slope": None if slope is None else slope.value,
        "calibration_slope_low": None if slope is None else slope.low,
        "calibration_slope_high": None if slope is None else slope.high,
        "leakage_alarms": alarms or None,
        "decision": trained.decision or None,
        "definitions_hash": definitions_hash,
        "test_metrics": rows,
        "reference_scores": _reference(trained, known, rules),
        "card": registry.model_card(
            "Lead score",
            version or "refused",
            trained,
            on,
            horizon,
            f"reaches the stage {target}",
            definitions_hash,
            features.labels,
            metrics,
        ),
        "model": text,
    }


def _reference(trained: Trained, known: FeatureTable, rules: Rules) -> str | None:
    """Quantiles of what the model says of the rows it was made from, as JSON."""
    if trained.model is None or not known.is_dated:
        return None
    examples = known.examples().take(trained.closed)
    fold = fold_of(examples.group, rules.folds) if len(trained.model.members) > 1 else None
    scores = trained.model.probability(examples.columns, fold)
    kept = np.quantile(scores, np.linspace(0, 1, REFERENCE))
    return json.dumps([float(f"{value:.6g}") for value in kept])
