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
from math import erf, log, sqrt

import numpy as np

from segment_signals.simulation.draws import Bools, Floats, Ints
from segment_signals.simulation.parameters import END_TO_END, TRANSITIONS, Parameters
from segment_signals.simulation.population import Population, region_of_country

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
    shifted: Bools | bool = False,
    tier: Ints | int | None = None,
) -> Floats:
    """Probability (n,) of eventually advancing from the transition's first stage to its second.

    `shifted`: whether the entrant became an MQL on or after the planted shift (only mql->sql looks at it).
    `tier`: index of the deal tier; needed for opportunity->won, and ValueError without it.
    """
    by_source = np.array([level.effects[transition] for level in parameters.source_levels])
    by_region = np.array([level.effects[transition] for level in parameters.regions])
    by_country = np.array([level.effects[transition] for level in parameters.countries])
    by_industry = np.array([level.effects[transition] for level in parameters.industries])
    by_size = np.array([level.effects[transition] for level in parameters.sizes])
    region = region_of_country(parameters)[population.country]
    log_odds = (
        _logit(parameters.transitions[transition].advance_rate)
        + by_source[population.source]
        + by_region[region]
        + by_country[population.country]
        + by_industry[population.industry]
        + by_size[population.size]
    )
    if transition == MQL_TO_SQL:
        shift = parameters.mql_to_sql_shift
        here = region == [level.name for level in parameters.regions].index(shift.region)
        log_odds = log_odds + np.where(here & np.asarray(shifted), shift.effect, 0.0)
    if transition == OPPORTUNITY_TO_WON:
        if tier is None:
            raise ValueError("opportunity_to_won depends on the deal tier, and none was given. Pass tier.")
        log_odds = log_odds + np.array([level.effect for level in parameters.deal_tiers])[tier]
    return _expit(log_odds)


