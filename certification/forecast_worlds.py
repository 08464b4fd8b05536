"""Simulated companies whose deals age: stages, amounts that are revised, planned closes that are pushed.

Days are counted from `FIRST_DAY`. A deal goes through three stages; in each one it advances or is lost, whichever comes
first, and both take log-normal times, so that the hazard of either depends on how long the deal has been there. Some
deals are forgotten in a stage and are closed as lost in a later clean-up. The CRM's probabilities know the stage alone.
"""

from dataclasses import dataclass

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from segment_signals.statistics.arrays import Bools, Floats, Integers

FIRST_DAY = np.datetime64("2021-01-01", "D")
# Three years and two months.
DAYS = 1_150
MONTH_DAYS = 365.25 / 12
STAGES = ("Discovery", "Proposal", "Negotiation")
CRM_PROBABILITY = (0.2, 0.5, 0.8)
ADVANCE_DAYS, LOSS_DAYS = (14.0, 20.0, 16.0), (32.0, 45.0, 30.0)
ADVANCE_SPREAD, LOSS_SPREAD = 0.7, 0.9
TIERS = ("small", "middle", "large")
TIER_SHARES, TIER_AMOUNTS, TIER_SLOWNESS = (0.5, 0.35, 0.15), (9_000.0, 22_000.0, 60_000.0), (1.0, 1.3, 1.7)
REGIONS = ("North", "South", "West")
# Quoted amounts are a tenth too high at first, and nearer to what is paid after the proposal.
FIRST_QUOTE, QUOTE_NOISE, LATER_NOISE = 1.10, 0.20, 0.06
PUSHES, PUSH_RATE = 5, 0.75
NEVER = 10**6


@dataclass(frozen=True)
class World:
    """A company.

    monthly_deals: opened a month. growth: of that number, a year. arrival_scatter: relative standard deviation of it
    from month to month. slipping: share of wins that come later than they would, and its standard deviation from month
    to month. forgotten: share of deals that are. spread: of log amounts within a tier. hazards_age: whether advancing
    and losing depend on the age in stage.
    """

    name: str
    monthly_deals: float = 60
    growth: float = 0.0
    arrival_scatter: float = 0.0
    slipping: float = 0.0
    forgotten: float = 0.15
    spread: float = 0.4
    hazards_age: bool = True


@dataclass(frozen=True)
class Deals:
    """Deals, one per position; days since `FIRST_DAY`, NEVER where something did not happen.

    entered: shape (k, stages). quotes: first amount, and the one from the proposal on.
    """

    opened: Integers
    entered: Integers
    closed: Integers
    is_won: Bools
    tier: Integers
    region: Integers
    quotes: Floats
    paid: Floats
    planned: Integers


def simulate(draws: np.random.Generator, world: World) -> Deals:
    """The deals of a company; what happens after the last day has not happened."""
    months = int(np.ceil(DAYS / MONTH_DAYS))
    expected = world.monthly_deals * (1 + world.growth) ** (np.arange(months) / 12)
    if world.arrival_scatter > 0:
        shape = world.arrival_scatter**-2
        expected = expected * draws.gamma(shape, 1 / shape, months)
    opened = np.sort(np.repeat(np.arange(months), draws.poisson(expected)) * MONTH_DAYS)
    opened = np.floor(opened + MONTH_DAYS * draws.random(len(opened))).astype(np.int64)
    opened = np.sort(opened[opened < DAYS])
    count = len(opened)
    tier = np.searchsorted(np.cumsum(TIER_SHARES)[:-1], draws.random(count), side="right")
    region = draws.integers(0, len(REGIONS), count)
    slowness = np.array(TIER_SLOWNESS)[tier]
    entered = np.full((count, len(STAGES)), NEVER)
    closed, is_won = np.full(count, NEVER), np.zeros(count, dtype=bool)
    forgotten = draws.random(count) < world.forgotten
    forgotten_in = draws.integers(0, len(STAGES), count)
    day = opened.astype(np.float64)
    active = np.ones(count, dtype=bool)
    for stage in range(len(STAGES)):
        entered[active, stage] = np.floor(day[active]).astype(np.int64)
        advance = _times(draws, count, ADVANCE_DAYS[stage], ADVANCE_SPREAD, world.hazards_age) * slowness
        loss = _times(draws, count, LOSS_DAYS[stage], LOSS_SPREAD, world.hazards_age)
        left = forgotten & (forgotten_in == stage)
        loss = np.where(left, 150 + 150 * draws.random(count), loss)
        advance = np.where(left, np.inf, advance)
        lost = active & (loss < advance)
        closed[lost] = np.floor(day + loss)[lost].astype(np.int64)
        active &= ~lost
        day = np.where(active, day + np.where(np.isfinite(advance), advance, 0), day)
    closed[active] = np.floor(day[active]).astype(np.int64)
    is_won[active] = True
    closed = _slipped(draws, closed, is_won, world.slipping)
    paid = np.array(TIER_AMOUNTS)[tier] * np.exp(world.spread * draws.standard_normal(count))
    quotes = paid[:, None] * np.exp(np.array([QUOTE_NOISE, LATER_NOISE]) * draws.standard_normal((count, 2)))
    quotes[:, 0] *= FIRST_QUOTE
    planned = opened + np.maximum(70 * slowness * np.exp(0.3 * draws.standard_normal(count)), 7).astype(np.int64)
    return Deals(
        opened, entered, closed, is_won, tier.astype(np.int64), region, np.round(quotes, 2), np.round(paid, 2), planned
    )


