"""Simultaneous intervals for shares that add up to one."""

import numpy as np
from numpy.typing import ArrayLike

from segment_signals.statistics.arrays import floats, ratio
from segment_signals.statistics.intervals import Interval, wilson_interval


def goodman_interval(count: ArrayLike, n: ArrayLike, categories: ArrayLike, confidence: float = 0.95) -> Interval:
    """Intervals that hold all shares of a multinomial sample at once (Goodman 1965), shape (k,).

    Wilson's interval at the level 1 - (1 - confidence) / categories. For one category it is Wilson's itself.

    Args:
        count: records in the category, shape (k,), 0 to n.
        n: records in all categories.
        categories: into how many categories the sample is split, at least 1.
        confidence: that all intervals of one sample hold, 0 to 1.

    Returns:
        Limits within 0 to 1; NaN where n is 0.
    """
    total, parts = np.broadcast_arrays(floats(n), floats(categories))
    share = ratio(count, total)
    low, high = np.full(share.shape, np.nan), np.full(share.shape, np.nan)
    for size in np.unique(parts):
        at = parts == size
        limits = wilson_interval(share[at], total[at], 1 - (1 - confidence) / size)
        low[at], high[at] = limits.low, limits.high
    return Interval(low, high)
