"""The forecast of one origin: what open deals and deals yet to be created will bring, and how sure that is."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from segment_signals.pipeline.forecast_inputs import NEVER, TRAINING_SNAPSHOTS, Deals, ForecastData, Window, Wins
from segment_signals.statistics.arrays import Bools, Floats, Integers, group_sum, ratio
from segment_signals.statistics.compound import NewDeals, OpenDeals, draw_new, draw_open
from segment_signals.statistics.forecast_accuracy import error_floor, excess_variance
from segment_signals.statistics.win_hazard import (
    LONGEST_WEEKS,
    Followed,
    States,
    WinHazard,
    fit_win_hazard,
)

# Deals created in the last half year say how many come and how fast they are won: long enough for stable counts, short
# enough to follow a business that grows.
ARRIVAL_DAYS = 182
# Amounts of the last year's wins value a deal without an amount.
AMOUNT_DAYS = 365
# Months of arrivals that the scatter is judged from, and the fewest that say anything of it.
SCATTER_MONTHS, FEWEST_MONTHS = 12, 4
# Snapshots below which nothing can be said of how much winning scatters between months.
FEWEST_SNAPSHOTS = 6
# Posterior draws of the hazards.
HAZARD_DRAWS = 100
# Wins of a stage, or of a tier, that its own mean weighs as much as that of all.
PRIOR_WINS = 5.0
MONTH_DAYS = 365.25 / 12
QUANTILES = (0.1, 0.5, 0.9)


@dataclass(frozen=True)
class Valuation:
    """What deals bring if won: means and relative spreads by stage (of the quoted amount) and by tier."""

    ratio_mean: Floats
    ratio_spread: Floats
    tier_mean: Floats
    tier_spread: Floats
    ratio_error: float
    tier_error: float


@dataclass(frozen=True)
class Fit:
    """A hazard fitted at an origin, over the states that occur there."""

    snapshot: int
    hazard: WinHazard
    states: States
    position: Integers
    landmarks: int
    closes: float
    wins: float


@dataclass(frozen=True)
class Outlook:
    """The forecast of a window: its expected parts, the quantiles of the sum, and the error that cannot be avoided."""

    booked: float
    open: float
    new: float
    quantiles: tuple[float, float, float]
    expected_wins: float
    floor: float
    largest_share: float


@dataclass(frozen=True)
class Spreads:
    """Relative standard deviations that all deals of a window share."""

    probability: float
    amount: float


def fit_origin(data: ForecastData, snapshot: int, start: Fit | None = None) -> Fit:
    """The hazard as it could be known at an origin: earlier snapshots, followed up to it and not further."""
    risk = data.risk
    rows = np.flatnonzero((risk.snapshot > snapshot) & (risk.snapshot <= snapshot + TRAINING_SNAPSHOTS))
    weeks = _followed_weeks(data, snapshot, risk.snapshot[rows])
    rows, weeks = rows[weeks > 0], weeks[weeks > 0]
    here = data.deals.state[data.deals.snapshot == snapshot]
    used = np.unique(np.concatenate([risk.state[rows], here]))
    position = np.full(len(data.states), -1, dtype=np.int64)
    position[used] = np.arange(len(used))
    states = _subset(data.states, used)
    followed = Followed(
        state=position[risk.state[rows]],
        exit_week=risk.exit_week[rows],
        is_closed=(risk.outcome[rows] < 2).astype(np.int64),
        is_won=(risk.outcome[rows] == 0).astype(np.int64),
        followed_weeks=weeks,
        count=risk.count[rows],
    )
    hazard = fit_win_hazard(states, followed, start.hazard if start is not None else None)
    known = (followed.exit_week <= weeks) & (followed.is_closed > 0)
    return Fit(
        snapshot=snapshot,
        hazard=hazard,
        states=states,
        position=position,
        landmarks=len(np.unique(risk.snapshot[rows])),
        closes=float(followed.count[known].sum()),
        wins=float(followed.count[known & (followed.is_won > 0)].sum()),
    )


def value_origin(data: ForecastData, snapshot: int) -> Valuation:
    """What wins brought of what was quoted, and what they brought at all, as known at an origin."""
    risk = data.risk
    origin = data.snapshot_days[snapshot]
    stages = data.states.levels[0]
    rows = (risk.snapshot > snapshot) & (risk.snapshot <= snapshot + TRAINING_SNAPSHOTS) & (risk.ratio_count > 0)
    rows[rows] &= risk.exit_week[rows] <= _followed_weeks(data, snapshot, risk.snapshot[rows])
    count, total, square = (
        group_sum(values[rows], risk.stage[rows], stages)
        for values in (risk.ratio_count, risk.ratio_sum, risk.ratio_square_sum)
    )
    ratio_mean, ratio_spread, ratio_error = _pooled(count, total, square, otherwise=1.0)
    wins = data.wins
    recent = (wins.won <= origin) & (wins.won > origin - AMOUNT_DAYS)
    tier, amount = wins.tier[recent], wins.amount[recent]
    count, total, square = (group_sum(values, tier, data.tiers) for values in (np.ones(len(tier)), amount, amount**2))
    tier_mean, tier_spread, tier_error = _pooled(count, total, square, otherwise=0.0)
    return Valuation(ratio_mean, ratio_spread, tier_mean, tier_spread, ratio_error, tier_error)


def open_deals(deals: Deals, probability: Floats, valuation: Valuation) -> OpenDeals:
    """Deals with their probability of winning, and what they bring if won."""
    is_quoted = np.isfinite(deals.quoted)
    amount = np.where(
        is_quoted,
        np.where(is_quoted, deals.quoted, 0) * valuation.ratio_mean[deals.stage],
        valuation.tier_mean[deals.tier],
    )
    spread = np.where(is_quoted, valuation.ratio_spread[deals.stage], valuation.tier_spread[deals.tier])
    return OpenDeals(probability, amount, spread)


def amount_error(deals: OpenDeals, is_quoted: Bools, worth: Valuation) -> float:
    """Relative standard error of the expected sum, from mean ratios and mean amounts that are estimates."""
    weight = deals.probability * deals.amount
    total = float(weight.sum())
    if total <= 0:
        return 0.0
    share = float(weight[is_quoted].sum()) / total
    return float(np.hypot(share * worth.ratio_error, (1 - share) * worth.tier_error))


def probability_errors(fit: Fit, deals: Deals, amounts: Floats, weeks: Floats, rng: np.random.Generator) -> Floats:
    """Relative standard error of the expected sum by window, from coefficients that are estimates."""
    state = fit.position[deals.state]
    weight = group_sum(amounts, state, len(fit.states))
    used = np.flatnonzero(weight > 0)
    if len(used) == 0:
        return np.zeros(len(weeks))
    drawn = fit.hazard.drawn_probabilities(_subset(fit.states, used), weeks, rng, HAZARD_DRAWS)
    sums = np.einsum("s,swd->wd", weight[used], drawn)
    factor = np.array([fit.hazard.error_factor(float(week)) for week in weeks])
    errors: Floats = factor * np.nan_to_num(ratio(sums.std(axis=1), sums.mean(axis=1)))
    return errors


def scatter_of_winning(data: ForecastData, fit: Fit, days: int) -> float:
    """How much more the number of wins in a window of so many days scattered than chance lets it, relative."""
    risk = data.risk
    weeks = int(np.clip(round(days / 7), 1, LONGEST_WEEKS))
    earliest = fit.snapshot + TRAINING_SNAPSHOTS
    rows = np.flatnonzero((risk.snapshot > fit.snapshot) & (risk.snapshot <= earliest))
    rows = rows[_followed_weeks(data, fit.snapshot, risk.snapshot[rows]) >= weeks]
    if len(rows) == 0:
        return 0.0
    probability = fit.hazard.probabilities(fit.states, np.array([float(weeks)]))[:, 0]
    of_row = probability[fit.position[risk.state[rows]]]
    is_won = (risk.outcome[rows] == 0) & (risk.exit_week[rows] <= weeks)
    snapshots, group = np.unique(risk.snapshot[rows], return_inverse=True)
    count = risk.count[rows]
    observed, expected, variance = (
        group_sum(values, group.astype(np.int64), len(snapshots))
        for values in (count * is_won, count * of_row, count * of_row * (1 - of_row))
    )
    return excess_variance(observed, expected, variance, FEWEST_SNAPSHOTS)


def scatter_of_arrivals(data: ForecastData, snapshot: int) -> float:
    """How much more the number of new deals a month scattered than a Poisson count does, relative."""
    months = [data.arrivals[at] for at in range(snapshot, snapshot + SCATTER_MONTHS) if at in data.arrivals]
    observed = np.array(months, dtype=np.float64)
    if len(observed) == 0:
        return 0.0
    expected = np.full(len(observed), observed.mean())
    # The mean is estimated from the same months.
    freedom = len(observed) / max(len(observed) - 1, 1)
    return freedom * excess_variance(observed, expected, expected / freedom, FEWEST_MONTHS)


def new_deals(wins: Wins, window: Window, scatter: float) -> NewDeals:
    """Deals that do not exist yet, from those created in the half year before: c days from opening to the win.

    A win of c days stands for all new deals that open early enough: in D days ahead there are D - c days to open on. It
    could be seen in R - c of the last R days, for younger deals were not followed for so long. So it counts
    (D - c) / (R - c) times.
    """
    days = min(ARRIVAL_DAYS, window.history_days)
    cycle = wins.won - wins.opened
    used = (
        (wins.opened > window.origin - days)
        & (wins.won <= window.origin)
        & (cycle >= 0)
        & (cycle < min(window.days_ahead, days))
    )
    weights = (window.days_ahead - cycle[used]) / (days - cycle[used])
    amounts = wins.amount[used]
    expected = float(weights.sum())
    if expected <= 0:
        return NewDeals(0.0, 0.0, amounts, weights, 0.0)
    effective = expected**2 / float((weights**2).sum())
    mean = float(weights @ amounts) / expected
    variation = float(weights @ (amounts - mean) ** 2) / expected / mean**2 if mean > 0 else 0.0
    months_ahead = max(window.days_ahead / MONTH_DAYS, 1.0)
    spread = np.sqrt(scatter / months_ahead + 1 / effective + scatter * MONTH_DAYS / days)
    return NewDeals(expected, float(spread), amounts, weights, float(np.sqrt(variation / effective)))


def outlook(
    booked: float,
    deals: OpenDeals,
    created: NewDeals,
    spreads: Spreads,
    rng: np.random.Generator,
    draws: int,
    singly: int,
) -> Outlook:
    """Booked, open and new together: expectations, and quantiles of the simulated sum."""
    won = draw_open(deals, spreads.probability, spreads.amount, rng, draws, singly)
    total = booked + won + draw_new(created, rng, draws)
    low, middle, high = (float(value) for value in np.quantile(total, QUANTILES))
    variances = deals.variances()
    variance = float(variances.sum()) + created.variance()
    expected = deals.expected() + created.expected()
    return Outlook(
        booked=booked,
        open=deals.expected(),
        new=created.expected(),
        quantiles=(low, middle, high),
        expected_wins=float(deals.probability.sum()) + created.expected_count,
        floor=error_floor(expected, variance, booked + expected),
        largest_share=float(variances.max(initial=0)) / variance if variance > 0 else 0.0,
    )


def stage_conversion(data: ForecastData, snapshot: int) -> Floats:
    """Share of the deals of earlier snapshots that were won, of those closed by an origin, by their stage then."""
    risk = data.risk
    known = (risk.snapshot > snapshot) & (risk.snapshot <= snapshot + TRAINING_SNAPSHOTS) & (risk.outcome < 2)
    known[known] &= risk.exit_week[known] <= _followed_weeks(data, snapshot, risk.snapshot[known])
    stages = data.states.levels[0]
    closed = group_sum(risk.count[known], risk.stage[known], stages)
    known &= risk.outcome == 0
    won = group_sum(risk.count[known], risk.stage[known], stages)
    overall = float(np.nan_to_num(ratio(won.sum(), closed.sum())))
    return np.where(closed > 0, ratio(won, closed), overall)


def stage_weighted(conversion: Floats, deals: Deals, window: Window, booked: float) -> float:
    """Booked, and what is quoted for open deals that are planned to close in the window, times their probability.

    The probability of the CRM, else the stage's conversion. Deals without a planned close count as planned. NaN where
    no deal has an amount.
    """
    if len(deals.quoted) == 0:
        return booked
    if not np.isfinite(deals.quoted).any():
        return float("nan")
    probability = np.where(np.isfinite(deals.probability), deals.probability, conversion[deals.stage])
    is_due = (deals.close <= window.end) | (deals.close == NEVER)
    return booked + float((np.nan_to_num(deals.quoted) * probability)[is_due].sum())


def same_day_last_quarter(wins: Wins, window: Window, booked: float) -> float:
    """Booked, and what the same days of the quarter before brought; NaN where history does not reach so far."""
    if not window.has_last_quarter:
        return float("nan")
    return booked + wins.booked(window.last_quarter_start, window.last_quarter_end)


def weeks_ahead(windows: Sequence[Window]) -> Floats:
    """Weeks that each window has still to come."""
    return np.array([window.days_ahead / 7 for window in windows])


def _followed_weeks(data: ForecastData, snapshot: int, earlier: Integers) -> Integers:
    days = np.array([data.snapshot_days.get(at, 0) for at in range(max(data.snapshot_days, default=0) + 1)])
    return (data.snapshot_days[snapshot] - days[earlier]) // 7


def _subset(states: States, used: Integers) -> States:
    return States(
        states.stage[used],
        states.age[used],
        states.tier[used],
        states.pushes[used],
        states.due[used],
        states.phase[used],
        states.levels,
    )


def _pooled(count: Floats, total: Floats, square: Floats, otherwise: float) -> tuple[Floats, Floats, float]:
    """Means and relative spreads by group, drawn towards those of all, and the relative error of the mean of all."""
    every = float(count.sum())
    mean = float(total.sum()) / every if every > 0 else otherwise
    mean_square = float(square.sum()) / every if every > 0 else mean**2
    means = (total + PRIOR_WINS * mean) / (count + PRIOR_WINS)
    squares = (square + PRIOR_WINS * mean_square) / (count + PRIOR_WINS)
    spreads = np.sqrt(np.maximum(np.nan_to_num(ratio(squares, means**2)) - 1, 0))
    error = np.sqrt(max(mean_square / mean**2 - 1, 0) / every) if every > 0 and mean > 0 else 0.0
    return means, spreads, float(error)
