"""Bad input: no warning and no error from a numeric library, NaN where there is no number, right shapes."""

import warnings
from collections.abc import Iterator

import numpy as np
import pytest
from segment_signals.statistics.anomalies import (
    Anomalies,
    amount_anomalies,
    amount_residuals,
    count_anomalies,
    count_residuals,
    rate_anomalies,
    rate_residuals,
)
from segment_signals.statistics.clusters import design_effect, intraclass_correlation
from segment_signals.statistics.contrasts import (
    censored_rates,
    clustered_rates,
    contrast,
    followed_rates,
)
from segment_signals.statistics.decomposition import decompose_change, standardised_rates
from segment_signals.statistics.drift import cusum
from segment_signals.statistics.intervals import Moments, compare_geometric_means, compare_means, wilson_interval
from segment_signals.statistics.multiplicity import two_level
from segment_signals.statistics.shrinkage import shrunken_rates

NAN = np.nan


@pytest.fixture(autouse=True)
def strict() -> Iterator[None]:
    """Every floating-point exception and every warning is an error."""
    with np.errstate(all="raise"), warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


# converted, entered: nothing, one, none of many, all, one of two, missing, a million.
CONVERTED = np.array([0, 0, 1, 0, 500, 1, NAN, 1, 0, 1_000_000, 3])
ENTERED = np.array([0, 1, 1, 500, 500, 2, 10, NAN, NAN, 1_000_000, 1_000_000])


def test_rates_and_their_contrasts() -> None:
    first, second = np.divmod(np.arange(len(CONVERTED) ** 2), len(CONVERTED))
    rates = followed_rates(CONVERTED, ENTERED)
    interval = wilson_interval(rates.rate, rates.effective_n)
    known = ~np.isnan(rates.rate)
    np.testing.assert_array_equal(known, (ENTERED > 0) & ~np.isnan(CONVERTED))
    assert np.all((interval.low <= rates.rate)[known] & (rates.rate <= interval.high)[known])
    assert np.all((interval.high - interval.low)[known] > 0)
    got = contrast(followed_rates(CONVERTED[first], ENTERED[first]), followed_rates(CONVERTED[second], ENTERED[second]))
    both = known[first] & known[second]
    for column in (got.difference, got.low, got.high, got.p_value):
        np.testing.assert_array_equal(np.isnan(column), ~both)
    assert np.all((got.p_value[both] >= 0) & (got.p_value[both] <= 1))
    assert np.all((got.low <= got.difference)[both] & (got.difference <= got.high)[both])
    assert np.all(got.p_value[both & (first == second)] > 1 - 1e-6)


def test_censored_rates() -> None:
    rate = np.array([0, 1, 0.3, 0.3, NAN, 0.5, 0.0])
    variance = np.array([0, 0, 0, 0.01, NAN, 1e-300, NAN])
    entered = np.array([0, 1, 20, 20, 30, 40, 5])
    rates = censored_rates(rate, variance, entered, [0, 0, 3, 10, 0, 40, 5], [0, 0, 0, 10, 0, 40, 5])
    assert np.isnan(rates.rate).tolist() == [True, False, False, False, True, False, False]
    got = contrast(rates, followed_rates(np.full(7, 30), np.full(7, 100)))
    np.testing.assert_array_equal(np.isnan(got.p_value), np.isnan(rates.rate))


def test_clusters() -> None:
    sums = np.array([0, 1, 5, NAN, 3, 4])
    correlation = intraclass_correlation(sums, sums, sums, sums * 0, sums * 0)
    np.testing.assert_array_equal(correlation, 0)
    np.testing.assert_array_equal(design_effect([0, 1, NAN, 0.5, 0.5], [5, NAN, 5, 0, 1]), 1)
    # Twenty records of one account that all converted are one.
    alone = clustered_rates(followed_rates([20], [20]), design_effect([1], [20]))
    assert alone.effective_n[0] == 1
    assert contrast(alone, followed_rates([30], [100])).p_value[0] > 0.2
    moments = Moments(np.full(1, 20.0), np.full(1, 60.0), np.full(1, 200.0)).clustered(design_effect([1], [20]))
    assert np.isnan(compare_means(moments, Moments(np.full(1, 9.0), np.full(1, 9.0), np.full(1, 20.0))).p_value[0])


def test_means() -> None:
    n = np.array([0, 1, 2, 2, 5, NAN, 3.0])
    total = np.array([0, 3, 6, 7, 50, NAN, 3e100])
    squares = np.array([0, 9, 18, 25, 500, NAN, NAN])
    many = Moments(np.full(7, 10.0), np.full(7, 100.0), np.full(7, 1_100.0))
    got = compare_means(Moments(n, total, squares), many)
    assert np.isnan(got.p_value).tolist() == [True, True, False, False, False, True, True]
    assert compare_geometric_means(many, many).estimate.tolist() == [1] * 7
    # Logs of 800 and 0: the ratio is beyond every double, its interval with it.
    wide = Moments(np.array([2.0]), np.array([1_600.0]), np.array([1_280_002.0]))
    small = Moments(np.array([2.0]), np.array([0.0]), np.array([2.0]))
    assert compare_geometric_means(wide, small).estimate[0] == np.inf


