"""The procedure: refuse, split, fit champion and challenger, decide, calibrate, and test out of time."""

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace

import numpy as np
from scipy.special import expit
from threadpoolctl import threadpool_limits

from segment_signals.learning.boosting import fit_boosting
from segment_signals.learning.calibration import fit_calibration
from segment_signals.learning.encoding import Encoder, fit_encoder
from segment_signals.learning.examples import AFTER_OUTCOME, Examples, Feature, Refusal, Rules, Target
from segment_signals.learning.leakage import Alarm, alarms
from segment_signals.learning.model import Learner, Member, Model
from segment_signals.learning.regression import PENALTIES, fit_regression
from segment_signals.learning.splits import (
    CALIBRATION,
    TEST,
    TRAINING,
    Split,
    deployment_split,
    evaluation_split,
    fold_of,
    is_closed,
    refuse_slice,
    thin,
)
from segment_signals.statistics.arrays import Bools, Floats, Integers

RESAMPLES = 1000
# With so many rows two thirds of the groups tell as much as four fifths: fewer folds, to train in a minute.
MANY_ROWS, FOLDS_OF_MANY_ROWS = 50_000, 3
# A prior's precision does not depend on the number of rows: so many settle it.
PENALTY_ROWS = 20_000
SMALLEST_PROBABILITY = 1e-9
OUT_OF_TIME, OUT_OF_FOLD = "out_of_time", "out_of_fold"


@dataclass(frozen=True)
class Tested:
    """What the procedure said of rows that it had not seen: positions in the closed rows, probability of each.

    `split`: `out_of_time`, or `out_of_fold` for lists without dates.
    """

    split: str
    rows: Integers
    probability: Floats


@dataclass(frozen=True)
class Trained:
    """What a training gave.

    model: None where it was refused. refusal: why. alarms: leaks that were named. features: those learned from.
    closed: positions of the rows whose window was over, thinned to the maximum; tested.rows point into it.
    decision: what decided between champion and challenger. windows: first and last landmark and counts of each slice.
    """

    model: Model | None
    refusal: Refusal | None
    alarms: Sequence[Alarm]
    features: Sequence[Feature]
    closed: Integers
    tested: Tested | None = None
    decision: str = ""
    windows: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def train(
    examples: Examples,
    features: Sequence[Feature],
    target: Target,
    trained_on: int,
    rules: Rules,
    late_names: Sequence[str] = (),
    undated: bool = False,
) -> Trained:
    """Train on what was known on a day.

    Args:
        examples: rows in a fixed order; those whose window is not over on `trained_on` are not used.
        features: what may be learned from; those known `after_outcome` are only named by the alarm.
        target: what is predicted; its horizon is that of the label, and the embargo before the test.
        trained_on: day of training, days since 1970-01-01.
        rules: thresholds.
        late_names: patterns of names that are written late (`leakage.alarms`).
        undated: the list has no landmarks; every row with a label is used, in folds by group.

    Returns:
        The model that is deployed: fitted on all closed rows, calibrated on what learners of the other groups say of
        the newest. What is said of its quality (`tested`) comes from the same procedure one step earlier, of groups
        that it had not seen. Or a refusal.
    """
    with threadpool_limits(1):
        usable = (
            ~np.isnan(examples.label)
            if undated
            else is_closed(examples.at, examples.label, target.horizon_days, trained_on)
        )
        closed = np.flatnonzero(usable)
        closed = closed[thin(examples.entity[closed], examples.at[closed], rules.maximum_training_rows)]
        rows = examples.take(closed)
        refusal = _too_little(rows, target, rules)
        if refusal is not None:
            return Trained(None, refusal, (), (), closed)
        named = alarms(rows, features, late_names, rules)
        refusal = _leaks(named, rules)
        kept = [feature for feature in features if feature.known != AFTER_OUTCOME]
        if refusal is not None:
            return Trained(None, refusal, named, kept, closed)
        if fit_encoder(rows.columns, kept, rules).is_empty:
            return Trained(
                None,
                Refusal("no_features", f"None of {len(kept)} features differs between records."),
                named,
                kept,
                closed,
            )
        found = _in_folds(rows, kept, target, rules) if undated else _in_time(rows, kept, target, rules)
        if isinstance(found, Refusal):
            return Trained(None, found, named, kept, closed)
        model, tested, decision, windows = found
        return Trained(model, None, named, kept, closed, tested, decision, windows)


