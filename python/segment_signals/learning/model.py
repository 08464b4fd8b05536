"""A trained model as plain data: it scores records and says what each score is made of."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from segment_signals.learning.boosting import Boosting
from segment_signals.learning.calibration import Calibration
from segment_signals.learning.examples import Columns, take
from segment_signals.learning.regression import Regression
from segment_signals.statistics.arrays import Floats, Integers

BASE, CALIBRATION = "base", "calibration"
Learner = Regression | Boosting


@dataclass(frozen=True)
class Scores:
    """Probabilities (n,), and blocks of log-odds (n,) by feature group, `base` and `calibration` among them.

    The blocks add up to the log-odds of the probability: base + groups is what the model says, `calibration` is what
    the later slice made of it.
    """

    probability: Floats
    blocks: Mapping[str, Floats]


@dataclass(frozen=True)
class Member:
    """A learner with its calibration."""

    learner: Learner
    calibration: Calibration

    def log_odds(self, columns: Columns) -> Floats:
        """Calibrated log-odds (n,)."""
        return self.calibration.apply(self.learner.log_odds(columns))

    def score(self, columns: Columns) -> Scores:
        """Probability and blocks of each record."""
        groups = self.learner.contributions(columns)
        base = self.learner.base()
        raw = base + sum(groups.values(), np.zeros(1))
        calibrated = self.calibration.apply(raw)
        blocks = {BASE: np.full(len(raw), base), **groups, CALIBRATION: calibrated - raw}
        return Scores(expit(calibrated), blocks)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"learner": self.learner.to_json(), "calibration": self.calibration.to_json()}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Member":
        """The member of `to_json`."""
        learner = content["learner"]
        kinds: dict[str, type[Regression] | type[Boosting]] = {"logistic": Regression, "boosting": Boosting}
        if learner["kind"] not in kinds:
            raise ValueError(f"A stored model of the kind {learner['kind']!r} is not known here. Train it again.")
        return cls(kinds[learner["kind"]].from_json(learner), Calibration.from_json(content["calibration"]))


@dataclass(frozen=True)
class Model:
    """One member; or, for lists without dates, one per fold, each for the groups that it has not seen."""

    members: tuple[Member, ...]

    @property
    def kind(self) -> str:
        """`logistic` or `boosting`."""
        return self.members[0].learner.kind

    def score(self, columns: Columns, fold: Integers | None = None) -> Scores:
        """Probability and blocks of each record; `fold` (n,) where there are several members."""
        if len(self.members) == 1:
            return self.members[0].score(columns)
        if fold is None:
            raise ValueError("This model has a member per fold: give the fold of each record (splits.fold_of).")
        names = list(dict.fromkeys([BASE, *(g for m in self.members for g in m.learner.groups()), CALIBRATION]))
        probability = np.full(len(fold), np.nan)
        blocks = {name: np.zeros(len(fold)) for name in names}
        for at, member in enumerate(self.members):
            rows = np.flatnonzero(fold == at)
            found = member.score(take(columns, rows))
            probability[rows] = found.probability
            for name, block in found.blocks.items():
                blocks[name][rows] = block
        return Scores(probability, blocks)

    def probability(self, columns: Columns, fold: Integers | None = None) -> Floats:
        """The probabilities (n,) of `score`, without the blocks, which trees take longer for."""
        if len(self.members) == 1:
            return expit(self.members[0].log_odds(columns))
        if fold is None:
            raise ValueError("This model has a member per fold: give the fold of each record (splits.fold_of).")
        found = np.full(len(fold), np.nan)
        for at, member in enumerate(self.members):
            rows = np.flatnonzero(fold == at)
            found[rows] = expit(member.log_odds(take(columns, rows)))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"members": [member.to_json() for member in self.members]}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Model":
        """The model of `to_json`."""
        return cls(tuple(Member.from_json(item) for item in content["members"]))
