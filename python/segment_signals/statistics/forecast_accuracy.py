"""How good forecasts were: errors, pinball loss, coverage, and the error that no forecast can avoid."""

import numpy as np
from scipy import special

from segment_signals.statistics.arrays import Bools, Floats, ratio

# Cosines below which the spread of a mean is not known.
FEWEST_COSINES = 2


def pinball_loss(actual: Floats, quantile: Floats, level: float) -> Floats:
    """Pinball loss of a forecast quantile, in units of the actual (Koenker and Bassett 1978); NaN where one is NaN."""
    over = actual - quantile
    loss: Floats = np.maximum(level * over, (level - 1) * over)
    return loss


def absolute_percentage_error(actual: Floats, forecast: Floats) -> Floats:
    """|actual - forecast| / actual; NaN where the actual is 0."""
    return ratio(np.abs(actual - forecast), np.where(actual > 0, actual, np.nan))


def parts_of_ratio(part: Floats, whole: Floats) -> Floats:
    """Values whose mean is sum(part) / sum(whole), and whose spread is that ratio's (linearised); NaN where it is none.

    The error of WAPE, |actual - forecast| over the actual, and bias, forecast less actual, are such ratios.
    """
    of_all = ratio(part.sum(), whole.sum())
    return of_all + ratio(part - of_all * whole, whole.sum() / max(len(whole), 1))


def mean_of_overlapping(values: Floats, run: int) -> tuple[float, float, float]:
    """Mean of losses of forecasts whose windows overlap, with its 95 % interval.

    Neighbours share days, so they are not independent. The variance of the mean is that of the slowest cosines of the
    series, as many as windows fit side by side less one, and the interval is Student's with as many degrees of freedom
    (Lazarus, Lewis, Stock and Watson 2018). Without overlap it is the usual t interval. Covers 93 to 96 % at 4 to 12
    origins, where a moving-block bootstrap covers 50 to 91 %.

    Args:
        values: one per origin in the order of time; NaN is left out.
        run: origins that a window spans.

    Returns:
        Mean, low and high; NaN where there is none. No limits below three windows side by side.
    """
    known = values[np.isfinite(values)]
    count = len(known)
    if count == 0:
        return float("nan"), float("nan"), float("nan")
    mean = float(known.mean())
    cosines = count // run - 1
    if cosines < FEWEST_COSINES:
        return mean, float("nan"), float("nan")
    waves = np.cos(np.pi * np.outer(np.arange(1, cosines + 1), np.arange(count) + 0.5) / count)
    loads = np.sqrt(2 / count) * (waves @ (known - mean))
    error = float(np.sqrt((loads**2).mean() / count) * special.stdtrit(cosines, 0.975))
    return mean, mean - error, mean + error


def is_within(actual: Floats, low: Floats, high: Floats) -> Bools:
    """Whether the actual is within the limits, both included."""
    return (actual >= low) & (actual <= high)


def error_floor(expected: float, variance: float, total: float) -> float:
    """Mean absolute percentage error of a forecaster who knows every probability.

    The sum still varies by chance. For a nearly normal sum the mean absolute deviation is sqrt(2 / pi) standard
    deviations; wins that arrive as a Poisson process with deal sizes of coefficient of variation c have the variance
    (1 + c^2) mean^2 / wins, so the floor is 0.80 sqrt((1 + c^2) / wins): 15 % needs 35, 57 or 92 wins for c of 0.5, 1
    or 1.5; dividing by the outcome instead of its mean adds about a tenth.

    Args:
        expected: sum still to come.
        variance: of that sum, given every probability.
        total: expected sum of the whole window, with what is booked.

    Returns:
        The floor as a share; NaN where nothing is expected.
    """
    if total <= 0 or not np.isfinite(total) or expected < 0:
        return float("nan")
    return float(np.sqrt(2 / np.pi * max(variance, 0.0)) / total)


def excess_variance(observed: Floats, expected: Floats, variance: Floats, at_least: int) -> float:
    """Relative variance of counts beyond their own, by moments: sum((O - E)^2 - V) / sum(E^2), never negative.

    Half of its standard error without any excess, sqrt(2 sum(V^2)) / sum(E^2), is taken off: cut at 0 alone, it would
    find some in counts that scatter by chance.

    Args:
        observed: counts, shape (periods,).
        expected: their expectations.
        variance: their variances if only chance were at work.
        at_least: periods below which nothing can be said, and 0 is.
    """
    scale = float((expected**2).sum())
    if len(observed) < at_least or scale <= 0:
        return 0.0
    excess = float(((observed - expected) ** 2 - variance).sum())
    return max(excess - 0.5 * float(np.sqrt(2 * (variance**2).sum())), 0.0) / scale
