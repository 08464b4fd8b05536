"""Anomalies: strictly earlier baselines, estimators against enumeration, false alarms, power."""

import numpy as np
import pytest
from scipy import stats
from segment_signals.statistics.anomalies import (
    Anomalies,
    Screening,
    amount_anomalies,
    amount_residuals,
    count_anomalies,
    count_residuals,
    needs_roll_up,
    rate_anomalies,
    rate_residuals,
)
from segment_signals.statistics.multiplicity import benjamini_hochberg

pytestmark = pytest.mark.filterwarnings("error")

ONE = np.array([0])


def test_rate_by_hand() -> None:
    # Six earlier periods with 5 of 50 each scatter less than binomially: the newest 50 are a beta-binomial with a
    # Beta(30.5, 270.5). Two-sided p of 14 conversions, referred to t with 5 degrees of freedom.
    converted, entered = np.array([[5, 5, 5, 5, 5, 5, 14]]), np.full((1, 7), 50)
    got = rate_anomalies(converted, entered, ONE)
    tail = stats.betabinom.sf(14, 50, 30.5, 270.5) + stats.betabinom.pmf(14, 50, 30.5, 270.5) / 2
    assert got.p_value[0] == pytest.approx(2 * stats.t.sf(stats.norm.isf(tail), 5), rel=1e-6)
    assert (got.observed[0], got.direction[0]) == (0.28, 1)
    assert got.expected[0] == pytest.approx(30.5 / 301)
    assert got.expected_low[0] <= got.expected[0] <= got.expected_high[0] < 0.28


def test_count_by_hand() -> None:
    # Eight earlier periods of 20: Gamma(160.5) intensity, Poisson noise, t with 7 degrees of freedom.
    got = count_anomalies([[20] * 8 + [8]], ONE)
    model = stats.nbinom(160.5, 160.5 / (160.5 + 160.5 / 8))
    tail = model.cdf(8) - model.pmf(8) / 2
    assert got.p_value[0] == pytest.approx(2 * stats.t.sf(-stats.norm.ppf(tail), 7), rel=1e-6)
    assert (got.expected[0], got.direction[0]) == (160.5 / 8, -1)
    # Per day: the same counts in periods of 30 days, the newest of 15, expect half.
    per_day = count_anomalies([[20] * 8 + [8]], ONE, exposure=np.array([30] * 8 + [15]))
    assert per_day.expected[0] == pytest.approx(160.5 / 16)


def test_amount_by_hand() -> None:
    # Logs 1 .. 7: median 4, median absolute deviation 2; T = 7.
    got = amount_anomalies([[*np.exp([3.0, 1, 7, 2, 6, 4, 5]), np.exp(14.0)]], ONE)
    scale = 1.4826022185056018 * 2 * np.sqrt(1 + np.pi / 14) * (1 + 3 * 7**-1.75)
    assert got.expected[0] == pytest.approx(np.exp(4))
    assert got.p_value[0] == pytest.approx(2 * stats.t.sf(10 / scale, 0.77 * 3 + 0.3))


@pytest.mark.parametrize("kind", ["rate", "count", "amount"])
def test_the_newest_period_is_not_in_its_own_baseline(kind: str) -> None:
    draws = np.random.default_rng(1)
    earlier = draws.integers(5, 15, (3, 8)).astype(float)

    def screened(newest: float) -> Anomalies:
        series, family = np.column_stack([earlier, np.full(3, newest)]), np.zeros(3, dtype=int)
        if kind == "rate":
            return rate_anomalies(series, np.full(series.shape, 60), family)
        return count_anomalies(series, family) if kind == "count" else amount_anomalies(series, family)

    usual, extreme = screened(10), screened(60)
    for column in ("expected", "expected_low", "expected_high", "power"):
        np.testing.assert_array_equal(getattr(usual, column), getattr(extreme, column))
    assert np.all(extreme.p_value < 0.02)
    assert np.all(usual.p_value > 0.3)


def test_families_are_screened_apart() -> None:
    draws = np.random.default_rng(2)
    entered = draws.integers(50, 90, (6, 10))
    converted = draws.binomial(entered, draws.beta(4, 16, (6, 10)))
    family = np.array([0, 1, 0, 1, 1, 0])
    together = rate_anomalies(converted, entered, family)
    for code in (0, 1):
        of = family == code
        alone = rate_anomalies(converted[of], entered[of], np.zeros(3, dtype=int))
        np.testing.assert_allclose(together.p_value[of], alone.p_value)
        np.testing.assert_allclose(together.power[of], alone.power)


def test_short_baselines_and_missing_periods() -> None:
    converted = np.array([[np.nan, 2, 3, 2, 3, 2, 3, 2], [2, 3, np.nan, np.nan, 2, 3, 2, 2], [2.0] * 7 + [np.nan]])
    entered = np.where(np.isnan(converted), np.nan, 20)
    got = rate_anomalies(converted, entered, np.zeros(3, dtype=int))
    assert np.isnan(got.p_value).tolist() == [False, True, True]
    assert np.isnan(got.power).tolist() == [False, True, True]
    assert needs_roll_up(got.power).tolist() == [True, True, True]
    assert rate_anomalies(converted, entered, np.zeros(3, dtype=int), Screening(minimum_periods=5)).p_value[1] > 0


def simulated_rates(
    draws: np.random.Generator, shape: tuple[int, int], n: int, rho: float
) -> tuple[np.ndarray, np.ndarray]:
    """Conversions and records of series with a constant mean rate and correlation rho."""
    mean = draws.uniform(0.1, 0.5, (shape[0], 1)) * np.ones(shape)
    rate = mean if rho == 0 else draws.beta(mean * (1 / rho - 1), (1 - mean) * (1 / rho - 1))
    entered = np.maximum(draws.poisson(n, shape), 1)
    return draws.binomial(entered, rate), entered


