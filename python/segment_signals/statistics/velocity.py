"""Pipeline velocity: its value, its delta-method interval, and what each lever contributed to a change."""

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike

from segment_signals.statistics.arrays import Floats, floats, ratio, root
from segment_signals.statistics.intervals import Interval, t_quantile
from segment_signals.statistics.levers import poisson_interval


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


LEVERS = ("qualified_count", "win_rate", "mean_deal_amount", "mean_cycle_days")


def scenario_factor(change_pct: ArrayLike, levers: Iterable[str]) -> Floats:
    """What velocity is multiplied by where the levers are so many percent better, shape (k,).

    More opportunities, a higher win rate and larger deals are 1 + change; a cycle is shorter by it: 1 / (1 - change).

    Args:
        change_pct: percent for the better, above 0 and below 100.
        levers: of `LEVERS`.
    """
    change = floats(change_pct) / 100
    factor = np.ones(change.shape)
    for lever in levers:
        factor = factor / (1 - change) if lever == "mean_cycle_days" else factor * (1 + change)
    return factor


@dataclass(frozen=True)
class LeverSpread:
    """Variances of the logarithms of k cells' levers, and what links the last two, arrays of one shape (k,)."""

    qualified_count: Floats
    win_rate: Floats
    mean_deal_amount: Floats
    mean_cycle_days: Floats
    amount_cycle_days: Floats

    @property
    def velocity(self) -> Floats:
        """Variance of ln V."""
        parts = self.qualified_count + self.win_rate + self.mean_deal_amount + self.mean_cycle_days
        return np.maximum(parts - 2 * self.amount_cycle_days, 0)

    def with_velocity(self, lever: str) -> Floats:
        """Covariance of ln V with what the lever adds to it: ln x, or -ln L of the cycle."""
        variance: Floats = getattr(self, lever)
        return variance - self.amount_cycle_days if lever in ("mean_deal_amount", "mean_cycle_days") else variance


def relative_variance(
    amount_count: Floats,
    mean_deal_amount: Floats,
    amount_variance: Floats,
    cycle_count: Floats,
    mean_cycle_days: Floats,
    cycle_days_variance: Floats,
    amount_cycle_days_covariance: Floats,
    pair_count: Floats,
) -> Floats:
    """Variance of ln(A / L) by the delta method, shape (k,): how unsure the mean amount and the mean cycle leave V.

    Amounts and cycles are means over n_A and n_L wins of which n_AL are shared, hence the covariance term:

        var ln(A / L) = s_A^2 / (n_A A^2) + s_L^2 / (n_L L^2) - 2 n_AL s_AL / (n_A n_L A L)

    Variances and the covariance are sample ones (divisor n - 1). Source: delta method, Casella and Berger 2002,
    section 5.5.4. Rounding below 0 is 0; NaN where a mean is 0 or a count below 2.
    """
    variance = (
        ratio(amount_variance, amount_count * mean_deal_amount**2)
        + ratio(cycle_days_variance, cycle_count * mean_cycle_days**2)
        - ratio(
            2 * pair_count * np.where(pair_count >= 2, amount_cycle_days_covariance, 0),
            amount_count * cycle_count * mean_deal_amount * mean_cycle_days,
        )
    )
    return np.where(np.isfinite(variance), np.maximum(variance, 0), np.nan)


def velocity_interval(
    velocity: ArrayLike,
    won_count: ArrayLike,
    variance: ArrayLike,
    df: ArrayLike,
    confidence: float = 0.95,
) -> Interval:
    """Interval of V, shapes (k,).

    Opportunities arrive as a Poisson process and are won independently, so N W is a Poisson count of wins with exact
    limits; ln(A / L) has the delta method's with Student's t. Both are put together on the log scale by the
    square-and-add rule (Zou and Donner 2008), which keeps the asymmetry of a small count. With normal limits for both
    it would be exp(ln V -+ z sqrt(1 / wins + var)), which covers 93.8 % instead of 95.9 % at 10 wins.

    Args:
        velocity: currency per day.
        won_count: wins.
        variance: of ln(A / L) (`relative_variance`).
        df: degrees of freedom of that variance, the smaller count of wins less one.
        confidence: two-sided, 0 to 1.

    Returns:
        NaN where the velocity or the variance is. Without a win there is no ln V: see `velocity_limit_without_wins`.
    """
    wins = floats(won_count)
    limits = poisson_interval(wins, confidence)
    square = (t_quantile(np.maximum(floats(df), 1), confidence) * root(variance)) ** 2
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        below = np.sqrt(np.log(wins / limits.low) ** 2 + square)
        above = np.sqrt(np.log(limits.high / wins) ** 2 + square)
        low, high = floats(velocity) * np.exp(-below), floats(velocity) * np.exp(above)
    known = np.isfinite(low) & np.isfinite(high) & (wins > 0)
    return Interval(np.where(known, low, np.nan), np.where(known, high, np.nan))


