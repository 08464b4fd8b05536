"""Predictive distributions of a newest period given earlier ones: of conversions, of a count, of a log amount.

All three answer the same questions: how far up is the observed value (`mid_distribution`), within which limits is it
expected (`expected_limits`), and how probably would a changed one fall outside (`outside_probability`).
"""

from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from scipy import special

from segment_signals.statistics.arrays import Floats, Integers, ratio

# A tail of a beta-binomial with more terms than this is integrated, not summed.
LONGEST_SUM = 50
# Nodes and weights of the mean over a standard normal variable.
NODES, WEIGHTS = np.polynomial.hermite_e.hermegauss(24)
WEIGHTS = WEIGHTS / WEIGHTS.sum()
# Terms held at a time: bounds the memory of thousands of segments.
TERMS_AT_ONCE = 1_000_000


class Predictive(Protocol):
    """Distributions of k cells; every array has shape (k,), NaN parameters give NaN answers."""

    @property
    def expected(self) -> Floats:
        """Means."""
        ...

    def mid_distribution(self, value: Floats) -> Floats:
        """P(X < value) + P(X = value) / 2, interpolated between counts (Parzen 2004)."""
        ...

    def expected_limits(self, alpha: Floats) -> tuple[Floats, Floats]:
        """Smallest and largest value whose two-sided p-value is above `alpha`."""
        ...

    def outside_probability(self, low: Floats, high: Floats, change: float) -> Floats:
        """P(X < low or X > high) if the mean were 1 + `change` times as large."""
        ...


def two_sided_p_value(predictive: Predictive, value: Floats) -> Floats:
    """Two-sided mid-p-value of an observed value, shape (k,): twice the smaller tail with half its own probability."""
    middle = predictive.mid_distribution(value)
    p_value: Floats = np.clip(2 * np.minimum(middle, 1 - middle), 0, 1)
    return p_value


class _Counts:
    """What distributions on 0, 1, 2 ... share, given P(X <= count)."""

    def _cdf(self, count: Floats) -> Floats:
        raise NotImplementedError

    def _pmf(self, count: Floats) -> Floats:
        raise NotImplementedError

    def _bracket(self) -> Floats:
        raise NotImplementedError

    def mid_distribution(self, value: Floats) -> Floats:
        """P(X < value) + P(X = value) / 2, interpolated between counts (Parzen 2004)."""
        below = np.floor(value)
        own = self._pmf(below)
        middle = self._cdf(below) - own / 2
        between = value > below
        if not between.any():
            return middle
        return np.where(between, middle + (value - below) * (own + self._pmf(below + 1)) / 2, middle)

    def expected_limits(self, alpha: Floats) -> tuple[Floats, Floats]:
        """Smallest and largest count whose two-sided p-value is above `alpha`."""
        return self._first_above(alpha / 2), self._first_above(1 - alpha / 2) - 1

    def _first_above(self, level: Floats) -> Floats:
        """Smallest count whose mid-distribution exceeds `level`, by bisection."""
        high = self._bracket()
        low = np.where(np.isnan(high), np.nan, -1.0)
        while np.any(high - low > 1):
            middle = np.floor((low + high) / 2)
            is_above = self.mid_distribution(middle) > level
            low, high = np.where(is_above, low, middle), np.where(is_above, middle, high)
        return high


