"""Splits in time with an embargo; folds of groups."""

from dataclasses import dataclass

import numpy as np

from segment_signals.learning.examples import Refusal, Rules
from segment_signals.statistics.arrays import Bools, Floats, Integers

TRAINING, CALIBRATION, TEST = "training", "calibration", "test"


@dataclass(frozen=True)
class Split:
    """Rows in the order of time: older ones, the newest to calibrate on, later ones to test on; sorted positions.

    No row leaves because its group comes back later: who comes back depends on the outcome. Groups are kept apart by
    `fold_of`, which knows nothing but their code.
    """

    training: Integers
    calibration: Integers
    test: Integers

    @property
    def earlier(self) -> Integers:
        """Everything before the test: what is learned from."""
        return np.concatenate([self.training, self.calibration])


def is_closed(at: Integers, label: Floats, horizon_days: int, trained_on: int) -> Bools:
    """Rows (n,) whose window of the label is over on the day of training: younger ones are neither yes nor no."""
    return (at + horizon_days <= trained_on) & ~np.isnan(label)


def cutoff(at: Integers, share: float) -> int | None:
    """The latest landmark from which on at least `share` of the rows are; None where all rows would be."""
    days, counts = np.unique(at, return_counts=True)
    later = np.cumsum(counts[::-1])[::-1] / max(len(at), 1)
    reaching = np.flatnonzero(later >= share)
    return None if len(reaching) == 0 or reaching[-1] == 0 else int(days[reaching[-1]])


def evaluation_split(at: Integers, horizon_days: int, rules: Rules) -> Split | None:
    """Training, calibration and test in the order of time.

    The test is the newest share of the rows. Between it and everything earlier lies an embargo of the horizon: the
    outcomes that were learned from were known when the first row of the test was scored. None where the landmarks are
    too few.
    """
    first_test = cutoff(at, rules.test_share)
    if first_test is None:
        return None
    earlier = np.flatnonzero(at + horizon_days <= first_test)
    parts = deployment_split(at[earlier], rules)
    if parts is None:
        return None
    return Split(earlier[parts.training], earlier[parts.calibration], np.flatnonzero(at >= first_test))


def deployment_split(at: Integers, rules: Rules) -> Split | None:
    """Training, then a later calibration slice, the newest; no test. The embargo is to the records that are scored."""
    first = cutoff(at, rules.calibration_share)
    if first is None:
        return None
    return Split(np.flatnonzero(at < first), np.flatnonzero(at >= first), np.empty(0, dtype=np.int64))


def fold_of(group: Integers, folds: int) -> Integers:
    """Fold (n,) of each group, by a fixed shuffle of the codes: the same whatever else is asked."""
    mixed = (group.astype(np.uint64) + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
    mixed ^= mixed >> np.uint64(29)
    mixed *= np.uint64(0xBF58476D1CE4E5B9)
    mixed ^= mixed >> np.uint64(32)
    return (mixed % np.uint64(folds)).astype(np.int64)


def thin(entity: Integers, at: Integers, maximum: int) -> Integers:
    """At most about `maximum` rows, whole entities, by a fixed shuffle; positions in order."""
    if len(at) <= maximum:
        return np.arange(len(at))
    buckets = 1 << 20
    kept = fold_of(entity, buckets) < int(buckets * maximum / len(at))
    return np.flatnonzero(kept)


def refuse_slice(name: str, label: Floats, outcome: str, rules: Rules) -> Refusal | None:
    """Why a slice is too thin; None where it is not."""
    wins = int(label.sum())
    if min(wins, len(label) - wins) >= rules.minimum_slice_outcomes:
        return None
    return Refusal(
        "too_few_outcomes",
        f"The {name} slice has {wins} {outcome}s among {len(label)} rows; "
        f"{rules.minimum_slice_outcomes} of either outcome are needed.",
    )
