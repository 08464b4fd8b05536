"""Does this segment really differ? Tests and intervals for the difference of two rates.

Every rate comes as an estimate and an effective sample (`Rates`), whatever it was estimated from:

- `followed_rates`: counts of a fully followed cohort; the effective sample is the number of records;
- `censored_rates`: a cumulative incidence with open records, from its variance;
- `clustered_rates`: either of these where records hang together, as deals of one account do (`clusters`).

`contrast` then serves them all: Fisher's mid-p on the table of effective counts, which for fully followed cohorts is
the table itself, and Newcombe's interval. A z-test with the pooled (score) variance would be simpler, but not honest
where a small segment meets a large rest: at a rate of 3 %, 40 records differ from 3,000 by chance at the 0.1 % level in
0.5 % of the cases by the score test, in 30 % by Wald's, in 0.03 % by mid-p.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from segment_signals.statistics.arrays import Bools, Floats, floats, ratio
from segment_signals.statistics.intervals import (
    Interval,
    difference_interval,
    effective_sample,
    wilson_interval,
    with_estimated_variance,
)

# Terms below this share of a tail do not change its first ten digits.
NEGLIGIBLE = 1e-12


@dataclass(frozen=True)
class Rates:
    """k estimated rates, arrays of one shape (k,).

    Attributes:
        rate: 0 to 1, NaN where there is none.
        n: records.
        effective_n: rate x (1 - rate) / variance of the rate.
        df: degrees of freedom of the variance; infinite where every record was followed.
    """

    rate: Floats
    n: Floats
    effective_n: Floats
    df: Floats

    def interval(self, confidence: float = 0.95) -> Interval:
        """Wilson's interval with the effective sample."""
        return wilson_interval(self.rate, self.effective_n, confidence, self.df)


def followed_rates(converted_count: ArrayLike, entered_count: ArrayLike) -> Rates:
    """Rates of cohorts in which every record was followed to the horizon, shapes (k,)."""
    n = floats(entered_count)
    rate = ratio(converted_count, n)
    return Rates(rate, n, np.where(np.isnan(rate), np.nan, n), np.full(n.shape, np.inf))


def censored_rates(
    rate: ArrayLike,
    variance: ArrayLike,
    entered_count: ArrayLike,
    followed_count: ArrayLike,
    mature_count: ArrayLike | None = None,
) -> Rates:
    """Cumulative incidences at a horizon in cohorts with open records, shapes (k,).

    Args:
        rate: Aalen-Johansen estimate.
        variance: of the estimate (`conversion_variance` of the mart `funnel_conversion`).
        entered_count: records, n.
        followed_count: records not censored before the horizon; stands in for the effective sample where the
            variance is 0.
        mature_count: records that entered at least a horizon ago, m, whatever became of them. The variance is then
            taken to have m n / (n - m) degrees of freedom, by default infinitely many. A rule of thumb: 30 records of
            which 8 are mature differ by chance at the 5 % and 1 % levels in 4.8 % and 0.8 % of the cases (rate 50 %),
            without it in 7.8 % and 2.3 %. Rates of 80 % need half of the records to be mature.

    Do not choose cells by the number still at risk at the horizon: it is small where many converted, so the choice
    looks at the outcome. Among fully followed cells of 60 records with 20 % conversions, those with 20 or more at risk
    would be signals at 5 % in 8.6 % of the cases.
    """
    n = floats(entered_count)
    sample = effective_sample(rate, variance, n, followed_count)
    mature = n if mature_count is None else floats(mature_count)
    df = np.where(mature < n, np.maximum(ratio(mature * n, n - mature), 1), np.inf)
    return Rates(np.where(np.isnan(sample), np.nan, floats(rate)), n, sample, df)


def clustered_rates(rates: Rates, design_effect: ArrayLike) -> Rates:
    """The same rates of records that hang together in clusters, shapes (k,): fewer effective records.

    Groups that share clusters (a deal's source, say, where accounts have deals of several) have positively correlated
    rates; taking them for independent makes a contrast of the two too wide, never too narrow.
    """
    return replace(rates, effective_n=ratio(rates.effective_n, design_effect))


@dataclass(frozen=True)
class RateContrast:
    """first - second with interval and two-sided p-value, shapes (k,); NaN where either rate is."""

    difference: Floats
    low: Floats
    high: Floats
    p_value: Floats


def contrast(first: Rates, second: Rates, confidence: float = 0.95) -> RateContrast:
    """Difference of two independent rates, its Newcombe interval, and Fisher's mid-p of no difference; shapes (k,).

    With variances estimated from few followed records the p-value's normal deviate is referred to Student's t, with
    the degrees of freedom of the two combined as Satterthwaite's.
    """
    limits = difference_interval(first.rate, first.interval(confidence), second.rate, second.interval(confidence))
    p_value = fisher_mid_p(
        first.rate * first.effective_n, first.effective_n, second.rate * second.effective_n, second.effective_n
    )
    p_value = with_estimated_variance(p_value, _combined_df(first, second))
    return RateContrast(first.rate - second.rate, limits.low, limits.high, p_value)


