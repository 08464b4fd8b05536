"""The signal `lead_models`: the registry, one row per quarterly training with the stored model and its card."""

from collections.abc import Mapping, Sequence

import numpy as np
import pyarrow as pa

from segment_signals.learning import Rules, Trained, quality, registry, train
from segment_signals.learning.days import date_of
from segment_signals.learning.examples import Target
from segment_signals.learning.quality_rows import Judged, Row, band_bounds, category_rows, whole_rows
from segment_signals.learning.splits import fold_of
from segment_signals.scoring.inputs import Calendar, FeatureTable

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
    predicted = Target(
        NAME,
        "Lead score",
        "lead",
        "conversion",
        f"reaches the stage {target}",
        calendar.horizon_days,
        definitions_hash,
        features.labels,
    )
    rows = [
        _trained(features, calendar, day, thresholds, late_names, bands, predicted)
        for day in (calendar.training_days if features.is_dated else [int(calendar.at[calendar.is_current][0])])
    ]
    return pa.Table.from_pylist(rows, schema=registry.MODELS_SCHEMA)


def _trained(
    features: FeatureTable,
    calendar: Calendar,
    day: int,
    thresholds: Mapping[str, float],
    late_names: Sequence[str],
    bands: Sequence[tuple[str, str, float]],
    target: Target,
) -> dict[str, object]:
    rules = Rules.of(thresholds)
    known = features
    if features.is_dated:
        month_ends = calendar.at[calendar.is_month_end]
        usable = (features.at + target.horizon_days <= day) & (features.at > day - thresholds["model_training_days"])
        known = features.where(usable & np.isin(features.at, month_ends))
    examples = known.examples()
    trained = train(examples, features.features, target, day, rules, late_names, undated=not features.is_dated)
    closed = examples.take(trained.closed)
    metrics: list[quality.Metric] = []
    rows: list[Row] | None = None
    if trained.tested is not None:
        tested = trained.tested
        metrics = quality.measure(
            tested.probability, closed.label[tested.rows], closed.group[tested.rows], {}, is_probability=True
        )
        test = closed.take(tested.rows)
        bounds = band_bounds("probability", bands)
        of = Judged(None, NAME, tested.split, tested.probability, test.label, test.group, bounds, True)
        minimum = int(thresholds["minimum_n"])
        rows = list(whole_rows(of, minimum))
        if day == int(calendar.training_days[-1]) or not features.is_dated:
            # Segments only of the model in force: nobody reads those of earlier ones.
            rows.extend(category_rows(of, features.features, test.columns, minimum))
    return registry.registry_row(
        target,
        trained,
        closed,
        date_of(day),
        is_dated=features.is_dated,
        metrics=metrics,
        quality_rows=rows,
        reference_scores=_reference(trained, known, rules),
    )


def _reference(trained: Trained, known: FeatureTable, rules: Rules) -> list[float] | None:
    """Quantiles of what the model says of the rows it was made from."""
    if trained.model is None or not known.is_dated:
        return None
    examples = known.examples().take(trained.closed)
    fold = fold_of(examples.group, rules.folds) if len(trained.model.members) > 1 else None
    scores = trained.model.probability(examples.columns, fold)
    kept = np.quantile(scores, np.linspace(0, 1, REFERENCE))
    return [float(f"{value:.6g}") for value in kept]