@dataclass(frozen=True)
class BetaBinomial(_Counts):
    """Conversions among n records whose rate is Beta distributed.

    Attributes:
        n: shape (k,), records, whole.
        mean: shape (k,), of the rate, 0 to 1.
        correlation: shape (k,), intraclass correlation 1 / (a + b + 1) of the Beta(a, b), above 0 and below 1.
    """

    n: Floats
    mean: Floats
    correlation: Floats

    @property
    def expected(self) -> Floats:
        """Expected conversions."""
        return self.n * self.mean

    def _bracket(self) -> Floats:
        return np.where(np.isnan(self.mean + self.correlation), np.nan, self.n + 1)

    def _pmf(self, count: Floats) -> Floats:
        known = ~np.isnan(count + self._bracket())
        result = np.where(known, 0.0, np.nan)
        inside = known & (count >= 0) & (count <= self.n)
        x, n, mean = count[inside], self.n[inside], self.mean[inside]
        certain = (mean <= 0) | (mean >= 1)
        a, b = _shapes(np.where(certain, 0.5, mean), self.correlation[inside])
        result[inside] = np.where(certain, (x == n * mean).astype(np.float64), _beta_binomial_term(x, n, a, b))
        return result

    def _cdf(self, count: Floats) -> Floats:
        known = ~np.isnan(count + self._bracket())
        result = np.where(known, (count >= self.n).astype(np.float64), np.nan)
        inside = known & (count >= 0) & (count < self.n)
        x, n, mean, rho = count[inside], self.n[inside], self.mean[inside], self.correlation[inside]
        certain = (mean <= 0) | (mean >= 1)
        a, b = _shapes(np.where(certain, 0.5, mean), rho)
        # The shorter side is summed: 0 .. x of the conversions, or 0 .. n - x - 1 of the others.
        is_lower = x + 1 <= n - x
        last = np.where(is_lower, x, n - x - 1)
        side = np.empty(len(x))
        short = last < LONGEST_SUM
        first, second = np.where(is_lower, a, b), np.where(is_lower, b, a)
        side[short] = _beta_binomial_sum(last[short], n[short], first[short], second[short])
        side[~short] = _beta_binomial_integral(last[~short], n[~short], first[~short], second[~short])
        below = np.where(is_lower, side, 1 - side)
        result[inside] = np.where(certain, (self.mean[inside] <= 0).astype(np.float64), below)
        return result

    def outside_probability(self, low: Floats, high: Floats, change: float) -> Floats:
        """P(X < low or X > high) if the rate were 1 + `change` times as large, at most 1."""
        changed = replace(self, mean=np.clip(self.mean * (1 + change), 0, 1))
        return changed._cdf(low - 1) + 1 - changed._cdf(high)


def _shapes(mean: Floats, correlation: Floats) -> tuple[Floats, Floats]:
    """A and b of a beta distribution."""
    precision = 1 / correlation - 1
    return mean * precision, (1 - mean) * precision


def _beta_binomial_integral(x: Floats, n: Floats, a: Floats, b: Floats) -> Floats:
    """P(X <= x), shape (k,), for more than `LONGEST_SUM` on either side of x.

    At a rate p, X <= x has the probability that Y > p for Y ~ Beta(x + 1, n - x), the (x + 1)-th smallest of n uniform
    numbers. So P(X <= x) = P(p < Y) for independent beta variables: the mean of the wider one's distribution function
    over the narrower one, whose logit is nearly normal (Gauss-Hermite quadrature, with Cornish and Fisher's term for
    the skewness).
    """
    c, d = x + 1, n - x
    is_rate_narrower = special.polygamma(1, a) + special.polygamma(1, b) < special.polygamma(1, c) + special.polygamma(
        1, d
    )
    narrow_a, narrow_b = np.where(is_rate_narrower, a, c), np.where(is_rate_narrower, b, d)
    wide_a, wide_b = np.where(is_rate_narrower, c, a), np.where(is_rate_narrower, d, b)
    deviation = np.sqrt(special.polygamma(1, narrow_a) + special.polygamma(1, narrow_b))
    skewness = (special.polygamma(2, narrow_a) - special.polygamma(2, narrow_b)) / deviation**3
    node = NODES + skewness[:, np.newaxis] / 6 * (NODES**2 - 1)
    logit = (special.psi(narrow_a) - special.psi(narrow_b))[:, np.newaxis] + deviation[:, np.newaxis] * node
    with np.errstate(under="ignore"):
        below = special.betainc(wide_a[:, np.newaxis], wide_b[:, np.newaxis], special.expit(logit)) @ WEIGHTS
    return np.where(is_rate_narrower, 1 - below, below)


def _beta_binomial_sum(last: Floats, n: Floats, a: Floats, b: Floats) -> Floats:
    """P(X = 0) + ... + P(X = last), shape (k,), term by term."""
    result = np.zeros(len(last))
    length = last.astype(np.int64) + 1
    chunk = np.cumsum(length) // TERMS_AT_ONCE
    for part in np.unique(chunk):
        cell = np.flatnonzero(chunk == part)
        of = np.repeat(cell, length[cell])
        first: Integers = np.cumsum(length[cell]) - length[cell]
        count = np.arange(len(of)) - np.repeat(first, length[cell])
        result[cell] = np.add.reduceat(_beta_binomial_term(count.astype(np.float64), n[of], a[of], b[of]), first)
    return np.minimum(result, 1)


