"""Intervals: equal to statsmodels and scipy, published examples, exact coverage."""

from dataclasses import replace

import numpy as np
import pytest
from scipy import stats
from segment_signals.statistics.intervals import (
    Interval,
    Moments,
    compare_geometric_means,
    compare_means,
    difference_interval,
    effective_sample,
    wilson_interval,
    with_estimated_variance,
    without_estimated_variance,
)
from statsmodels.stats.proportion import confint_proportions_2indep, proportion_confint

pytestmark = pytest.mark.filterwarnings("error")


def wilson(count: float, n: float) -> Interval:
    return wilson_interval([count / n], [n])


def moments(sample: np.ndarray) -> Moments:
    """Moments of the rows."""
    return Moments(np.full(len(sample), float(sample.shape[1])), sample.sum(axis=1), (sample**2).sum(axis=1))


@pytest.mark.parametrize("n", [1, 7, 100, 12_345])
@pytest.mark.parametrize("confidence", [0.8, 0.95, 0.99])
def test_wilson_equals_statsmodels(n: int, confidence: float) -> None:
    count = np.unique(np.linspace(0, n, 9).astype(int))
    ours = wilson_interval(count / n, np.full(len(count), n), confidence)
    low, high = proportion_confint(count, n, alpha=1 - confidence, method="wilson")
    np.testing.assert_allclose(ours.low, low, atol=1e-14)
    np.testing.assert_allclose(ours.high, high, atol=1e-14)


def test_wilson_limits_solve_the_score_equation_for_a_fractional_sample() -> None:
    interval = wilson_interval([0.3], [41.7])
    for limit in (interval.low[0], interval.high[0]):
        assert abs(0.3 - limit) / np.sqrt(limit * (1 - limit) / 41.7) == pytest.approx(1.959963984540054, abs=1e-12)


def test_few_degrees_of_freedom_shrink_the_sample_as_korn_and_graubard_do() -> None:
    few = wilson_interval([0.3], [60.0], df=[9.0])
    shrunk = wilson_interval([0.3], [60 * (stats.norm.ppf(0.975) / stats.t.ppf(0.975, 9)) ** 2])
    # The quantile stands in the formula with n only as z^2 / n, and once by itself in z sqrt(... / n).
    assert (few.low[0], few.high[0]) == pytest.approx((shrunk.low[0], shrunk.high[0]), abs=1e-12)


def test_wilson_covers_95_percent_on_average() -> None:
    """Exact coverage over a grid: 93 to 97 % on average, Wilson's known minimum at the edge."""
    rates = np.linspace(0.03, 0.97, 95)
    averages = []
    for n in (30, 50, 100, 300, 1_000):
        count = np.arange(n + 1)
        interval = wilson_interval(count / n, np.full(n + 1, n))
        covers = (interval.low[:, None] <= rates) & (rates <= interval.high[:, None])
        coverage = (covers * stats.binom.pmf(count[:, None], n, rates)).sum(axis=0)
        assert coverage.min() > 0.90
        averages.append(coverage.mean())
    assert 0.93 <= np.mean(averages) <= 0.97
    assert min(averages) > 0.945


def test_effective_sample() -> None:
    # 0.2 x 0.8 / 0.004 = 40 of 60; a variance below the binomial one counts as 60; none at a rate of 0: the followed.
    rate, variance = [0.2, 0.2, 0.0, 1.0, 0.3, np.nan], [0.004, 0.001, 0.0, 0.0, 0.0, np.nan]
    sample = effective_sample(rate, variance, [60] * 6, [50, 50, 50, 0, 50, 50])
    np.testing.assert_allclose(sample, [40, 60, 50, 1, 50, np.nan])
    # 28 of 28 as a product-limit estimate: 1 but for rounding, with a variance of rounding.
    assert effective_sample([1 - 1e-15], [6.6e-17], [28], [28])[0] == 28


@pytest.mark.parametrize(
    ("first", "second", "low", "high"),
    [((56, 70), (48, 80), 0.0524, 0.3339), ((9, 10), (3, 10), 0.1705, 0.8090)],
)
def test_examples_of_newcombe_1998(first: tuple[int, int], second: tuple[int, int], low: float, high: float) -> None:
    got = difference_interval([first[0] / first[1]], wilson(*first), [second[0] / second[1]], wilson(*second))
    assert (got.low[0], got.high[0]) == pytest.approx((low, high), abs=5e-5)


def test_difference_equals_statsmodels() -> None:
    draws = np.random.default_rng(3)
    for _ in range(100):
        n, m = draws.integers(1, 400, 2)
        x, y = draws.integers(0, n + 1), draws.integers(0, m + 1)
        got = difference_interval([x / n], wilson(x, n), [y / m], wilson(y, m))
        expected = confint_proportions_2indep(x, n, y, m, method="newcomb", compare="diff")
        assert (got.low[0], got.high[0]) == pytest.approx(expected, abs=1e-12)


def test_difference_covers_95_percent_on_average() -> None:
    """Exact coverage over all pairs of counts."""
    coverages = []
    for n, m in ((30, 30), (30, 150), (80, 200)):
        x, y = np.arange(n + 1)[:, None] / n, np.arange(m + 1)[None, :] / m
        got = difference_interval(x, wilson_interval(x, n), y, wilson_interval(y, m))
        for p in (0.03, 0.1, 0.3, 0.6):
            for q in (0.03, 0.2, 0.5):
                mass = stats.binom.pmf(np.arange(n + 1), n, p)[:, None] * stats.binom.pmf(np.arange(m + 1), m, q)
                coverages.append((mass * ((got.low <= p - q) & (p - q <= got.high))).sum())
    assert 0.93 <= np.mean(coverages) <= 0.97
    assert min(coverages) > 0.90


