"""Levers one by one: exact limits and tests against scipy and by hand, and overdispersion by simulation."""

import numpy as np
import pytest
from scipy import stats
from segment_signals.statistics.intervals import Moments
from segment_signals.statistics.levers import (
    compare_counts,
    correlation,
    count_overdispersion,
    mean_interval,
    mean_p_value,
    poisson_interval,
    poisson_p_value,
    rate_p_value,
)


def test_poisson_limits_are_exact() -> None:
    counts = np.array([0, 1, 7, 30, 400])
    limits = poisson_interval(counts)
    for n, low, high in zip(counts, limits.low, limits.high, strict=True):
        assert stats.poisson.cdf(n, high) == pytest.approx(0.025, abs=1e-9)
        assert n == 0 or stats.poisson.sf(n - 1, low) == pytest.approx(0.025, abs=1e-9)
    assert limits.low[0] == 0


def test_poisson_p_value_equals_scipy() -> None:
    middle = stats.poisson.cdf(4, 10) + stats.poisson.pmf(5, 10) / 2
    assert poisson_p_value(5, 10) == pytest.approx(2 * middle, abs=1e-12)
    # Nothing where 3 are expected: half of e^-3, twice.
    assert poisson_p_value(0, 3) == pytest.approx(np.exp(-3), abs=1e-12)
    assert poisson_p_value(20, 20) > 0.9


def test_two_counts_by_hand() -> None:
    # 20 in 30 days against 300 in 300: given 320, the first is binomial with share 1/11.
    found = compare_counts(20, 30, 300, 300)
    assert found.estimate == pytest.approx(20 / 30 / (300 / 300) - 1)
    middle = stats.binom.cdf(19, 320, 1 / 11) + stats.binom.pmf(20, 320, 1 / 11) / 2
    assert found.p_value == pytest.approx(2 * middle, abs=1e-12)
    shares = stats.beta.ppf([0.025, 0.975], 20.5, 300.5)
    assert [found.low + 1, found.high + 1] == pytest.approx(list(shares / (1 - shares) * 10), rel=1e-9)


def test_counts_that_cannot_be_compared() -> None:
    nothing_before = compare_counts(20, 30, 0, 300)
    assert np.isnan(nothing_before.p_value)
    vanished = compare_counts(0, 30, 300, 300)
    assert vanished.estimate == -1
    assert vanished.low == -1
    assert -1 < vanished.high < -0.8
    assert vanished.p_value < 1e-10


@pytest.mark.parametrize("spread", [0.0, 0.04])
@pytest.mark.parametrize("mean", [30, 300])
def test_periods_that_differ_by_more_than_chance_claim_no_more(spread: float, mean: float) -> None:
    draws = np.random.default_rng(20260105)
    cells, periods = 4_000, 12

    def counts(*size: int) -> np.ndarray:
        return draws.poisson(mean * (draws.gamma(1 / spread, spread, size) if spread else np.ones(size)))

    earlier, newest = counts(cells, periods), counts(cells)
    family = np.repeat(np.arange(cells // 20), 20)
    days = np.full(cells, 360.0)
    found = count_overdispersion(earlier.sum(axis=1), days, (earlier**2 / 30).sum(axis=1), np.full(cells, 12.0), family)
    assert found.variance.mean() == pytest.approx(spread, abs=0.003)
    # 20 cells of 12 periods.
    assert set(found.df) == {220.0}
    compared = compare_counts(newest, 30, earlier.sum(axis=1), 360, found, periods)
    assert (compared.p_value < 0.05).mean() <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / cells)
    covered = (compared.low <= 0) & (compared.high >= 0)
    assert covered.mean() >= 0.95 - 2 * np.sqrt(0.05 * 0.95 / cells)
    if spread and mean == 300:
        naive = compare_counts(newest, 30, earlier.sum(axis=1), 360)
        assert (naive.p_value < 0.05).mean() > 0.3


def test_mean_interval_and_its_test_agree() -> None:
    values = np.array([80.0, 100, 120, 90, 160])
    moments = Moments(np.array([5.0]), values.sum(keepdims=True), (values**2).sum(keepdims=True))
    limits = mean_interval(moments)
    # Mean 110, sd 31.623: error of the log 0.12856, t(4) = 2.7764.
    assert limits.high[0] == pytest.approx(110 * np.exp(2.7764 * 0.128564), rel=1e-4)
    assert mean_p_value(moments, limits.high)[0] == pytest.approx(0.05, abs=1e-9)
    assert mean_p_value(moments, limits.low)[0] == pytest.approx(0.05, abs=1e-9)
    alone = Moments(np.array([1.0]), np.array([5.0]), np.array([25.0]))
    assert np.isnan(mean_interval(alone).low[0])


def test_rate_p_value_by_hand() -> None:
    # 30 of 100 against 20 %: z = 0.1 / sqrt(0.2 * 0.8 / 100) = 2.5.
    assert rate_p_value(0.3, 100, 0.2) == pytest.approx(2 * stats.norm.sf(2.5), abs=1e-12)
    assert np.isnan(rate_p_value(0.3, 100, 0.0))


def test_correlation_equals_scipy() -> None:
    draws = np.random.default_rng(3)
    x = draws.normal(size=40)
    y = 0.5 * x + draws.normal(size=40)
    found = correlation(*(np.array([v]) for v in (40.0, x.sum(), y.sum(), (x**2).sum(), (y**2).sum(), (x * y).sum())))
    oracle = stats.pearsonr(x, y)
    limits = oracle.confidence_interval(0.95)
    assert found.estimate[0] == pytest.approx(oracle.statistic, abs=1e-12)
    assert (found.low[0], found.high[0]) == pytest.approx((limits.low, limits.high), abs=1e-12)
    constant = correlation(*(np.array([v]) for v in (10.0, 10.0, 55.0, 10.0, 385.0, 55.0)))
    assert np.isnan(constant.estimate[0])
