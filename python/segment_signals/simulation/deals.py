"""Opportunities of the simulated world and their history: stages, amounts, pushed close dates."""

from dataclasses import dataclass, fields

import numpy as np
import pandas as pd

from segment_signals.simulation.draws import Bools, Floats, Ints, choices, happens, integers, normals
from segment_signals.simulation.incidence import OPPORTUNITY_TO_WON, slowness
from segment_signals.simulation.journeys import NEVER, Journeys
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import Companies, Population

# Standard picklist: label, probability in percent, forecast category.
DEAL_STAGES = (
    ("Prospecting", 10, "Pipeline"),
    ("Qualification", 20, "Pipeline"),
    ("Proposal/Price Quote", 50, "BestCase"),
    ("Negotiation/Review", 75, "Forecast"),
    ("Closed Won", 100, "Closed"),
    ("Closed Lost", 0, "Omitted"),
)
QUALIFICATION, PROPOSAL, WON, LOST = 1, 2, 4, 5
NEW_BUSINESS = "New Business"
# Pushed close dates are entered late in the evening, after every stage change of the day.
PUSH_MINUTE = 23 * 60


@dataclass(frozen=True)
class Deals:
    """Opportunities, one per position.

    Days since the first day of the window; `closed_day` is NEVER or beyond the window for those that stay open.
    `lead`: position of the first lead in the population, -1 without one. `amount`: as first quoted, in `currency`
    (index). `kind`: 0 new business, then the follow-ups in order.
    """

    kind: Ints
    lead: Ints
    company: Ints
    source: Ints
    tier: Ints
    amount: Floats
    currency: Ints
    created_day: Ints
    created_minute: Ints
    closed_day: Ints
    is_won: Bools
    is_deleted: Bools

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, positions: Ints | Bools) -> "Deals":
        """The deals at these positions (indexes or a mask), in that order."""
        return Deals(**{f.name: getattr(self, f.name)[positions] for f in fields(self)})

    def join(self, other: "Deals") -> "Deals":
        """These deals followed by the others."""
        return Deals(**{f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)})


def draw_currencies(parameters: Parameters, country: Ints, rng: np.random.Generator) -> Ints:
    """Currency index (n,) by billing country; the first currency where no other is drawn."""
    currency = np.zeros(len(country), dtype=np.int64)
    u = rng.random(len(country))
    names = [level.name for level in parameters.countries]
    for index, candidate in enumerate(parameters.currencies):
        for name, share in candidate.share_by_country:
            currency[(country == names.index(name)) & (u < share)] = index
    return currency


def round_amount(amount: Floats) -> Floats:
    """Amounts rounded to tens, at least 100: what people type."""
    return np.maximum(np.round(amount / 10.0) * 10.0, 100.0)


def new_business(
    parameters: Parameters,
    population: Population,
    journeys: Journeys,
    created_minute: Ints,
    positions: Ints,
    rng: np.random.Generator,
) -> Deals:
    """New business opportunities of the entrants at `positions`, in order of creation."""
    day = journeys.entered_day[:, OPPORTUNITY_TO_WON]
    positions = positions[np.lexsort((positions, created_minute[positions], day[positions]))]
    won_day = journeys.entered_day[positions, OPPORTUNITY_TO_WON + 1]
    currency = draw_currencies(parameters, population.country[positions], rng)
    usd = np.array([level.usd for level in parameters.currencies])[currency]
    return Deals(
        kind=np.zeros(len(positions), dtype=np.int64),
        lead=np.where(population.has_lead[positions], positions, -1),
        company=population.company[positions],
        source=population.source[positions],
        tier=journeys.tier[positions],
        amount=round_amount(journeys.amount_usd[positions] / usd),
        currency=currency,
        created_day=day[positions],
        created_minute=created_minute[positions],
        closed_day=np.minimum(won_day, journeys.lost_day[positions]),
        is_won=won_day < NEVER,
        is_deleted=np.zeros(len(positions), dtype=np.bool_),
    )


def follow_ups(parameters: Parameters, won: Deals, kind: int, count: int, rng: np.random.Generator) -> Deals:
    """Up to `count` follow-up opportunities of one kind on accounts of `won` deals, at most one per deal.

    `kind` is 1 for the first of the parameters' follow-ups. Fewer come out where too few deals were won early
    enough.
    """
    plan = parameters.follow_ups[kind - 1]
    created = won.closed_day + integers(rng, plan.earliest_days, plan.latest_days, len(won))
    order = np.argsort(rng.random(len(won)), kind="stable")
    order = order[created[order] < parameters.window_days][:count]
    chosen = won.take(np.sort(order))
    n = len(chosen)
    created = created[np.sort(order)]
    days = np.floor(plan.median_days * np.exp(plan.sigma * normals(rng, n))).astype(np.int64)
    factor = plan.amount_low + (plan.amount_high - plan.amount_low) * rng.random(n)
    return Deals(
        kind=np.full(n, kind, dtype=np.int64),
        lead=np.full(n, -1, dtype=np.int64),
        company=chosen.company,
        source=chosen.source,
        tier=chosen.tier,
        amount=round_amount(chosen.amount * factor),
        currency=chosen.currency,
        created_day=created,
        created_minute=integers(rng, 8 * 60, 18 * 60, n),
        closed_day=created + days,
        is_won=happens(rng, plan.win_rate, n),
        is_deleted=np.zeros(n, dtype=np.bool_),
    )


