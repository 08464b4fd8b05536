"""Sums of uncertain amounts: open deals that may be won, and deals that do not exist yet."""

from dataclasses import dataclass

import numpy as np

from segment_signals.statistics.arrays import Floats, floats, group_sum

# The smallest relative spread worth a draw.
NO_SPREAD = 1e-9
# More expected deals than this are summed by a gamma distribution of the same mean and variance.
LARGEST_COUNT = 400.0
# Points of the common factor at which the sum of the smaller deals is worked out; in between it is interpolated.
NODES = np.linspace(-3.5, 3.5, 9)


@dataclass(frozen=True)
class OpenDeals:
    """Open deals, arrays of shape (k,).

    probability: of winning in the window. amount: expected if won, at least 0. spread: its relative standard deviation.
    """

    probability: Floats
    amount: Floats
    spread: Floats

    def expected(self) -> float:
        """Expected sum."""
        return float(self.probability @ self.amount)

    def variances(self) -> Floats:
        """Variance of each deal's amount, won or not, shape (k,)."""
        square = self.amount**2
        found: Floats = self.probability * square * (1 + self.spread**2) - self.probability**2 * square
        return found


@dataclass(frozen=True)
class NewDeals:
    """Deals yet to be created that are won within the window.

    expected_count: of wins. count_spread: relative standard deviation of what is expected, beyond the Poisson count.
    amounts, weights: of past wins to draw from, shape (m,), weights positive. mean_spread: relative standard error of
    their mean.
    """

    expected_count: float
    count_spread: float
    amounts: Floats
    weights: Floats
    mean_spread: float

    def moments(self) -> tuple[float, float]:
        """Mean and mean square of an amount; zeros without past wins."""
        total = float(self.weights.sum())
        if total <= 0:
            return 0.0, 0.0
        return float(self.weights @ self.amounts) / total, float(self.weights @ self.amounts**2) / total

    def expected(self) -> float:
        """Expected sum."""
        return self.expected_count * self.moments()[0]

    def variance(self) -> float:
        """Variance of a compound Poisson sum: what nobody can know beforehand."""
        return self.expected_count * self.moments()[1]


def log_normal_factor(rng: np.random.Generator, spread: float, draws: int) -> Floats:
    """Positive factors of mean 1 and the relative standard deviation `spread`, shape (draws,)."""
    deviation = np.sqrt(np.log1p(spread**2))
    factor: Floats = np.exp(deviation * rng.standard_normal(draws) - deviation**2 / 2)
    return factor


def draw_open(
    deals: OpenDeals, probability_spread: float, amount_spread: float, rng: np.random.Generator, draws: int, singly: int
) -> Floats:
    """Sums won from open deals, shape (draws,).

    The deals that matter most are won or not one by one; the rest, whose sum has many small parts, is drawn from a
    gamma distribution of the same mean and variance. A common factor on the odds holds what is uncertain about all
    probabilities together.

    Args:
        deals: the open deals.
        probability_spread: relative standard deviation of the expected sum, from probabilities.
        amount_spread: the same from amounts.
        rng: generator.
        draws: number of draws.
        singly: deals drawn one by one.
    """
    total = np.zeros(draws)
    if len(deals.amount) == 0 or deals.expected() <= 0:
        return total
    # A factor on the odds moves a probability p by the share 1 - p of itself.
    weight = deals.probability * deals.amount
    room = max(1 - float(weight @ deals.probability) / float(weight.sum()), 0.05)
    deviation = probability_spread / room
    common = deviation * rng.standard_normal(draws)
    order = np.lexsort((deals.probability, deals.amount, -deals.variances()))
    first, rest = order[:singly], order[singly:]
    won = rng.random((draws, len(first))) < with_odds(deals.probability[first], np.exp(common)[:, None])
    amounts = np.broadcast_to(deals.amount[first], won.shape)
    if deals.spread[first].max(initial=0) > NO_SPREAD:
        log_variance = np.log1p(deals.spread[first] ** 2)
        noise = rng.standard_normal(won.shape)
        amounts = amounts * np.exp(np.sqrt(log_variance) * noise - log_variance / 2)
    total += np.where(won, amounts, 0).sum(axis=1)
    if len(rest) > 0:
        smaller = OpenDeals(deals.probability[rest], deals.amount[rest], deals.spread[rest])
        means, variances = np.empty(len(NODES)), np.empty(len(NODES))
        for at, node in enumerate(NODES * deviation):
            moved = OpenDeals(with_odds(smaller.probability, np.exp(node)), smaller.amount, smaller.spread)
            means[at], variances[at] = moved.expected(), float(moved.variances().sum())
        mean = np.interp(common, NODES * deviation, means) if deviation > 0 else np.full(draws, means[0])
        variance = np.interp(common, NODES * deviation, variances) if deviation > 0 else np.full(draws, variances[0])
        total += gamma_sums(rng, floats(mean), floats(variance))
    result: Floats = total * log_normal_factor(rng, amount_spread, draws)
    return result


def draw_new(deals: NewDeals, rng: np.random.Generator, draws: int) -> Floats:
    """Sums won from deals that are yet to be created, shape (draws,)."""
    mean, square = deals.moments()
    if deals.expected_count <= 0 or mean <= 0:
        return np.zeros(draws)
    counts = rng.poisson(deals.expected_count * log_normal_factor(rng, deals.count_spread, draws))
    if deals.expected_count > LARGEST_COUNT:
        total = gamma_sums(rng, floats(counts) * mean, floats(counts) * max(square - mean**2, 0))
    else:
        steps = np.cumsum(deals.weights)
        chosen = np.searchsorted(steps, rng.random(int(counts.sum())) * steps[-1], side="right")
        amounts = deals.amounts[np.minimum(chosen, len(steps) - 1)]
        total = group_sum(amounts, np.repeat(np.arange(draws), counts), draws)
    result: Floats = total * log_normal_factor(rng, deals.mean_spread, draws)
    return result


def gamma_sums(rng: np.random.Generator, mean: Floats, variance: Floats) -> Floats:
    """Gamma draws of these means and variances; the mean itself where the variance is 0."""
    spreads = (variance > 0) & (mean > 0)
    shape = np.where(spreads, mean**2 / np.where(spreads, variance, 1), 1)
    drawn: Floats = np.where(spreads, rng.standard_gamma(shape) * mean / shape, mean)
    return drawn


def with_odds(probability: Floats, factor: Floats) -> Floats:
    """Probabilities whose odds are multiplied by a factor; the two are broadcast."""
    moved: Floats = probability * factor / (1 - probability + probability * factor)
    return moved
