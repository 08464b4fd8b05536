"""Clusters: the correlation against statsmodels, the design effect by matrices, levels where few clusters win alike."""

import numpy as np
import pandas as pd
import pytest
import statsmodels.formula.api as smf
from segment_signals.statistics.arrays import Floats
from segment_signals.statistics.clusters import design_effect, intraclass_correlation
from segment_signals.statistics.contrasts import clustered_rates, contrast, followed_rates
from segment_signals.statistics.intervals import Moments, compare_means
from statsmodels.stats.anova import anova_lm

pytestmark = pytest.mark.filterwarnings("error")

Integers = np.ndarray


def correlation_of(values: Floats, cluster: Integers) -> float:
    """The correlation from the sums that the mart `account_cluster_sums` gives."""
    n = np.bincount(cluster)
    n = n[n > 0].astype(float)
    means = pd.Series(values).groupby(cluster).transform("mean").to_numpy()
    between, within = ((means - values.mean()) ** 2).sum(), ((values - means) ** 2).sum()
    return float(intraclass_correlation([len(n)], [n.sum()], [(n**2).sum()], [between], [within])[0])


def test_correlation_equals_the_anova_of_statsmodels() -> None:
    draws = np.random.default_rng(1)
    cluster = np.repeat(np.arange(30), draws.integers(1, 9, 30))
    values = draws.normal(0, 1, 30)[cluster] + draws.normal(0, 1.5, len(cluster))
    table = anova_lm(smf.ols("y ~ C(c)", pd.DataFrame({"y": values, "c": cluster})).fit())
    between, within = table["mean_sq"]
    n = np.bincount(cluster)
    typical = (n.sum() - (n**2).sum() / n.sum()) / 29
    assert correlation_of(values, cluster) == pytest.approx((between - within) / (between + (typical - 1) * within))


def test_correlation_by_hand() -> None:
    # Two accounts of two deals, one won and lost its both: no variance within. Then as unlike within as can be.
    assert correlation_of(np.array([1.0, 1.0, 0.0, 0.0]), np.array([0, 0, 1, 1])) == 1
    assert correlation_of(np.array([1.0, 0.0, 1.0, 0.0]), np.array([0, 0, 1, 1])) == 0
    # Every deal alone, one account, no account, a constant: nothing is known to be alike.
    assert correlation_of(np.array([1.0, 0.0, 1.0]), np.array([0, 1, 2])) == 0
    assert correlation_of(np.array([1.0, 0.0, 1.0]), np.array([0, 0, 0])) == 0
    np.testing.assert_array_equal(
        intraclass_correlation([0, np.nan, 5], [0, np.nan, 9], [0, 1, 21], [0, 1, 0], [0, 1, 0]), 0
    )


@pytest.mark.parametrize("correlation", [0.0, 0.2, 0.7])
def test_correlation_is_found(correlation: float) -> None:
    draws = np.random.default_rng(2)
    cluster = draws.integers(0, 3_000, 12_000)
    chance = (
        draws.beta(0.3 * (1 / correlation - 1), 0.7 * (1 / correlation - 1), 3_000)
        if correlation
        else np.full(3_000, 0.3)
    )
    won = (draws.random(12_000) < chance[cluster]).astype(float)
    assert correlation_of(won, cluster) == pytest.approx(correlation, abs=0.02)


def test_design_effect_is_the_variance_of_a_mean_of_correlated_records() -> None:
    n = np.array([1, 4, 2, 9])
    cluster = np.repeat(np.arange(4), n)
    covariance = np.where(cluster[:, None] == cluster[None, :], 0.3, 0.0)
    np.fill_diagonal(covariance, 1)
    effect = design_effect([0.3], [(n**2).sum() / n.sum()])[0]
    assert effect / n.sum() == pytest.approx(covariance.sum() / n.sum() ** 2)
    # Where nothing is clustered a record is a record.
    np.testing.assert_array_equal(design_effect([0.3, 0.0, 0.3], [1.0, 5.0, np.nan]), 1)


def test_variance_of_clustered_moments_has_no_bias() -> None:
    draws = np.random.default_rng(3)
    n = np.array([1, 4, 2, 9])
    cluster = np.repeat(np.arange(4), n)
    values = np.sqrt(0.6) * draws.standard_normal((40_000, 4))[:, cluster]
    values += np.sqrt(0.4) * draws.standard_normal(values.shape)
    sums = Moments(np.full(40_000, 16.0), values.sum(axis=1), (values**2).sum(axis=1))
    clustered = sums.clustered(design_effect([0.6], [(n**2).sum() / 16]))
    np.testing.assert_allclose(clustered.mean, values.mean(axis=1))
    assert clustered.variance.mean() == pytest.approx(1, abs=0.02)
    assert sums.variance.mean() < 0.9


@pytest.mark.parametrize("accounts", [4, 12, 60])
@pytest.mark.parametrize("kind", ["rate", "mean"])
def test_level_where_records_of_few_accounts_are_alike(accounts: int, kind: str) -> None:
    """A segment of few accounts of unequal size beside 240 others, correlation 0.2, the correlation estimated."""
    draws = np.random.default_rng(accounts)
    rounds, whole = 1_500, 240 + accounts
    n = draws.geometric(0.15, (rounds, whole)).astype(float)
    if kind == "rate":
        total = draws.binomial(n.astype(int), draws.beta(1.2, 2.8, n.shape)).astype(float)
        squares = total
    else:
        mean = np.sqrt(0.2) * draws.standard_normal(n.shape) + np.sqrt(0.8 / n) * draws.standard_normal(n.shape)
        total = n * mean
        squares = n * mean**2 + 0.8 * np.where(n > 1, draws.chisquare(np.maximum(n - 1, 1)), 0)
    of_means = (total**2 / n).sum(axis=1)
    correlation = intraclass_correlation(
        np.full(rounds, whole),
        n.sum(axis=1),
        (n**2).sum(axis=1),
        of_means - total.sum(axis=1) ** 2 / n.sum(axis=1),
        squares.sum(axis=1) - of_means,
    )
    p_values = {}
    for is_clustered in (True, False):
        sides = []
        for of in (slice(None, accounts), slice(accounts, None)):
            size = n[:, of].sum(axis=1)
            effect = design_effect(correlation, (n[:, of] ** 2).sum(axis=1) / size) if is_clustered else np.ones(rounds)
            sums = Moments(size, total[:, of].sum(axis=1), squares[:, of].sum(axis=1))
            sides.append((clustered_rates(followed_rates(sums.total, size), effect), sums.clustered(effect)))
        (first_rate, first), (second_rate, second) = sides
        test = contrast(first_rate, second_rate) if kind == "rate" else compare_means(first, second)
        p_values[is_clustered] = test.p_value[~np.isnan(test.p_value)]
    for level in (0.05, 0.01, 0.001):
        assert np.mean(p_values[True] <= level) <= level + 2 * np.sqrt(level / rounds)
    assert np.mean(p_values[False] <= 0.05) > 0.12
    if accounts == 60:
        assert np.mean(p_values[True] <= 0.05) > 0.03
