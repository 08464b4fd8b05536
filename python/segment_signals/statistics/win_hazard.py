"""Whether and when an open deal is won: a discrete-time hazard of closing, and the odds that a close is a win.

The data are landmarks (van Houwelingen 2007): every deal that was open at the end of a snapshot day, with its state on
that day and what became of it in the weeks after. The state stays as it was at the landmark, so that a forecast needs
no model of how stages follow each other, and what is fitted is what is asked: the outcome in the weeks ahead given the
state of today. Won and lost compete: a deal leaves by closing, and a close is a win or a loss.
"""

from dataclasses import dataclass

import numpy as np
from scipy.special import expit

from segment_signals.statistics.arrays import Floats, Integers
from segment_signals.statistics.logistic import Design, LogisticFit, design, fit_logistic

# Weeks ahead in bands of one hazard each: fine where forecasts are made, coarse up to a year.
WIDTHS = np.array([1, 1, 1, 1, 2, 2, 2, 4, 6, 6, 13, 13])
ENDS = np.cumsum(WIDTHS)
STARTS = ENDS - WIDTHS
BANDS = len(WIDTHS)
LONGEST_WEEKS = int(ENDS[-1])
# The bands in which stage, age, tier and planned close may act differently.
GROUP = np.array([0, 0, 1, 1, 1, 2, 2, 2, 3, 3, 3, 3])
GROUPS = 4
# Precision of the normal priors of log odds: none for the level, weak for what stands alone, 1 for what is crossed. The
# season of a quarter is seen a few times only, so that its effects must not follow the luck of single months.
LEVEL, ALONE, CROSSED, SEASON = 1e-4, 0.2, 1.0, 10.0
# A deal is seen at monthly snapshots, so that many of its weeks are seen more than once.
WEEKS_BETWEEN_SNAPSHOTS = 365.25 / 12 / 7


@dataclass(frozen=True)
class States:
    """States of open deals, each array of shape (k,) with codes below its number of levels.

    levels: of stage, age in stage, size tier, pushes of the planned close, the planned close ahead, and the phase: the
    month of the quarter in which the landmark lies, so that weeks ahead are weeks of the quarter.
    """

    stage: Integers
    age: Integers
    tier: Integers
    pushes: Integers
    due: Integers
    phase: Integers
    levels: tuple[int, int, int, int, int, int]

    def __len__(self) -> int:
        return len(self.stage)


@dataclass(frozen=True)
class Followed:
    """What became of deals, one position per state, landmark, exit week and outcome.

    state: position in the states. exit_week: 1 for the first seven days after the landmark. is_closed, is_won: of those
    that left in it. followed_weeks: complete weeks after the landmark that are known. count: deals.
    """

    state: Integers
    exit_week: Integers
    is_closed: Integers
    is_won: Integers
    followed_weeks: Integers
    count: Floats


@dataclass(frozen=True)
class WinHazard:
    """A fitted hazard: weekly odds of closing, and odds of a close being a win, by state and band of weeks ahead.

    weight: of a deal-week in the fit, so that all landmarks that see it count as one.
    """

    closing: LogisticFit
    winning: LogisticFit
    weight: float

    def error_factor(self, weeks: float) -> float:
        """What standard errors of a sum over so many weeks are multiplied by.

        The fit counts a deal-week once over all landmarks that see it. Those that see it within the weeks of a window
        are fewer: one for a month, three for a quarter.
        """
        return float(np.sqrt(self.weight * max(weeks / WEEKS_BETWEEN_SNAPSHOTS, 1.0)))

    def probabilities(self, states: States, weeks: Floats) -> Floats:
        """P(won within so many weeks), shape (k, len(weeks)); weeks need not be whole."""
        found: Floats = self._probabilities(states, weeks, self.closing.coefficients, self.winning.coefficients)[..., 0]
        return found

    def drawn_probabilities(self, states: States, weeks: Floats, rng: np.random.Generator, draws: int) -> Floats:
        """The same for draws from the posterior of the coefficients, shape (k, len(weeks), draws)."""
        closing, winning = self.closing.draws(rng, draws), self.winning.draws(rng, draws)
        return self._probabilities(states, weeks, closing, winning)

    @staticmethod
    def _probabilities(states: States, weeks: Floats, closing: Floats, winning: Floats) -> Floats:
        rows = _design(states)
        draws = 1 if closing.ndim == 1 else closing.shape[1]
        hazard = expit(rows.predictor(closing)).reshape(BANDS, len(states), draws)
        share = expit(rows.predictor(winning)).reshape(BANDS, len(states), draws)
        found: Floats = np.zeros((len(states), len(weeks), draws))
        for at, week in enumerate(weeks):
            stays = np.ones((len(states), draws))
            for band in range(BANDS):
                ahead = float(np.clip(week - STARTS[band], 0, WIDTHS[band]))
                if ahead <= 0:
                    break
                stays_on = (1 - hazard[band]) ** ahead
                found[:, at] += stays * (1 - stays_on) * share[band]
                stays = stays * stays_on
        return found