@pytest.mark.parametrize("p", [[], [NAN, NAN], [0.0], [1.0, 0.0, NAN, 1.0], [1e-300] * 3])
def test_multiplicity(p: list[float]) -> None:
    got = two_level(np.array(p), np.arange(len(p)) // 2)
    np.testing.assert_array_equal(np.isnan(got.q_value), np.isnan(p))
    assert got.is_selected.dtype == np.bool_


def test_shrinkage_and_decomposition() -> None:
    family = np.array([0, 0, 1, 2, 2, 3, 3, 3, 5, 5, 5])
    rate = followed_rates(CONVERTED, ENTERED).rate
    shrunken = shrunken_rates(rate, ENTERED, family)
    np.testing.assert_array_equal(np.isnan(shrunken.mean), np.isnan(rate))
    assert len(shrunken.prior_mean) == 6
    n, rate = np.nan_to_num(ENTERED), np.nan_to_num(rate)
    for other in (n[::-1], np.zeros(11)):
        changed = decompose_change(n, rate, other, rate[::-1], family)
        assert changed.total_change.shape == (6,)
        np.testing.assert_allclose(changed.total_change, changed.mix_effect + changed.rate_effect, atol=1e-12)
    standard = standardised_rates(rate, n, n[::-1], family)
    assert np.isnan(standard.rate[4])
    empty = np.zeros(0)
    nothing = np.zeros(0, dtype=np.int64)
    assert decompose_change(empty, empty, empty, empty, nothing).total_change.shape == (0,)
    assert shrunken_rates(empty, empty, nothing).mean.shape == (0,)
    assert standardised_rates(empty, empty, empty, nothing).rate.shape == (0,)


# Seven series of eight periods: usual, never any, always all, one record, never anything, growing, newest missing.
COUNTS = np.array(
    [
        [5, 6, 4, 7, 5, 6, 5, 2],
        [0, 0, 0, 0, 0, 0, 0, 0],
        [9, 9, 9, 9, 9, 9, 9, 9],
        [0, 1, 0, 0, 1, 0, 1, 1],
        [NAN] * 8,
        [1, 10, 100, 1_000, 10_000, 100_000, 300_000, 400_000],
        [5, 6, 4, 7, 5, 6, 5, NAN],
    ]
)
RECORDS = np.array(
    [[40] * 8, [30] * 8, [9] * 8, [1] * 8, [NAN] * 8, [500_000] * 8, [20, 20, 20, 20, 20, 20, 20, 0]], dtype=float
)


def check_anomalies(found: Anomalies, is_missing: list[bool]) -> None:
    for column in (found.observed, found.expected, found.p_value, found.direction, found.power):
        assert np.isnan(column).tolist() == is_missing
    known = ~np.array(is_missing)
    assert np.all((found.p_value[known] >= 0) & (found.p_value[known] <= 1))
    assert np.all((found.power[known] >= 0) & (found.power[known] <= 1 + 1e-12))
    assert np.all(found.expected_low[known] <= found.expected_high[known])


@pytest.mark.parametrize("family", [[0] * 7, list(range(7)), [0, 0, 1, 1, 3, 3, 3]])
def test_anomalies(family: list[int]) -> None:
    codes = np.array(family)
    check_anomalies(rate_anomalies(COUNTS, RECORDS, codes), [False] * 4 + [True, False, True])
    check_anomalies(count_anomalies(COUNTS, codes), [False] * 4 + [True, False, True])
    # Amounts of 0 are left out: too few are left in the second and fourth series, the third never moved.
    check_anomalies(amount_anomalies(COUNTS, codes), [False, True, True, True, True, False, True])
    for residuals in (
        rate_residuals(COUNTS, RECORDS, codes),
        count_residuals(COUNTS, codes),
        amount_residuals(COUNTS),
    ):
        assert residuals.shape == COUNTS.shape
        assert np.isnan(cusum(residuals).p_value[4])


def test_a_single_period_and_no_series() -> None:
    one = np.array([[3.0]])
    code = np.array([0])
    for found in (rate_anomalies(one, one + 1, code), count_anomalies(one, code), amount_anomalies(one, code)):
        assert np.isnan(found.p_value[0])
    none = np.zeros((0, 5))
    codes = np.zeros(0, dtype=np.int64)
    for found in (rate_anomalies(none, none, codes), count_anomalies(none, codes), amount_anomalies(none, codes)):
        assert found.p_value.shape == (0,)
    assert cusum(none).p_value.shape == (0,)
    assert np.isnan(cusum(np.full((2, 5), NAN)).peak).all()


def test_five_thousand_segments() -> None:
    draws = np.random.default_rng(1)
    n = draws.integers(0, 12, 5_000).astype(float)
    converted = draws.binomial(n.astype(int), 0.1).astype(float)
    one = np.zeros(5_000, dtype=np.int64)
    rates = followed_rates(converted, n)
    got = contrast(rates, followed_rates(converted.sum() - converted, n.sum() - n))
    assert not two_level(got.p_value, one).is_selected.any()
    assert shrunken_rates(rates.rate, n, one).mean.shape == (5_000,)
    assert decompose_change(n, rates.rate, n[::-1], rates.rate[::-1], one).total_change[0] == pytest.approx(0)
    history = draws.integers(0, 4, (5_000, 14)).astype(float)
    assert rate_anomalies(history, np.full(history.shape, 4.0), one).p_value.shape == (5_000,)
    assert cusum(count_residuals(history, one)).p_value.shape == (5_000,)