def _combined_df(first: Rates, second: Rates) -> Floats:
    """Satterthwaite's degrees of freedom of the difference, under one common rate; infinite where both are."""
    part_1, part_2 = ratio(1, first.effective_n), ratio(1, second.effective_n)
    inverse = ratio(part_1**2 / first.df + part_2**2 / second.df, (part_1 + part_2) ** 2)
    return np.where(inverse == 0, np.inf, ratio(1, inverse))


def fisher_mid_p(
    first_converted: ArrayLike, first_n: ArrayLike, second_converted: ArrayLike, second_n: ArrayLike
) -> Floats:
    """Two-sided mid-p of Fisher's conditional test that two rates are equal, shape (k,).

    Twice the smaller tail, which holds half of the observed table's probability (Lancaster 1961; Hwang and Yang 2001).
    Exact for every table size: a tail is summed outwards from the observed table by the ratio of neighbouring terms
    until the terms vanish, some six standard deviations at most. Effective counts need not be whole: binomial
    coefficients are gamma functions, and between two tables the mid-distribution function is interpolated (Parzen
    2004, "Quantile probability and statistical data modeling").

    Args:
        first_converted: shape (k,), 0 to `first_n`.
        first_n: shape (k,), not negative.
        second_converted: shape (k,), 0 to `second_n`.
        second_n: shape (k,), not negative.

    Returns:
        1 where the table cannot differ (n or conversions 0, or all converted), NaN where any argument is NaN.
    """
    x, n, other, m = np.broadcast_arrays(
        floats(first_converted), floats(first_n), floats(second_converted), floats(second_n)
    )
    shape = x.shape
    x, n, other, m = (np.where(np.isnan(x + n + other + m), np.nan, values).ravel() for values in (x, n, other, m))
    p_value = np.where(np.isnan(x), np.nan, 1.0)
    converted = x + other
    testable = (n > 0) & (m > 0) & (converted > 0) & (converted < n + m)
    n, m, x, converted = n[testable], m[testable], x[testable], converted[testable]
    # The four orientations of a table are one test: take that in which the first cell is the rarest, seen from its
    # expectation upwards or downwards.
    swap = n > m
    x, n, m = np.where(swap, converted - x, x), np.where(swap, m, n), np.where(swap, n, m)
    invert = converted > (n + m) / 2
    x, converted = np.where(invert, n - x, x), np.where(invert, n + m - converted, converted)
    nearest = np.rint(x)
    x = np.where(np.abs(x - nearest) < 1e-6, nearest, x)
    is_above = x >= n * converted / (n + m)
    below = np.floor(x)
    tail = _mid_tail(below, is_above, n, m, converted)
    between = x > below
    if between.any():
        next_tail = _mid_tail(below[between] + 1, is_above[between], n[between], m[between], converted[between])
        tail[between] += (x - below)[between] * (next_tail - tail[between])
    p_value[testable] = np.minimum(2 * np.minimum(tail, 1 - tail), 1)
    return p_value.reshape(shape)


def _mid_tail(k: Floats, is_upper: Bools, n: Floats, m: Floats, converted: Floats) -> Floats:
    """P(K > k) + P(K = k) / 2 of the hypergeometric K where `is_upper`, P(K < k) + P(K = k) / 2 elsewhere, shape (k,).

    K counts conversions among n records when `converted` of n + m converted.
    """
    with np.errstate(under="ignore"):
        start = np.exp(_log_binomial(n, k) + _log_binomial(m, converted - k) - _log_binomial(n + m, converted))
        # Relative to the first term, of which half belongs to the tail.
        total = np.full(k.shape, 0.5)
        active = np.arange(len(k))
        at, term = k.copy(), np.ones(k.shape)
        while len(active):
            up, size, rest, sum_ = is_upper[active], n[active], m[active], converted[active]
            for _ in range(16):
                here = at[active]
                rise = (size - here) * (sum_ - here), (here + 1) * (rest - sum_ + here + 1)
                fall = here * (rest - sum_ + here), (size - here + 1) * (sum_ - here + 1)
                factor = np.where(up, rise[0], fall[0]) / np.where(up, rise[1], fall[1])
                # Beyond the last possible table the factor is 0, or negative where counts are not whole.
                term[active] *= np.maximum(factor, 0)
                total[active] += term[active]
                at[active] += np.where(up, 1, -1)
            active = active[term[active] > NEGLIGIBLE * total[active]]
        tail: Floats = total * start
    return tail


def _log_binomial(n: Floats, k: Floats) -> Floats:
    logarithm: Floats = -np.log1p(n) - special.betaln(n - k + 1, k + 1)
    return logarithm
