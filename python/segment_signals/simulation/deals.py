"""Opportunities of the simulated world and their history: stages, amounts, pushed close dates."""

from dataclasses import dataclass, fields, replace

import numpy as np

from segment_signals.simulation.draws import Bools, Floats, Ints, choices, happens, integers
from segment_signals.simulation.incidence import OPPORTUNITY_TO_WON
from segment_signals.simulation.journeys import Journeys
from segment_signals.simulation.leads import QuirkCount, in_order, next_minutes
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import DAY, NEVER, Population

# Standard picklist: label, probability in percent, forecast category.
DEAL_STAGES = (
    ("Prospecting", 10, "Pipeline"),
    ("Qualification", 20, "Pipeline"),
    ("Proposal/Price Quote", 50, "BestCase"),
    ("Negotiation/Review", 75, "Forecast"),
    ("Closed Won", 100, "Closed"),
    ("Closed Lost", 0, "Omitted"),
)
QUALIFICATION, PROPOSAL, NEGOTIATION, WON, LOST = 1, 2, 3, 4, 5
TYPES = ("New Business", "Renewal", "Existing Business")
NEW, RENEWAL, EXPANSION = 0, 1, 2
# Pushed close dates are entered late in the evening, after every stage change of the day.
PUSH_MINUTE = 23 * 60


@dataclass(frozen=True)
class Deals:
    """Opportunities, one per position.

    Days and minutes since the first day of the window; `closed_day` (of the first closing) is NEVER or beyond the
    window for those that stay open. `kind`: index into TYPES. `journey`: position in the population of whoever it
    came from (a lead, or the outbound contact), for follow-ups that of the first deal. `amount`: a year's, as first
    quoted, in `currency` (index). `reopened_day`: of a lost deal that was taken up again, `lost_again_day` its end.
    `win_probability`: true, at creation.
    """

    kind: Ints
    journey: Ints
    company: Ints
    size: Ints
    tier: Ints
    amount: Floats
    currency: Ints
    created_at: Ints
    closed_day: Ints
    is_won: Bools
    reopened_day: Ints
    lost_again_day: Ints
    win_probability: Floats
    log_days: Floats
    is_deleted: Bools

    def __len__(self) -> int:
        return len(self.kind)

    def take(self, positions: Ints | Bools) -> "Deals":
        """The deals at these positions (indexes or a mask), in that order."""
        return Deals(**{f.name: getattr(self, f.name)[positions] for f in fields(self)})

    def join(self, other: "Deals") -> "Deals":
        """These deals followed by the others."""
        return Deals(**{f.name: np.concatenate([getattr(self, f.name), getattr(other, f.name)]) for f in fields(self)})


@dataclass(frozen=True)
class DealHistory:
    """Rows of OpportunityHistory, sorted by deal and time; every deal's last row is its current state.

    `stage_changed`, `amount_changed`, `close_changed`: what the row changed. `before_amount`, `before_close_day`:
    what stood before.
    """

    deal: Ints
    at: Ints
    stage: Ints
    amount: Floats
    close_day: Ints
    stage_changed: Bools
    amount_changed: Bools
    close_changed: Bools
    before_amount: Floats
    before_close_day: Ints

    @property
    def last(self) -> Ints:
        """Positions of every deal's last row."""
        return np.flatnonzero(np.append(self.deal[1:] != self.deal[:-1], True))


def round_amount(amount: Floats) -> Floats:
    """Amounts rounded to tens, at least 100: what people type."""
    return np.maximum(np.round(amount / 10.0) * 10.0, 100.0)


def draw_currencies(parameters: Parameters, country: Ints, rng: np.random.Generator) -> Ints:
    """Currency index (n,) by billing country; the first currency where no other is drawn."""
    currency = np.zeros(len(country), dtype=np.int64)
    u = rng.random(len(country))
    names = [level.name for level in parameters.countries]
    for index, candidate in enumerate(parameters.currencies):
        for name, share in candidate.share_by_country.items():
            currency[(country == names.index(name)) & (u < share)] = index
    return currency


