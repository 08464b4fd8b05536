"""Error control for a page of claims.

A page holds many families (period x dimension x metric). Control within each family alone would put a false claim on
nearly every page. `two_level` first asks which families hold anything (Benjamini-Hochberg over their Simes
p-values), then which hypotheses, at a level reduced by the share of selected families (Benjamini and Bogomolov 2014,
"Selective inference on multiple families of hypotheses", J. R. Statist. Soc. B 76). The expected average false
discovery proportion over the selected families is at most the level; with no effect anywhere, so is the probability
of any claim.
"""

from dataclasses import dataclass

import numpy as np

from segment_signals.statistics.arrays import Bools, Floats, Integers, group_count


def benjamini_hochberg(p_values: Floats) -> Floats:
    """q-values, shape (k,): the smallest level at which Benjamini and Hochberg (1995) reject each hypothesis.

    NaN p-values are not tested: they stay NaN and do not count.
    """
    return _family_q_values(p_values, np.zeros(len(p_values), dtype=np.int64))


def simes(p_values: Floats, family: Integers) -> Floats:
    """Simes' p-value that no hypothesis of a family holds (Simes 1986), shape (families,).

    Args:
        p_values: shape (k,); NaN is not tested.
        family: shape (k,), codes 0 .. families - 1.

    Returns:
        min over j of m p_(j) / j, NaN for a family without a tested hypothesis.
    """
    lowest = np.full(group_count(family), np.inf)
    q_values = _family_q_values(p_values, family)
    tested = ~np.isnan(q_values)
    # The smallest Benjamini-Hochberg q-value of a family is its Simes p-value.
    np.minimum.at(lowest, family[tested], q_values[tested])
    return np.where(np.isinf(lowest), np.nan, lowest)


@dataclass(frozen=True)
class Selection:
    """What a page may claim.

    Attributes:
        q_value: shape (k,), the smallest level at which the two-level procedure selects the hypothesis, exactly:
            it is selected at a level if and only if its q-value is at most that level. NaN where not tested.
        is_selected: shape (k,), q_value <= level.
        family_q_value: shape (families,), the smallest level at which the family is selected.
    """

    q_value: Floats
    is_selected: Bools
    family_q_value: Floats


def two_level(p_values: Floats, family: Integers, level: float = 0.05) -> Selection:
    """Benjamini-Bogomolov selection over the families of a page.

    With m tested families and A their Benjamini-Hochberg q-values, level q selects the R(q) families with A <= q, and
    in them the hypotheses whose within-family q-value a is at most q R(q) / m. R never falls as q rises, so the levels
    that select a hypothesis are all from some smallest one on:

        max(A_family, min over r of max(A_(r), a m / r))

    A_(r) rises with r and a m / r falls, so the inner minimum lies where they cross: one binary search a hypothesis.

    Args:
        p_values: shape (k,); NaN is not tested, and a family with nothing to test is no family.
        family: shape (k,), codes 0 .. families - 1.
        level: false discovery rate, 0 to 1.
    """
    within = _family_q_values(p_values, family)
    family_q_value = benjamini_hochberg(simes(p_values, family))
    ordered = np.sort(family_q_value[~np.isnan(family_q_value)])
    tested = ~np.isnan(within)
    q_value = np.full(len(p_values), np.nan)
    if tested.any():
        rank = np.arange(1, len(ordered) + 1)
        scaled = within[tested] * len(ordered)
        # The first r with A_(r) >= a m / r; none where a exceeds every family's, then the last r decides.
        crossing = np.searchsorted(ordered * rank, scaled)
        at = np.minimum(crossing, len(ordered) - 1)
        before = np.maximum(crossing - 1, 0)
        from_crossing = np.maximum(ordered[at], scaled / rank[at])
        from_before = np.maximum(ordered[before], scaled / rank[before])
        q_value[tested] = np.maximum(family_q_value[family[tested]], np.minimum(from_crossing, from_before))
    return Selection(q_value, q_value <= level, family_q_value)


def _family_q_values(p_values: Floats, family: Integers) -> Floats:
    """Benjamini-Hochberg q-values within each family, shape (k,): m p_(j) / j, made monotone from the largest down."""
    result = np.full(len(p_values), np.nan)
    tested = np.flatnonzero(~np.isnan(p_values))
    if len(tested) == 0:
        return result
    order = tested[np.lexsort((p_values[tested], family[tested]))]
    code, p = family[order], p_values[order]
    size = np.bincount(code)
    start = np.cumsum(size) - size
    rank = np.arange(len(order)) - start[code] + 1
    raw = p * size[code] / rank
    # The running minimum from the right restarts in each family: as integer ranks of `raw`, offset by family, every
    # value of an earlier family is below every value of a later one.
    by_size = np.argsort(raw, kind="stable")
    place = np.empty(len(raw), dtype=np.int64)
    place[by_size] = np.arange(len(raw))
    offset = code * len(raw)
    lowest = np.minimum.accumulate((place + offset)[::-1])[::-1] - offset
    result[order] = raw[by_size[lowest]]
    return result
