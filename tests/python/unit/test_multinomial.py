"""Simultaneous intervals of shares: against an independent library and by simulation."""

import numpy as np
import pytest
from segment_signals.statistics.intervals import difference_interval, wilson_interval
from segment_signals.statistics.multinomial import goodman_interval
from statsmodels.stats.proportion import multinomial_proportions_confint


@pytest.mark.parametrize("counts", [[56, 72, 73, 59, 62, 87, 58], [0, 3, 40], [1, 0, 0, 19], [208, 162, 135, 104, 50]])
def test_equals_statsmodels(counts: list[int]) -> None:
    expected = multinomial_proportions_confint(counts, alpha=0.05, method="goodman")
    found = goodman_interval(counts, sum(counts), len(counts))
    np.testing.assert_allclose(found.low, np.maximum(expected[:, 0], 0), atol=1e-12)
    np.testing.assert_allclose(found.high, expected[:, 1], atol=1e-12)


def test_samples_of_different_sizes_at_once() -> None:
    together = goodman_interval([5, 15, 7], [20, 20, 70], [2, 2, 4])
    first, last = goodman_interval([5, 15], 20, 2), goodman_interval([7], [70], [4])
    np.testing.assert_array_equal(together.low, np.concatenate([first.low, last.low]))
    np.testing.assert_array_equal(together.high, np.concatenate([first.high, last.high]))


def test_one_category_is_wilson() -> None:
    found, wilson = goodman_interval([12], [94], [1]), wilson_interval([12 / 94], [94])
    assert (found.low[0], found.high[0]) == (wilson.low[0], wilson.high[0])


def test_nothing_recorded_has_no_interval() -> None:
    found = goodman_interval([0.0], [0.0], [3])
    assert np.isnan(found.low[0])
    assert np.isnan(found.high[0])


@pytest.mark.parametrize(
    ("shares", "n"),
    [([0.4, 0.3, 0.2, 0.1], 50), ([0.3, 0.25, 0.2, 0.15, 0.07, 0.03], 100), ([0.5, 0.2, 0.1, 0.1, 0.05, 0.05], 400)],
)
def test_all_shares_and_all_changes_are_held_at_once(shares: list[float], n: int) -> None:
    rng = np.random.default_rng(20260101)
    runs, k = 4000, len(shares)
    first, second = rng.multinomial(n, shares, size=runs), rng.multinomial(n, shares, size=runs)
    limits, others = (
        goodman_interval(first, n, np.full((runs, k), k)),
        goodman_interval(second, n, np.full((runs, k), k)),
    )
    held = ((limits.low <= shares) & (shares <= limits.high)).all(axis=1).mean()
    change = difference_interval(first / n, limits, second / n, others)
    unchanged = ((change.low <= 0) & (change.high >= 0)).all(axis=1).mean()
    # 95 % at once, less two standard errors of 4,000 runs; intervals one by one would hold in three samples of four.
    assert held >= 0.943
    assert unchanged >= 0.943
    single = wilson_interval(first / n, n)
    assert ((single.low <= shares) & (shares <= single.high)).all(axis=1).mean() < 0.9
