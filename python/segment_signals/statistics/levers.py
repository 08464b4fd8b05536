"""Levers of the pipeline one by one: intervals of counts, rates, amounts and days, and tests against a reference.

Two kinds of reference: the lever's own earlier periods, which are a sample themselves, and a fixed number, such as a
benchmark. Rates are compared by `contrasts`, amounts and days by `intervals.compare_geometric_means`; the rest is here.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from segment_signals.statistics.arrays import Floats, Integers, floats, group_count, group_sum, ratio, root
from segment_signals.statistics.intervals import (
    Comparison,
    Interval,
    Moments,
    t_p_value,
    t_quantile,
    with_estimated_variance,
)


def poisson_interval(count: ArrayLike, confidence: float = 0.95) -> Interval:
    """Exact limits of a Poisson mean given one count (Garwood 1936), shape (k,); NaN where the count is."""
    n = floats(count)
    tail = (1 - confidence) / 2
    low = np.where(n > 0, special.gammaincinv(np.maximum(n, 1), tail), 0)
    return Interval(np.where(np.isnan(n), np.nan, low), floats(special.gammaincinv(n + 1, 1 - tail)))


def poisson_p_value(count: ArrayLike, expected: ArrayLike) -> Floats:
    """Two-sided mid-p of a count given its expectation, shape (k,): twice the smaller tail with half its own term."""
    n, mean = np.broadcast_arrays(floats(count), floats(expected))
    below = np.where(n > 0, special.gammaincc(np.maximum(n, 1), mean), 0)
    upto = special.gammaincc(n + 1, mean)
    middle = (below + upto) / 2
    return floats(np.clip(2 * np.minimum(middle, 1 - middle), 0, 1))


@dataclass(frozen=True)
class Overdispersion:
    """By how much periods differ beyond chance, arrays of one shape (k,).

    Attributes:
        variance: of a period's rate beyond Poisson's, relative to the squared rate.
        df: degrees of freedom from which it is known; 0 where nothing tells.
    """

    variance: Floats
    df: Floats


NO_OVERDISPERSION = Overdispersion(np.zeros(1), np.full(1, np.inf))


def count_overdispersion(
    count: ArrayLike, exposure: ArrayLike, square_sum: ArrayLike, periods: ArrayLike, family: Integers
) -> Overdispersion:
    """Variance of the periods' rates beyond chance, relative to the squared rate, pooled over a family; shape (k,).

    Method of moments: with n_t ~ negative binomial of mean r d_t and variance r d_t + a (r d_t)^2, Pearson's statistic
    sum of (n_t - r d_t)^2 / (r d_t) of a cell's T periods has mean about (T - 1) (1 + a n / T) for periods of about one
    length, with n their total. Solved for a over all cells of the family (DerSimonian and Laird 1986 for the sum).

    Args:
        count: records of all earlier periods of a cell.
        exposure: days of them together.
        square_sum: sum over the periods of count^2 / days.
        periods: T.
        family: codes 0 .. families - 1.

    Returns:
        a of the family of each cell, at least 0 (0 where no cell has two periods), and its degrees of freedom.
    """
    n, days, squares, number = (floats(values) for values in (count, exposure, square_sum, periods))
    statistic = ratio(days, n) * squares - n
    usable = (number >= 2) & ~np.isnan(statistic) & (n > 0)
    freedom = np.where(usable, number - 1, 0)
    groups = group_count(family)
    excess = group_sum(np.where(usable, statistic, 0) - freedom, family, groups)
    scale = group_sum(np.where(usable, freedom * ratio(n, number), 0), family, groups)
    pooled = np.maximum(np.nan_to_num(ratio(excess, scale)), 0)
    return Overdispersion(pooled[family], group_sum(freedom, family, groups)[family])


def compare_counts(
    first_count: ArrayLike,
    first_days: ArrayLike,
    second_count: ArrayLike,
    second_days: ArrayLike,
    overdispersion: Overdispersion = NO_OVERDISPERSION,
    second_periods: ArrayLike = 1.0,
    confidence: float = 0.95,
) -> Comparison:
    """Ratio of two rates of arrival less one, first over second, with interval and two-sided mid-p; shapes (k,).

    Given their total, the first count is binomial with the share of its exposure (Przyborowski and Wilenski 1940);
    limits of the share are the mid-p ones' approximation Beta(x + 1/2, n - x + 1/2). Periods that differ by more than
    chance are worth less: a count of mean m counts as m / (1 + a m) records in as much less exposure, so that its
    variance relative to its squared mean is 1 / m + a. Since a is estimated, the deviates are Student's t with its
    degrees of freedom: four quarters of one cell tell little of how much quarters differ.

    Args:
        first_count: of the newest period.
        first_days: days of it.
        second_count: of the earlier periods together.
        second_days: days of them together.
        overdispersion: a (`count_overdispersion`); none by default.
        second_periods: number of earlier periods, over which their differences average out.
        confidence: two-sided, 0 to 1.

    Returns:
        NaN where the earlier periods have no record, there are none, or nothing tells how much periods differ.
    """
    x, d, other, e, a, df, periods = np.broadcast_arrays(
        *(floats(v) for v in (first_count, first_days, second_count, second_days)),
        overdispersion.variance,
        overdispersion.df,
        floats(second_periods),
    )
    pooled = ratio(x + other, d + e)
    worth = ratio(1, 1 + a * pooled * d)
    other_worth = ratio(1, 1 + ratio(a, np.maximum(periods, 1)) * pooled * e)
    x, d, other, e = x * worth, d * worth, other * other_worth, e * other_worth
    n = np.where((other > 0) & (e > 0) & (d > 0) & (df > 0), x + other, np.nan)
    share = ratio(d, d + e)
    df = np.where(df > 0, df, np.nan)
    tail = special.ndtr(-t_quantile(df, confidence))
    low = np.where(x > 0, special.betaincinv(x + 0.5, n - x + 0.5, tail), 0)
    high = special.betaincinv(x + 0.5, n - x + 0.5, 1 - tail)
    scale = ratio(e, d)
    estimate = ratio(x, n - x) * scale
    below = np.where(x > 0, special.betainc(n - x + 1, np.maximum(x, 1e-300), 1 - share), 0)
    upto = np.where(n - x > 0, special.betainc(np.maximum(n - x, 1e-300), x + 1, 1 - share), 1)
    middle = (below + upto) / 2
    known = ~np.isnan(n)
    return Comparison(
        np.where(known, estimate - 1, np.nan),
        np.where(known, np.minimum(ratio(low, 1 - low) * scale, estimate) - 1, np.nan),
        np.where(known, np.maximum(ratio(high, 1 - high) * scale, estimate) - 1, np.nan),
        np.where(known, with_estimated_variance(np.clip(2 * np.minimum(middle, 1 - middle), 0, 1), df), np.nan),
        np.where(known, df, np.nan),
    )


def mean_interval(moments: Moments, confidence: float = 0.95) -> Interval:
    """Interval of an arithmetic mean of positive, skewed values by the delta method on its logarithm; shape (k,).

    mean x exp(-+ t s / (mean sqrt n)), t with n - 1 degrees of freedom. NaN for fewer than 2 records, or a mean of 0.
    """
    half = t_quantile(moments.n - 1, confidence) * _log_error(moments)
    with np.errstate(over="ignore"):
        return Interval(moments.mean * np.exp(-half), moments.mean * np.exp(half))


def mean_p_value(moments: Moments, reference: ArrayLike) -> Floats:
    """Two-sided p-value that a mean is the reference, the test that belongs to `mean_interval`; shape (k,)."""
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.log(moments.mean / floats(reference))
        return t_p_value(distance / _log_error(moments), moments.n - 1)


def _log_error(moments: Moments) -> Floats:
    mean = np.where(moments.mean > 0, moments.mean, np.nan)
    error = ratio(root(ratio(moments.variance, moments.n)), mean)
    return np.where(error > 0, error, np.nan)


def rate_p_value(rate: ArrayLike, n: ArrayLike, reference: ArrayLike) -> Floats:
    """Two-sided p-value that a rate is the reference, the score test that belongs to Wilson's interval; shape (k,)."""
    p, size, fixed = np.broadcast_arrays(floats(rate), floats(n), floats(reference))
    inside = (fixed > 0) & (fixed < 1)
    error = root(ratio(fixed * (1 - fixed), size))
    z = ratio(p - fixed, np.where(inside, error, np.nan))
    return t_p_value(z, np.where(np.isnan(z), np.nan, np.inf))


