"""Pipeline velocity: its value, its delta-method interval, and what each lever contributed to a change."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

Floats = NDArray[np.float64]


@dataclass(frozen=True)
class Levers:
    """The four levers of pipeline velocity, arrays of one shape (k,).

    qualified_count: opportunities. win_rate: 0 to 1. mean_deal_amount: currency. mean_cycle_days: days.
    """

    qualified_count: Floats
    win_rate: Floats
    mean_deal_amount: Floats
    mean_cycle_days: Floats

    def velocity_per_day(self) -> Floats:
        """V = N W A / L in currency per day; NaN where a lever is missing, not positive, or the cycle is 0 days."""
        with np.errstate(divide="ignore", invalid="ignore"):
            velocity = self.qualified_count * self.win_rate * self.mean_deal_amount / self.mean_cycle_days
        return np.where(np.isfinite(velocity) & (velocity > 0), velocity, np.nan)


def log_velocity_variance(
    won_count: Floats,
    amount_count: Floats,
    mean_deal_amount: Floats,
    amount_variance: Floats,
    cycle_count: Floats,
    mean_cycle_days: Floats,
    cycle_days_variance: Floats,
    amount_cycle_days_covariance: Floats,
    pair_count: Floats,
) -> Floats:
    """Variance of ln V by the delta method, shape (k,).

    Opportunities arrive as a Poisson process and are won independently, so N W is a Poisson count of wins and
    var ln(N W) = 1 / wins. Amounts and cycles are means over n_A and n_L wins of which n_AL are shared, hence the
    covariance term:

        var ln V = 1/w + s_A^2 / (n_A A^2) + s_L^2 / (n_L L^2) - 2 n_AL s_AL / (n_A n_L A L)

    Variances and the covariance are sample ones (divisor n - 1). Source: delta method, Casella and Berger 2002,
    section 5.5.4. NaN where a mean or a count is 0.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        variance = (
            1 / won_count
            + amount_variance / (amount_count * mean_deal_amount**2)
            + cycle_days_variance / (cycle_count * mean_cycle_days**2)
            - 2
            * pair_count
            * amount_cycle_days_covariance
            / (amount_count * cycle_count * mean_deal_amount * mean_cycle_days)
        )
    return np.where(np.isfinite(variance) & (variance >= 0), variance, np.nan)


def sample_covariance(product_sum: Floats, sum_x: Floats, sum_y: Floats, count: Floats) -> Floats:
    """Sample covariance (divisor n - 1) from sums over the same records, shape (k,); NaN where n < 2.

    The variance of x is the covariance of x with itself.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = (product_sum - sum_x * sum_y / count) / (count - 1)
    return np.where(count >= 2, covariance, np.nan)


def lever_effects(previous: Levers, current: Levers) -> Levers:
    """What each lever contributed to V(current) - V(previous), in currency per day; the four add up exactly.

    Logarithmic-mean Divisia weights (Ang 2004, LMDI-I): effect = L(V1, V0) ln(x1 / x0), with the sign turned for
    the cycle, which divides. NaN where either velocity is NaN.
    """
    before, after = previous.velocity_per_day(), current.velocity_per_day()
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(after / before)
        weight = np.where(np.isclose(log_ratio, 0, atol=1e-12), after, (after - before) / log_ratio)
        return Levers(
            qualified_count=weight * np.log(current.qualified_count / previous.qualified_count),
            win_rate=weight * np.log(current.win_rate / previous.win_rate),
            mean_deal_amount=weight * np.log(current.mean_deal_amount / previous.mean_deal_amount),
            mean_cycle_days=-weight * np.log(current.mean_cycle_days / previous.mean_cycle_days),
        )
