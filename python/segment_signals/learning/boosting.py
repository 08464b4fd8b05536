"""The challenger: gradient-boosted trees of at most eight leaves, kept as plain arrays and evaluated here.

scikit-learn grows the trees; what is stored is thresholds and values, no object of it. A tree of at most seven
decisions is a table of 128 outcomes, so a record's value and its contributions are looked up. Contributions are exact
Shapley values of the feature groups in each tree (Lundberg and others 2020, path-dependent expectations): they add up.
"""

from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import cached_property
from itertools import combinations
from math import factorial
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier

from segment_signals.learning.encoding import Encoder
from segment_signals.learning.examples import Columns
from segment_signals.learning.regression import rounded
from segment_signals.statistics.arrays import Floats, Integers, floats

LEAVES = 8
ITERATIONS = 120
LEARNING_RATE = 0.1
MINIMUM_LEAF = 20
PENALTY = 1.0
# Rows that are looked up at once: their codes stay in the processor's cache.
CHUNK = 32768
THREADS = 2
LARGEST = float(np.finfo(np.float64).max)


@dataclass(frozen=True)
class Tree:
    """Nodes (k,), the root first: column that is asked (-1 in a leaf), threshold, children, and what they hold.

    A row goes left where its value is at most the threshold, or missing and `missing_left`. `value` is of leaves;
    `cover` are the training rows that came to the node, by which expectations are taken.
    """

    column: Integers
    threshold: Floats
    missing_left: Integers
    left: Integers
    right: Integers
    value: Floats
    cover: Floats


@dataclass(frozen=True)
class _Table:
    """A tree as a table: of each decision its column, threshold and side of the missing; value of every outcome code.

    `groups`: positions of the groups that it asks; `shares` (codes, groups): their Shapley values; `expected`.
    """

    decisions: list[tuple[int, float, bool]]
    groups: list[int]
    shares: Floats
    expected: float


