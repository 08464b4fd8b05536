"""Slow drift: a two-sided CUSUM of residuals, with limits from simulation.

Each month may be within its expected range while ten of them lean the same way. The cumulative sum (Page 1954) of
residuals less an allowance k rises while they lean, and falls back to 0 otherwise:

    up_t = max(0, up_{t-1} + z_t - k),    down_t = max(0, down_{t-1} - z_t - k)

The textbook limit is made for an endless series. Ours have a few dozen periods, and what matters is the probability
of any alarm within them; that is simulated for the number of residuals the series has.
"""

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
from numpy.typing import ArrayLike

from segment_signals.statistics.arrays import Bools, Floats, Integers, floats

# Half the size, in standard deviations, of the lasting shift that is found soonest.
ALLOWANCE = 0.5
# Simulated null series: a false alarm probability of 1 % is known to +-0.06 points (two standard errors).
SERIES = 100_000
SEED = 19_540_601


@dataclass(frozen=True)
class Drift:
    """Cumulative sums of k series. NaN residuals are passed over.

    Attributes:
        upward, downward: shape (k, T), the two sums after each period, in standard deviations.
        peak: shape (k,), the largest of either; NaN without a residual.
        p_value: shape (k,), probability of a peak at least as large in a series without drift; NaN without a residual.
        direction: shape (k,), 1 where the peak is of the upward sum, -1 of the downward one, 0 without a residual.
        alarm_period: shape (k,), first period in which a sum exceeds the limit; -1 where none does.
    """

    upward: Floats
    downward: Floats
    peak: Floats
    p_value: Floats
    direction: Integers
    alarm_period: Integers


def cusum(residuals: ArrayLike, false_alarm_probability: float = 0.01) -> Drift:
    """Two-sided CUSUM of each series.

    Args:
        residuals: shape (k, T), standard normal and independent where nothing changes (`anomalies.rate_residuals`).
        false_alarm_probability: of any alarm within a series without drift, for `alarm_period`.
    """
    z = np.atleast_2d(floats(residuals))
    known = ~np.isnan(z)
    step = np.where(known, z, 0)
    upward, downward = np.zeros(z.shape), np.zeros(z.shape)
    up, down = np.zeros(len(z)), np.zeros(len(z))
    for period in range(z.shape[1]):
        moves = known[:, period]
        up = np.where(moves, np.maximum(up + step[:, period] - ALLOWANCE, 0), up)
        down = np.where(moves, np.maximum(down - step[:, period] - ALLOWANCE, 0), down)
        upward[:, period], downward[:, period] = up, down
    both = np.maximum(upward, downward)
    peak = both.max(axis=1, initial=0)
    lengths = known.sum(axis=1)
    p_value, limit = np.full(len(z), np.nan), np.full(len(z), np.nan)
    for length in np.unique(lengths[lengths > 0]):
        of = lengths == length
        peaks = null_peaks(int(length))
        as_high = len(peaks) - np.searchsorted(peaks, peak[of], side="left")
        p_value[of] = (as_high + 1) / (len(peaks) + 1)
        limit[of] = cusum_limit(int(length), false_alarm_probability)
    is_beyond: Bools = both > limit[:, np.newaxis]
    return Drift(
        upward=upward,
        downward=downward,
        peak=np.where(lengths > 0, peak, np.nan),
        p_value=p_value,
        direction=np.sign(upward.max(axis=1, initial=0) - downward.max(axis=1, initial=0)).astype(np.int64),
        alarm_period=np.where(is_beyond.any(axis=1), is_beyond.argmax(axis=1), -1),
    )


def cusum_limit(length: int, false_alarm_probability: float) -> float:
    """Limit that the sums of a series of `length` residuals exceed with this probability where nothing changes."""
    peaks = null_peaks(length)
    return float(np.quantile(peaks, 1 - false_alarm_probability, method="higher"))


@lru_cache(maxsize=128)
def null_peaks(length: int) -> Floats:
    """Sorted peaks of simulated series of `length` independent standard normal residuals, shape (100000,).

    The seed is fixed, and the same series grow with `length`: limits never fall from one length to the next.
    """
    up, down, peaks = np.zeros(SERIES), np.zeros(SERIES), np.zeros(SERIES)
    for period in range(length):
        z = np.random.default_rng([SEED, period]).standard_normal(SERIES)
        up, down = np.maximum(up + z - ALLOWANCE, 0), np.maximum(down - z - ALLOWANCE, 0)
        peaks = np.maximum(peaks, np.maximum(up, down))
    peaks.sort()
    return peaks