def next_minutes(same_day: Bools, previous: Ints, rng: np.random.Generator) -> Ints:
    """Minute of the day (n,) of a step: shortly after the previous one of that day, else from 06:00 to 19:59.

    Steps of one entrant on one day are at most 15 minutes apart, so that a chain of seven ends before 22:00.
    """
    n = len(previous)
    return np.where(same_day, previous + integers(rng, 1, 15, n), integers(rng, 6 * 60, 20 * 60 - 1, n))


def deal_history(
    parameters: Parameters, deals: Deals, companies: Companies, rng: np.random.Generator
) -> tuple[pd.DataFrame, dict[str, tuple[int, int]]]:
    """OpportunityHistory rows up to the as-of date, and how often each quirk could occur and did.

    Rows are sorted by deal and time. Columns: deal (position), day, minute, stage (index), amount, close_day
    (planned, and the fact once closed). Every deal's first row is its creation; its last row is its current state.
    """
    n, as_of = len(deals), parameters.window_days - 1
    is_new = deals.kind == 0
    start = np.where(is_new & ~happens(rng, parameters.starts_in_qualification, n), 0, QUALIFICATION)
    deepest = np.where(deals.is_won, 3, np.maximum(choices(rng, parameters.lost_in_stage, n), start))
    fractions = np.sort(rng.random((n, 3)), axis=1)
    is_revised = happens(rng, parameters.quirks.amount_revised, n)
    revised = round_amount(deals.amount * (0.80 + 0.35 * rng.random(n)))

    # Planned close date at creation: around the usual cycle of such deals, sometimes too hopeful, sometimes
    # not.
    step = parameters.transitions[OPPORTUNITY_TO_WON]
    slower = slowness(parameters, deals.source, companies.size[deals.company], OPPORTUNITY_TO_WON, deals.tier)
    planned_days = step.advance_median_days * np.exp(slower) * (0.8 + 0.7 * rng.random(n))
    planned = deals.created_day + np.maximum(planned_days, 7.0).astype(np.int64)

    parts = [_rows(np.arange(n), deals.created_day, deals.created_minute, start, deals.amount, planned)]
    last_day, last_minute = deals.created_day.copy(), deals.created_minute.copy()
    # Where a deal never closes (deleted ones), it never moves either.
    length = np.where(deals.closed_day < NEVER, deals.closed_day - deals.created_day, 0)
    counts = {"amount_revised": (0, 0), "close_date_pushed": (0, 0)}
    for stage in (1, 2, 3):
        day = deals.created_day + np.floor(fractions[:, stage - 1] * length).astype(np.int64)
        is_skipped = happens(rng, parameters.deal_stage_skipped, n) & (stage < deepest)
        minute = next_minutes(day == last_day, last_minute, rng)
        enters = (stage > start) & (stage <= deepest) & ~is_skipped & (deals.closed_day < NEVER) & (day <= as_of)
        where = np.flatnonzero(enters)
        revises = is_revised & enters & (stage == PROPOSAL)
        if stage == PROPOSAL:
            counts["amount_revised"] = (len(where), int(revises.sum()))
        amount = np.where(revises, revised, np.nan)
        parts.append(_rows(where, day[where], minute[where], np.full(len(where), stage), amount[where]))
        last_day[where], last_minute[where] = day[where], minute[where]

    closes = np.flatnonzero(deals.closed_day <= as_of)
    minute = next_minutes(deals.closed_day == last_day, last_minute, rng)
    outcome = np.where(deals.is_won, WON, LOST)
    parts.append(
        _rows(closes, deals.closed_day[closes], minute[closes], outcome[closes], None, deals.closed_day[closes])
    )

    # A planned date that passes while the deal is open is pushed, or forgotten: open deals with past dates
    # are real.
    pushing = np.ones(n, dtype=np.bool_)
    for _ in range(3):
        pushing &= (planned < deals.closed_day) & (planned <= as_of)
        passed, pushed = counts["close_date_pushed"]
        passed += int(pushing.sum())
        pushing &= happens(rng, parameters.quirks.close_date_pushed, n)
        counts["close_date_pushed"] = (passed, pushed + int(pushing.sum()))
        where = np.flatnonzero(pushing)
        day = planned.copy()
        planned = np.where(pushing, planned + integers(rng, 21, 70, n), planned)
        minute = PUSH_MINUTE + integers(rng, 0, 50, n)
        parts.append(_rows(where, day[where], minute[where], None, None, planned[where]))

    rows = pd.concat(parts, ignore_index=True).sort_values(["deal", "day", "minute"], kind="stable")
    # Every deal starts with a complete row, so filling forward never crosses from one deal into the next.
    rows[["stage", "amount", "close_day"]] = rows[["stage", "amount", "close_day"]].ffill()
    return rows.astype({"stage": np.int64, "close_day": np.int64}).reset_index(drop=True), counts


def _rows(
    deal: Ints,
    day: Ints,
    minute: Ints,
    stage: Ints | None = None,
    amount: Floats | None = None,
    close_day: Ints | None = None,
) -> pd.DataFrame:
    """History rows; what a row does not change stays empty, to be filled from the row before."""
    empty = np.full(len(deal), np.nan)
    return pd.DataFrame(
        {
            "deal": deal,
            "day": day,
            "minute": minute,
            "stage": empty if stage is None else stage.astype(np.float64),
            "amount": empty if amount is None else amount,
            "close_day": empty if close_day is None else close_day.astype(np.float64),
        }
    )