Found = tuple[Model, Tested, str, dict[str, dict[str, int]]]


def _too_little(rows: Examples, target: Target, rules: Rules) -> Refusal | None:
    entities = len(np.unique(rows.entity))
    wins = len(np.unique(rows.entity[rows.label > 0]))
    followed = f"{wins} {target.outcome}s among {entities} {target.record}s whose {target.horizon_days} days are over"
    if entities < rules.minimum_entities:
        return Refusal("too_few_records", f"{followed}; a model needs {rules.minimum_entities} {target.record}s.")
    if wins == 0 or rows.label.min() > 0:
        return Refusal("single_outcome", f"{followed}: there is nothing to tell apart.")
    if wins < rules.minimum_conversions:
        return Refusal(
            "too_few_conversions", f"{followed}; a model needs {rules.minimum_conversions} {target.outcome}s."
        )
    return None


def _leaks(named: Sequence[Alarm], rules: Rules) -> Refusal | None:
    leaks = [alarm for alarm in named if alarm.rule != "declared"]
    if not leaks:
        return None
    told = ", ".join(
        f"{alarm.feature} (AUC {alarm.auc:.2f}{', by its name' if alarm.rule == 'name' else ''})" for alarm in leaks
    )
    return Refusal(
        "leakage",
        f"Known only after the outcome, it seems: {told}. Declare when each is known "
        f"(an honest feature alone stays below {rules.leakage_auc:.2f}).",
    )


def _in_time(rows: Examples, features: Sequence[Feature], target: Target, rules: Rules) -> Found | Refusal:
    early = evaluation_split(rows.at, target.horizon_days, rules)
    late = deployment_split(rows.at, rules)
    if early is None or late is None:
        days = len(np.unique(rows.at))
        return Refusal(
            "too_little_history",
            f"{days} score dates have outcomes: too few to train, wait {target.horizon_days} days and test later.",
        )
    if len(rows) >= MANY_ROWS:
        rules = replace(rules, folds=FOLDS_OF_MANY_ROWS)
    fold = fold_of(rows.group, rules.folds)
    for split in (early, late):
        for name, part in ((TRAINING, split.training), (CALIBRATION, split.calibration), (TEST, split.test)):
            refusal = (
                refuse_slice(name, rows.label[part], target.outcome, rules) if name != TEST or split is early else None
            )
            if refusal is not None:
                return refusal
        for at in range(rules.folds):
            learned = split.earlier[fold[split.earlier] != at]
            refusal = refuse_slice(
                f"training (all but fold {at + 1} of the groups)", rows.label[learned], target.outcome, rules
            )
            if refusal is not None:
                return refusal
            if fit_encoder(rows.take(learned).columns, features, rules).is_empty:
                return Refusal("no_features", "No feature differs between the records of a training slice.")
    # The penalty of the test serves the model that is deployed, too: it is a choice of the procedure.
    fits = _fits(features, rules, _penalty(rows.take(early.training), features, rules))
    tests = [_tested(fit, rows, early, fold, rules) for fit in fits]
    adopted, decision = compare(tests[0], tests[1], rows.label[early.test], rows.group[early.test])
    model = Model((_member(fits[int(adopted)], rows, late, fold, rules),))
    tested = Tested(OUT_OF_TIME, early.test, tests[int(adopted)])
    windows = {
        f"{name}_{part}": _window(rows, getattr(split, part))
        for name, split in (("test", early), ("deployed", late))
        for part in (TRAINING, CALIBRATION, TEST)
        if len(getattr(split, part))
    }
    return model, tested, decision, windows


