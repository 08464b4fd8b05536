"""Shrunken rates, for rankings.

Sorted by the raw rate, the smallest segments take both ends of any ranking. The beta-binomial model pulls each rate
towards its family's mean by as much as its sample is thin. Rank by `Shrunken.mean`, but take intervals from
`intervals.wilson_interval`: an interval from this plug-in posterior ignores that the prior was estimated and covers
only about 87 %.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from segment_signals.statistics.arrays import Floats, Integers, floats, group_count, group_sum, ratio

# Correlation 1 would make every rate 0 or 1; the posterior needs some prior sample.
HIGHEST_CORRELATION = 0.999


def overdispersion(rate: Floats, n: Floats, group: Integers, pool: Integers | None = None) -> Floats:
    """Intraclass correlation of rates around the mean of their group, by moments, pooled over groups.

    A rate r over n records around a mean p has variance p(1 - p) (rho + (1 - rho) / n): binomial noise where rho is 0.
    With S the weighted sum of squares of a group of T rates around their mean m, N and Q the sums of n and (n / N)^2,

        E S (1 - 1/N + rho (1/N - Q)) = E m(1 - m) (T - 1 + rho (N (1 - Q) - (T - 1)))

    exactly, for any n; numerators and denominators of the solution for rho are summed over the groups of a pool
    (Kleinman 1973's weights, without his approximation for the mean).

    Args:
        rate: shape (k,), 0 to 1; NaN is left out.
        n: shape (k,), effective samples, need not be whole; not positive is left out.
        group: shape (k,), codes 0 .. groups - 1; every group has a mean of its own.
        pool: shape (groups,), codes of the pools; one pool by default.

    Returns:
        rho per pool, 0 to 0.999; 0 where no group of the pool has two rates, or they scatter less than binomially.
    """
    groups = group_count(group) if pool is None else len(pool)
    pools = np.zeros(groups, dtype=np.int64) if pool is None else pool
    known = ~np.isnan(rate) & (n > 0)
    r, size, code = rate[known], n[known], group[known]
    count = group_sum(np.ones(len(r)), code, groups)
    total = group_sum(size, code, groups)
    mean = ratio(group_sum(size * r, code, groups), total)
    concentration = ratio(group_sum(size**2, code, groups), total**2)
    squares = group_sum(size * (r - mean[code]) ** 2, code, groups)
    binomial = mean * (1 - mean)
    excess = squares * (1 - ratio(1, total)) - binomial * (count - 1)
    spread = binomial * (total * (1 - concentration) - (count - 1)) + squares * (concentration - ratio(1, total))
    usable = count >= 2
    pool_count = group_count(pools)
    rho = ratio(
        group_sum(np.where(usable, excess, 0), pools, pool_count),
        group_sum(np.where(usable, spread, 0), pools, pool_count),
    )
    return np.clip(np.nan_to_num(rho, nan=0.0), 0, HIGHEST_CORRELATION)


@dataclass(frozen=True)
class Shrunken:
    """Posterior means and the prior they come from.

    Attributes:
        mean: shape (k,), 0 to 1; NaN where there is no rate.
        prior_mean: shape (families,), the pooled rate; NaN for a family without a rate.
        correlation: shape (families,), rho; 0 is full pooling: every mean is the prior mean.
    """

    mean: Floats
    prior_mean: Floats
    correlation: Floats


def shrunken_rates(rate: ArrayLike, effective_n: ArrayLike, family: Integers) -> Shrunken:
    """Posterior mean of each rate under the beta-binomial prior of its family, fitted by moments.

    The prior is worth 1 / rho - 1 records: mean = (n r + (1/rho - 1) prior) / (n + 1/rho - 1), written so that
    rho = 0 needs no special case. Its mean weighs each rate by n / (1 + (n - 1) rho), the inverse of its variance, so
    that one huge segment does not stand for all.

    Args:
        rate: shape (k,), 0 to 1.
        effective_n: shape (k,), need not be whole.
        family: shape (k,), codes 0 .. families - 1; rates are compared within a family.
    """
    r, n = floats(rate), floats(effective_n)
    known = ~np.isnan(r) & (n > 0)
    families = group_count(family)
    rho = overdispersion(r, n, family, np.arange(families, dtype=np.int64))
    weight = np.where(known, ratio(n, 1 + (n - 1) * rho[family]), 0)
    prior = ratio(
        group_sum(np.where(known, weight * np.nan_to_num(r), 0), family, families), group_sum(weight, family, families)
    )
    own = n * rho[family]
    mean = ratio(own * r + (1 - rho[family]) * prior[family], own + 1 - rho[family])
    return Shrunken(np.where(known, mean, np.nan), prior, rho)


def shrunken_ratios(observed: Floats, expected: Floats) -> tuple[Floats, Floats]:
    """Observed over expected counts, drawn towards 1 by a gamma prior whose spread is estimated by moments.

    Args:
        observed: counts, shape (k,).
        expected: what a common model expects of them, shape (k,).

    Returns:
        Posterior means and their relative standard deviations, shape (k,). Where the counts scatter no more than
        Poisson counts do, every ratio is 1 and sure.
    """
    scale = float((expected**2).sum())
    spread = float(((observed - expected) ** 2 - expected).sum()) / scale if scale > 0 else 0.0
    if spread <= 0:
        return np.ones(len(expected)), np.zeros(len(expected))
    prior = 1 / spread
    return (observed + prior) / (expected + prior), 1 / np.sqrt(expected + prior)