def new_business(
    parameters: Parameters,
    population: Population,
    journeys: Journeys,
    conversion_at: Ints,
    positions: Ints,
    rng: np.random.Generator,
    counts: dict[str, QuirkCount],
) -> Deals:
    """New business opportunities of the entrants at `positions`, in order of creation."""
    positions = positions[np.lexsort((positions, conversion_at[positions]))]
    n = len(positions)
    won_day = journeys.entered_day[positions, OPPORTUNITY_TO_WON + 1]
    closed_day = np.minimum(won_day, journeys.lost_day[positions])
    is_won = won_day < NEVER
    currency = draw_currencies(parameters, population.country[positions], rng)
    usd = np.array([level.usd for level in parameters.currencies])[currency]
    reopened_day = closed_day + integers(rng, 10, 60, n)
    could_reopen = ~is_won & (reopened_day < parameters.window_days)
    reopens = could_reopen & happens(rng, parameters.quirks.reopened, n)
    counts["reopened"] = QuirkCount(
        parameters.quirks.reopened,
        "lost new business whose return would fall into the window; lost again later",
        int(could_reopen.sum()),
        int(reopens.sum()),
    )
    reopened_day = np.where(reopens, reopened_day, NEVER)
    return Deals(
        kind=np.zeros(n, dtype=np.int64),
        journey=positions,
        company=population.company[positions],
        size=population.size[positions],
        tier=journeys.tier[positions],
        amount=round_amount(journeys.amount_usd[positions] / usd),
        currency=currency,
        created_at=conversion_at[positions],
        closed_day=closed_day,
        is_won=is_won,
        reopened_day=reopened_day,
        lost_again_day=np.where(reopens, reopened_day + integers(rng, 5, 50, n), NEVER),
        win_probability=journeys.probability[positions, OPPORTUNITY_TO_WON],
        log_days=journeys.log_days[positions, OPPORTUNITY_TO_WON],
        is_deleted=np.zeros(n, dtype=np.bool_),
    )


def deleted_copies(count: int, deals: Deals, rng: np.random.Generator) -> Deals:
    """Copies of some deals that were deleted again: never moved."""
    copies = deals.take(integers(rng, 0, len(deals) - 1, count if len(deals) else 0))
    n = len(copies)
    never = np.full(n, NEVER, dtype=np.int64)
    return replace(
        copies,
        closed_day=never,
        is_won=np.zeros(n, dtype=np.bool_),
        reopened_day=never,
        lost_again_day=never,
        is_deleted=np.ones(n, dtype=np.bool_),
    )


def deal_history(
    parameters: Parameters, deals: Deals, rng: np.random.Generator, counts: dict[str, QuirkCount]
) -> DealHistory:
    """The history up to the as-of date, and in `counts` how often each quirk could occur and did."""
    n, as_of, quirks = len(deals), parameters.window_days - 1, parameters.quirks
    created_day = deals.created_at // DAY
    is_new = deals.kind == NEW
    start = np.where(is_new & ~happens(rng, parameters.starts_in_qualification, n), 0, QUALIFICATION)
    deepest = np.where(deals.is_won, NEGOTIATION, np.maximum(choices(rng, parameters.lost_in_stage, n), start))
    fractions = np.sort(rng.random((n, 3)), axis=1)
    is_revised = happens(rng, quirks.amount_revised, n)
    revised = round_amount(deals.amount * (0.80 + 0.35 * rng.random(n)))

    # Planned close date at creation: around the usual cycle of such deals, sometimes too hopeful, sometimes
    # not.
    step = parameters.transitions[OPPORTUNITY_TO_WON]
    planned_days = step.advance_median_days * np.exp(deals.log_days) * (0.8 + 0.7 * rng.random(n))
    planned = created_day + np.maximum(planned_days, 7.0).astype(np.int64)

    rows = _Rows()
    everybody = np.arange(n, dtype=np.int64)
    rows.add(everybody, deals.created_at, stage=start, amount=deals.amount, close_day=planned)
    last = deals.created_at.copy()
    # Where a deal never closes (deleted ones), it never moves either.
    moves = deals.closed_day < NEVER
    length = np.where(moves, deals.closed_day - created_day, 0)
    proposal_at = np.full(n, NEVER * DAY, dtype=np.int64)
    for stage in (QUALIFICATION, PROPOSAL, NEGOTIATION):
        day = created_day + np.floor(fractions[:, stage - 1] * length).astype(np.int64)
        is_skipped = happens(rng, quirks.deal_stage_skipped, n) & (stage < deepest)
        at = next_minutes(day, last, rng)
        enters = (stage > start) & (stage <= deepest) & ~is_skipped & moves & (day <= as_of)
        where = np.flatnonzero(enters)
        amount = None
        if stage == PROPOSAL:
            revises = is_revised & enters
            counts["amount_revised"] = QuirkCount(
                quirks.amount_revised,
                "opportunities that entered Proposal/Price Quote",
                len(where),
                int(revises.sum()),
            )
            amount = np.where(revises, revised, np.nan)[where]
            proposal_at[where] = at[where]
        rows.add(where, at[where], stage=np.full(len(where), stage), amount=amount)
        last[where] = at[where]
        if stage == NEGOTIATION:
            _step_back(parameters, deals, rows, enters & (proposal_at < NEVER * DAY), at, rng, counts)

    closes = deals.closed_day <= as_of
    where = np.flatnonzero(closes)
    at = next_minutes(deals.closed_day, last, rng)
    outcome = np.where(deals.is_won, WON, LOST)
    rows.add(where, at[where], stage=outcome[where], close_day=deals.closed_day[where])

    where = np.flatnonzero(deals.reopened_day <= as_of)
    at = deals.reopened_day * DAY + integers(rng, 8 * 60, 18 * 60, n)
    plan = deals.reopened_day + integers(rng, 20, 60, n)
    rows.add(where, at[where], stage=np.full(len(where), QUALIFICATION), close_day=plan[where])
    where = np.flatnonzero(deals.lost_again_day <= as_of)
    at = deals.lost_again_day * DAY + integers(rng, 8 * 60, 18 * 60, n)
    rows.add(where, at[where], stage=np.full(len(where), LOST), close_day=deals.lost_again_day[where])

    # A planned date that passes while the deal is open is pushed, or forgotten: open deals with past dates
    # are real.
    passed = pushed = 0
    pushing = np.ones(n, dtype=np.bool_)
    for _ in range(3):
        pushing &= (planned < deals.closed_day) & (planned <= as_of)
        passed += int(pushing.sum())
        pushing &= happens(rng, quirks.close_date_pushed, n)
        pushed += int(pushing.sum())
        where = np.flatnonzero(pushing)
        at = planned * DAY + PUSH_MINUTE + integers(rng, 0, 50, n)
        planned = np.where(pushing, planned + integers(rng, 21, 70, n), planned)
        rows.add(where, at[where], close_day=planned[where])
    counts["close_date_pushed"] = QuirkCount(
        quirks.close_date_pushed, "planned close dates that passed while the opportunity was open", passed, pushed
    )
    return rows.filled()


