"""The registry's terms: a model as canonical text, its version, and its card.

A stored model is JSON: numbers and names. Reading one runs nothing. The version is a hash of that text, so the same
training gives the same version, and a version is the same model everywhere.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import date, timedelta

import numpy as np

from segment_signals.learning.encoding import NumberCode
from segment_signals.learning.model import Model
from segment_signals.learning.quality import Metric
from segment_signals.learning.regression import Regression
from segment_signals.learning.training import Trained

EPOCH = date(1970, 1, 1)
FORMAT = 1


def day(number: int) -> date:
    """The date of days since 1970-01-01."""
    return EPOCH + timedelta(days=int(number))


def number_of(of: date) -> int:
    """Days since 1970-01-01."""
    return (of - EPOCH).days


def to_json(model: Model) -> str:
    """The model as text: sorted keys, no spaces, always the same bytes for the same model."""
    return json.dumps({"format": FORMAT, **model.to_json()}, sort_keys=True, separators=(",", ":"), allow_nan=False)


def from_json(text: str) -> Model:
    """The model of a stored text. ValueError where it is none, or of another format."""
    content = json.loads(text)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise ValueError("This is no model that this version can read. Train it again.")
    return Model.from_json(content)


def version(name: str, trained_on: date, text: str) -> str:
    """Name, day of training and hash of the stored text: `lead_score-2025-09-30-1f0c2a9b3d4e`."""
    return f"{name}-{trained_on.isoformat()}-{hashlib.sha256(text.encode()).hexdigest()[:12]}"


def model_card(
    title: str,
    model_version: str,
    trained: Trained,
    trained_on: date,
    horizon_days: int,
    target: str,
    definitions_hash: str,
    labels: Mapping[str, str],
    metrics: Sequence[Metric] = (),
) -> str:
    """The card in markdown: what the model is, from what it was learned, how good it was, why a record has its score.

    Args:
        title: heading.
        model_version: of the model, or of the refusal.
        trained: what training gave.
        trained_on: day of training.
        horizon_days: of the label.
        target: what is predicted, as a sentence's object ("reaches the stage opportunity").
        definitions_hash: of the definitions in force.
        labels: what each feature is, in words.
        metrics: of the test.
    """
    lines = [f"# {title}: {model_version}", ""]
    lines += [
        f"Predicts whether a record {target} within {horizon_days} days. Trained on {trained_on.isoformat()} from what "
        f"was known then; definitions `{definitions_hash}`.",
        "",
    ]
    if trained.refusal is not None:
        lines += ["## Refused", "", trained.refusal.sentence, ""]
    if trained.windows:
        lines += [
            "## Data",
            "",
            "| slice | score dates | rows | records | conversions |",
            "|---|---|--:|--:|--:|",
        ]
        for name, window in trained.windows.items():
            first, last = day(window["first"]).isoformat(), day(window["last"]).isoformat()
            span = "no dates" if name == "folds" else f"{first} to {last}"
            counts = " | ".join(str(window[key]) for key in ("rows", "entities", "conversions"))
            lines.append(f"| {name.replace('_', ', ', 1)} | {span} | {counts} |")
        lines += [
            "",
            "`test` slices told how good the procedure is: training, calibration and, after an embargo of the horizon, "
            "the test. `deployed` slices made this model by the same procedure, one step later."
            if "folds" not in trained.windows
            else "The list has no dates: each fold of groups is scored by the model that has not seen it.",
            "",
        ]
    if trained.decision:
        lines += ["## Decision", "", trained.decision, ""]
    if trained.alarms:
        lines += ["## Leakage alarm", "", "| feature | rule | AUC alone |", "|---|---|--:|"]
        lines += [f"| {alarm.feature} | {alarm.rule} | {alarm.auc:.3f} |" for alarm in trained.alarms]
        lines += ["", "Features that were declared as written after the outcome are left out.", ""]
    if metrics:
        split = trained.tested.split.replace("_", " ") if trained.tested else "test"
        lines += [f"## Quality, {split}", "", "| metric | value | 95 % interval | rows |", "|---|--:|---|--:|"]
        lines += [f"| {metric.name} | {metric.value:.4f} | {_interval(metric)} | {metric.n} |" for metric in metrics]
        lines.append("")
    if trained.model is not None:
        lines += _explained(trained.model, labels)
    return "\n".join(lines)


def _interval(metric: Metric) -> str:
    if np.isnan(metric.low) or np.isnan(metric.high):
        return ""
    return f"{metric.low:.4f} to {metric.high:.4f}"


def _explained(model: Model, labels: Mapping[str, str]) -> list[str]:
    lines = ["## Why a record has its score", ""]
    member = model.members[0]
    learner = member.learner
    lines += [
        "The probability p of a record is told in log-odds, ln(p / (1 - p)): the base, plus one contribution per "
        "feature group (`score_contributions`), plus what calibration changed. They add up. +0.69 doubles the odds, "
        "-0.69 halves them. A contribution says what this model reads from the record; it is no cause.",
        "",
        f"Base: {learner.base():.3f}, the log-odds of "
        + ("the mean record." if isinstance(learner, Regression) else "what is expected over the training records."),
        "",
    ]
    if len(model.members) > 1:
        lines += [f"One model per fold; the first of {len(model.members)} is shown.", ""]
    if isinstance(learner, Regression):
        lines += ["| group | feature | value | log-odds beside the mean record |", "|---|---|---|--:|"]
        for code, where in zip(learner.encoder.codes, learner.encoder.slices(), strict=True):
            weights, means = learner.coefficients[where], learner.means[where]
            shift = float(weights @ means)
            told = labels.get(code.name, code.name)
            if isinstance(code, NumberCode):
                steps = len(code.knots) - 1
                level = -float(weights[:steps] @ means[:steps])
                absent = -float(weights[steps] * means[steps]) if code.has_missing else 0.0
                heights = np.concatenate([[0.0], np.cumsum(weights[:steps])]) + level + absent
                lines += [
                    f"| {code.feature_group} | {told} | {knot:g} | {height:+.3f} |"
                    for knot, height in zip(code.knots, heights, strict=True)
                ]
                if code.has_missing:
                    lines.append(
                        f"| {code.feature_group} | {told} | (missing) | {weights[steps] * (1 - means[steps]):+.3f} |"
                    )
            else:
                lines += [
                    f"| {code.feature_group} | {told} | {name} | {weight - shift:+.3f} |"
                    for name, weight in zip(code.levels, weights, strict=True)
                ]
        lines += [
            "",
            "Between two values of a number the contribution is on the straight line; beyond them it is flat.",
            "",
        ]
    else:
        lines += [
            f"{len(learner.trees)} trees of at most eight leaves; contributions are Shapley values of the groups.",
            "",
            "| group | features |",
            "|---|---|",
        ]
        for group in learner.groups():
            names = [labels.get(code.name, code.name) for code in learner.encoder.codes if code.feature_group == group]
            lines.append(f"| {group} | {', '.join(names)} |")
        lines.append("")
    calibration = member.calibration
    lines += ["### Calibration", ""]
    if calibration.kind == "identity":
        lines += ["None: on the calibration slice, what the model says came true.", ""]
    elif calibration.kind == "sigmoid":
        lines += [
            f"A line: log-odds = {calibration.to[0]:.3f} + {calibration.to[1]:.3f} x what the model says.",
            "",
        ]
    else:
        lines += ["| the model says (log-odds) | calibrated to |", "|--:|--:|"]
        lines += [f"| {a:.3f} | {b:.3f} |" for a, b in zip(calibration.at, calibration.to, strict=True)]
        lines.append("")
    return lines
