"""The model card, in markdown: in short first, then every coefficient."""

from collections.abc import Mapping, Sequence
from datetime import date

import numpy as np
from scipy.special import expit

from segment_signals.learning.days import date_of
from segment_signals.learning.encoding import MISSING, NumberCode
from segment_signals.learning.examples import Categories, Column, Examples, Refusal, Target, take
from segment_signals.learning.model import BASE, CALIBRATION, Model, Scores
from segment_signals.learning.quality import Metric, came_true
from segment_signals.learning.regression import Regression
from segment_signals.learning.training import OUT_OF_FOLD, OUT_OF_TIME, Trained

# Rows that tell how far contributions spread, and the place among them of the record that is worked through.
SHOWN_ROWS = 2000
WORKED_AT = 0.9
MOST_TERMS = 5
SMALLEST_TERM = 0.01
TESTED_ON = {OUT_OF_TIME: "later records of other accounts", OUT_OF_FOLD: "records that the model had not seen"}


def model_card(
    target: Target,
    model_version: str | None,
    trained: Trained,
    closed: Examples,
    trained_on: date,
    metrics: Sequence[Metric] = (),
    refusal: Refusal | None = None,
) -> str:
    """The card in markdown: what the model is, what it was learned from, how good it was, why a record has its score.

    Args:
        target: what is predicted.
        model_version: of the model; None where it was refused.
        trained: what training gave.
        closed: the rows whose window was over; one of them is the worked example.
        trained_on: day of training.
        metrics: of the test.
        refusal: why there is no model, if so.
    """
    model = trained.model if refusal is None else None
    lines = [f"# {target.title}: {model_version or 'refused'}", ""]
    lines += [
        f"Predicts whether a {target.record} {target.predicate} within {target.horizon_days} days. Trained on "
        f"{trained_on.isoformat()} from what was known then; definitions `{target.definitions_hash}`.",
        "",
    ]
    if refusal is not None:
        lines += ["## Refused", "", refusal.sentence, ""]
    if model is not None:
        shown = _newest(closed)
        scores = _scores(model, shown)
        lines += _in_short(target, trained, closed, scores, metrics)
        lines += _worked(target, model, shown, scores)
    if trained.windows:
        lines += [
            "## Data",
            "",
            f"| slice | score dates | rows | {target.record}s | rows with a {target.outcome} |",
            "|---|---|--:|--:|--:|",
        ]
        for name, window in trained.windows.items():
            first, last = date_of(window["first"]).isoformat(), date_of(window["last"]).isoformat()
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
        lines += [
            f"## Quality, {split}",
            "",
            "| metric | value | 95 % interval | rows |",
            "|---|--:|---|--:|",
        ]
        lines += [f"| {metric.name} | {metric.value:.4f} | {_interval(metric)} | {metric.n} |" for metric in metrics]
        lines.append("")
    if model is not None:
        lines += _explained(model, target.labels)
    return "\n".join(lines)


def _newest(closed: Examples) -> Examples:
    """The newest rows, at most `SHOWN_ROWS`, in the order of time."""
    return closed.take(np.argsort(closed.at, kind="stable")[-SHOWN_ROWS:])


def _scores(model: Model, shown: Examples) -> Scores:
    """Of a model per fold, the first tells how scores are made."""
    return model.members[0].score(shown.columns)


def _in_short(
    target: Target, trained: Trained, closed: Examples, scores: Scores, metrics: Sequence[Metric]
) -> list[str]:
    """What a newcomer should know, a sentence each."""
    entities, outcomes = len(np.unique(closed.entity)), len(np.unique(closed.entity[closed.label > 0]))
    told = [
        f"It learned from {entities:,} {target.record}s whose {target.horizon_days} days were over: {outcomes:,} "
        f"{target.outcome}s."
    ]
    of = {metric.name: metric for metric in metrics}
    if "roc_auc" in of and trained.tested is not None:
        auc = of["roc_auc"]
        told.append(
            f"Tested on {TESTED_ON[trained.tested.split]}: of one that did and one that did not, the first had the "
            f"higher score in {100 * auc.value:.0f} of 100 pairs (AUC {auc.value:.2f}, 95 % interval {auc.low:.2f} to "
            f"{auc.high:.2f}; 0.50 is chance)."
        )
    true = came_true(metrics)
    if true is not None:
        told.append(true[1])
    groups = {name: block for name, block in scores.blocks.items() if name not in (BASE, CALIBRATION)}
    spread = sorted(((float(np.std(block)), name) for name, block in groups.items()), key=lambda at: (-at[0], at[1]))
    moved = [f"{name} ({value:.2f})" for value, name in spread[:3] if value > 0]
    if moved:
        told.append(
            f"What tells the newest {target.record}s apart most, by the standard deviation of its log-odds: "
            f"{', '.join(moved)}."
        )
    told.append(
        f"It says what came of {target.record}s treated as these were; what another treatment would change, it does "
        "not know."
    )
    return ["## In short", "", *(f"- {sentence}" for sentence in told), ""]


def _worked(target: Target, model: Model, shown: Examples, scores: Scores) -> list[str]:
    """One record's score, step by step: the one nine tenths of the way up the newest."""
    row = int(np.argsort(scores.probability, kind="stable")[int(WORKED_AT * (len(shown) - 1))])
    lines = [
        f"## One {target.record} worked through",
        "",
        f"The {target.record} whose probability is higher than that of {WORKED_AT:.0%} of the newest:",
        "",
        "| step | log-odds | sum | as a probability |",
        "|---|--:|--:|--:|",
    ]
    total = 0.0
    for name, block in scores.blocks.items():
        total += float(block[row])
        lines.append(f"| {name} | {block[row]:+.3f} | {total:+.3f} | {expit(total):.1%} |")
    learner = model.members[0].learner
    if isinstance(learner, Regression):
        columns = take(shown.columns, np.array([row]))
        terms = {name: float(term[0]) for name, term in learner.feature_terms(columns).items()}
        strongest = sorted(terms, key=lambda name: (-abs(terms[name]), name))[:MOST_TERMS]
        told = [
            f"{target.labels.get(name, name)} {_value(columns[name])} ({terms[name]:+.2f})"
            for name in strongest
            if abs(terms[name]) >= SMALLEST_TERM
        ]
        if told:
            lines += ["", f"What weighs most in it: {'; '.join(told)}."]
    return [*lines, ""]


def _value(column: Column) -> str:
    """The one value of a column of one row."""
    if isinstance(column, Categories):
        return column.levels[column.codes[0]] if column.codes[0] >= 0 else MISSING
    return MISSING if np.isnan(column[0]) else f"{column[0]:g}"


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
        lines += ["None: on the newest rows, what learners of other groups say is not told from what came.", ""]
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