def test_difference_of_means_is_scipys_with_the_smaller_samples_degrees_of_freedom() -> None:
    draws = np.random.default_rng(5)
    first, second = draws.normal(3, 1, (20, 9)), draws.normal(3.5, 4, (20, 40))
    got = compare_means(moments(first), moments(second), confidence=0.9)
    welch = stats.ttest_ind(first, second, axis=1, equal_var=False)
    error = (first.mean(axis=1) - second.mean(axis=1)) / welch.statistic
    np.testing.assert_allclose(got.p_value, 2 * stats.t.sf(np.abs(welch.statistic), 8), rtol=1e-9)
    np.testing.assert_allclose(got.high - got.low, 2 * stats.t.ppf(0.95, 8) * error, rtol=1e-9)
    np.testing.assert_allclose((got.low + got.high) / 2, first.mean(axis=1) - second.mean(axis=1), rtol=1e-9)
    assert np.all(got.df == 8)


@pytest.mark.parametrize(("n", "m", "spread"), [(20, 240, 1.0), (20, 240, 3.0), (20, 240, 0.3), (110, 160, 1.0)])
def test_difference_of_means_keeps_its_level_deep_in_the_tail(n: int, m: int, spread: float) -> None:
    """Where a page claims: 1 in 10,000, with equal and unequal spreads. Welch's test fails this at 20 against 240."""
    draws = np.random.default_rng(23)
    rounds, level = 2_000_000, 1e-4
    first = Moments(np.full(rounds, float(n)), spread * np.sqrt(n) * draws.standard_normal(rounds), np.zeros(rounds))
    second = Moments(np.full(rounds, float(m)), np.sqrt(m) * draws.standard_normal(rounds), np.zeros(rounds))
    # Normal samples: the squares around the mean are chi-squared, independent of it.
    first = replace(first, square_total=first.total**2 / n + spread**2 * draws.chisquare(n - 1, rounds))
    second = replace(second, square_total=second.total**2 / m + draws.chisquare(m - 1, rounds))
    p_value = compare_means(first, second).p_value
    assert np.mean(p_value < level) <= level + 2 * np.sqrt(level / rounds)
    assert np.mean(p_value < 0.05) > 0.04


def test_ratio_of_geometric_means_by_hand() -> None:
    # Geometric means of 10, 40 and 5, 20 are 20 and 10; both logs have variance ln(4)^2 / 2, so se^2 = ln(4)^2 / 2, and
    # one degree of freedom: 2 x exp(+-12.706205 x 0.980258).
    first, second = np.log(np.array([[10.0, 40.0]])), np.log(np.array([[5.0, 20.0]]))
    got = compare_geometric_means(moments(first), moments(second))
    assert got.estimate[0] == pytest.approx(2)
    assert got.df[0] == 1
    assert got.low[0] == pytest.approx(2 * np.exp(-12.706205 * 0.980258), rel=1e-5)
    assert got.high[0] == pytest.approx(2 * np.exp(12.706205 * 0.980258), rel=1e-5)


def test_no_comparison_without_spread() -> None:
    # A million times 0.1, with a sum of squares that differs from n x mean^2 by rounding alone.
    constant = Moments(np.array([1e6]), np.array([1e5]), np.array([1e4 * (1 + 1e-12)]))
    assert constant.variance[0] == 0
    other = Moments(np.array([5.0]), np.array([10.0]), np.array([20.0]))
    assert np.isnan(compare_means(constant, other).p_value[0])
    varied = moments(np.array([[1.0, 2.0, 3.0, 4.0]]))
    # The degrees of freedom of the smaller sample, constant or not.
    assert compare_means(constant, varied).df[0] == pytest.approx(3)


@pytest.mark.parametrize(("n", "m"), [(10, 10), (20, 500), (100, 2_000)])
def test_log_scale_keeps_its_level_for_skewed_amounts(n: int, m: int) -> None:
    draws = np.random.default_rng(17)
    rounds = 3_000
    logs = compare_geometric_means(moments(draws.normal(9, 1, (rounds, n))), moments(draws.normal(9, 1, (rounds, m))))
    two_standard_errors = 2 * np.sqrt(0.05 * 0.95 / rounds)
    assert np.mean((logs.low > 1) | (logs.high < 1)) <= 0.05 + two_standard_errors
    assert np.mean(logs.p_value < 0.05) == np.mean((logs.low > 1) | (logs.high < 1))


def test_estimated_variance() -> None:
    # The normal deviate of 5 %, 1.96, has a two-sided p-value of 10.73 % with 5 degrees of freedom.
    assert with_estimated_variance(0.05, 5)[()] == pytest.approx(2 * stats.t.sf(1.959963984540054, 5), rel=1e-12)
    p = np.array([1e-8, 0.001, 0.05, 0.7, 1.0])
    np.testing.assert_allclose(without_estimated_variance(with_estimated_variance(p, 12), 12), p, rtol=1e-9)
    np.testing.assert_array_equal(with_estimated_variance(p, np.inf), p)
    np.testing.assert_array_equal(without_estimated_variance(p, np.inf), p)
