"""Intervals for rates, means and their differences, from sufficient statistics.

Which one:

- a rate: `wilson_interval` with its effective sample;
- a difference of rates: `difference_interval` from the two Wilson intervals;
- whether amounts or days differ between two groups: `compare_geometric_means`. Amounts and days are skewed to the
  right; on the log scale `compare_means` keeps its level from about 10 records on. On their own scale it would not for
  a small segment against a large rest: with log-normal amounts of sigma 1 its 95 % interval covers 87 % at 20 against
  500, 92 % at 100 against 2,000.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from segment_signals.statistics.arrays import Floats, floats, ratio, root

# Sums of n doubles carry a relative error of up to about n x 1e-16: a spread below this share of the mean square is
# rounding, not variance.
ROUNDING = 1e-10
# The smallest tail whose normal deviate is finite enough to be referred to another distribution.
SMALLEST = 1e-300


@dataclass(frozen=True)
class Interval:
    """Lower and upper limits, arrays of one shape (k,)."""

    low: Floats
    high: Floats


def wilson_interval(
    rate: ArrayLike, effective_n: ArrayLike, confidence: float = 0.95, df: ArrayLike = np.inf
) -> Interval:
    """Wilson's score interval of a rate with an effective sample (Wilson 1927; Korn and Graubard 1998 for the latter).

    Args:
        rate: shape (k,), 0 to 1.
        effective_n: shape (k,), rate x (1 - rate) / variance; the number of records where all were followed.
        confidence: two-sided, 0 to 1.
        df: degrees of freedom of the variance, where few followed records give it; infinite otherwise.

    Returns:
        Limits within 0 to 1; NaN where the rate is NaN or the sample is not positive.
    """
    p, n, degrees = np.broadcast_arrays(floats(rate), floats(effective_n), floats(df))
    n = np.where(n > 0, n, np.nan)
    z = t_quantile(degrees, confidence)
    square = z**2 / n
    centre = (p + square / 2) / (1 + square)
    half = z / (1 + square) * root(p * (1 - p) / n + square / (4 * n))
    # Rounding must not leave the estimate outside its own interval.
    return Interval(low=np.clip(centre - half, 0, p), high=np.clip(centre + half, p, 1))


def effective_sample(rate: ArrayLike, variance: ArrayLike, n: ArrayLike, followed_n: ArrayLike) -> Floats:
    """The sample of fully followed records that would know the rate as well, shape (k,).

    rate x (1 - rate) / variance, at most n; `followed_n` (records whose outcome at the horizon is known, at least 1)
    where the rate is 0 or 1 or the variance is 0, because the variance is then no measure of what is not known.
    """
    p, v, whole, followed = np.broadcast_arrays(floats(rate), floats(variance), floats(n), floats(followed_n))
    # A product-limit estimate of 1 may be a rounding error below it, with a variance that is nothing else.
    degenerate = (p < ROUNDING) | (1 - p < ROUNDING) | (v <= 0)
    sample = np.minimum(ratio(p * (1 - p), np.where(degenerate, np.nan, v)), whole)
    sample = np.where(degenerate, np.maximum(followed, 1), sample)
    return np.where(np.isnan(p) | (whole <= 0), np.nan, sample)


def difference_interval(first_rate: ArrayLike, first: Interval, second_rate: ArrayLike, second: Interval) -> Interval:
    """Interval of first - second from the interval of each: Newcombe 1998, method 10; MOVER (Zou and Donner 2008).

    Shapes (k,). The square-and-add rule keeps the asymmetry of either interval, so 0 of 500 has a width. For
    independent samples.
    """
    p, q = floats(first_rate), floats(second_rate)
    difference = p - q
    low = difference - np.hypot(p - first.low, second.high - q)
    high = difference + np.hypot(first.high - p, q - second.low)
    return Interval(low, high)


@dataclass(frozen=True)
class Moments:
    """Sufficient statistics of k samples: count, sum and sum of squares, arrays of one shape (k,)."""

    n: Floats
    total: Floats
    square_total: Floats

    @property
    def mean(self) -> Floats:
        """Sample means; NaN where n = 0."""
        return ratio(self.total, self.n)

    @property
    def variance(self) -> Floats:
        """Sample variances (divisor n - 1); NaN where n < 2, exactly 0 where only rounding is left."""
        spread = self.square_total - ratio(self.total**2, self.n)
        spread = np.where(spread <= ROUNDING * np.abs(self.square_total), 0, spread)
        return np.where(self.n >= 2, ratio(spread, self.n - 1), np.nan)

    def clustered(self, design_effect: ArrayLike) -> "Moments":
        """The moments of the independent records that these are worth (`clusters.design_effect`), shape (k,).

        The mean stays, and the variance becomes spread / (n - design effect), which is without bias where the n
        records hang together in clusters; spread / (n - 1) is too small.
        """
        return Moments(*(ratio(sums, design_effect) for sums in (self.n, self.total, self.square_total)))


@dataclass(frozen=True)
class Comparison:
    """An effect with its interval and two-sided p-value, arrays of one shape (k,); all NaN where not estimable."""

    estimate: Floats
    low: Floats
    high: Floats
    p_value: Floats
    df: Floats


def compare_means(first: Moments, second: Moments, confidence: float = 0.95) -> Comparison:
    """Difference of means first - second, in the unit of the samples, by Student's t without a common variance.

    The degrees of freedom are those of the smaller sample, with which the test is never beyond its level for normal
    samples of any two spreads (Mickey and Brown 1966, "Bounds on the distribution functions of the Behrens-Fisher
    statistic", Ann. Math. Statist. 37). Welch's are more, and right at 5 %; but a page claims at 0.01 % and less,
    where Welch's test of 20 records against 240 finds 1.3 times as many differences by chance as it should.

    NaN where a sample has fewer than 2 records, or neither has any spread: nothing then says how precise it is.
    """
    squared_error = ratio(first.variance, first.n) + ratio(second.variance, second.n)
    squared_error = np.where(squared_error > 0, squared_error, np.nan)
    error = root(squared_error)
    estimate = np.where(np.isnan(error), np.nan, first.mean - second.mean)
    df = np.where(np.isnan(error), np.nan, np.minimum(first.n, second.n) - 1)
    half = t_quantile(df, confidence) * error
    return Comparison(estimate, estimate - half, estimate + half, t_p_value(estimate / error, df), df)


def compare_geometric_means(first: Moments, second: Moments, confidence: float = 0.95) -> Comparison:
    """Ratio of geometric means first / second from moments of natural logs: `compare_means` on the log scale.

    A ratio of 1.2 means typically 20 % larger. Where amounts are log-normal with one spread it is the ratio of the
    arithmetic means as well. Values must be positive: for days add one before the log, and say so.
    """
    logs = compare_means(first, second, confidence)
    with np.errstate(over="ignore", under="ignore"):
        return Comparison(np.exp(logs.estimate), np.exp(logs.low), np.exp(logs.high), logs.p_value, logs.df)


def t_quantile(df: ArrayLike, confidence: float) -> Floats:
    """Two-sided critical value of Student's t, of the normal where `df` is infinite; NaN where `df` is NaN."""
    degrees = floats(df)
    finite = np.isfinite(degrees)
    upper = (1 + confidence) / 2
    quantile = np.where(np.isnan(degrees), np.nan, special.ndtri(upper))
    return np.where(finite, special.stdtrit(np.where(finite, degrees, 1), upper), quantile)


def t_p_value(statistic: ArrayLike, df: ArrayLike) -> Floats:
    """Two-sided p-value of Student's t, of the normal where `df` is infinite; NaN where either is NaN."""
    size, degrees = np.broadcast_arrays(-np.abs(floats(statistic)), floats(df))
    finite = np.isfinite(degrees)
    with np.errstate(under="ignore"):
        tail = np.where(finite, special.stdtr(np.where(finite, degrees, 1), size), special.ndtr(size))
    return np.where(np.isnan(degrees), np.nan, np.minimum(2 * tail, 1))


def with_estimated_variance(p_value: ArrayLike, df: ArrayLike) -> Floats:
    """A two-sided p-value that took an estimated variance for known, referred to Student's t; shape (k,).

    The normal deviate of the p-value is read as a t with the degrees of freedom of the estimate: 0.05 becomes 0.107
    with 5 of them. Unchanged where `df` is infinite.
    """
    p, degrees = np.broadcast_arrays(floats(p_value), floats(df))
    deviate = special.ndtri(np.maximum(p / 2, SMALLEST))
    return np.where(np.isfinite(degrees) | np.isnan(degrees), t_p_value(deviate, degrees), p)


def without_estimated_variance(p_value: ArrayLike, df: ArrayLike) -> Floats:
    """The inverse of `with_estimated_variance`: the p-value at which the normal test has to be read; shape (k,)."""
    p, degrees = np.broadcast_arrays(floats(p_value), floats(df))
    finite = np.isfinite(degrees)
    with np.errstate(under="ignore"):
        normal = 2 * special.ndtr(special.stdtrit(np.where(finite, degrees, 1), p / 2))
    return np.where(finite, normal, np.where(np.isnan(degrees), np.nan, p))
