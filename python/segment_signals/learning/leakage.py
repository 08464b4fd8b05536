"""The leakage alarm: features that know the outcome.

Three rules: a feature declared as written after the outcome; a name that systems fill in when somebody has already
talked to the lead (the seed `late_attributes`); and any single feature that tells the outcomes apart better than honest
ones ever do. The alarm names them all; what is declared late is left out, anything else refuses the model.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segment_signals.learning.examples import AFTER_OUTCOME, Categories, Column, Examples, Feature, Rules
from segment_signals.learning.splits import fold_of
from segment_signals.statistics.arrays import Floats, Integers

BANDS = 50


@dataclass(frozen=True)
class Alarm:
    """A feature that may know the outcome: the rule (`declared`, `name`, `separation`), and its AUC alone."""

    feature: str
    rule: str
    auc: float


def alarms(examples: Examples, features: Sequence[Feature], late_names: Sequence[str], rules: Rules) -> list[Alarm]:
    """The features that may know the outcome, in the order of the features.

    Args:
        examples: closed rows with both outcomes.
        features: every feature that is there, those declared late too, if their columns are.
        late_names: patterns (regular expressions) of names that are written late; they speak where nobody has said
            when a feature is known.
        rules: `leakage_auc`.
    """
    patterns = [re.compile(pattern) for pattern in late_names]
    found = []
    for feature in features:
        auc = single_auc(examples.columns[feature.name], examples.label, examples.group)
        name = re.sub(r"[^a-z0-9]+", "_", feature.name.lower()).strip("_")
        if feature.known == AFTER_OUTCOME:
            found.append(Alarm(feature.name, "declared", auc))
        elif auc > rules.leakage_auc:
            found.append(Alarm(feature.name, "separation", auc))
        elif feature.known is None and any(pattern.search(name) for pattern in patterns):
            found.append(Alarm(feature.name, "name", auc))
    return found


def single_auc(column: Column, label: Floats, group: Integers) -> float:
    """AUC of a feature alone: rates of its levels, or of bands of a number, learned on one half and asked on the other.

    Halves are by group, so that a level with few rows gains nothing by chance. NaN without both outcomes in each half.
    """
    codes = _bands(column)
    half = fold_of(group, 2)
    values = np.full(len(label), np.nan)
    for side in (0, 1):
        here, there = half == side, half != side
        if not 0 < label[there].sum() < there.sum():
            return float("nan")
        width = int(codes.max(initial=0)) + 1
        rows = np.bincount(codes[there], minlength=width)
        wins = np.bincount(codes[there], weights=label[there], minlength=width)
        mean = label[there].mean()
        values[here] = ((wins + mean) / (rows + 1))[codes[here]]
    return rank_auc(values, label)


def rank_auc(values: Floats, label: Floats) -> float:
    """Area under the ROC curve, ties count half; NaN without both outcomes."""
    wins = label.sum()
    losses = len(label) - wins
    if wins == 0 or losses == 0:
        return float("nan")
    _, at, counts = np.unique(values, return_inverse=True, return_counts=True)
    below = np.cumsum(counts) - counts
    ranks = (below + (counts + 1) / 2)[at]
    return float((ranks[label > 0].sum() - wins * (wins + 1) / 2) / (wins * losses))


def _bands(column: Column) -> Integers:
    if isinstance(column, Categories):
        return column.codes + 1
    known = column[~np.isnan(column)]
    if len(known) == 0:
        return np.zeros(len(column), dtype=np.int64)
    edges = np.unique(np.quantile(known, np.arange(1, BANDS) / BANDS, method="lower"))
    bands = np.searchsorted(edges, column, side="right") + 1
    return np.where(np.isnan(column), 0, bands).astype(np.int64)
