"""The exact truth of the simulated world: probabilities, times and cumulative incidences of advancing.

Nothing here looks at a drawn outcome. For an entrant with covariates x, a transition has a probability p(x)
of advancing eventually and a log-normal time T given that it does; T becomes floor(T) whole days, so the
cumulative incidence of advancing within H days of entry is p(x) * P(T < H + 1). A population's incidence is
the mean over its entrants, and for later stages an entrant counts with the probability of having entered the
stage within the period, which follows from convolving the earlier steps' times. Everything is a finite sum
over days: no sampling, no approximation.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise
from math import erf, log, sqrt

import numpy as np

from segment_signals.simulation.draws import Bools, Floats, Ints
from segment_signals.simulation.parameters import END_TO_END, TRANSITIONS, Level, Parameters
from segment_signals.simulation.population import Population

LEAD_TO_MQL, MQL_TO_SQL, SQL_TO_OPPORTUNITY, OPPORTUNITY_TO_WON = range(4)


def normal_cdf(z: Floats) -> Floats:
    """Standard normal distribution function, any shape; minus infinity gives 0."""
    flat = [0.5 * (1.0 + erf(value / sqrt(2.0))) for value in z.ravel().tolist()]
    return np.array(flat, dtype=np.float64).reshape(z.shape)


def _logit(p: float) -> float:
    return log(p / (1.0 - p))


def _expit(x: Floats) -> Floats:
    return np.asarray(1.0 / (1.0 + np.exp(-x)), dtype=np.float64)


def advance_probability(
    parameters: Parameters,
    population: Population,
    transition: int,
    *,
    on_day: Ints | int,
    tier: Ints | int | None = None,
) -> Floats:
    """Probability (n,) of eventually advancing from the transition's first stage to its second.

    `on_day`: when the first stage was entered, which planted shifts look at. `tier`: index of the deal tier; needed
    for opportunity->won, and ValueError without it.
    """
    log_odds = _logit(parameters.transitions[transition].advance_rate) + np.zeros(len(population))
    for dimension, levels in (
        ("lead_source", parameters.source_levels),
        ("region", parameters.regions),
        ("industry", parameters.industries),
        ("company_size", parameters.sizes),
        ("motion", parameters.motions),
    ):
        log_odds += np.array([level.effects[transition] for level in levels])[population.index(dimension, parameters)]
    log_odds += np.array([level.effects[transition] for level in parameters.countries])[population.country]
    for shift in parameters.shifts:
        if shift.transition == TRANSITIONS[transition]:
            applies = np.asarray(on_day) >= parameters.month_start(shift.from_month)
            if shift.dimension != "all":
                segment = parameters.segment_names(shift.dimension).index(shift.segment)
                applies = applies & (population.index(shift.dimension, parameters) == segment)
            log_odds += np.where(applies, shift.effect, 0.0)
    if transition == OPPORTUNITY_TO_WON:
        if tier is None:
            raise ValueError("opportunity_to_won depends on the deal tier, and none was given. Pass tier.")
        log_odds += np.array([level.effect for level in parameters.deal_tiers])[tier]
    return _expit(log_odds)


def slowness(
    parameters: Parameters, source: Ints, size: Ints, motion: Ints, transition: int, tier: Ints | int | None = None
) -> Floats:
    """Shift (n,) of the log of the time of a transition, the same for advancing and for losing.

    `tier` is needed for opportunity->won, and ValueError without it.
    """
    by_source = np.array([level.slower[transition] for level in parameters.source_levels])
    by_size = np.array([level.slower[transition] for level in parameters.sizes])
    by_motion = np.array([level.slower[transition] for level in parameters.motions])
    shift = by_source[source] + by_size[size] + by_motion[motion]
    if transition == OPPORTUNITY_TO_WON:
        if tier is None:
            raise ValueError("opportunity_to_won depends on the deal tier, and none was given. Pass tier.")
        shift = shift + np.array([level.slower for level in parameters.deal_tiers])[tier]
    return np.asarray(shift, dtype=np.float64)


def tier_probability(parameters: Parameters, size: int) -> Floats:
    """Probability (tiers,) of each deal tier for a company size band: amounts are log-normal."""
    median = parameters.sizes[size].amount_median_usd
    limits = [tier.below_usd for tier in parameters.deal_tiers if tier.below_usd is not None]
    below = normal_cdf(np.array([log(limit / median) / parameters.amount_sigma for limit in limits]))
    return np.diff(np.concatenate([[0.0], below, [1.0]]))


def days_to_advance_cdf(
    parameters: Parameters, cell: "Cell", transition: int, days: int, tier: int | None = None
) -> Floats:
    """P(floor(T) <= d | advances) for d = 0 .. days - 1, shape (days,), for one source, size, motion (and tier)."""
    step = parameters.transitions[transition]
    source, size, motion = (np.array([index]) for index in cell[:3])
    mu = log(step.advance_median_days) + float(slowness(parameters, source, size, motion, transition, tier)[0])
    return normal_cdf((np.log(np.arange(1, days + 1)) - mu) / step.advance_sigma)


@dataclass(frozen=True)
class ExactRates:
    """Exact entry and advance probabilities of a population, by period.

    `entered[transition]`, shape (n, periods): probability that the entrant enters the transition's first
    stage within the period. `advanced[transition, horizon_days]`, same shape: probability that it does so and
    then advances within the horizon. `edges`: the days on which the periods start, closed by the day after
    the last.
    """

    edges: tuple[int, ...]
    entered: dict[str, Floats]
    advanced: dict[tuple[str, int], Floats]


def exact_rates(
    parameters: Parameters, population: Population, edges: Sequence[int], horizons: Sequence[int]
) -> ExactRates:
    """Entry and advance probabilities of every entrant, by transition (lead->won included), period and horizon.

    `edges`: increasing days since the first day of the window; period j runs from edges[j] to edges[j + 1] -
    1. Periods may not straddle a planted shift (ValueError), because rates differ on either side. Horizons
    in days.
    """
    starts, ends = np.array(edges[:-1]), np.array(edges[1:])
    if len(starts) == 0 or np.any(ends <= starts):
        raise ValueError(f"period edges {list(edges)} do not increase. Give at least two increasing days.")
    for day_ in parameters.shift_days:
        if np.any((starts < day_) & (ends > day_)):
            raise ValueError(
                f"a period straddles day {day_}, on which a planted shift starts. Add {day_} to the edges."
            )
    n, periods, days = len(population), len(starts), int(ends[-1])
    created = population.created_day
    # Days between two shifts share their probabilities: interval j runs from bounds[j] to bounds[j + 1] - 1.
    bounds = [0, *parameters.shift_days]
    interval_of_period = np.searchsorted(bounds, starts, side="right") - 1
    p_mql = advance_probability(parameters, population, LEAD_TO_MQL, on_day=created)
    p_sql = np.stack(
        [advance_probability(parameters, population, MQL_TO_SQL, on_day=bound) for bound in bounds], axis=1
    )
    p_opportunity = advance_probability(parameters, population, SQL_TO_OPPORTUNITY, on_day=0)
    tiers = range(len(parameters.deal_tiers))
    p_won = np.stack(
        [advance_probability(parameters, population, OPPORTUNITY_TO_WON, on_day=0, tier=tier) for tier in tiers], axis=1
    )

    entered = {name: np.zeros((n, periods)) for name in (*TRANSITIONS, END_TO_END)}
    advanced = {(name, horizon): np.zeros((n, periods)) for name in entered for horizon in horizons}
    day = np.arange(days)
    in_period = ((day[:, None] >= starts) & (day[:, None] < ends)).astype(np.float64)
    intervals = [(day >= low) & (day < high) for low, high in zip(bounds, [*bounds[1:], days], strict=True)]
    length = max(days, max(horizons, default=0) + 1)

    for cell, members in _cells(parameters, population):
        cdf = [days_to_advance_cdf(parameters, cell, step, length) for step in range(OPPORTUNITY_TO_WON)]
        cdf_won = [days_to_advance_cdf(parameters, cell, OPPORTUNITY_TO_WON, length, tier) for tier in tiers]
        p_tier = tier_probability(parameters, cell[1])
        has_lead, born = cell[3], created[members]
        if has_lead:
            chances = Chances(p_mql[members], p_sql[members], p_opportunity[members], interval_of_period)
            _add_lead_cell(entered, advanced, members, born, cdf, in_period, intervals, chances)
        else:
            entered[TRANSITIONS[OPPORTUNITY_TO_WON]][members] = in_period[born]
        entered_opportunity = entered[TRANSITIONS[OPPORTUNITY_TO_WON]][members]
        for horizon in horizons:
            within = sum(p_tier[tier] * cdf_won[tier][horizon] * p_won[members, tier] for tier in tiers)
            advanced[TRANSITIONS[OPPORTUNITY_TO_WON], horizon][members] = (
                entered_opportunity * np.asarray(within)[:, None]
            )
            if has_lead:
                entered[END_TO_END][members] = in_period[born]
                within = np.zeros(len(members))
                for tier in tiers:
                    by_interval = _end_to_end(cdf, cdf_won[tier], born, bounds, horizon)
                    to_sql = (by_interval * p_sql[members]).sum(axis=1)
                    within += p_tier[tier] * p_mql[members] * to_sql * p_opportunity[members] * p_won[members, tier]
                advanced[END_TO_END, horizon][members] = in_period[born] * within[:, None]
    return ExactRates(tuple(int(edge) for edge in edges), entered, advanced)


Cell = tuple[int, int, int, bool]  # source, size, motion, whether there is a lead: what the times depend on


def _cells(parameters: Parameters, population: Population) -> list[tuple[Cell, Ints]]:
    """Entrants whose times have the same distributions, cell by cell."""
    columns = (
        _first_alike(parameters.source_levels)[population.source],
        population.size,
        _first_alike(parameters.motions)[population.motion],
        population.has_lead.astype(np.int64),
    )
    keys, cell_of = np.unique(np.stack(columns, axis=1), axis=0, return_inverse=True)
    return [
        ((int(key[0]), int(key[1]), int(key[2]), bool(key[3])), np.flatnonzero(cell_of.ravel() == i))
        for i, key in enumerate(keys)
    ]


def _first_alike(levels: Sequence[Level]) -> Ints:
    """Of each level the first one with the same times."""
    slower = [level.slower for level in levels]
    return np.array([slower.index(times) for times in slower], dtype=np.int64)


@dataclass(frozen=True)
class Chances:
    """Probabilities of the leads of a cell: lead->mql (n,), mql->sql (n, intervals), sql->opportunity (n,)."""

    mql: Floats
    sql: Floats
    opportunity: Floats
    interval_of_period: Ints


def _add_lead_cell(
    entered: dict[str, Floats],
    advanced: dict[tuple[str, int], Floats],
    cell: Ints,
    created: Ints,
    cdf: list[Floats],
    in_period: Floats,
    intervals: list[Bools],
    chances: Chances,
) -> None:
    """Fill the first three transitions, and entry into opportunity, for the leads of one cell."""
    steps = [_day_matrix(np.diff(c, prepend=0.0), len(in_period)) for c in cdf]
    to_mql = steps[0] @ in_period
    sql_given_mql = steps[1] @ in_period
    opportunity_given_mql = steps[1] @ (steps[2] @ in_period)
    lead, mql, sql, opportunity = TRANSITIONS
    entered[lead][cell] = in_period[created]
    entered[mql][cell] = chances.mql[:, None] * to_mql[created]
    for side, days_of_side in enumerate(intervals):
        first = steps[0][:, days_of_side]
        weight = (chances.mql * chances.sql[:, side])[:, None]
        entered[sql][cell] += weight * (first @ sql_given_mql[days_of_side])[created]
        entered[opportunity][cell] += (
            weight * chances.opportunity[:, None] * (first @ opportunity_given_mql[days_of_side])[created]
        )
    p_sql_by_period = chances.sql[:, chances.interval_of_period]
    for (name, horizon), values in advanced.items():
        if name == lead:
            values[cell] = entered[lead][cell] * (chances.mql * cdf[0][horizon])[:, None]
        elif name == mql:
            values[cell] = entered[mql][cell] * p_sql_by_period * cdf[1][horizon]
        elif name == sql:
            values[cell] = entered[sql][cell] * (chances.opportunity * cdf[2][horizon])[:, None]


def _day_matrix(pmf: Floats, days: int) -> Floats:
    """Matrix (days, days): probability of a step from the row's day to the column's day, given that it is taken."""
    # Row r reads the probabilities from r days before: windows over zeros followed by the probabilities.
    padded = np.concatenate([np.zeros(days - 1), pmf[:days]])
    return np.lib.stride_tricks.sliding_window_view(padded, days)[::-1].copy()


def _end_to_end(cdf: list[Floats], cdf_won: Floats, created: Ints, bounds: list[int], horizon: int) -> Floats:
    """P(all four steps take <= horizon days in sum and the MQL day is in the interval), shape (n, intervals)."""
    pmf = [np.diff(c, prepend=0.0)[: horizon + 1] for c in cdf]
    rest = np.convolve(np.convolve(pmf[1], pmf[2])[: horizon + 1], np.diff(cdf_won, prepend=0.0)[: horizon + 1])
    rest_cdf = np.cumsum(rest[: horizon + 1])
    by_first_step = pmf[0] * rest_cdf[::-1]  # first step takes d days, the others at most horizon - d
    cumulative = np.concatenate([[0.0], np.cumsum(by_first_step)])
    until = [cumulative[np.clip(bound - created, 0, horizon + 1)] for bound in bounds]
    until.append(np.full(len(created), cumulative[-1]))
    return np.stack([high - low for low, high in pairwise(until)], axis=1)


def true_incidence(
    rates: ExactRates,
    transition: str,
    horizon_days: int,
    *,
    members: Bools | None = None,
    periods: slice | None = None,
) -> float:
    """True cumulative incidence (0..1) of advancing within the horizon, among those who enter the first stage.

    `transition`: one of the four, or lead_to_won. `members`: mask (n,) of the segment, all entrants by
    default. `periods`: slice of the periods of `rates`, all by default. NaN where nobody can enter. KeyError
    for a transition or horizon that `rates` was not calculated for.
    """
    if (transition, horizon_days) not in rates.advanced:
        known = sorted(rates.advanced)
        raise KeyError(f"no exact rate for {transition} at {horizon_days} days. Use one of {known}.")
    rows = slice(None) if members is None else members
    columns = slice(None) if periods is None else periods
    entrants = float(rates.entered[transition][rows, columns].sum())
    if entrants == 0.0:
        return float("nan")
    return float(rates.advanced[transition, horizon_days][rows, columns].sum()) / entrants


def expected_entrants(
    rates: ExactRates, transition: str, *, members: Bools | None = None, periods: slice | None = None
) -> float:
    """Expected number that enters the transition's first stage; arguments as in `true_incidence`."""
    rows = slice(None) if members is None else members
    columns = slice(None) if periods is None else periods
    return float(rates.entered[transition][rows, columns].sum())