def _in_folds(rows: Examples, features: Sequence[Feature], target: Target, rules: Rules) -> Found | Refusal:
    """A model per fold of groups, fitted on the others; calibrated on what the other folds' models say of their own."""
    fold = fold_of(rows.group, rules.folds)
    learners: dict[str, list[Learner]] = {"logistic": [], "boosting": []}
    raw = {kind: np.full(len(rows), np.nan) for kind in learners}
    for at in range(rules.folds):
        training, rest = np.flatnonzero(fold != at), np.flatnonzero(fold == at)
        refusal = refuse_slice(f"training (fold {at + 1})", rows.label[training], target.outcome, rules)
        if refusal is not None:
            return refusal
        part, there = rows.take(training), rows.take(rest)
        encoder = fit_encoder(part.columns, features, rules)
        fitted: dict[str, Learner] = {
            "logistic": fit_regression(encoder, part.columns, part.label, _penalty(part, features, rules)),
            "boosting": fit_boosting(encoder, part.columns, part.label),
        }
        for kind, learner in fitted.items():
            learners[kind].append(learner)
            raw[kind][rest] = learner.log_odds(there.columns)
    probability: dict[str, Floats] = {kind: np.full(len(rows), np.nan) for kind in learners}
    members: dict[str, list[Member]] = {kind: [] for kind in learners}
    for kind in learners:
        for at in range(rules.folds):
            others, own = np.flatnonzero(fold != at), np.flatnonzero(fold == at)
            calibration = fit_calibration(
                raw[kind][others], rows.label[others], rows.group[others], rules.isotonic_rows
            )
            members[kind].append(Member(learners[kind][at], calibration))
            probability[kind][own] = expit(calibration.apply(raw[kind][own]))
    adopted, decision = compare(probability["logistic"], probability["boosting"], rows.label, rows.group)
    kind = "boosting" if adopted else "logistic"
    tested = Tested(OUT_OF_FOLD, np.arange(len(rows)), probability[kind])
    windows = {"folds": _window(rows, np.arange(len(rows)))}
    return Model(tuple(members[kind])), tested, decision, windows


Fit = Callable[[Examples], Learner]


def _fits(features: Sequence[Feature], rules: Rules, penalty: float) -> tuple[Fit, Fit]:
    """How champion and challenger learn."""

    def champion(part: Examples) -> Learner:
        return fit_regression(fit_encoder(part.columns, features, rules), part.columns, part.label, penalty)

    def challenger(part: Examples) -> Learner:
        return fit_boosting(fit_encoder(part.columns, features, rules), part.columns, part.label)

    return champion, challenger


def _crossed(fit: Fit, rows: Examples, split: Split, fold: Integers, folds: int) -> Floats:
    """Log-odds (n,) of the rows to calibrate on and to test on, by learners of the earlier rows of the other groups."""
    asked = np.concatenate([split.calibration, split.test])
    found = np.full(len(rows), np.nan)

    def fill(at: int) -> None:
        own = asked[fold[asked] == at]
        # OpenMP counts its threads for each thread that calls it.
        with threadpool_limits(1):
            if len(own):
                learner = fit(rows.take(split.earlier[fold[split.earlier] != at]))
                found[own] = learner.log_odds(rows.take(own).columns)

    with ThreadPoolExecutor(os.cpu_count()) as pool:
        list(pool.map(fill, range(folds)))
    return found


def _tested(fit: Fit, rows: Examples, split: Split, fold: Integers, rules: Rules) -> Floats:
    """Probability of each row of the test, by learner and calibration of other groups."""
    raw = _crossed(fit, rows, split, fold, rules.folds)
    found = np.full(len(rows), np.nan)
    for at in range(rules.folds):
        others, own = split.calibration[fold[split.calibration] != at], split.test[fold[split.test] == at]
        calibration = fit_calibration(raw[others], rows.label[others], rows.group[others], rules.isotonic_rows)
        found[own] = expit(calibration.apply(raw[own]))
    return found[split.test]


