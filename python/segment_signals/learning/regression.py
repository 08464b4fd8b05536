"""The champion: logistic regression on ramps and levels with a ridge penalty, by Newton's method."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from sklearn.linear_model import LogisticRegression

from segment_signals.learning.encoding import CategoryCode, Encoder, NumberCode
from segment_signals.learning.examples import Categories, Columns
from segment_signals.statistics.arrays import Floats, floats

PENALTIES = (1.0, 4.0, 16.0, 64.0, 256.0)
STEPS = 100
DIGITS = 10


def rounded(values: Floats) -> list[float]:
    """Values at the digits that a stored model keeps, so that the last bits of a sum do not change its name."""
    return [float(f"{value:.{DIGITS}g}") + 0.0 for value in values]


@dataclass(frozen=True)
class Regression:
    """Coefficients (width,) of the centred design, its means (width,), the intercept: the log-odds of the mean record.

    A contribution is the coefficients times what a record has more than the mean; what is not known contributes 0.
    """

    encoder: Encoder
    intercept: float
    coefficients: Floats
    means: Floats
    penalty: float

    kind = "logistic"

    def groups(self) -> list[str]:
        """Feature groups, in the order of the features."""
        return list(dict.fromkeys(code.feature_group for code in self.encoder.codes))

    def base(self) -> float:
        """Log-odds of the mean record."""
        return self.intercept

    def feature_terms(self, columns: Columns) -> Mapping[str, Floats]:
        """Contribution (n,) of each feature to the log-odds."""
        found = {}
        for code, where in zip(self.encoder.codes, self.encoder.slices(), strict=True):
            weights, means = self.coefficients[where], self.means[where]
            found[code.name] = _term(code, columns, weights, means)
        return found

    def contributions(self, columns: Columns) -> dict[str, Floats]:
        """Contribution (n,) of each feature group; with the base they add up to the log-odds."""
        found: dict[str, Floats] = {}
        terms = self.feature_terms(columns)
        for code in self.encoder.codes:
            term = terms[code.name]
            found[code.feature_group] = found[code.feature_group] + term if code.feature_group in found else term
        return found

    def log_odds(self, columns: Columns) -> Floats:
        """Log-odds (n,)."""
        found: Floats = self.intercept + sum(self.feature_terms(columns).values(), np.zeros(1))
        return found

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {
            "kind": self.kind,
            "penalty": self.penalty,
            "intercept": self.intercept,
            "encoder": self.encoder.to_json(),
            "coefficients": rounded(self.coefficients),
            "means": rounded(self.means),
        }

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Regression":
        """The model of `to_json`."""
        return cls(
            Encoder.from_json(content["encoder"]),
            float(content["intercept"]),
            floats(content["coefficients"]),
            floats(content["means"]),
            float(content["penalty"]),
        )


def _term(code: NumberCode | CategoryCode, columns: Columns, weights: Floats, means: Floats) -> Floats:
    column = columns[code.name]
    if isinstance(code, CategoryCode):
        assert isinstance(column, Categories)
        # The last place is for levels that nothing is known of: the mean.
        table: Floats = np.append(weights - weights @ means, 0.0)
        found: Floats = table[code.positions(column)]
        return found
    assert not isinstance(column, Categories)
    steps = len(code.knots) - 1
    heights = np.concatenate([[0.0], np.cumsum(weights[:steps])])
    term: Floats = np.interp(column, np.array(code.knots), heights) - weights[:steps] @ means[:steps]
    missing = np.isnan(column)
    if code.has_missing:
        term = term - weights[steps] * means[steps]
        term[missing] = weights[steps] * (1 - means[steps])
    else:
        term[missing] = 0.0
    return term


def fit_regression(encoder: Encoder, columns: Columns, label: Floats, penalty: float) -> Regression:
    """Mode of the likelihood with a normal prior on every coefficient, none on the intercept.

    Args:
        encoder: of the training rows.
        columns: features, n rows.
        label: 0 or 1, shape (n,), both present.
        penalty: precision of the prior.
    """
    design = encoder.design(columns)
    known = ~np.isnan(design)
    means = np.where(known, design, 0).sum(axis=0) / np.maximum(known.sum(axis=0), 1)
    centred = np.where(known, design - means, 0.0)
    fitted = LogisticRegression(C=1 / penalty, solver="newton-cholesky", tol=1e-8, max_iter=STEPS).fit(centred, label)
    # The stored means are rounded, so the intercept is that of the rounded ones.
    kept = floats(rounded(means))
    return Regression(encoder, rounded(fitted.intercept_)[0], floats(rounded(fitted.coef_[0])), kept, penalty)