def slowness(
    parameters: Parameters, source: Ints, size: Ints, transition: int, tier: Ints | int | None = None
) -> Floats:
    """Shift (n,) of the log of the time of a transition, the same for advancing and for losing.

    `tier` is needed for opportunity->won, and ValueError without it.
    """
    by_source = np.array([level.slower[transition] for level in parameters.source_levels])
    by_size = np.array([level.slower[transition] for level in parameters.sizes])
    shift = by_source[source] + by_size[size]
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
    parameters: Parameters, source: int, size: int, transition: int, days: int, tier: int | None = None
) -> Floats:
    """P(floor(T) <= d | advances) for d = 0 .. days - 1, shape (days,), for one source and size (and tier)."""
    step = parameters.transitions[transition]
    mu = log(step.advance_median_days) + float(
        slowness(parameters, np.array([source]), np.array([size]), transition, tier)[0]
    )
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
    1. Periods may not straddle the planted shift (ValueError), because rates differ on either side. Horizons
    in days.
    """
    shift_day = parameters.mql_to_sql_shift.from_day
    starts, ends = np.array(edges[:-1]), np.array(edges[1:])
    if len(starts) == 0 or np.any(ends <= starts):
        raise ValueError(f"period edges {list(edges)} do not increase. Give at least two increasing days.")
    if np.any((starts < shift_day) & (ends > shift_day)):
        raise ValueError(
            f"a period straddles day {shift_day}, on which the planted shift starts. Add {shift_day} to the edges."
        )
    n, periods, days = len(population), len(starts), int(ends[-1])
    is_after = starts >= shift_day
    p_mql = advance_probability(parameters, population, LEAD_TO_MQL)
    # Columns: became an MQL before the shift, and on or after it.
    p_sql = np.stack(
        [advance_probability(parameters, population, MQL_TO_SQL, shifted=after) for after in (False, True)],
        axis=1,
    )
    p_opportunity = advance_probability(parameters, population, SQL_TO_OPPORTUNITY)
    tiers = range(len(parameters.deal_tiers))
    p_won = np.stack(
        [advance_probability(parameters, population, OPPORTUNITY_TO_WON, tier=tier) for tier in tiers], axis=1
    )

    entered = {name: np.zeros((n, periods)) for name in (*TRANSITIONS, END_TO_END)}
    advanced = {(name, horizon): np.zeros((n, periods)) for name in entered for horizon in horizons}
    day = np.arange(days)
    in_period = ((day[:, None] >= starts) & (day[:, None] < ends)).astype(np.float64)
    sides = (day < shift_day, day >= shift_day)

    for source, size, has_lead in sorted(
        set(
            zip(
                population.source.tolist(),
                population.size.tolist(),
                population.has_lead.tolist(),
                strict=True,
            )
        )
    ):
        cell = np.flatnonzero(
            (population.source == source) & (population.size == size) & (population.has_lead == has_lead)
        )
        created = population.created_day[cell]
        length = max(days, max(horizons, default=0) + 1)
        cdf = [days_to_advance_cdf(parameters, source, size, step, length) for step in range(OPPORTUNITY_TO_WON)]
        cdf_won = [days_to_advance_cdf(parameters, source, size, OPPORTUNITY_TO_WON, length, tier) for tier in tiers]
        p_tier = tier_probability(parameters, size)
        if has_lead:
            _add_lead_cell(
                entered, advanced, cell, created, cdf, in_period, sides, is_after, p_mql, p_sql, p_opportunity
            )
        else:
            entered[TRANSITIONS[OPPORTUNITY_TO_WON]][cell] = in_period[created]
        entered_opportunity = entered[TRANSITIONS[OPPORTUNITY_TO_WON]][cell]
        for horizon in horizons:
            within = sum(p_tier[tier] * cdf_won[tier][horizon] * p_won[cell, tier] for tier in tiers)
            advanced[TRANSITIONS[OPPORTUNITY_TO_WON], horizon][cell] = entered_opportunity * np.asarray(within)[:, None]
            if has_lead:
                entered[END_TO_END][cell] = in_period[created]
                within = np.zeros(len(cell))
                for tier in tiers:
                    before, after = _end_to_end(cdf, cdf_won[tier], created, shift_day, horizon)
                    to_sql = before * p_sql[cell, 0] + after * p_sql[cell, 1]
                    within += p_tier[tier] * p_mql[cell] * to_sql * p_opportunity[cell] * p_won[cell, tier]
                advanced[END_TO_END, horizon][cell] = in_period[created] * within[:, None]
    return ExactRates(tuple(int(edge) for edge in edges), entered, advanced)


def _add_lead_cell(
    entered: dict[str, Floats],
    advanced: dict[tuple[str, int], Floats],
    cell: Ints,
    created: Ints,
    cdf: list[Floats],
    in_period: Floats,
    sides: tuple[Bools, Bools],
    is_after: Bools,
    p_mql: Floats,
    p_sql: Floats,
    p_opportunity: Floats,
) -> None:
    """Fill the first three transitions, and entry into opportunity, for the leads of one source and size."""
    steps = [_day_matrix(np.diff(c, prepend=0.0), len(in_period)) for c in cdf]
    to_mql = steps[0] @ in_period
    sql_given_mql = steps[1] @ in_period
    opportunity_given_mql = steps[1] @ (steps[2] @ in_period)
    lead, mql, sql, opportunity = TRANSITIONS
    entered[lead][cell] = in_period[created]
    entered[mql][cell] = p_mql[cell, None] * to_mql[created]
    for side in (0, 1):
        days_of_side = sides[side]
        first = steps[0][:, days_of_side]
        weight = (p_mql[cell] * p_sql[cell, side])[:, None]
        entered[sql][cell] += weight * (first @ sql_given_mql[days_of_side])[created]
        entered[opportunity][cell] += (
            weight * p_opportunity[cell, None] * (first @ opportunity_given_mql[days_of_side])[created]
        )
    p_sql_by_period = p_sql[np.ix_(cell, is_after.astype(np.int64))]
    for (name, horizon), values in advanced.items():
        if name == lead:
            values[cell] = entered[lead][cell] * (p_mql[cell] * cdf[0][horizon])[:, None]
        elif name == mql:
            values[cell] = entered[mql][cell] * p_sql_by_period * cdf[1][horizon]
        elif name == sql:
            values[cell] = entered[sql][cell] * (p_opportunity[cell] * cdf[2][horizon])[:, None]


def _day_matrix(pmf: Floats, days: int) -> Floats:
    """Matrix (days, days): probability of a step from the row's day to the column's day, given that it is taken."""
    # Row r reads the probabilities from r days before: windows over zeros followed by the probabilities.
    padded = np.concatenate([np.zeros(days - 1), pmf[:days]])
    return np.lib.stride_tricks.sliding_window_view(padded, days)[::-1].copy()


def _end_to_end(
    cdf: list[Floats], cdf_won: Floats, created: Ints, shift_day: int, horizon: int
) -> tuple[Floats, Floats]:
    """P(all four steps take <= horizon days in sum), for MQL days before the shift and for later ones; each (n,)."""
    pmf = [np.diff(c, prepend=0.0)[: horizon + 1] for c in cdf]
    rest = np.convolve(np.convolve(pmf[1], pmf[2])[: horizon + 1], np.diff(cdf_won, prepend=0.0)[: horizon + 1])
    rest_cdf = np.cumsum(rest[: horizon + 1])
    by_first_step = pmf[0] * rest_cdf[::-1]  # first step takes d days, the others at most horizon - d
    cumulative = np.concatenate([[0.0], np.cumsum(by_first_step)])
    before = cumulative[np.clip(shift_day - created, 0, horizon + 1)]
    return before, cumulative[-1] - before


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
