"""Contrasts: mid-p by enumeration, intervals against statsmodels, levels on simulated cohorts."""

from fractions import Fraction
from math import comb

import numpy as np
import pytest
from scipy import stats
from segment_signals.statistics.contrasts import (
    Rates,
    censored_rates,
    clustered_rates,
    contrast,
    fisher_mid_p,
    followed_rates,
)
from statsmodels.stats.proportion import confint_proportions_2indep

pytestmark = pytest.mark.filterwarnings("error")


def enumerated_mid_p(x: int, n: int, y: int, m: int) -> float:
    """Twice the smaller tail with half the observed table, over all tables, in exact fractions."""
    weight = {k: comb(n, k) * comb(m, x + y - k) for k in range(max(0, x + y - m), min(n, x + y) + 1)}
    below = sum(w for k, w in weight.items() if k < x) + Fraction(weight[x], 2)
    share = below / Fraction(sum(weight.values()))
    return float(min(2 * min(share, 1 - share), Fraction(1)))


def test_mid_p_equals_enumeration_of_every_small_table() -> None:
    tables = [(x, n, y, m) for n in range(1, 8) for m in range(1, 11) for x in range(n + 1) for y in range(m + 1)]
    x, n, y, m = np.array(tables).T
    np.testing.assert_allclose(fisher_mid_p(x, n, y, m), [enumerated_mid_p(*t) for t in tables], atol=1e-12)


@pytest.mark.parametrize("largest", [50, 2_000, 1_000_000])
def test_mid_p_equals_scipy(largest: int) -> None:
    draws = np.random.default_rng(largest)
    n, m = draws.integers(1, largest, (2, 200))
    p = draws.uniform(0, 0.6, 200)
    x, y = draws.binomial(n, p), draws.binomial(m, np.clip(p + draws.normal(0, 1, 200) / np.sqrt(m), 0, 1))
    below = stats.hypergeom.cdf(x, n + m, x + y, n) - stats.hypergeom.pmf(x, n + m, x + y, n) / 2
    expected = np.minimum(2 * np.minimum(below, 1 - below), 1)
    np.testing.assert_allclose(fisher_mid_p(x, n, y, m), expected, rtol=1e-6, atol=1e-9)


def test_mid_p_keeps_small_tails() -> None:
    # scipy's tail beyond 25 of 30 against 1,000 of 100,000 is 1e-47: 1 - (1 - tail) would be 0.
    below = stats.hypergeom.sf(25, 100_030, 1_025, 30) + stats.hypergeom.pmf(25, 100_030, 1_025, 30) / 2
    assert fisher_mid_p(25, 30, 1_000, 100_000)[()] == pytest.approx(2 * below, rel=1e-8)
    assert 0 < below < 1e-40


def test_mid_p_of_effective_counts_lies_between_those_of_whole_ones() -> None:
    x = np.array([3.0, 3.25, 3.5, 3.75, 4.0])
    p = fisher_mid_p(x, 40.0, 203.0 - x, 1_000.0)
    np.testing.assert_allclose(np.diff(p), np.full(4, (p[4] - p[0]) / 4), rtol=1e-9)
    samples = fisher_mid_p(3.0, [40, 40.3, 40.6, 41], 200.0, [1_000, 1_000.3, 1_000.6, 1_001])
    assert np.all(np.diff(samples) < 0)
    assert samples[0] == pytest.approx(enumerated_mid_p(3, 40, 200, 1_000), rel=1e-9)


def test_zero_of_500_against_50_of_500_is_a_signal() -> None:
    got = contrast(followed_rates([0], [500]), followed_rates([50], [500]))
    assert got.p_value[0] < 1e-13
    assert got.difference[0] == -0.1
    # Newcombe from Wilson's (0, 0.0076) and (0.0767, 0.1293): -0.1 -+ root of the squared distances.
    assert (got.low[0], got.high[0]) == pytest.approx((-0.1293, -0.0755), abs=2e-4)
    open_cohort = contrast(
        censored_rates([0.0], [0.0], [500], [420]), censored_rates([0.1], [0.09 / 430], [500], [420])
    )
    assert open_cohort.p_value[0] < 1e-10


def test_interval_equals_statsmodels() -> None:
    got = contrast(followed_rates([7, 31], [40, 90]), followed_rates([300, 20], [1_000, 35]))
    expected = [
        confint_proportions_2indep(x, n, y, m, method="newcomb", compare="diff")
        for x, n, y, m in ((7, 40, 300, 1_000), (31, 90, 20, 35))
    ]
    np.testing.assert_allclose(np.array([got.low, got.high]).T, expected, atol=1e-12)


def test_mature_records_set_the_degrees_of_freedom() -> None:
    # 8 of 30 mature: 8 x 30 / 22.
    rates = censored_rates([0.5, 0.5, 0.5], [0.01] * 3, [30, 30, 30], [25] * 3, [8, 30, 0])
    np.testing.assert_allclose(rates.df, [8 * 30 / 22, np.inf, 1])
    np.testing.assert_allclose(rates.effective_n, [25, 25, 25])