def _beta_binomial_term(count: Floats, n: Floats, a: Floats, b: Floats) -> Floats:
    """P(X = count), shape (k,), for 0 <= count <= n."""
    log_binomial = -np.log1p(n) - special.betaln(n - count + 1, count + 1)
    with np.errstate(under="ignore"):
        term: Floats = np.exp(log_binomial + special.betaln(count + a, n - count + b) - special.betaln(a, b))
    return term


@dataclass(frozen=True)
class NegativeBinomial(_Counts):
    """A count whose Poisson mean is Gamma distributed.

    Attributes:
        mean: shape (k,), above 0.
        shape: shape (k,), of the Gamma, above 0: the variance is mean + mean^2 / shape, Poisson as it grows.
    """

    mean: Floats
    shape: Floats

    @property
    def expected(self) -> Floats:
        """Expected count."""
        return self.mean

    def _bracket(self) -> Floats:
        # Forty standard deviations of the Poisson part and forty lengths of the exponential tail.
        tail = 40 * np.sqrt(self.mean) + 40 * (1 + ratio(self.mean, self.shape))
        highest: Floats = np.ceil(self.mean + tail)
        return highest

    def _pmf(self, count: Floats) -> Floats:
        return self._cdf(count) - self._cdf(count - 1)

    def _cdf(self, count: Floats) -> Floats:
        known = ~np.isnan(count + self.mean + self.shape)
        inside = known & (count >= 0)
        shape, mean = np.where(inside, self.shape, 1), np.where(inside, self.mean, 1)
        with np.errstate(under="ignore"):
            value = special.betainc(shape, np.where(inside, count, 0) + 1, shape / (shape + mean))
        return np.where(inside, value, np.where(known, 0.0, np.nan))

    def outside_probability(self, low: Floats, high: Floats, change: float) -> Floats:
        """P(X < low or X > high) if the mean were 1 + `change` times as large."""
        changed = replace(self, mean=self.mean * (1 + change))
        return changed._cdf(low - 1) + 1 - changed._cdf(high)


@dataclass(frozen=True)
class LogStudent:
    """A positive amount whose natural log is Student distributed.

    Attributes:
        location: shape (k,), median of the log.
        scale: shape (k,), of the log, above 0.
        df: shape (k,), degrees of freedom.
    """

    location: Floats
    scale: Floats
    df: Floats

    @property
    def expected(self) -> Floats:
        """Median amount (the mean does not exist)."""
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.location)

    def mid_distribution(self, value: Floats) -> Floats:
        """P(X < value); NaN for an amount that is not positive."""
        positive = value > 0
        return self._cdf(np.log(np.where(positive, value, 1)), np.where(positive, 0, np.nan))

    def expected_limits(self, alpha: Floats) -> tuple[Floats, Floats]:
        """Quantiles alpha / 2 and 1 - alpha / 2."""
        known = ~np.isnan(self.location + self.scale + self.df)
        half = np.where(known, -special.stdtrit(np.where(known, self.df, 1), alpha / 2), np.nan) * self.scale
        with np.errstate(over="ignore", under="ignore"):
            return np.exp(self.location - half), np.exp(self.location + half)

    def outside_probability(self, low: Floats, high: Floats, change: float) -> Floats:
        """P(X < low or X > high) if amounts were 1 + `change` times as large."""
        shift = np.log1p(change)
        return self._cdf(_log(low), shift) + 1 - self._cdf(_log(high), shift)

    def _cdf(self, log_value: Floats, shift: Floats | float) -> Floats:
        deviate = ratio(log_value - shift - self.location, self.scale)
        known = ~np.isnan(deviate + self.df)
        with np.errstate(under="ignore"):
            value = special.stdtr(np.where(known, self.df, 1), np.where(known, deviate, 0))
        return np.where(known, value, np.nan)


def _log(amount: Floats) -> Floats:
    """Log of an amount that is not negative, as `expected_limits` gives it: 0 has log minus infinity."""
    return np.where(amount > 0, np.log(np.where(amount > 0, amount, 1)), np.where(np.isnan(amount), np.nan, -np.inf))
