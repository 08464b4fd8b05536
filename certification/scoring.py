"""The lead score's procedure: beside the best that is possible, its calibration, leaks, chance, and the same again."""

from dataclasses import dataclass

import numpy as np
from segment_signals.learning import Examples, Feature, Rules, Trained, quality, registry, train
from segment_signals.learning.leakage import rank_auc
from segment_signals.statistics.arrays import Floats

from certification.engine import Warehouse
from certification.scoring_worlds import DESIGNS, HORIZON, PLAIN_FEATURES, TARGET, Design, world
from certification.targets import Measurement, Target, exact, mean, share

TOPIC = "8. Lead scoring"
# Of them 12,000 are learned from and 4,000 calibrate, or choose between the models.
LEADS = 16_000
TESTED = 3_000  # as many as such a training tests out of time
FRESH = 30_000
REPLICATES = 12
LONG_AFTER = 100_000


@dataclass(frozen=True)
class Found:
    """One training: AUC of the truth less that of the model on fresh leads, slope there, error out of time, size."""

    gap: float
    slope: float
    is_inside_noise: bool
    is_inside_out_of_time: bool
    learned_from: int
    parts: float


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Discrimination, calibration, leakage, chance and repetition of the training procedure.

    Args:
        warehouse: not used: features are given, no SQL is run.
        scale: of the number of replicates.
    """
    del warehouse
    count = max(round(REPLICATES * scale), 2)
    targets, found = [], []
    for at, design in enumerate(DESIGNS):
        runs = [_run(design, 20260600 + 1000 * at + run) for run in range(count)]
        found.extend(runs)
        what = f"AUC of the true probabilities less that of the score, fresh leads: {design.name}"
        targets.append(Target(TOPIC, what, mean([run.gap for run in runs]), upper=0.01, form=".4f"))
        what = f"calibration slope, fresh leads: {design.name}"
        targets.append(Target(TOPIC, what, mean([run.slope for run in runs]), lower=0.9, upper=1.1, form=".3f"))
    what = (
        f"calibration error of {TESTED:,} fresh leads inside its noise band (97.5 % where perfect), {len(found)} models"
    )
    targets.append(Target(TOPIC, what, share([run.is_inside_noise for run in found]), lower=0.9, slack=2))
    what = "the same out of time, of models that have seen a third to a half of the leads"
    targets.append(Target(TOPIC, what, share([run.is_inside_out_of_time for run in found])))
    largest = max(abs(run.gap) for run in found)
    targets.append(Target(TOPIC, "largest such gap of any training", exact(largest), form=".4f"))
    smallest = min(run.learned_from for run in found)
    targets.append(Target(TOPIC, "leads learned from, fewest", exact(smallest), lower=12000, form=",.0f"))
    what = "largest distance of the contributions' sum from the log-odds of the probability"
    targets.append(Target(TOPIC, what, exact(max(run.parts for run in found)), upper=1e-9, form=".1e"))
    targets.append(Target(TOPIC, "a planted leak refuses the model and is named", _leaks(count), lower=1.0))
    what = "AUC out of time where labels are shuffled"
    chance = mean([_shuffled(20260900 + run) for run in range(count)])
    targets.append(Target(TOPIC, what, chance, lower=0.5, upper=0.5, slack=3, form=".3f"))
    what = "trained again: the same bytes; later leads in the list change none"
    return [*targets, Target(TOPIC, what, share([_same(20260950 + run) for run in range(2)]), lower=1.0)]


def _run(design: Design, seed: int) -> Found:
    examples, _, features = world(design, LEADS, seed)
    trained = _train(examples, features)
    fresh, probability, _ = world(design, FRESH, seed + 500_000)
    assert trained.model is not None
    assert trained.tested is not None
    scores = trained.model.score(fresh.columns)
    metrics = _metrics(scores.probability, fresh)
    part = np.arange(0, FRESH, FRESH // TESTED)
    some = _metrics(scores.probability[part], fresh.take(part))
    tested, closed = trained.tested, examples.take(trained.closed)
    out_of_time = _metrics(tested.probability, closed.take(tested.rows))
    log_odds = np.log(scores.probability) - np.log1p(-scores.probability)
    return Found(
        rank_auc(probability, fresh.label) - rank_auc(scores.probability, fresh.label),
        metrics["calibration_slope"].value,
        some["ece"].value <= some["ece_noise"].high,
        out_of_time["ece"].value <= out_of_time["ece_noise"].high,
        len(trained.closed),
        float(np.abs(sum(scores.blocks.values()) - log_odds).max()),
    )


def _train(examples: Examples, features: tuple[Feature, ...]) -> Trained:
    return train(examples, features, TARGET, LONG_AFTER, Rules())


def _metrics(probability: Floats, examples: Examples) -> dict[str, quality.Metric]:
    found = quality.measure(probability, examples.label, examples.group, {}, is_probability=True)
    return {metric.name: metric for metric in found}


def _leaks(count: int) -> Measurement:
    named = []
    for run in range(count):
        examples, _, _ = world(DESIGNS[1], 6000, 20260800 + run)
        rng = np.random.default_rng(run)
        leak = examples.label + rng.normal(0, 0.4, len(examples))
        leaky = Examples(
            examples.entity, examples.group, examples.at, examples.label, {**examples.columns, "noise": leak}
        )
        trained = _train(leaky, PLAIN_FEATURES)
        named.append(trained.model is None and [alarm.feature for alarm in trained.alarms] == ["noise"])
    return share(named)


def _shuffled(seed: int) -> float:
    examples, _, features = world(DESIGNS[1], 12_000, seed)
    label = np.random.default_rng(seed).permutation(examples.label)
    shuffled = Examples(examples.entity, examples.group, examples.at, label, examples.columns)
    trained = _train(shuffled, features)
    assert trained.tested is not None
    return rank_auc(trained.tested.probability, label[trained.closed[trained.tested.rows]])


def _same(seed: int) -> bool:
    examples, _, features = world(DESIGNS[3], 8000, seed)
    day = int(examples.at.max()) - 30
    texts = []
    for part in (examples, examples, examples.where(examples.at + HORIZON <= day)):
        trained = train(part, features, TARGET, day, Rules())
        assert trained.model is not None
        texts.append(registry.to_json(trained.model))
    return len(set(texts)) == 1
