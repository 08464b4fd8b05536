"""CUSUM: the recursion by hand, limits against a numerical integration, false alarms, planted drift."""

import numpy as np
import pytest
from scipy import stats
from segment_signals.statistics.anomalies import rate_residuals
from segment_signals.statistics.drift import cusum, cusum_limit, null_peaks

pytestmark = pytest.mark.filterwarnings("error")


def test_recursion_by_hand() -> None:
    got = cusum([[1.0, 2.0, np.nan, -0.25, -3.0], [0.0, 0.4, -0.4, 0.2, 0.1]])
    np.testing.assert_allclose(got.upward[0], [0.5, 2.0, 2.0, 1.25, 0.0])
    np.testing.assert_allclose(got.downward[0], [0, 0, 0, 0, 2.5])
    assert (got.peak[0], got.direction[0]) == (2.5, -1)
    # Within the allowance nothing adds up.
    assert (got.peak[1], got.p_value[1], got.direction[1], got.alarm_period[1]) == (0, 1, 0, -1)


def one_sided_alarm_probability(limit: float, length: int, cells: int = 600) -> float:
    """P(the upward sum exceeds `limit` within `length` normal residuals), by a Markov chain (Brook and Evans 1972)."""
    width = limit / cells
    middle = (np.arange(cells) + 0.5) * width
    # From 0 (state 0) or the middle of a cell, to 0 or a cell; what is missing from a row has exceeded the limit.
    start = np.concatenate([[0.0], middle])[:, None]
    edges = np.arange(cells + 1) * width
    reach = stats.norm.cdf(edges[None, :] - start + 0.5)
    transition = np.concatenate([reach[:, :1], np.diff(reach, axis=1)], axis=1)
    state = np.zeros(cells + 1)
    state[0] = 1
    for _ in range(length):
        state = state @ transition
    return float(1 - state.sum())


@pytest.mark.parametrize("length", [6, 18, 36])
@pytest.mark.parametrize("probability", [0.01, 0.05])
def test_limits_equal_numerical_integration(length: int, probability: float) -> None:
    # Alarms of both sides in one series are rare: the two-sided probability is twice the one-sided but for p^2.
    single = one_sided_alarm_probability(cusum_limit(length, probability), length)
    two_standard_errors = 2 * np.sqrt(probability * (1 - probability) / 100_000)
    assert 2 * single == pytest.approx(probability, abs=two_standard_errors + 2 * single**2)


def test_limits_are_fixed_and_grow_with_the_series() -> None:
    limits = [cusum_limit(length, 0.05) for length in (1, 2, 6, 12, 24, 48)]
    assert limits == sorted(limits)
    # One residual: the two-sided 5 % quantile less the allowance.
    assert limits[0] == pytest.approx(1.96 - 0.5, abs=0.02)
    assert null_peaks(12)[-1] == null_peaks(12).max()


def test_false_alarms_and_p_values() -> None:
    draws = np.random.default_rng(10)
    residuals = draws.standard_normal((4_000, 24))
    residuals[:1_000, :8] = np.nan
    got = cusum(residuals, false_alarm_probability=0.05)
    two_standard_errors = 2 * np.sqrt(0.05 * 0.95 / 4_000)
    assert np.mean(got.alarm_period >= 0) == pytest.approx(0.05, abs=two_standard_errors)
    np.testing.assert_array_equal(got.alarm_period >= 0, got.p_value <= 0.05)
    assert np.mean(got.p_value <= 0.5) == pytest.approx(0.5, abs=0.02)


def test_slow_drift_is_found_where_single_periods_are_not_surprising() -> None:
    """A rate of 20 % that loses 4 % of itself a month, after a flat year, with 400 records a month."""
    draws = np.random.default_rng(11)
    periods, series = 30, 160
    rate = 0.2 * 0.96 ** np.maximum(np.arange(periods) - 11, 0) * np.ones((series, 1))
    entered = np.full((series, periods), 400)
    family = np.repeat(np.arange(series // 8), 8)
    residuals = rate_residuals(draws.binomial(entered, rate), entered, family)
    drifting = cusum(residuals, false_alarm_probability=0.05)
    assert np.mean((drifting.alarm_period >= 12) & (drifting.direction == -1)) > 0.8
    steady = cusum(rate_residuals(draws.binomial(entered, 0.2), entered, family), false_alarm_probability=0.05)
    assert np.mean(steady.alarm_period >= 0) <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / series)
