"""What moved, the mix of segments or their rates.

Kitagawa's decomposition (1955) of a change of a weighted rate R = sum of w r over segments, w their shares:

    R_1 - R_0 = sum (w_1 - w_0) (r_0 + r_1) / 2  +  sum (w_0 + w_1) / 2 (r_1 - r_0)
                mix effect                          rate effect

Appearing and vanishing segments: a segment without records in one of the two periods has no rate there, so nothing
can be said about a change of its rate. Its whole contribution is mix; its missing rate counts as the one it has.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from segment_signals.statistics.arrays import Bools, Floats, Integers, floats, group_count, group_sum, ratio, root
from segment_signals.statistics.intervals import wilson_interval


@dataclass(frozen=True)
class ChangeDecomposition:
    """Decomposed changes of g totals made of k segments. NaN where a period has no records or a rate is missing.

    Attributes:
        previous_rate, current_rate: shape (g,), the totals as weighted sums of their segments.
        total_change: shape (g,), mix_effect + rate_effect.
        mix_effect, rate_effect: shape (g,).
        rate_effect_low, rate_effect_high: shape (g,), interval of the rate effect given the two mixes.
        opposed_share: shape (g,), mean share of the segments whose rates moved against the total.
        is_simpson: shape (g,), opposed_share at least the limit, and the rate effect beyond its interval against the
            total. Without the second half a pure change of mix is flagged by coin-tossing rates: 14 % of the time with
            two segments, 4 to 10 % with five.
        mix_contribution, rate_contribution: shape (k,), what each segment adds to the two effects. Mix contributions
            are relative to the mean total, so a growing segment adds where its rate is above it.
    """

    previous_rate: Floats
    current_rate: Floats
    total_change: Floats
    mix_effect: Floats
    rate_effect: Floats
    rate_effect_low: Floats
    rate_effect_high: Floats
    opposed_share: Floats
    is_simpson: Bools
    mix_contribution: Floats
    rate_contribution: Floats


def decompose_change(
    previous_n: ArrayLike,
    previous_rate: ArrayLike,
    current_n: ArrayLike,
    current_rate: ArrayLike,
    group: Integers,
    previous_effective_n: ArrayLike | None = None,
    current_effective_n: ArrayLike | None = None,
    *,
    confidence: float = 0.95,
    simpson_share: float = 0.8,
) -> ChangeDecomposition:
    """Decompose the change of every total between two periods.

    The interval takes the mix as given. Var(rate effect) = sum of mean share^2 x p(1 - p) (1/n_0 + 1/n_1), where p is
    the segment's rate over both periods and the total's with the weight of one record: where no rate changed that is
    the variance (a score interval), and a segment with two records and no conversion still has one.

    Args:
        previous_n: shape (k,), records of each segment in the previous period; 0 where it is absent.
        previous_rate: shape (k,), 0 to 1; ignored where `previous_n` is 0.
        current_n: shape (k,), as `previous_n`.
        current_rate: shape (k,), as `previous_rate`.
        group: shape (k,), codes 0 .. g - 1 of the total that the segment is part of; segments exclude each other.
        previous_effective_n: shape (k,), effective samples of the rates where records are open; by default n.
        current_effective_n: shape (k,), as `previous_effective_n`.
        confidence: of the interval of the rate effect.
        simpson_share: the total is a Simpson case where segments of at least this share moved against it.
    """
    n_0, n_1 = np.nan_to_num(floats(previous_n)), np.nan_to_num(floats(current_n))
    groups = group_count(group)
    size_0, size_1 = group_sum(n_0, group, groups), group_sum(n_1, group, groups)
    share_0, share_1 = ratio(n_0, size_0[group]), ratio(n_1, size_1[group])
    rate_0 = np.where(n_0 > 0, floats(previous_rate), floats(current_rate))
    rate_1 = np.where(n_1 > 0, floats(current_rate), rate_0)
    # A segment absent from both periods has no rate and needs none.
    absent = (n_0 <= 0) & (n_1 <= 0)
    rate_0, rate_1 = np.where(absent, 0, rate_0), np.where(absent, 0, rate_1)

    total_0 = np.where(size_0 > 0, group_sum(share_0 * rate_0, group, groups), np.nan)
    total_1 = np.where(size_1 > 0, group_sum(share_1 * rate_1, group, groups), np.nan)
    centre = (total_0 + total_1)[group] / 2
    mix = (share_1 - share_0) * ((rate_0 + rate_1) / 2 - centre)
    mean_share = (share_0 + share_1) / 2
    rate = mean_share * (rate_1 - rate_0)
    total_change = total_1 - total_0

    opposed = (rate_1 - rate_0) * total_change[group] < 0
    # A group without a segment sums to 0, not to NaN.
    unknown = np.isnan(total_change)
    opposed_share = np.where(unknown, np.nan, group_sum(np.where(opposed, mean_share, 0), group, groups))
    mix_effect = np.where(unknown, np.nan, group_sum(mix, group, groups))
    rate_effect = np.where(unknown, np.nan, group_sum(rate, group, groups))
    sample_0 = n_0 if previous_effective_n is None else floats(previous_effective_n)
    sample_1 = n_1 if current_effective_n is None else floats(current_effective_n)
    both = (n_0 > 0) & (n_1 > 0)
    sample_0, sample_1 = np.where(both, sample_0, np.nan), np.where(both, sample_1, np.nan)
    pooled = _smoothed(ratio(sample_0 * rate_0 + sample_1 * rate_1, sample_0 + sample_1), sample_0 + sample_1, group)
    variance = mean_share**2 * pooled * (1 - pooled) * (ratio(1, sample_0) + ratio(1, sample_1))
    half = special.ndtri((1 + confidence) / 2) * root(group_sum(np.where(both, variance, 0), group, groups))
    is_against = (rate_effect * total_change < 0) & (np.abs(rate_effect) > half)
    return ChangeDecomposition(
        previous_rate=total_0,
        current_rate=total_1,
        total_change=total_change,
        mix_effect=mix_effect,
        rate_effect=rate_effect,
        rate_effect_low=rate_effect - half,
        rate_effect_high=rate_effect + half,
        opposed_share=opposed_share,
        is_simpson=(opposed_share >= simpson_share) & is_against,
        mix_contribution=mix,
        rate_contribution=rate,
    )


@dataclass(frozen=True)
class StandardisedRates:
    """Rates of g totals at a reference mix.

    Attributes:
        rate: shape (g,), 0 to 1; NaN where no segment of the reference has a rate.
        low, high: shape (g,), limits given the reference mix.
        coverage: shape (g,), share of the reference mix whose segments have a rate; the rest is left out.
    """

    rate: Floats
    low: Floats
    high: Floats
    coverage: Floats


def standardised_rates(
    rate: ArrayLike,
    effective_n: ArrayLike,
    reference_n: ArrayLike,
    group: Integers,
    confidence: float = 0.95,
) -> StandardisedRates:
    """Directly standardised rates: each total as if its segments had the reference's shares.

    Two periods standardised to one mix differ by rates alone. A segment without a rate is left out and the other
    shares are scaled up; `coverage` says how much of the mix was left. Wilson's interval with the sample that the
    variance sum w^2 p(1 - p) / n amounts to, p drawn towards the total's by one record as in `decompose_change`.

    Args:
        rate: shape (k,), 0 to 1; NaN where a segment has none.
        effective_n: shape (k,), effective samples of the rates.
        reference_n: shape (k,), records of the segment in the reference mix.
        group: shape (k,), codes 0 .. g - 1 of the total.
        confidence: of the interval.
    """
    r, n, reference = floats(rate), floats(effective_n), np.nan_to_num(floats(reference_n))
    groups = group_count(group)
    known = ~np.isnan(r) & (n > 0)
    present = np.where(known, reference, 0)
    kept = group_sum(present, group, groups)
    share = ratio(present, kept[group])
    value = group_sum(share * np.where(known, r, 0), group, groups)
    p = _smoothed(np.where(known, r, np.nan), np.where(known, n, np.nan), group)
    variance = group_sum(np.where(known, share**2 * p * (1 - p) * ratio(1, n), 0), group, groups)
    value = np.where(kept > 0, value, np.nan)
    # The sample at which one rate would be known as well. With the value at 0 or 1, the smoothed total stands in.
    own = _smoothed(
        value, ratio(1, group_sum(np.where(known, share**2 * ratio(1, n), 0), group, groups)), np.arange(groups)
    )
    limits = wilson_interval(value, ratio(own * (1 - own), variance), confidence)
    return StandardisedRates(value, limits.low, limits.high, ratio(kept, group_sum(reference, group, groups)))


def _smoothed(rate: Floats, n: Floats, group: Integers) -> Floats:
    """Rates for a variance, shape (k,): each drawn towards its group's pooled rate with the weight of one record.

    Thin segments have rates of 0 and 1, which would claim no variance. Where the whole group has none or all
    converted, every rate is (x + 2) / (n + 4) of the group (Agresti and Caffo 2000). NaN stays NaN.
    """
    groups = group_count(group)
    known = ~np.isnan(rate) & (n > 0)
    sample = group_sum(np.where(known, n, 0), group, groups)
    converted = group_sum(np.where(known, n * rate, 0), group, groups)
    pooled = ratio(converted, sample)
    degenerate = (pooled <= 0) | (pooled >= 1)
    fallback = (converted + 2) / (sample + 4)
    drawn = ratio(n * rate + pooled[group], n + 1)
    return np.where(degenerate[group], fallback[group], drawn)
