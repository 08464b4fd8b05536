"""Multiplicity: equal to statsmodels, to brute force over levels, and honest under the global null."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_signals.statistics.multiplicity import benjamini_hochberg, simes, two_level
from statsmodels.stats.multitest import multipletests

pytestmark = pytest.mark.filterwarnings("error")

p_values = st.one_of(st.floats(0, 1), st.floats(0, 0.01), st.sampled_from([0.0, 0.01, 0.05, 1.0]), st.just(np.nan))


def brute_force(p: np.ndarray, family: np.ndarray, level: float) -> np.ndarray:
    """Benjamini and Bogomolov's procedure as they state it, one level at a time."""
    tested = {f: np.flatnonzero((family == f) & ~np.isnan(p)) for f in np.unique(family)}
    tested = {f: members for f, members in tested.items() if len(members)}
    chosen = np.zeros(len(p), dtype=bool)
    if not tested:
        return chosen
    combined = []
    for members in tested.values():
        ordered = np.sort(p[members])
        combined.append(min(len(members) * ordered[j] / (j + 1) for j in range(len(members))))
    selected = multipletests(combined, alpha=level, method="fdr_bh")[0]
    for is_selected, members in zip(selected, tested.values(), strict=True):
        if is_selected:
            within = level * selected.sum() / len(tested)
            chosen[members] = multipletests(p[members], alpha=within, method="fdr_bh")[0]
    return chosen


def test_benjamini_hochberg_equals_statsmodels() -> None:
    p = np.random.default_rng(1).random(500) ** 3
    p[::7] = np.round(p[::7], 2)
    np.testing.assert_allclose(benjamini_hochberg(p), multipletests(p, method="fdr_bh")[1], rtol=1e-13)


def test_untested_hypotheses_do_not_count() -> None:
    p = np.array([np.nan, 0.01, np.nan, 0.04, 0.03])
    np.testing.assert_allclose(benjamini_hochberg(p), [np.nan, 0.03, np.nan, 0.04, 0.04])


def test_simes_by_hand() -> None:
    # 2 x 0.03 / 1 and 2 x 0.04 / 2; a single p-value; nothing tested.
    p, family = np.array([0.04, 0.03, 0.2, np.nan]), np.array([0, 0, 1, 2])
    np.testing.assert_allclose(simes(p, family), [0.04, 0.2, np.nan])


def test_two_levels_by_hand() -> None:
    # Simes: 0.002, 0.02, 0.9; their q-values 0.006, 0.03, 0.9. At 5 % two of three families are selected, and tested at
    # 0.0333: 0.001 and 0.02 pass (q-values 0.002 and 0.02), 0.04 does not.
    p, family = np.array([0.001, 0.04, 0.02, 0.9]), np.array([0, 0, 1, 2])
    got = two_level(p, family, 0.05)
    assert got.is_selected.tolist() == [True, False, True, False]
    np.testing.assert_allclose(got.family_q_value, [0.006, 0.03, 0.9])
    # 0.04 has q-value 0.04 in its family: with two of three families selected it passes at 0.04 x 3 / 2 = 0.06.
    np.testing.assert_allclose(got.q_value, [0.006, 0.06, 0.03, 0.9])


@given(st.lists(st.tuples(p_values, st.integers(0, 4)), min_size=1, max_size=25))
def test_q_value_is_the_smallest_level_that_selects(cells: list[tuple[float, int]]) -> None:
    p, family = np.array([cell[0] for cell in cells]), np.array([cell[1] for cell in cells])
    q = two_level(p, family).q_value
    np.testing.assert_array_equal(np.isnan(q), np.isnan(p))
    assert np.all(np.isnan(q) | ((q >= np.nan_to_num(p) * (1 - 1e-12)) & (q <= 1)))
    nearby = [q[~np.isnan(q)] * factor for factor in (1 - 1e-9, 1 + 1e-9)]
    for level in np.concatenate([np.linspace(0.001, 0.999, 40), *nearby]):
        # At the q-value itself rounding may decide; not beside it.
        if 0 < level < 1:
            clear = np.isnan(q) | (np.abs(q - level) > 1e-12)
            np.testing.assert_array_equal((q <= level)[clear], brute_force(p, family, level)[clear])


def test_one_hypothesis_a_family_is_one_benjamini_hochberg() -> None:
    p = np.random.default_rng(2).random(60) ** 4
    np.testing.assert_allclose(two_level(p, np.arange(60)).q_value, benjamini_hochberg(p), rtol=1e-13)
    np.testing.assert_allclose(two_level(np.array([0.03]), np.array([0])).q_value, [0.03])


def test_one_family_is_one_benjamini_hochberg() -> None:
    p = np.random.default_rng(2).random(60) ** 4
    np.testing.assert_allclose(two_level(p, np.zeros(60, dtype=int)).q_value, benjamini_hochberg(p), rtol=1e-13)


def test_pages() -> None:
    """No claim on 95 % of the pages without an effect; false discovery rate 5 % on pages with 15 % true effects."""
    draws = np.random.default_rng(20260101)
    pages, families = 1_500, 30
    family = np.repeat(np.arange(families), draws.integers(1, 12, families))
    null = draws.random((pages, len(family)))
    claims = np.mean([two_level(p, family, 0.05).is_selected.any() for p in null])
    assert claims <= 0.05 + 2 * np.sqrt(0.05 * 0.95 / pages), claims

    false_shares, found = [], []
    for p in null:
        is_true = draws.random(len(family)) < 0.15
        selected = two_level(np.where(is_true, p**8, p), family, 0.05).is_selected
        false_shares.append((selected & ~is_true).sum() / max(selected.sum(), 1))
        found.append((selected & is_true).sum() / max(is_true.sum(), 1))
    assert np.mean(false_shares) <= 0.05 + 2 * np.std(false_shares) / np.sqrt(pages), np.mean(false_shares)
    assert np.mean(found) > 0.3
