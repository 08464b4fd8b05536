"""The registry's terms: a model as canonical text, its version, and its card.

A stored model is JSON: numbers and names. Reading one runs nothing. The version is a hash of that text, so the same
training gives the same version, and a version is the same model everywhere.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
import pyarrow as pa

from segment_signals.learning.card import model_card
from segment_signals.learning.days import date_of
from segment_signals.learning.examples import Examples, Refusal, Target
from segment_signals.learning.model import Model
from segment_signals.learning.quality import Metric
from segment_signals.learning.training import Trained

FORMAT = 1
MODELS_SCHEMA = pa.schema(
    [
        ("model_version", pa.string()),
        ("model_name", pa.string()),
        ("trained_on_date", pa.date32()),
        ("status", pa.string()),
        ("model_kind", pa.string()),
        ("reason", pa.string()),
        ("caveat", pa.string()),
        ("target", pa.string()),
        ("horizon_days", pa.int64()),
        ("first_example_date", pa.date32()),
        ("last_example_date", pa.date32()),
        ("example_count", pa.int64()),
        ("entity_count", pa.int64()),
        ("outcome_count", pa.int64()),
        ("calibration_slope", pa.float64()),
        ("calibration_slope_low", pa.float64()),
        ("calibration_slope_high", pa.float64()),
        ("leakage_alarms", pa.string()),
        ("decision", pa.string()),
        ("definitions_hash", pa.string()),
        ("test_metrics", pa.string()),
        ("reference_scores", pa.string()),
        ("card", pa.string()),
        ("model", pa.string()),
    ]
)


def to_json(model: Model) -> str:
    """The model as text: sorted keys, no spaces, always the same bytes for the same model."""
    return json.dumps({"format": FORMAT, **model.to_json()}, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Model:
    """The model of a stored text. ValueError where it is none, or of another format, or trees lead nowhere."""
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("This is no model that this version can read. Train it again.")
    return Model.from_json(content)


def read(text: str, model_version: str) -> Model:
    """The model of a stored text of the registry. ValueError where the text is not the one that the version names."""
    if not model_version.endswith("-" + _hash(text)):
        raise ValueError(f"The stored model is not the one that {model_version} names. Train it again.")
    return from_json(text)


def version(name: str, trained_on: date, text: str) -> str:
    """Name, day of training and hash of the stored text: `lead_score-2025-09-30-1f0c2a9b3d4e`."""
    return f"{name}-{trained_on.isoformat()}-{_hash(text)}"


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()[:12]


def registry_row(
    target: Target,
    trained: Trained,
    closed: Examples,
    trained_on: date,
    *,
    is_dated: bool = True,
    metrics: Sequence[Metric] = (),
    quality_rows: Sequence[Mapping[str, object]] | None = None,
    reference_scores: Sequence[float] | None = None,
    refusal: Refusal | None = None,
) -> dict[str, object]:
    """The row of a training, in the columns of `MODELS_SCHEMA`.

    Args:
        target: what is predicted.
        trained: what training gave.
        closed: the rows whose window was over on the day of training.
        trained_on: day of training.
        is_dated: whether the landmarks of the rows mean anything.
        metrics: of the test.
        quality_rows: rows of `model_quality` that the test gave.
        reference_scores: quantiles of the scores of the rows learned from, to tell later scores from.
        refusal: why the trained model is not used; where training itself refused, that reason goes before.
    """
    refusal = trained.refusal or refusal
    text = to_json(trained.model) if trained.model is not None and refusal is None else None
    model_version = version(target.model_name, trained_on, text) if text is not None else None
    slope = next((metric for metric in metrics if metric.name == "calibration_slope"), None)
    alarms = "; ".join(f"{alarm.feature} ({alarm.rule}, AUC {alarm.auc:.3f})" for alarm in trained.alarms)
    has_days = len(closed) > 0 and is_dated
    return {
        "model_version": model_version,
        "model_name": target.model_name,
        "trained_on_date": trained_on,
        "status": "refused" if text is None else "trained",
        "model_kind": None if trained.model is None else trained.model.kind,
        "reason": None if refusal is None else refusal.code,
        "caveat": None if refusal is None else refusal.sentence,
        "target": target.predicate,
        "horizon_days": target.horizon_days,
        "first_example_date": date_of(int(closed.at.min())) if has_days else None,
        "last_example_date": date_of(int(closed.at.max())) if has_days else None,
        "example_count": len(closed),
        "entity_count": len(np.unique(closed.entity)),
        "outcome_count": len(np.unique(closed.entity[closed.label > 0])),
        "calibration_slope": None if slope is None else slope.value,
        "calibration_slope_low": None if slope is None else slope.low,
        "calibration_slope_high": None if slope is None else slope.high,
        "leakage_alarms": alarms or None,
        "decision": trained.decision or None,
        "definitions_hash": target.definitions_hash,
        "test_metrics": None if quality_rows is None else json.dumps(quality_rows),
        "reference_scores": None if reference_scores is None else json.dumps(list(reference_scores)),
        "card": model_card(target, model_version, trained, closed, trained_on, metrics, refusal),
        "model": text,
    }