def velocity_limit_without_wins(velocity_per_win: ArrayLike, confidence: float = 0.95) -> Floats:
    """Upper limit of V where nothing was won, shape (k,): the exact Poisson limit of 0 wins (3.7 at 95 %).

    Args:
        velocity_per_win: A / L of a population that has wins, whose amount and cycle stand in.
        confidence: two-sided, 0 to 1.
    """
    return floats(velocity_per_win) * poisson_interval(np.zeros(1), confidence).high


def sample_covariance(product_sum: Floats, sum_x: Floats, sum_y: Floats, count: Floats) -> Floats:
    """Sample covariance (divisor n - 1) from sums over the same records, shape (k,); NaN where n < 2.

    The variance of x is the covariance of x with itself.
    """
    with np.errstate(divide="ignore", invalid="ignore"):
        covariance = (product_sum - sum_x * sum_y / count) / (count - 1)
    return np.where(count >= 2, covariance, np.nan)


@dataclass(frozen=True)
class DealSums:
    """Sums over the deals of k cells, arrays of one shape (k,).

    Attributes:
        qualified_count, won_count: deals, and those that were won.
        amount_count, amount_sum, amount_square_sum: over the wins with an amount.
        cycle_count, cycle_days_sum, cycle_days_square_sum: over the wins with a measured cycle.
        pair_count, pair_amount_sum, pair_cycle_days_sum, pair_amount_cycle_days_sum: over the wins with both.
    """

    qualified_count: Floats
    won_count: Floats
    amount_count: Floats
    amount_sum: Floats
    amount_square_sum: Floats
    cycle_count: Floats
    cycle_days_sum: Floats
    cycle_days_square_sum: Floats
    pair_count: Floats
    pair_amount_sum: Floats
    pair_cycle_days_sum: Floats
    pair_amount_cycle_days_sum: Floats

    @property
    def levers(self) -> Levers:
        """The four levers; NaN where there is nothing to divide by."""
        return Levers(
            self.qualified_count,
            ratio(self.won_count, self.qualified_count),
            ratio(self.amount_sum, self.amount_count),
            ratio(self.cycle_days_sum, self.cycle_count),
        )

    @property
    def df(self) -> Floats:
        """Degrees of freedom of `relative_variance`: the smaller count of wins less one."""
        return np.minimum(self.amount_count, self.cycle_count) - 1

    @property
    def relative_variance(self) -> Floats:
        """Variance of ln(A / L)."""
        means = self.levers
        return relative_variance(
            self.amount_count,
            means.mean_deal_amount,
            sample_covariance(self.amount_square_sum, self.amount_sum, self.amount_sum, self.amount_count),
            self.cycle_count,
            means.mean_cycle_days,
            sample_covariance(self.cycle_days_square_sum, self.cycle_days_sum, self.cycle_days_sum, self.cycle_count),
            sample_covariance(
                self.pair_amount_cycle_days_sum, self.pair_amount_sum, self.pair_cycle_days_sum, self.pair_count
            ),
            self.pair_count,
        )

    def spread(self, population: "DealSums", fewest_wins: float = 5) -> LeverSpread:
        """Variances of ln N, ln W, ln A and ln L by the delta method.

        Opportunities arrive as a Poisson process (1 / N) and are won independently ((1 - W) / N W). Below `fewest_wins`
        the spread of amounts and cycles is the population's, as it is for the interval of V.
        """
        wins = np.minimum(self.amount_count, self.cycle_count)
        few = wins < fewest_wins
        of_wins = np.minimum(population.amount_count, population.cycle_count)
        own, other = self._mean_spread, population._mean_spread
        amount, cycle, both = (
            np.where(few, ratio(theirs * of_wins, wins), mine) for mine, theirs in zip(own, other, strict=True)
        )
        rate = self.levers.win_rate
        return LeverSpread(ratio(1, self.qualified_count), ratio(1 - rate, self.won_count), amount, cycle, both)

    @property
    def _mean_spread(self) -> tuple[Floats, Floats, Floats]:
        """Variances of ln A and ln L, and their covariance over the wins that have both."""
        means = self.levers
        amount = sample_covariance(self.amount_square_sum, self.amount_sum, self.amount_sum, self.amount_count)
        days = self.cycle_days_sum
        cycle = sample_covariance(self.cycle_days_square_sum, days, days, self.cycle_count)
        both = sample_covariance(
            self.pair_amount_cycle_days_sum, self.pair_amount_sum, self.pair_cycle_days_sum, self.pair_count
        )
        scale = self.amount_count * self.cycle_count * means.mean_deal_amount * means.mean_cycle_days
        return (
            ratio(amount, self.amount_count * means.mean_deal_amount**2),
            ratio(cycle, self.cycle_count * means.mean_cycle_days**2),
            ratio(self.pair_count * np.where(self.pair_count >= 2, both, 0), scale),
        )


@dataclass(frozen=True)
class Velocity:
    """Velocities in currency per day with their intervals, arrays of one shape (k,); NaN where not estimable."""

    per_day: Floats
    low: Floats
    high: Floats