def check_false_alarms(found: Anomalies, family: np.ndarray, level: float = 0.10) -> None:
    """Single tests keep 5 and 1 %; the 95 % range covers; a family without a change has an alarm in 10 % at most.

    With an allowance of three standard errors: some fifty such numbers are looked at here.
    """
    count = len(family)
    for alpha in (0.05, 0.01):
        assert np.mean(found.p_value <= alpha) <= alpha + 3 * np.sqrt(alpha * (1 - alpha) / count)
    inside = (found.expected_low <= found.observed) & (found.observed <= found.expected_high)
    assert np.mean(inside) >= 0.95 - 3 * np.sqrt(0.05 * 0.95 / count)
    alarms = [np.any(benjamini_hochberg(found.p_value[family == code]) <= level) for code in np.unique(family)]
    assert np.mean(alarms) <= level + 3 * np.sqrt(level * (1 - level) / len(alarms))


@pytest.mark.parametrize(("segments", "periods"), [(1, 7), (3, 13), (8, 13)])
@pytest.mark.parametrize("rho", [0.0, 0.01, 0.05])
def test_false_alarms_of_rates(segments: int, periods: int, rho: float) -> None:
    draws = np.random.default_rng(int(1_000 * rho) + segments)
    family = np.repeat(np.arange(1_500 // segments), segments)
    converted, entered = simulated_rates(draws, (len(family), periods), 80, rho)
    check_false_alarms(rate_anomalies(converted, entered, family), family)


@pytest.mark.parametrize(("segments", "periods"), [(1, 7), (8, 13)])
@pytest.mark.parametrize("dispersion", [0.0, 0.05, 0.3])
def test_false_alarms_of_counts(segments: int, periods: int, dispersion: float) -> None:
    draws = np.random.default_rng(int(1_000 * dispersion) + segments)
    family = np.repeat(np.arange(4_000 // segments), segments)
    mean = np.exp(draws.normal(4, 0.8, (len(family), 1))) * np.ones((len(family), periods))
    if dispersion:
        mean = mean * draws.gamma(1 / dispersion, dispersion, mean.shape)
    check_false_alarms(count_anomalies(draws.poisson(mean), family), family)


@pytest.mark.parametrize("periods", [7, 13, 25])
def test_false_alarms_of_amounts(periods: int) -> None:
    draws = np.random.default_rng(periods)
    family = np.repeat(np.arange(1_000), 4)
    logs = draws.normal(9, 1, (4_000, 1)) + draws.uniform(0.1, 0.8, (4_000, 1)) * draws.normal(size=(4_000, periods))
    check_false_alarms(amount_anomalies(np.exp(logs), family), family)


@pytest.mark.parametrize("n", [40, 150, 600])
def test_power_is_the_share_that_is_flagged(n: int) -> None:
    """One fall by 60 % among eight series: flagged as often as the stated power says."""
    draws = np.random.default_rng(n)
    families = 300
    family = np.repeat(np.arange(families), 8)
    rate = draws.uniform(0.15, 0.3, (8 * families, 1)) * np.ones((8 * families, 13))
    rate[::8, -1] *= 0.4
    entered = np.full(rate.shape, n)
    found = rate_anomalies(draws.binomial(entered, rate), entered, family)
    flagged = np.mean([benjamini_hochberg(found.p_value[8 * f : 8 * f + 8])[0] <= 0.10 for f in range(families)])
    stated = found.power[::8].mean()
    assert flagged == pytest.approx(stated, abs=0.04 + 2 * np.sqrt(stated * (1 - stated) / families))


def test_forty_records_a_month_need_quarters() -> None:
    # A rate of 20 % among eight segments: 40 records a month rarely show a fall by 60 %, 120 a quarter mostly do.
    def power(n: int) -> np.ndarray:
        return rate_anomalies(np.full((8, 13), 0.2 * n), np.full((8, 13), n), np.zeros(8, dtype=int)).power

    month, quarter = power(40), power(120)
    assert np.all(month < 0.5)
    assert np.all(quarter > 0.75)
    assert needs_roll_up(month).all()
    assert not needs_roll_up(quarter).any()


@pytest.mark.parametrize("kind", ["rate", "count", "amount"])
def test_residuals_are_standard_normal_and_independent(kind: str) -> None:
    draws = np.random.default_rng(5)
    family = np.repeat(np.arange(100), 8)
    if kind == "rate":
        residuals = rate_residuals(*simulated_rates(draws, (800, 20), 300, 0.01), family)
    elif kind == "count":
        residuals = count_residuals(draws.poisson(60 * draws.gamma(50, 1 / 50, (800, 20))), family)
    else:
        residuals = amount_residuals(np.exp(draws.normal(8, 0.4, (800, 20))))
    assert np.isnan(residuals[:, :6]).all()
    later = residuals[:, 6:]
    assert np.mean(later) == pytest.approx(0, abs=0.06)
    assert np.std(later) == pytest.approx(1, abs=0.05)
    neighbours = np.corrcoef(later[:, 1:].ravel(), later[:, :-1].ravel())[0, 1]
    assert neighbours == pytest.approx(0, abs=0.05)


def test_residual_of_the_newest_period_agrees_with_its_p_value() -> None:
    amounts = np.exp(np.random.default_rng(6).normal(8, 0.4, (50, 12)))
    residual = amount_residuals(amounts)[:, -1]
    np.testing.assert_allclose(
        2 * stats.norm.sf(np.abs(residual)), amount_anomalies(amounts, np.arange(50)).p_value, rtol=1e-9
    )