class Boosting:
    """Trees and their common base, on the log-odds scale."""

    kind = "boosting"

    def __init__(self, encoder: Encoder, baseline: float, trees: Sequence[Tree]) -> None:
        self.encoder = encoder
        self.baseline = baseline
        self.trees = tuple(trees)
        columns = encoder.tree_columns()
        self._groups = list(dict.fromkeys(feature_group for _, feature_group, _ in columns))
        group_of = [self._groups.index(feature_group) for _, feature_group, _ in columns]
        self._group_of = group_of

    def groups(self) -> list[str]:
        """Feature groups, in the order of the features."""
        return self._groups

    @cached_property
    def _tables(self) -> list[_Table]:
        return [_table(tree, self._group_of) for tree in self.trees]

    def base(self) -> float:
        """Expected log-odds of the training rows."""
        return self.baseline + sum(table.expected for table in self._tables)

    def log_odds(self, columns: Columns) -> Floats:
        """Log-odds (n,), without what they are made of."""
        looked_up = self._looked_up(columns, [_values(tree, self._group_of) for tree in self.trees], 1)
        found: Floats = self.baseline + looked_up[0]
        return found

    def contributions(self, columns: Columns) -> dict[str, Floats]:
        """Contribution (n,) of each feature group; with the base they add up to the log-odds."""
        found = self._looked_up(columns, self._tables, len(self._groups))
        return {name: found[at] for at, name in enumerate(self._groups)}

    def _looked_up(self, columns: Columns, tables: Sequence[_Table], width: int) -> Floats:
        design = np.asfortranarray(self.encoder.tree_design(columns))
        found = np.zeros((width, len(design)))

        def look_up(start: int) -> None:
            rows = slice(start, start + CHUNK)
            chunk, part = design[rows], found[:, rows]
            absent = np.isnan(chunk)
            missing = {int(column): absent[:, column] for column in np.flatnonzero(absent.any(axis=0))}
            for table in tables:
                code = np.zeros(len(chunk), dtype=np.uint8)
                for bit, (column, threshold, missing_left) in enumerate(table.decisions):
                    right = chunk[:, column] > threshold
                    if not missing_left and column in missing:
                        right |= missing[column]
                    code |= right.view(np.uint8) << np.uint8(bit)
                for at, group in enumerate(table.groups):
                    part[group] += table.shares[:, at][code]

        # Chunks are apart, so the order in which they are done changes nothing.
        with ThreadPoolExecutor(THREADS) as pool:
            list(pool.map(look_up, range(0, len(design), CHUNK)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind,
            "encoder": self.encoder.to_json(),
            "baseline": self.baseline,
            "trees": [
                {
                    "column": tree.column.tolist(),
                    "threshold": tree.threshold.tolist(),
                    "missing_left": tree.missing_left.tolist(),
                    "left": tree.left.tolist(),
                    "right": tree.right.tolist(),
                    "value": rounded(tree.value),
                    "cover": tree.cover.tolist(),
                }
                for tree in self.trees
            ],
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Boosting":
        """The model of `to_json`."""

        def whole(values: Sequence[int]) -> Integers:
            return np.array(values, dtype=np.int64)

        trees = [
            Tree(
                whole(item["column"]),
                floats(item["threshold"]),
                whole(item["missing_left"]),
                whole(item["left"]),
                whole(item["right"]),
                floats(item["value"]),
                floats(item["cover"]),
            )
            for item in content["trees"]
        ]
        return cls(Encoder.from_json(content["encoder"]), float(content["baseline"]), trees)


def fit_boosting(encoder: Encoder, columns: Columns, label: Floats) -> Boosting:
    """Trees on the training rows: features (n rows), label (n,) of 0 and 1, both present."""
    design = encoder.tree_design(columns)
    grown = HistGradientBoostingClassifier(
        max_leaf_nodes=LEAVES,
        max_iter=ITERATIONS,
        learning_rate=LEARNING_RATE,
        min_samples_leaf=MINIMUM_LEAF,
        l2_regularization=PENALTY,
        early_stopping=False,
        random_state=0,
    ).fit(design, label)
    trees = []
    for (predictor,) in grown._predictors:
        nodes = predictor.nodes
        is_leaf = nodes["is_leaf"].astype(bool)
        trees.append(
            Tree(
                column=np.where(is_leaf, -1, nodes["feature_idx"]).astype(np.int64),
                # Where only the missing go right the threshold is infinite, which JSON has not.
                threshold=np.clip(np.where(is_leaf, 0.0, nodes["num_threshold"]).astype(np.float64), -LARGEST, LARGEST),
                missing_left=nodes["missing_go_to_left"].astype(np.int64),
                left=nodes["left"].astype(np.int64),
                right=nodes["right"].astype(np.int64),
                value=floats(rounded(np.where(is_leaf, nodes["value"], 0.0))),
                cover=nodes["count"].astype(np.float64),
            )
        )
    baseline = rounded(np.ravel(grown._baseline_prediction))[0]
    return Boosting(encoder, baseline, trees)


def _decisions(tree: Tree) -> list[tuple[int, float, bool]]:
    return [
        (int(tree.column[node]), float(tree.threshold[node]), bool(tree.missing_left[node]))
        for node in np.flatnonzero(tree.column >= 0)
    ]


def _expected(tree: Tree, group_of: Sequence[int], known: frozenset[int], node: int = 0) -> Floats:
    """Expected value of every code of outcomes, where only the decisions of known groups count."""
    inner = np.flatnonzero(tree.column >= 0)
    codes = np.arange(1 << len(inner))
    if tree.column[node] < 0:
        return np.full(len(codes), tree.value[node])
    left, right = int(tree.left[node]), int(tree.right[node])
    on_left = _expected(tree, group_of, known, left)
    on_right = _expected(tree, group_of, known, right)
    if group_of[tree.column[node]] in known:
        return np.where(codes >> np.searchsorted(inner, node) & 1, on_right, on_left)
    share = tree.cover[left] / (tree.cover[left] + tree.cover[right])
    found: Floats = share * on_left + (1 - share) * on_right
    return found


def _values(tree: Tree, group_of: Sequence[int]) -> _Table:
    """The tree as a table of its values alone."""
    values = _expected(tree, group_of, frozenset(group_of))
    return _Table(_decisions(tree), [0], values[:, None], 0.0)


def _table(tree: Tree, group_of: Sequence[int]) -> _Table:
    asked = sorted({group_of[column] for column in tree.column if column >= 0})
    subsets = {
        frozenset(subset): _expected(tree, group_of, frozenset(subset))
        for size in range(len(asked) + 1)
        for subset in combinations(asked, size)
    }
    count = len(asked)
    shares = np.zeros((len(subsets[frozenset()]), count))
    for at, group in enumerate(asked):
        for subset, without in subsets.items():
            if group not in subset:
                weight = factorial(len(subset)) * factorial(count - len(subset) - 1) / factorial(count)
                shares[:, at] += weight * (subsets[subset | {group}] - without)
    return _Table(_decisions(tree), asked, np.asfortranarray(shares), float(subsets[frozenset()][0]))
