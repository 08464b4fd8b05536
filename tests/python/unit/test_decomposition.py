"""Mix and rate: hand-computed cases, the exact identity, planted mix changes and Simpson cases."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_signals.statistics.decomposition import ChangeDecomposition, decompose_change, standardised_rates

pytestmark = pytest.mark.filterwarnings("error")


def one_total(
    before: list[tuple[float, float]], after: list[tuple[float, float]], **options: float
) -> ChangeDecomposition:
    """Decomposition of one total from (records, rate) of each segment."""
    (n_0, r_0), (n_1, r_1) = zip(*before, strict=True), zip(*after, strict=True)
    return decompose_change(n_0, r_0, n_1, r_1, np.zeros(len(n_0), dtype=int), **options)


def test_by_hand() -> None:
    # Shares 60/40 to 50/50, rates 10 % to 12 % and 30 % to 28 %: totals 18 % and 20 %.
    # Mix: -0.1 x 0.11 + 0.1 x 0.29 = 0.018; rate: 0.55 x 0.02 - 0.45 x 0.02 = 0.002.
    got = one_total([(60, 0.10), (40, 0.30)], [(50, 0.12), (50, 0.28)])
    assert (got.previous_rate[0], got.current_rate[0]) == pytest.approx((0.18, 0.20))
    assert (got.mix_effect[0], got.rate_effect[0]) == pytest.approx((0.018, 0.002))
    # Relative to the mean total of 19 %: -0.1 x (0.11 - 0.19) and 0.1 x (0.29 - 0.19).
    assert got.mix_contribution == pytest.approx([0.008, 0.010])
    assert got.rate_contribution == pytest.approx([0.011, -0.009])
    assert got.opposed_share[0] == pytest.approx(0.45)
    assert not got.is_simpson[0]


def test_appearing_and_vanishing_segments_are_mix() -> None:
    # The second segment vanishes, the third appears; the first keeps its rate: no rate effect.
    got = one_total([(50, 0.2), (50, 0.4), (0, np.nan)], [(50, 0.2), (0, np.nan), (50, 0.1)])
    assert got.total_change[0] == pytest.approx(0.15 - 0.30)
    assert (got.mix_effect[0], got.rate_effect[0]) == pytest.approx((-0.15, 0))
    # Mean total 22.5 %: -0.5 x (0.4 - 0.225) and 0.5 x (0.1 - 0.225).
    assert got.mix_contribution == pytest.approx([0, -0.0875, -0.0625])


cell = st.tuples(st.integers(0, 10**6), st.floats(0, 1))


@given(st.lists(st.tuples(cell, cell, st.integers(0, 3)), min_size=1, max_size=30))
def test_effects_add_up(cells: list[tuple[tuple[int, float], tuple[int, float], int]]) -> None:
    n_0, r_0 = np.array([c[0] for c in cells]).T
    n_1, r_1 = np.array([c[1] for c in cells]).T
    group = np.array([c[2] for c in cells])
    got = decompose_change(n_0, np.where(n_0 > 0, r_0, np.nan), n_1, np.where(n_1 > 0, r_1, np.nan), group)
    for g in range(group.max() + 1):
        of = group == g
        if n_0[of].sum() == 0 or n_1[of].sum() == 0:
            assert np.isnan(got.total_change[g])
            assert not got.is_simpson[g]
            continue
        change = np.average(r_1[of], weights=n_1[of]) - np.average(r_0[of], weights=n_0[of])
        assert got.mix_effect[g] + got.rate_effect[g] == pytest.approx(change, abs=1e-12)
        assert got.mix_contribution[of].sum() == pytest.approx(got.mix_effect[g], abs=1e-12)
        assert got.rate_contribution[of].sum() == pytest.approx(got.rate_effect[g], abs=1e-12)
        assert got.rate_effect_low[g] <= got.rate_effect[g] <= got.rate_effect_high[g]


def test_a_missing_rate_leaves_its_total_unknown() -> None:
    got = decompose_change([5, 5, 5, 5], [0.1, np.nan, 0.1, 0.2], [5] * 4, [0.1] * 4, np.array([0, 0, 1, 1]))
    assert np.isnan(got.total_change[0])
    assert got.total_change[1] == pytest.approx(-0.05)


def test_interval_of_the_rate_effect_by_hand() -> None:
    # One segment is one rate: 40 and 60 of 200; p = (100 + 0.25) / 401 with the pooled rate of one record.
    got = one_total([(200, 0.2)], [(200, 0.3)])
    p = 100.25 / 401
    half = 1.959963984540054 * np.sqrt(p * (1 - p) / 100)
    assert got.rate_effect_low[0] == pytest.approx(0.1 - half)
    assert got.rate_effect_high[0] == pytest.approx(0.1 + half)
    # Where nobody converted, (0 + 2) / (400 + 4) of the total: the interval keeps a width.
    nobody = one_total([(200, 0.0)], [(200, 0.0)])
    p = 2 / 404
    assert nobody.rate_effect_high[0] == pytest.approx(1.959963984540054 * np.sqrt(p * (1 - p) / 100))


def test_simpson_case() -> None:
    # Both rates rise by 10 points, yet the total falls: the low segment grows from 10 to 90 %.
    got = one_total([(100, 0.1), (900, 0.5)], [(900, 0.2), (100, 0.6)])
    assert got.total_change[0] == pytest.approx(-0.22)
    assert got.opposed_share[0] == pytest.approx(1)
    assert got.is_simpson[0]
    # The same with a tenth of the records in a segment that falls: still 90 % against the total.
    third = one_total([(90, 0.1), (810, 0.5), (100, 0.3)], [(810, 0.2), (90, 0.6), (100, 0.2)])
    assert third.opposed_share[0] == pytest.approx(0.9)
    assert third.is_simpson[0]
    strict = one_total([(90, 0.1), (810, 0.5), (100, 0.3)], [(810, 0.2), (90, 0.6), (100, 0.2)], simpson_share=0.95)
    assert not strict.is_simpson[0]


@pytest.mark.parametrize(("segments", "records"), [(2, 500), (3, 200), (5, 2_000), (8, 400), (400, 1_200)])
def test_planted_changes_are_told_apart(segments: int, records: int) -> None:
    """Pure mix: rate effect 0 inside its interval, no Simpson flag. Planted Simpson: flagged."""
    draws = np.random.default_rng(segments)
    rounds = 600
    group = np.repeat(np.arange(rounds), segments)
    rate = np.sort(draws.beta(2, 6, (rounds, segments)), axis=1)

    def observed(shares: np.ndarray, rates: np.ndarray, size: int) -> tuple[np.ndarray, np.ndarray]:
        n = np.array([draws.multinomial(size, share) for share in shares])
        return n.ravel(), draws.binomial(n, rates).ravel() / np.maximum(n, 1).ravel()

    before, after = draws.dirichlet(np.full(segments, 2.0), (2, rounds))
    mix = decompose_change(*observed(before, rate, records), *observed(after, rate, records), group)
    two_standard_errors = 2 * np.sqrt(0.05 * 0.95 / rounds)
    covered = np.mean((mix.rate_effect_low <= 0) & (mix.rate_effect_high >= 0))
    assert covered >= 0.95 - two_standard_errors
    assert mix.is_simpson.mean() <= 0.05

    # Every rate rises by 3 points while the mix moves to the lower half.
    lean = np.linspace(3, 0.2, segments)
    low, high = lean / lean.sum(), lean[::-1] / lean.sum()
    planted = decompose_change(
        *observed(np.tile(high, (rounds, 1)), rate, 20_000),
        *observed(np.tile(low, (rounds, 1)), rate + 0.03, 20_000),
        group,
    )
    truth = (low * (rate + 0.03)).sum(axis=1) - (high * rate).sum(axis=1)
    clear = truth < -0.03
    assert clear.sum() > 50
    if segments <= 8:
        assert planted.is_simpson[clear].mean() > 0.9


def test_standardised_rates_by_hand() -> None:
    # Reference 50/50; the second total has no rate for the second segment.
    got = standardised_rates([0.1, 0.3, 0.2, np.nan], [100, 50, 40, 0], [500, 500, 500, 500], np.array([0, 0, 1, 1]))
    np.testing.assert_allclose(got.rate, [0.2, 0.2])
    np.testing.assert_allclose(got.coverage, [1, 0.5])
    # Half-width about 1.96 x root(0.25 x 0.09/100 + 0.25 x 0.21/50) = 0.0707, Wilson's a little less.
    assert (got.high[0] - got.low[0]) / 2 == pytest.approx(0.0707, rel=0.03)
    nothing = standardised_rates([np.nan], [0], [10], np.array([0]))
    assert np.isnan(nothing.rate[0])
    assert nothing.coverage[0] == 0


def test_standardised_rates_cover() -> None:
    draws = np.random.default_rng(3)
    rounds, shares, rate = 2_000, np.array([0.5, 0.3, 0.2]), np.array([0.05, 0.2, 0.6])
    n = np.array([draws.multinomial(150, [0.2, 0.2, 0.6]) for _ in range(rounds)])
    got = standardised_rates(
        (draws.binomial(n, rate) / n).ravel(), n.ravel(), np.tile(shares, rounds), np.repeat(np.arange(rounds), 3)
    )
    covered = np.mean((got.low <= shares @ rate) & (shares @ rate <= got.high))
    assert 0.93 <= covered <= 0.97