def _times(draws: np.random.Generator, count: int, median: float, spread: float, ages: bool) -> Floats:
    """Days until something happens: log-normal, or exponential of the same median where nothing depends on age."""
    if ages:
        return np.asarray(median * np.exp(spread * draws.standard_normal(count)))
    return np.asarray(median / np.log(2) * draws.standard_exponential(count))


def _slipped(draws: np.random.Generator, closed: Integers, is_won: Bools, slipping: float) -> Integers:
    """Closing days, where in each month another share of the wins comes 15 to 45 days later."""
    if slipping <= 0:
        return closed
    share = np.clip(slipping + slipping * draws.standard_normal(int(DAYS / MONTH_DAYS) + 60), 0, 0.9)
    month = np.minimum(closed / MONTH_DAYS, len(share) - 1).astype(np.int64)
    slips = is_won & (draws.random(len(closed)) < share[month])
    return np.where(slips, closed + draws.integers(15, 46, len(closed)), closed)


def tables(draws: np.random.Generator, deals: Deals, as_of: int) -> dict[str, pa.Table]:
    """The rows of core as they are known at the end of a day: journeys, opportunities, visits and history."""
    known = np.flatnonzero(deals.opened <= as_of)
    key = np.array([f"D{at:07d}" for at in known])
    closed = np.where(deals.closed[known] <= as_of, deals.closed[known], NEVER)
    is_won = deals.is_won[known] & (closed < NEVER)
    is_lost = ~deals.is_won[known] & (closed < NEVER)
    pushed = _pushes(draws, deals)
    changes = _changes(deals, pushed, known, as_of)
    last = np.concatenate([changes["deal"][1:] != changes["deal"][:-1], [True]]) if len(known) else np.zeros(0, bool)
    amount = changes["amount"][last]
    journeys = pa.table(
        {
            "journey_id": key,
            "opportunity_id": key,
            "opportunity_number": pa.array(known, pa.int32()),
            "opportunity_type": pa.repeat("new_business", len(known)),
            "is_primary": pa.array(np.ones(len(known), dtype=bool)),
            "region": np.array(REGIONS)[deals.region[known]],
            "deal_size_tier": np.array(TIERS)[deals.tier[known]],
            "amount": amount,
            "opportunity_date": _dates(deals.opened[known]),
            "won_date": _dates(np.where(is_won, closed, NEVER)),
            "lost_date": _dates(np.where(is_lost, closed, NEVER)),
        }
    )
    opportunities = pa.table(
        {
            "opportunity_id": key,
            "opportunity_number": pa.array(known, pa.int32()),
            "amount": amount,
            "probability": changes["probability"][last],
        }
    )
    history = pa.table(
        {
            "opportunity_number": pa.array(known[changes["row"]], pa.int32()),
            "amount": changes["amount"],
            "probability": changes["probability"],
            "change_number": changes["number"],
            "close_date": _dates(changes["planned"]),
            "previous_close_date": _dates(changes["previous_planned"]),
            "changed_at": _dates(changes["day"]),
            "next_changed_at": _dates(changes["next_day"]),
        }
    )
    return {
        "journeys": journeys,
        "opportunities": opportunities,
        "opportunity_history": history,
        "stage_visits": _visits(deals, known, closed, as_of),
    }


