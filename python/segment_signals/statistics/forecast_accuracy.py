"""How good forecasts were: errors, pinball loss, coverage, and the error that no forecast can avoid."""

import numpy as np

from segment_signals.statistics.arrays import Bools, Floats, ratio


def pinball_loss(actual: Floats, quantile: Floats, level: float) -> Floats:
    """Pinball loss of a forecast quantile, in units of the actual (Koenker and Bassett 1978); NaN where one is NaN."""
    over = actual - quantile
    loss: Floats = np.maximum(level * over, (level - 1) * over)
    return loss


def absolute_percentage_error(actual: Floats, forecast: Floats) -> Floats:
    """|actual - forecast| / actual; NaN where the actual is 0."""
    return ratio(np.abs(actual - forecast), np.where(actual > 0, actual, np.nan))


def weighted_absolute_percentage_error(actual: Floats, forecast: Floats) -> float:
    """Sum of absolute errors over the sum of actuals; NaN where that is 0."""
    return float(ratio(np.abs(actual - forecast).sum(), actual.sum()))


def relative_bias(actual: Floats, forecast: Floats) -> float:
    """Sum of forecasts over the sum of actuals, less 1; NaN where that sum is 0."""
    return float(ratio((forecast - actual).sum(), actual.sum()))


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