def _step_back(
    parameters: Parameters,
    deals: Deals,
    rows: "_Rows",
    negotiating: Bools,
    entered_at: Ints,
    rng: np.random.Generator,
    counts: dict[str, QuirkCount],
) -> None:
    """Some deals go from the negotiation back to the proposal, and forward again."""
    n = len(deals)
    gap = deals.closed_day * DAY - entered_at
    again = entered_at + (gap * 6) // 10
    could = negotiating & (gap > 3 * DAY) & (again < parameters.window_days * DAY)
    steps = could & happens(rng, parameters.quirks.deal_stepped_back, n)
    where = np.flatnonzero(steps)
    rows.add(where, (entered_at + (gap * 2) // 10)[where], stage=np.full(len(where), PROPOSAL))
    rows.add(where, again[where], stage=np.full(len(where), NEGOTIATION))
    counts["deal_stepped_back"] = QuirkCount(
        parameters.quirks.deal_stepped_back,
        "opportunities that negotiated for more than three days: back to the proposal, then on",
        int(could.sum()),
        len(where),
    )


class _Rows:
    """History rows in the making; what a row does not change stays empty, to be filled from the row before."""

    def __init__(self) -> None:
        self._parts: list[tuple[Ints, Ints, Floats, Floats, Floats]] = []

    def add(
        self,
        deal: Ints,
        at: Ints,
        *,
        stage: Ints | None = None,
        amount: Floats | None = None,
        close_day: Ints | None = None,
    ) -> None:
        """Rows of some deals."""
        empty = np.full(len(deal), np.nan)
        columns = [empty if values is None else values.astype(np.float64) for values in (stage, amount, close_day)]
        self._parts.append((deal, at, columns[0], columns[1], columns[2]))

    def filled(self) -> DealHistory:
        """All rows in order, what they left open filled from the row before."""
        deal, at, stage, amount, close_day = (np.concatenate(column) for column in zip(*self._parts, strict=True))
        order = in_order(deal, at)
        deal, at = deal[order], at[order]
        is_first = np.append(True, deal[1:] != deal[:-1]) if len(deal) else np.zeros(0, dtype=np.bool_)
        full, changed, before = [], [], []
        for values in (stage[order], amount[order], close_day[order]):
            # Every deal starts with a complete row, so filling never crosses from one deal into the next.
            source = np.maximum.accumulate(np.where(np.isnan(values), 0, np.arange(len(values))))
            filled = values[source]
            previous = np.append(filled[:1], filled[:-1])
            full.append(filled)
            changed.append(~is_first & (filled != previous))
            before.append(np.where(is_first, filled, previous))
        return DealHistory(
            deal=deal,
            at=at,
            stage=full[0].astype(np.int64),
            amount=full[1],
            close_day=full[2].astype(np.int64),
            stage_changed=changed[0],
            amount_changed=changed[1],
            close_changed=changed[2],
            before_amount=before[1],
            before_close_day=before[2].astype(np.int64),
        )
