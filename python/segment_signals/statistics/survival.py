"""Survival over months from counts at risk."""

import numpy as np

from segment_signals.statistics.arrays import Floats


def restricted_mean(at_risk: Floats, events: Floats, cap: int, fewest: int) -> tuple[float, float, int]:
    """Expected months as a customer up to a horizon: the area under Kaplan and Meier's curve, and its standard error.

    A customer pays for the month at whose end it has not left. The horizon is the cap, or the age up to which `fewest`
    customers are at risk; beyond it nothing is assumed.

    Args:
        at_risk: at the end of month 0, 1, 2 ..., shape (m,).
        events: customers that had left by that end, shape (m,).
        cap: longest horizon, in months.
        fewest: at risk for a month to count.

    Returns:
        Mean, standard error (Klein and Moeschberger 2003, 4.5.2) and horizon in months; NaN, NaN and 0 where no month
        counts.
    """
    enough = np.flatnonzero(at_risk[: cap + 1] < fewest)
    months = int(enough[0]) if len(enough) else min(len(at_risk), cap + 1)
    horizon = min(months, cap)
    if horizon < 1:
        return float("nan"), float("nan"), 0
    r, d = at_risk[:horizon], events[:horizon]
    survival = np.cumprod(1 - d / r)
    mean = float(survival.sum())
    beyond = np.cumsum(survival[::-1])[::-1]
    with np.errstate(divide="ignore", invalid="ignore"):
        terms = np.where((d > 0) & (r > d), beyond**2 * d / (r * (r - d)), 0.0)
    return mean, float(np.sqrt(terms.sum())), horizon