def _member(fit: Fit, rows: Examples, split: Split, fold: Integers, rules: Rules) -> Member:
    """Learned from everything, calibrated on what learners of the other groups say of the newest rows.

    Those learners have seen the same months and four fifths of the rows, so what calibration corrects in them is what
    the learner of everything needs. Held back for calibration alone, the newest quarter would be missing where the
    market is now; a learner of older rows alone is weaker, and a correction of it would overdo.
    """
    raw, newest = _crossed(fit, rows, split, fold, rules.folds)[split.calibration], split.calibration
    calibration = fit_calibration(raw, rows.label[newest], rows.group[newest], rules.isotonic_rows)
    return Member(fit(rows.take(split.earlier)), calibration)


def _penalty(training: Examples, features: Sequence[Feature], rules: Rules) -> float:
    """The penalty with the lowest log loss on a third of the groups, learned from the others; of some rows, if many."""
    training = training.take(thin(training.entity, training.at, PENALTY_ROWS))
    third: Bools = fold_of(training.group, 3) == 0
    inner, outer = training.where(~third), training.where(third)
    if not (0 < inner.label.sum() < len(inner)) or len(outer) == 0:
        return PENALTIES[1]
    encoder: Encoder = fit_encoder(inner.columns, features, rules)
    if encoder.is_empty:
        return PENALTIES[1]
    losses = []
    for penalty in PENALTIES:
        fit = fit_regression(encoder, inner.columns, inner.label, penalty)
        losses.append(float(log_losses(expit(fit.log_odds(outer.columns)), outer.label).mean()))
    return PENALTIES[int(np.argmin(losses))]


def _window(rows: Examples, where: Integers) -> dict[str, int]:
    return {
        "first": int(rows.at[where].min()),
        "last": int(rows.at[where].max()),
        "rows": len(where),
        "entities": len(np.unique(rows.entity[where])),
        "conversions": int(rows.label[where].sum()),
    }


def log_losses(probability: Floats, label: Floats) -> Floats:
    """Log loss of each row, shape (n,)."""
    p = np.clip(probability, SMALLEST_PROBABILITY, 1 - SMALLEST_PROBABILITY)
    found: Floats = -np.where(label > 0, np.log(p), np.log1p(-p))
    return found


def compare(champion: Floats, challenger: Floats, label: Floats, group: Integers) -> tuple[bool, str]:
    """Whether the challenger is adopted, and the sentence that says why: paired bootstrap of groups, log loss.

    Args:
        champion: probabilities, shape (n,).
        challenger: of the same rows, shape (n,).
        label: 0 or 1, shape (n,).
        group: rows of a group are drawn together.
    """
    gain = log_losses(champion, label) - log_losses(challenger, label)
    _, codes = np.unique(group, return_inverse=True)
    sums, counts = np.bincount(codes, weights=gain), np.bincount(codes)
    rng = np.random.Generator(np.random.PCG64(20260101))
    means = np.empty(RESAMPLES)
    for at in range(RESAMPLES):
        drawn = np.minimum((rng.random(len(sums)) * len(sums)).astype(np.int64), len(sums) - 1)
        means[at] = sums[drawn].sum() / counts[drawn].sum()
    low, high = (float(value) for value in np.quantile(means, [0.025, 0.975]))
    adopted = low > 0
    sentence = (
        f"Challenger (boosted trees) {'adopted' if adopted else 'not adopted'}: its log loss is lower than that of the "
        f"champion (logistic regression) by {gain.mean():.4f}, 95 % interval from {low:.4f} to {high:.4f} "
        f"by {RESAMPLES} paired resamples of groups; it is adopted where the whole interval is above 0."
    )
    return adopted, sentence