def estimate_velocity(
    sums: DealSums, population: DealSums, fewest_wins: float = 5, confidence: float = 0.95
) -> Velocity:
    """V of every cell with its interval.

    Nothing here depends on how many were won but the width: who is shown must not follow from the outcome. Below
    `fewest_wins` the spread of amounts and cycles is taken from the population, since so few cannot tell it. Without a
    win V is 0, whatever the amount and the cycle would have been, and the upper limit takes those of the population.

    Args:
        sums: k cells.
        population: the total that each cell belongs to, k rows.
        fewest_wins: from so many wins on a cell's own spread is used.
        confidence: two-sided, 0 to 1.
    """
    per_day = sums.levers.velocity_per_day()
    few = np.minimum(sums.amount_count, sums.cycle_count) < fewest_wins
    wins = np.minimum(sums.amount_count, sums.cycle_count)
    of_one = population.relative_variance * np.minimum(population.amount_count, population.cycle_count)
    interval = velocity_interval(
        per_day,
        sums.won_count,
        np.where(few, ratio(of_one, wins), sums.relative_variance),
        np.where(few, population.df, sums.df),
        confidence,
    )
    means = population.levers
    limit = velocity_limit_without_wins(ratio(means.mean_deal_amount, means.mean_cycle_days), confidence)
    nothing = (sums.qualified_count > 0) & (sums.won_count == 0) & np.isfinite(limit) & (limit > 0)
    return Velocity(
        np.where(nothing, 0, per_day),
        np.where(nothing, 0, interval.low),
        np.where(nothing, limit, interval.high),
    )


def lever_effects(previous: Levers, current: Levers) -> Levers:
    """What each lever contributed to V(current) - V(previous), in currency per day; the four add up exactly.

    Logarithmic-mean Divisia weights (Ang 2004, LMDI-I): effect = L(V1, V0) ln(x1 / x0), with the sign turned for
    the cycle, which divides. NaN where either velocity is NaN.
    """
    weight, _, _ = _logarithmic_mean(previous.velocity_per_day(), current.velocity_per_day())
    return Levers(*(weight * change for change in _log_changes(previous, current)))


def lever_effect_margins(
    previous: DealSums,
    current: DealSums,
    previous_population: DealSums,
    population: DealSums,
    fewest_wins: float = 5,
    confidence: float = 0.95,
) -> Levers:
    """Half-widths of the intervals of `lever_effects`, in currency per day, by the delta method.

    The periods share no deal. With d = ln(x1 / x0) of a lever and the weight w = L(V1, V0),

        var(w d) = w^2 var d + d^2 var w + 2 w d cov(w, d),

    where w depends on ln V1 and ln V0, so that a contribution is as unsure as the velocities that scale it. Source: the
    delta method, Casella and Berger 2002, section 5.5.4. Student's t with the wins of the thinner period less one. The
    four intervals are one by one: the contributions share w, so their limits do not add up.

    Args:
        previous: k cells.
        current: the same cells a period later.
        previous_population: the totals that the previous cells belong to, k rows.
        population: those of the current ones.
        fewest_wins: from so many wins on a cell's own spread is used.
        confidence: two-sided, 0 to 1.
    """
    levers = previous.levers, current.levers
    weight, of_previous, of_current = _logarithmic_mean(*(each.velocity_per_day() for each in levers))
    before = previous.spread(previous_population, fewest_wins)
    after = current.spread(population, fewest_wins)
    of_weight = of_current**2 * after.velocity + of_previous**2 * before.velocity
    df = np.minimum(
        *(
            np.where(each.df + 1 < fewest_wins, whole.df, each.df)
            for each, whole in ((previous, previous_population), (current, population))
        )
    )
    quantile = t_quantile(np.maximum(df, 1), confidence)
    margins = []
    for lever, change in zip(LEVERS, _log_changes(*levers), strict=True):
        variance = (
            weight**2 * (getattr(before, lever) + getattr(after, lever))
            + change**2 * of_weight
            + 2
            * weight
            * change
            * (of_current * after.with_velocity(lever) - of_previous * before.with_velocity(lever))
        )
        margins.append(quantile * root(np.maximum(variance, 0)))
    return Levers(*margins)


def _log_changes(previous: Levers, current: Levers) -> tuple[Floats, Floats, Floats, Floats]:
    """ln(x1 / x0) of the four levers, the cycle's with its sign turned."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return (
            np.log(current.qualified_count / previous.qualified_count),
            np.log(current.win_rate / previous.win_rate),
            np.log(current.mean_deal_amount / previous.mean_deal_amount),
            -np.log(current.mean_cycle_days / previous.mean_cycle_days),
        )


def _logarithmic_mean(before: Floats, after: Floats) -> tuple[Floats, Floats, Floats]:
    """L(V1, V0) = (V1 - V0) / ln(V1 / V0), and its derivatives by ln V0 and by ln V1."""
    with np.errstate(divide="ignore", invalid="ignore"):
        log_ratio = np.log(after / before)
        same = np.isclose(log_ratio, 0, atol=1e-12)
        mean = np.where(same, after, (after - before) / log_ratio)
        return (
            mean,
            np.where(same, after / 2, (mean - before) / log_ratio),
            np.where(same, after / 2, (after - mean) / log_ratio),
        )