def test_clustered_rates_are_those_of_fewer_records() -> None:
    # 40 of 100 records that are worth 25: the test of 10 of 25.
    first, second = followed_rates([40], [100]), followed_rates([100], [1_000])
    got = contrast(clustered_rates(first, [4.0]), clustered_rates(second, [2.0]))
    expected = contrast(followed_rates([10], [25]), followed_rates([50], [500]))
    for name in ("difference", "low", "high", "p_value"):
        assert getattr(got, name)[0] == pytest.approx(getattr(expected, name)[0], rel=1e-12)
    assert got.p_value[0] > 10 * contrast(first, second).p_value[0]


HORIZON = 90


def cohorts(
    draws: np.random.Generator, cells: int, n: int, rate: float, follow_up: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray]:
    """Day counts (kind, cells, day) of advanced, lost and open records, and how many records are mature.

    Half of those who never advance are lost; events fall uniformly on days 0 to 90, records are followed for a number
    of days drawn uniformly from `follow_up`.
    """
    kind_draw = draws.random((cells, n))
    kind = np.where(kind_draw < rate, 0, np.where(kind_draw < rate + (1 - rate) / 2, 1, 2))
    event_day = draws.integers(0, HORIZON + 1, (cells, n))
    followed = draws.integers(follow_up[0], follow_up[1] + 1, (cells, n))
    is_open = (kind == 2) | (event_day > followed)
    day = np.minimum(np.where(is_open, followed, event_day), HORIZON + 1)
    counts = np.stack(
        [
            np.bincount(
                (np.arange(cells)[:, None] * (HORIZON + 2) + day)[chosen], minlength=cells * (HORIZON + 2)
            ).reshape(cells, HORIZON + 2)
            for chosen in (~is_open & (kind == 0), ~is_open & (kind == 1), is_open)
        ]
    )
    return counts, (followed >= HORIZON).sum(axis=1)


def aalen_johansen(counts: np.ndarray, mature: np.ndarray) -> Rates:
    """Incidence of advancing at the horizon and its Greenwood-type variance, as the mart estimates them."""
    advanced, lost, is_open = (values.astype(float) for values in counts)
    everyone = advanced + lost + is_open
    at_risk = np.cumsum(everyone[:, ::-1], axis=1)[:, ::-1][:, :-1]
    advanced, events = advanced[:, :-1], (advanced + lost)[:, :-1]
    safe = np.maximum(at_risk, 1)
    survival = np.cumprod(1 - events / safe, axis=1)
    before = np.concatenate([np.ones((len(survival), 1)), survival[:, :-1]], axis=1)
    incidence = np.cumsum(before * advanced / safe, axis=1)
    rate = incidence[:, -1]
    to_come = rate[:, None] - incidence
    hazard = np.where(at_risk > events, events / (safe * np.maximum(at_risk - events, 1)), 0)
    variance = (
        (to_come**2 * hazard).sum(axis=1)
        - 2 * (to_come * before * advanced / safe**2).sum(axis=1)
        + (before**2 * advanced * (at_risk - advanced) / safe**3).sum(axis=1)
    )
    too_young = (at_risk[:, -1] == 0) & (survival[:, -1] > 1e-12)
    entered = everyone.sum(axis=1)
    followed = entered - is_open[:, :HORIZON].sum(axis=1)
    return censored_rates(np.where(too_young, np.nan, rate), np.maximum(variance, 0), entered, followed, mature)


@pytest.mark.parametrize(("follow_up", "n", "rest_n"), [((60, 100), 60, 600), ((75, 100), 200, 200)])
@pytest.mark.parametrize("rate", [0.05, 0.3])
def test_level_and_coverage_with_open_records(follow_up: tuple[int, int], n: int, rest_n: int, rate: float) -> None:
    draws = np.random.default_rng(12)
    rounds = 1_000
    segment_counts, segment_mature = cohorts(draws, rounds, n, rate, follow_up)
    rest_counts, rest_mature = cohorts(draws, rounds, rest_n, rate, follow_up)
    segment = aalen_johansen(segment_counts, segment_mature)
    rest = aalen_johansen(rest_counts, rest_mature)
    assert np.nanmean(rest.rate) == pytest.approx(rate, abs=0.005)
    assert np.nanmean(segment.effective_n) < n
    got = contrast(segment, rest)
    known = ~np.isnan(got.p_value)
    two_standard_errors = 2 * np.sqrt(0.05 * 0.95 / known.sum())
    assert np.mean(got.p_value[known] < 0.05) <= 0.05 + two_standard_errors
    assert np.mean(((got.low <= 0) & (got.high >= 0))[known]) >= 0.95 - two_standard_errors


def test_planted_difference_is_found_with_open_records() -> None:
    draws = np.random.default_rng(13)
    slow, fast = (aalen_johansen(*cohorts(draws, 300, 400, rate, (60, 100))) for rate in (0.15, 0.30))
    got = contrast(fast, slow)
    assert np.mean(got.p_value < 0.05) > 0.95
    assert np.mean((got.low <= 0.15) & (got.high >= 0.15)) > 0.92
