"""Logistic regression of grouped counts on categories, with a normal prior: its mode and its spread."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import linalg
from scipy.special import expit

from segment_signals.statistics.arrays import Floats, Integers, floats

MAXIMUM_STEPS = 60
TOLERANCE = 1e-9
# Beyond it a probability is 0 or 1 to within rounding, and its logarithm is not.
LARGEST_PREDICTOR = 30.0


@dataclass(frozen=True)
class Design:
    """Rows of categories: each row has one level of every factor, and each level of a factor is a coefficient.

    columns: coefficient of each row and factor, shape (rows, factors). width: number of coefficients.
    precision: of the normal prior around 0, shape (width,).
    """

    columns: Integers
    width: int
    precision: Floats

    def predictor(self, coefficients: Floats) -> Floats:
        """Sums of the rows' coefficients, shape (rows,), or (rows, draws) for coefficients (width, draws)."""
        found: Floats = np.zeros((len(self.columns), *coefficients.shape[1:]))
        for column in self.columns.T:
            found += coefficients[column]
        return found


@dataclass(frozen=True)
class LogisticFit:
    """Mode of the posterior, shape (width,), and a root R of its covariance R R', shape (width, width)."""

    coefficients: Floats
    root: Floats

    def draws(self, rng: np.random.Generator, count: int) -> Floats:
        """Draws of the normal approximation of the posterior, shape (width, count)."""
        normals = rng.standard_normal((len(self.coefficients), count))
        drawn: Floats = self.coefficients[:, None] + self.root @ normals
        return drawn


def design(factors: Sequence[Integers], levels: Sequence[int], precision: Sequence[float]) -> Design:
    """The design of factors, each an array of codes (rows,) below its number of levels, with its prior's precision."""
    starts = np.concatenate([[0], np.cumsum(levels)[:-1]]).astype(np.int64)
    rows = len(factors[0])
    columns = np.empty((rows, len(factors)), dtype=np.int64)
    for at, codes in enumerate(factors):
        columns[:, at] = starts[at] + codes
    return Design(columns, int(sum(levels)), np.repeat(floats(precision), levels))


def fit_logistic(design: Design, successes: Floats, trials: Floats, start: Floats | None = None) -> LogisticFit:
    """Mode and curvature of the posterior by Newton's method with halved steps.

    Args:
        design: categories of each row, with a proper prior on every coefficient, so that a mode exists.
        successes: shape (rows,), 0 to trials; may be fractions.
        trials: shape (rows,).
        start: coefficients to begin with, shape (width,); zeros otherwise.

    Returns:
        The fit. Without any trial it is the prior.
    """
    beta = np.zeros(design.width) if start is None else start.copy()
    value = _log_posterior(design, successes, trials, beta)
    factors = list(np.ascontiguousarray(design.columns.T))
    blocks = _blocks(factors)
    information = np.diag(design.precision)
    for _ in range(MAXIMUM_STEPS):
        probability = expit(design.predictor(beta))
        gradient = _column_sums(factors, successes - trials * probability, design.width) - design.precision * beta
        weight = trials * probability * (1 - probability)
        information = _cross_sums(blocks, weight, design.width) + np.diag(design.precision)
        step = linalg.solve(information, gradient, assume_a="pos")
        scale = 1.0
        while scale > 1e-6:
            proposed = beta + scale * step
            reached = _log_posterior(design, successes, trials, proposed)
            if reached >= value - 1e-12 * abs(value):
                break
            scale /= 2
        else:
            break
        beta, value = proposed, reached
        if float(np.abs(scale * step).max(initial=0)) < TOLERANCE:
            break
    upper = linalg.cholesky(information, lower=False)
    # information = U'U, so its inverse is U^-1 U^-T.
    root = linalg.solve_triangular(upper, np.eye(design.width), lower=False)
    return LogisticFit(beta, np.asarray(root, dtype=np.float64))


def _column_sums(factors: Sequence[Integers], values: Floats, width: int) -> Floats:
    """X' v of the design X, shape (width,): sums of v over the rows of each coefficient."""
    total: Floats = np.zeros(width)
    for codes in factors:
        total += np.bincount(codes, values, minlength=width)
    return total


@dataclass(frozen=True)
class _Block:
    """Two factors: their coefficients, and of each row the cell of the table that they span."""

    rows: slice
    columns: slice
    cells: Integers

    def sums(self, weight: Floats) -> Floats:
        shape = (self.rows.stop - self.rows.start, self.columns.stop - self.columns.start)
        found: Floats = np.bincount(self.cells, weight, minlength=shape[0] * shape[1]).reshape(shape)
        return found


def _blocks(factors: Sequence[Integers]) -> list[_Block]:
    """Every pair of factors, a factor with itself included."""
    if not factors or len(factors[0]) == 0:
        return []
    spans = [slice(int(codes.min()), int(codes.max()) + 1) for codes in factors]
    return [
        _Block(own, its, (codes - own.start) * (its.stop - its.start) + (other - its.start))
        for at, (codes, own) in enumerate(zip(factors, spans, strict=True))
        for other, its in zip(factors[at:], spans[at:], strict=True)
    ]


def _cross_sums(blocks: Sequence[_Block], weight: Floats, width: int) -> Floats:
    """X' W X of the design X, shape (width, width): sums of w over the rows that two coefficients share.

    A row has one level of every factor, so each pair of factors is a table of sums: a third of a sparse product's time.
    """
    total: Floats = np.zeros((width, width))
    for block in blocks:
        sums = block.sums(weight)
        total[block.rows, block.columns] = sums
        total[block.columns, block.rows] = sums.T
    return total


def _log_posterior(design: Design, successes: Floats, trials: Floats, beta: Floats) -> float:
    predictor = np.clip(design.predictor(beta), -LARGEST_PREDICTOR, LARGEST_PREDICTOR)
    likelihood = successes @ predictor - trials @ np.logaddexp(0, predictor)
    return float(likelihood - 0.5 * (design.precision @ beta**2))
