"""Predictive distributions: equal to scipy's, limits and probabilities that agree with the p-values."""

import numpy as np
import pytest
from scipy import stats
from segment_signals.statistics.predictive import (
    LONGEST_SUM,
    BetaBinomial,
    LogStudent,
    NegativeBinomial,
    Predictive,
    two_sided_p_value,
)

pytestmark = pytest.mark.filterwarnings("error")


def mid(distribution: object, count: np.ndarray) -> np.ndarray:
    """scipy's P(X < count) + P(X = count) / 2."""
    return distribution.cdf(count) - distribution.pmf(count) / 2  # type: ignore[attr-defined]


@pytest.mark.parametrize("n", [1, 7, 60])
@pytest.mark.parametrize(("mean", "rho"), [(0.03, 0.01), (0.5, 0.3), (0.9, 1e-4)])
def test_beta_binomial_equals_scipy(n: int, mean: float, rho: float) -> None:
    count = np.arange(n + 1.0)
    ours = BetaBinomial(np.full(n + 1, float(n)), np.full(n + 1, mean), np.full(n + 1, rho))
    a, b = mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1)
    np.testing.assert_allclose(ours.mid_distribution(count), mid(stats.betabinom(n, a, b), count), atol=1e-9)
    np.testing.assert_allclose(ours.expected, stats.betabinom.mean(n, a, b))


@pytest.mark.parametrize("rho", [1e-6, 1e-3, 0.02, 0.2])
@pytest.mark.parametrize(("n", "mean"), [(400, 0.3), (3_000, 0.03), (3_000, 0.6)])
def test_long_tails_are_integrated(n: int, mean: float, rho: float) -> None:
    a, b = mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1)
    deviation = np.sqrt(n * mean * (1 - mean) * (1 + (n - 1) * rho))
    count = np.rint(np.clip(n * mean + np.linspace(-4, 4, 25) * deviation, 0, n))
    assert np.any((count >= LONGEST_SUM) & (n - count > LONGEST_SUM))
    ours = BetaBinomial(np.full(25, float(n)), np.full(25, mean), np.full(25, rho))
    expected = mid(stats.betabinom(n, a, b), count)
    expected = 2 * np.minimum(expected, 1 - expected)
    p = two_sided_p_value(ours, count)
    seen = expected > 1e-3
    np.testing.assert_allclose(p[seen], expected[seen], rtol=0.004)
    np.testing.assert_allclose(p[~seen], expected[~seen], rtol=0.02, atol=1e-5)


def test_negative_binomial_equals_scipy_and_has_the_poisson_limit() -> None:
    count = np.arange(60.0)
    mean, shape = np.full(60, 12.5), np.full(60, 3.25)
    ours = NegativeBinomial(mean, shape).mid_distribution(count)
    np.testing.assert_allclose(ours, mid(stats.nbinom(3.25, 3.25 / 15.75), count), atol=1e-12)
    poisson = NegativeBinomial(mean, np.full(60, 1e9)).mid_distribution(count)
    np.testing.assert_allclose(poisson, mid(stats.poisson(12.5), count), atol=1e-7)


def test_log_student_equals_scipy() -> None:
    ours = LogStudent(np.full(3, 9.0), np.full(3, 0.5), np.full(3, 4.2))
    amounts = np.exp([8.0, 9.0, 10.5])
    np.testing.assert_allclose(ours.mid_distribution(amounts), stats.t.cdf([-2, 0, 3], 4.2), rtol=1e-10)
    low, high = ours.expected_limits(np.full(3, 0.1))
    np.testing.assert_allclose(
        np.log([low, high]), 9 + 0.5 * np.array([[-1], [1]]) * stats.t.isf(0.05, 4.2) * np.ones(3)
    )
    # Shifted by ln(0.4), the probability of leaving the limits.
    shift = np.log(0.4) / 0.5
    edge = stats.t.isf(0.05, 4.2)
    expected = stats.t.cdf(-edge - shift, 4.2) + stats.t.sf(edge - shift, 4.2)
    np.testing.assert_allclose(ours.outside_probability(low, high, -0.6), expected, rtol=1e-10)


def cases() -> list[Predictive]:
    n = np.array([1.0, 5, 40, 400, 3_000, 200])
    mean = np.array([0.5, 0.01, 0.2, 0.05, 0.4, 0.999])
    return [
        BetaBinomial(n, mean, np.array([0.1, 0.2, 0.01, 0.001, 1e-5, 0.3])),
        NegativeBinomial(n * mean, np.array([0.5, 3.0, 100.0, 1e6, 20.0, 0.5])),
    ]


@pytest.mark.parametrize("predictive", cases(), ids=["conversions", "counts"])
@pytest.mark.parametrize("alpha", [0.2, 0.05, 1e-4])
def test_counts_within_the_limits_are_those_with_a_larger_p_value(predictive: Predictive, alpha: float) -> None:
    low, high = predictive.expected_limits(np.full(6, alpha))
    assert np.all(low <= high)
    assert np.all(two_sided_p_value(predictive, low) > alpha)
    assert np.all(two_sided_p_value(predictive, high) > alpha)
    assert np.all((low == 0) | (two_sided_p_value(predictive, low - 1) <= alpha))
    assert np.all(two_sided_p_value(predictive, high + 1) <= alpha)


def test_outside_probability_is_the_sum_over_the_changed_distribution() -> None:
    conversions = BetaBinomial(np.array([40.0]), np.array([0.2]), np.array([0.02]))
    counts = np.arange(41)
    mass = stats.betabinom.pmf(counts, 40, 0.08 * 49, 0.92 * 49)
    expected = mass[(counts < 3) | (counts > 14)].sum()
    assert conversions.outside_probability(np.array([3.0]), np.array([14.0]), -0.6)[0] == pytest.approx(expected)
    # A rate that would exceed 1 is 1: all convert, and 40 is outside.
    assert conversions.outside_probability(np.array([3.0]), np.array([14.0]), 9.0)[0] == 1
    arrivals = NegativeBinomial(np.array([30.0]), np.array([8.0]))
    expected = stats.nbinom.cdf(14, 8, 8 / 20) + stats.nbinom.sf(48, 8, 8 / 20)
    assert arrivals.outside_probability(np.array([15.0]), np.array([48.0]), -0.6)[0] == pytest.approx(expected)