def fit_win_hazard(states: States, followed: Followed, start: WinHazard | None = None) -> WinHazard:
    """The hazard of deals in these states, from landmarks whose outcome is known as far as they were followed.

    Weeks that several landmarks of one deal share are counted with as much weight as one, for otherwise the posterior
    would be too narrow. Source of the estimate: penalised likelihood of grouped discrete-time hazards (Tutz and Schmid
    2016, chapters 3 and 8).

    Args:
        states: distinct states, shape (k,).
        followed: landmarks; empty gives the prior (a hazard of one half, which nobody should publish).
        start: an earlier fit over the same levels, to begin with.
    """
    at_risk, closed, won, weight = exposures(len(states), followed)
    rows = _design(states)
    before = (start.closing.coefficients, start.winning.coefficients) if start is not None else (None, None)
    closing = fit_logistic(rows, closed.ravel() * weight, at_risk.ravel() * weight, before[0])
    winning = fit_logistic(rows, won.ravel() * weight, closed.ravel() * weight, before[1])
    return WinHazard(closing, winning, weight)


def exposures(states: int, followed: Followed) -> tuple[Floats, Floats, Floats, float]:
    """Deal-weeks at risk, closes and wins, each of shape (bands, states), and the weight of one deal-week."""
    last_week = np.minimum(followed.exit_week, np.minimum(followed.followed_weeks, LONGEST_WEEKS))
    is_known = (followed.exit_week <= np.minimum(followed.followed_weeks, LONGEST_WEEKS)) & (followed.is_closed > 0)
    at_risk, closed, won = (np.zeros((BANDS, states)) for _ in range(3))
    band_of_exit = np.searchsorted(ENDS, followed.exit_week)
    for band in range(BANDS):
        weeks = np.clip(last_week - STARTS[band], 0, WIDTHS[band])
        at_risk[band] = np.bincount(followed.state, followed.count * weeks, minlength=states)
        here = is_known & (band_of_exit == band)
        closed[band] = np.bincount(followed.state[here], followed.count[here], minlength=states)
        here &= followed.is_won > 0
        won[band] = np.bincount(followed.state[here], followed.count[here], minlength=states)
    once = float((followed.count * np.minimum(last_week, WEEKS_BETWEEN_SNAPSHOTS)).sum())
    every = float(at_risk.sum())
    return at_risk, closed, won, once / every if every > 0 else 1.0


def _design(states: States) -> Design:
    """Rows are (band, state), the band changing slowest."""
    band = np.repeat(np.arange(BANDS), len(states))
    group = GROUP[band]
    stage, age, tier, pushes, due, phase = (
        np.tile(codes, BANDS)
        for codes in (states.stage, states.age, states.tier, states.pushes, states.due, states.phase)
    )
    stages, ages, tiers, _, dues, phases = states.levels
    grouped = [GROUPS * levels for levels in (stages, ages, dues, tiers)]
    crossed = [*grouped, stages * ages, stages * tiers, BANDS * phases]
    return design(
        [
            np.zeros(len(band), dtype=np.int64),
            band,
            stage,
            age,
            tier,
            pushes,
            due,
            stage * GROUPS + group,
            age * GROUPS + group,
            due * GROUPS + group,
            tier * GROUPS + group,
            stage * ages + age,
            stage * tiers + tier,
            phase * BANDS + band,
        ],
        [1, BANDS, *states.levels[:-1], *crossed],
        [LEVEL, *6 * [ALONE], *6 * [CROSSED], SEASON],
    )
