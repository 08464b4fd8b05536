"""Shrinkage: exact moments by enumeration, hand-computed posterior means, better ranks than raw rates."""

from itertools import product

import numpy as np
import pytest
from scipy import stats
from segment_signals.statistics.shrinkage import overdispersion, shrunken_rates

pytestmark = pytest.mark.filterwarnings("error")


def test_moment_equation_is_exact() -> None:
    """The expectations that the estimator equates, by enumerating three beta-binomial segments of unequal size."""
    n, mean, rho = np.array([3, 5, 4]), 0.3, 0.2
    a, b = mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1)
    whole, concentration = n.sum(), (n**2).sum() / n.sum() ** 2
    squares = binomial = 0.0
    for counts in product(*(range(size + 1) for size in n)):
        x = np.array(counts)
        mass = stats.betabinom.pmf(x, n, a, b).prod()
        pooled = x.sum() / whole
        squares += mass * (n * (x / n - pooled) ** 2).sum()
        binomial += mass * pooled * (1 - pooled)
    left = squares * (1 - 1 / whole + rho * (1 / whole - concentration))
    right = binomial * (2 + rho * (whole * (1 - concentration) - 2))
    assert left == pytest.approx(right, rel=1e-12)
    # And the estimator solves the equation for rho.
    x = np.array([2, 1, 4])
    pooled = x.sum() / whole
    s, v = (n * (x / n - pooled) ** 2).sum(), pooled * (1 - pooled)
    got = overdispersion(x / n, n.astype(float), np.zeros(3, dtype=int))[0]
    assert s * (1 - 1 / whole + got * (1 / whole - concentration)) == pytest.approx(
        v * (2 + got * (whole * (1 - concentration) - 2))
    )
    assert got > 0


def test_recovers_the_planted_correlation() -> None:
    draws = np.random.default_rng(6)
    n = draws.integers(20, 200, 20_000)
    group = np.repeat(np.arange(2_000), 10)
    for rho in (0.0, 0.02, 0.1):
        mean = draws.uniform(0.1, 0.6, 2_000)[group]
        rate = mean if rho == 0 else draws.beta(mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1))
        got = overdispersion(draws.binomial(n, rate) / n, n.astype(float), group)[0]
        assert got == pytest.approx(rho, rel=0.06, abs=0.001)


def test_pools_are_separate() -> None:
    rate, n = np.array([0.1, 0.5, 0.3, 0.3]), np.full(4, 50.0)
    got = overdispersion(rate, n, np.array([0, 0, 1, 1]), np.array([0, 1]))
    assert got[0] == overdispersion(rate[:2], n[:2], np.array([0, 0]))[0] > 0.1
    assert got[1] == 0


def test_posterior_means_by_hand() -> None:
    # Two segments of 100 with 10 and 30 %: S = 100 (0.01 + 0.01) = 2, m = 0.2, V = 0.16, N = 200, Q = 1/2.
    # rho = (2 (1 - 1/200) - 0.16) / (0.16 (100 - 1) + 2 (1/2 - 1/200)) = 1.83 / 16.83; the prior is worth
    # 1/rho - 1 = 8.196721 records: (10 + 8.196721 x 0.2) / 108.196721 = 0.107576.
    got = shrunken_rates([0.1, 0.3], [100, 100], np.array([0, 0]))
    assert got.correlation[0] == pytest.approx(1.83 / 16.83)
    assert got.prior_mean[0] == pytest.approx(0.2)
    assert got.mean == pytest.approx([0.107576, 0.292424], abs=1e-6)


def test_prior_mean_weighs_rates_by_their_precision() -> None:
    # With rho, a rate over n records weighs n / (1 + (n - 1) rho): the huge segment far less than its size.
    got = shrunken_rates([0.1, 0.3, 0.5], [40, 60, 100_000], np.zeros(3, dtype=int))
    rho = got.correlation[0]
    weight = np.array([40, 60, 100_000]) / (1 + (np.array([40, 60, 100_000]) - 1) * rho)
    assert got.prior_mean[0] == pytest.approx((weight * [0.1, 0.3, 0.5]).sum() / weight.sum())
    assert 0.3 < got.prior_mean[0] < 0.45


def test_no_variance_between_segments_is_full_pooling() -> None:
    got = shrunken_rates([0.2, 0.2, 0.2], [10.5, 400.25, 3.0], np.zeros(3, dtype=int))
    assert got.correlation[0] == 0
    np.testing.assert_allclose(got.mean, [0.2, 0.2, 0.2])
    # Noise within what binomial chance gives: the pooled rate for all.
    noise = shrunken_rates([0.18, 0.22], [100, 100], np.array([0, 0]))
    np.testing.assert_allclose(noise.mean, [0.2, 0.2])


def test_one_segment_and_missing_ones() -> None:
    got = shrunken_rates([0.4, np.nan, 0.1, np.nan], [25, 0, 30, np.nan], np.array([0, 0, 1, 2]))
    np.testing.assert_allclose(got.mean, [0.4, np.nan, 0.1, np.nan])
    np.testing.assert_allclose(got.prior_mean, [0.4, 0.1, np.nan])


def test_shrunken_rates_are_closer_to_the_truth() -> None:
    draws = np.random.default_rng(8)
    truth = draws.beta(4, 16, 3_000)
    n = draws.integers(5, 200, 3_000).astype(float)
    raw = draws.binomial(n.astype(int), truth) / n
    got = shrunken_rates(raw, n, np.repeat(np.arange(100), 30))
    assert np.mean((got.mean - truth) ** 2) < 0.75 * np.mean((raw - truth) ** 2)
    assert stats.spearmanr(got.mean, truth).statistic > stats.spearmanr(raw, truth).statistic + 0.01
    # A thin segment moves further towards its family than a thick one.
    pull = np.abs(got.mean - raw) / np.abs(got.prior_mean[np.repeat(np.arange(100), 30)] - raw)
    assert np.median(pull[n < 20]) > 2 * np.median(pull[n > 100])