def _pushes(draws: np.random.Generator, deals: Deals) -> Integers:
    """Days on which a planned close passed and was pushed, and the new plan, shape (PUSHES, 2, k); NEVER without."""
    pushes = np.full((PUSHES, 2, len(deals.opened)), NEVER)
    planned, pushing = deals.planned.copy(), np.ones(len(deals.opened), dtype=bool)
    for push in range(PUSHES):
        pushing = pushing & (planned < deals.closed) & (draws.random(len(planned)) < PUSH_RATE)
        later = planned + draws.integers(20, 61, len(planned))
        pushes[push, 0] = np.where(pushing, planned, NEVER)
        pushes[push, 1] = np.where(pushing, later, NEVER)
        planned = np.where(pushing, later, planned)
    return pushes


def _changes(deals: Deals, pushed: Integers, known: Integers, as_of: int) -> dict[str, NDArray[np.generic]]:
    """Changes of the known deals in order, each with the deal as it was from then on."""
    rows, days, kinds, plans = [], [], [], []
    position = np.arange(len(known))
    for kind, day in [*((at, deals.entered[known, at]) for at in range(len(STAGES))), (4, deals.closed[known])]:
        rows.append(position)
        days.append(day)
        kinds.append(np.full(len(known), kind))
        plans.append(np.where(kind == 4, day, deals.planned[known]) if kind in (0, 4) else np.full(len(known), NEVER))
    for push in pushed:
        rows.append(position)
        days.append(push[0, known])
        kinds.append(np.full(len(known), 3))
        plans.append(push[1, known])
    row, day, kind, plan = (np.concatenate(parts) for parts in (rows, days, kinds, plans))
    keep = day <= as_of
    row, day, kind, plan = row[keep], day[keep], kind[keep], plan[keep]
    order = np.lexsort((kind, day, row))
    row, day, kind, plan = row[order], day[order], kind[order], plan[order]
    # The stage, the amount and the plan stand until they change.
    start = np.concatenate([[True], row[1:] != row[:-1]]) if len(row) else np.zeros(0, dtype=bool)
    stage = _filled(np.where(kind == 3, -1, kind), -1)
    planned = _filled(plan, NEVER)
    deal = known[row]
    quoted = np.where(stage == 0, deals.quotes[deal, 0], deals.quotes[deal, 1])
    is_won = (stage == 4) & deals.is_won[deal]
    previous = np.concatenate([[NEVER], planned[:-1]]) if len(planned) else planned
    following = np.concatenate([day[1:], [NEVER]]) if len(day) else day
    ends = np.concatenate([start[1:], [True]]) if len(start) else start
    starts = np.flatnonzero(start)
    return {
        "row": row,
        "deal": deal,
        "day": day,
        "next_day": np.where(ends, NEVER, following),
        "number": np.arange(len(row)) - np.repeat(starts, np.diff([*starts, len(row)])) + 1,
        "planned": planned,
        "previous_planned": np.where(start, NEVER, previous),
        "amount": np.where(is_won, deals.paid[deal], quoted),
        "probability": np.where(stage == 4, is_won * 1.0, np.array([*CRM_PROBABILITY, 0, 0])[stage]),
    }


def _filled(values: Integers, empty: int) -> Integers:
    """Values, the last one before where there is none; every deal begins with one."""
    at = np.maximum.accumulate(np.where(values != empty, np.arange(len(values)), 0))
    return values[at] if len(values) else values


def _visits(deals: Deals, known: Integers, closed: Integers, as_of: int) -> pa.Table:
    parts = []
    ends = [*(np.minimum(deals.entered[known, at + 1], closed) for at in range(len(STAGES) - 1)), closed]
    for at, label in enumerate(STAGES):
        here = deals.entered[known, at] <= as_of
        end = np.where(ends[at] <= as_of, ends[at], NEVER)
        parts.append(_visit_rows(known[here], "opportunity", label, deals.entered[known, at][here], end[here]))
    for outcome, is_so in (("won", deals.is_won[known]), ("lost", ~deals.is_won[known])):
        here = is_so & (closed < NEVER)
        parts.append(_visit_rows(known[here], outcome, f"Closed {outcome}", closed[here], np.full(here.sum(), NEVER)))
    return pa.concat_tables(parts)


def _visit_rows(number: Integers, stage: str, label: str, entered: Integers, exited: Integers) -> pa.Table:
    return pa.table(
        {
            "entity": pa.repeat("opportunity", len(number)),
            "entity_number": pa.array(number, pa.int32()),
            "stage": pa.repeat(stage, len(number)),
            "source_stage": pa.repeat(label, len(number)),
            "entered_date": _dates(entered),
            "exited_date": _dates(exited),
        }
    )


def _dates(days: Integers) -> pa.Array:
    return pa.array(FIRST_DAY + np.minimum(days, NEVER), mask=np.asarray(days) >= NEVER)