@dataclass(frozen=True)
class Correlation:
    """Pearson's correlations with their intervals, arrays of one shape (k,); NaN where not estimable."""

    estimate: Floats
    low: Floats
    high: Floats


def correlation(
    n: ArrayLike,
    sum_x: ArrayLike,
    sum_y: ArrayLike,
    square_sum_x: ArrayLike,
    square_sum_y: ArrayLike,
    product_sum: ArrayLike,
    confidence: float = 0.95,
) -> Correlation:
    """Correlation from sums over the same n records, with Fisher's interval (Fisher 1921); shapes (k,).

    tanh(atanh r -+ z / sqrt(n - 3)). NaN for fewer than 4 records, or where one of the two does not vary.
    """
    size = floats(n)
    x, y = Moments(size, floats(sum_x), floats(square_sum_x)), Moments(size, floats(sum_y), floats(square_sum_y))
    covariance = ratio(floats(product_sum) - ratio(x.total * y.total, size), size - 1)
    spread = root(x.variance * y.variance)
    estimate = np.clip(ratio(covariance, np.where(spread > 0, spread, np.nan)), -1, 1)
    estimate = np.where(size >= 4, estimate, np.nan)
    half = t_quantile(np.full(size.shape, np.inf), confidence) * ratio(1, root(np.where(size > 3, size - 3, np.nan)))
    with np.errstate(divide="ignore"):
        centre = np.arctanh(estimate)
    return Correlation(estimate, np.tanh(centre - half), np.tanh(centre + half))
