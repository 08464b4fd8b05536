"""From features to numbers that a regression or trees can take, learned from the training rows alone.

A number becomes ramps between knots (a linear spline without extrapolation): it is flat beyond the range that was seen,
and every coefficient is the step from one knot to the next. A category becomes one column per level that is frequent
enough, the rare ones share one. What is missing has a column of its own and says nothing about the rest.
"""

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from segment_signals.learning.examples import CATEGORY, Categories, Columns, Feature, Rules
from segment_signals.statistics.arrays import Floats, Integers

QUANTILES = (0.02, 0.2, 0.4, 0.6, 0.8, 0.98)
TAIL_QUANTILES = (0.5, 0.9)
FEW_VALUES = 8
MISSING, OTHER = "(missing)", "(other)"


@dataclass(frozen=True)
class NumberCode:
    """A number: its knots (k,), ascending; whether it was missing anywhere."""

    name: str
    feature_group: str
    knots: tuple[float, ...]
    has_missing: bool

    @property
    def width(self) -> int:
        """Columns of the design."""
        return max(len(self.knots) - 1, 0) + self.has_missing

    def design(self, values: Floats) -> Floats:
        """Ramps (n, k - 1) from 0 to 1 between knots, NaN where the value is missing; then the missing column."""
        knots = np.array(self.knots)
        missing = np.isnan(values)
        columns = [np.clip((values - low) / (high - low), 0, 1) for low, high in itertools.pairwise(knots)]
        if self.has_missing:
            columns.append(np.where(missing, 1.0, 0.0))
        return np.stack(columns, axis=1) if columns else np.empty((len(values), 0))


@dataclass(frozen=True)
class CategoryCode:
    """A category: the levels that have a column each; `(missing)` and `(other)` are levels like others."""

    name: str
    feature_group: str
    levels: tuple[str, ...]

    @property
    def width(self) -> int:
        """Columns of the design."""
        return len(self.levels)

    def positions(self, values: Categories) -> Integers:
        """Column (n,) of each row; `width` where the level was never seen and rare ones have no column."""
        known = {level: at for at, level in enumerate(self.levels)}
        other, missing = known.get(OTHER, self.width), known.get(MISSING, self.width)
        table = np.array([*(known.get(level, other) for level in values.levels), missing], dtype=np.int64)
        return table[values.codes]


Code = NumberCode | CategoryCode


@dataclass(frozen=True)
class Encoder:
    """How features become columns; made by `fit_encoder`."""

    codes: tuple[Code, ...]

    @property
    def is_empty(self) -> bool:
        """Whether no feature tells records apart."""
        return not self.codes

    def slices(self) -> list[slice]:
        """The columns of each feature in the design."""
        ends = np.cumsum([0, *(code.width for code in self.codes)])
        return [slice(int(a), int(b)) for a, b in itertools.pairwise(ends)]

    def design(self, columns: Columns) -> Floats:
        """The design (n, width): NaN where a number is missing, or a category has a level that nothing is known of."""
        blocks = []
        for code in self.codes:
            column = columns[code.name]
            if isinstance(code, NumberCode):
                assert not isinstance(column, Categories)
                blocks.append(code.design(column))
            else:
                assert isinstance(column, Categories)
                positions = code.positions(column)
                block = (positions[:, None] == np.arange(code.width)).astype(np.float64)
                block[positions == code.width] = np.nan
                blocks.append(block)
        return np.concatenate(blocks, axis=1)

    def tree_columns(self) -> list[tuple[str, str, str | None]]:
        """Feature, its group and its level (NULL for a number) of each column that trees see."""
        found: list[tuple[str, str, str | None]] = []
        for code in self.codes:
            if isinstance(code, NumberCode):
                found.append((code.name, code.feature_group, None))
            else:
                found.extend((code.name, code.feature_group, level) for level in code.levels)
        return found

    def tree_design(self, columns: Columns) -> Floats:
        """Numbers as they are (NaN where missing) and a 0/1 column per level, shape (n, tree columns)."""
        blocks: list[Floats] = []
        for code in self.codes:
            column = columns[code.name]
            if isinstance(code, NumberCode):
                assert not isinstance(column, Categories)
                blocks.append(column[:, None])
            else:
                assert isinstance(column, Categories)
                positions = code.positions(column)
                blocks.append((positions[:, None] == np.arange(code.width)).astype(np.float64))
        return np.concatenate(blocks, axis=1)

    def to_json(self) -> list[dict[str, Any]]:
        """Plain data."""
        return [
            {"name": code.name, "group": code.feature_group, "knots": list(code.knots), "missing": code.has_missing}
            if isinstance(code, NumberCode)
            else {"name": code.name, "group": code.feature_group, "levels": list(code.levels)}
            for code in self.codes
        ]

    @classmethod
    def from_json(cls, content: Sequence[dict[str, Any]]) -> "Encoder":
        """The encoder of `to_json`."""
        return cls(
            tuple(
                NumberCode(item["name"], item["group"], tuple(item["knots"]), item["missing"])
                if "knots" in item
                else CategoryCode(item["name"], item["group"], tuple(item["levels"]))
                for item in content
            )
        )


def fit_encoder(columns: Columns, features: Sequence[Feature], rules: Rules) -> Encoder:
    """The encoder of training rows; features that are constant there are left out."""
    codes: list[Code] = []
    for feature in features:
        column = columns[feature.name]
        if feature.kind == CATEGORY:
            assert isinstance(column, Categories)
            levels = _levels(column, rules)
            if len(levels) > 1:
                codes.append(CategoryCode(feature.name, feature.feature_group, levels))
        else:
            assert not isinstance(column, Categories)
            missing = bool(np.isnan(column).any())
            knots = _knots(column[~np.isnan(column)])
            code = NumberCode(feature.name, feature.feature_group, knots, missing)
            if len(knots) > 1 or (missing and len(knots) == 1):
                codes.append(code)
    return Encoder(tuple(codes))


def _knots(values: Floats) -> tuple[float, ...]:
    """Knots at quantiles; of a count that is mostly one value, at quantiles of the others too."""
    unique = np.unique(values)
    if len(unique) <= FEW_VALUES:
        return tuple(float(value) for value in unique)
    found = np.quantile(values, QUANTILES, method="lower")
    above = values[values > unique[0]]
    tail = np.quantile(above, TAIL_QUANTILES, method="lower") if len(set(found)) < len(QUANTILES) else found[:0]
    return tuple(float(value) for value in np.unique(np.concatenate([found, tail])))


def _levels(values: Categories, rules: Rules) -> tuple[str, ...]:
    """Levels with enough rows, most frequent first up to the maximum, then told in the order of the alphabet."""
    counts = np.bincount(values.codes + 1, minlength=len(values.levels) + 1)
    frequent = [at for at in range(len(values.levels)) if counts[at + 1] >= rules.minimum_level_rows]
    kept = sorted(frequent, key=lambda at: (-counts[at + 1], values.levels[at]))[: rules.maximum_levels]
    names = sorted(values.levels[at] for at in kept)
    rare = int(counts[1:].sum()) - sum(int(counts[at + 1]) for at in kept)
    if rare >= rules.minimum_level_rows:
        names.append(OTHER)
    if counts[0] > 0:
        names.append(MISSING)
    return tuple(names)
