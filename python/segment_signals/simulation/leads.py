"""Status changes of leads up to the as-of date, with the quirks that touch them."""

from dataclasses import dataclass

import numpy as np

from segment_signals.simulation.draws import Bools, Ints, happens, integers
from segment_signals.simulation.journeys import Journeys
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import DAY, NEVER, Companies, Population

LEAD_STATUSES = (
    "Open - Not Contacted",
    "Working - Contacted",
    "Marketing Qualified",
    "Sales Qualified",
    "Closed - Converted",
    "Closed - Not Converted",
)
OPEN, WORKING, MARKETING_QUALIFIED, SALES_QUALIFIED, CONVERTED, NOT_CONVERTED = range(6)
FAR = NEVER * DAY  # a minute that never comes


@dataclass(frozen=True)
class QuirkCount:
    """How often a quirk was planted and came out: `eligible` of what could have it, `realised` of them do.

    `planted` is a rate of the eligible, or a count where `eligible` is None.
    """

    planted: float
    of: str
    eligible: int | None
    realised: int


@dataclass(frozen=True)
class Changes:
    """Changes of records, sorted by record and time: `record` (position), `at` (minutes), `value` (index)."""

    record: Ints
    at: Ints
    value: Ints

    def __len__(self) -> int:
        return len(self.record)

    @property
    def last(self) -> Ints:
        """Positions of every record's last change."""
        return np.flatnonzero(np.append(self.record[1:] != self.record[:-1], True)[: len(self)])


@dataclass(frozen=True)
class LeadEvents:
    """What happened to the leads.

    `at` (n, 4): minute of becoming an MQL, an SQL, of the conversion and of the disqualification; FAR where it does
    not happen by the as-of date. Of an outbound opportunity only the third is set: its creation. `changes`: of the
    status, by lead. `is_skipped` (n,): reached SQL without any trace of an MQL; `is_stepped_back`, `is_recycled`.
    """

    at: Ints
    changes: Changes
    is_skipped: Bools
    is_stepped_back: Bools
    is_recycled: Bools


MQL, SQL, CONVERSION, LOSS = range(4)


def in_order(record: Ints, at: Ints) -> Ints:
    """Positions that sort by record and minute, stable."""
    return np.argsort(record * (1 << 23) + at, kind="stable")


def next_minutes(day: Ints, previous: Ints, rng: np.random.Generator) -> Ints:
    """Minute (n,) of a step on a day: shortly after the previous one of that day, else from 06:00 to 19:59.

    Steps of one entrant on one day are at most 15 minutes apart, so that a chain of seven ends before 22:00.
    """
    n = len(previous)
    later = day * DAY + integers(rng, 6 * 60, 20 * 60 - 1, n)
    return np.where(day == previous // DAY, previous + integers(rng, 1, 15, n), later)


def draw_lead_events(
    parameters: Parameters,
    population: Population,
    journeys: Journeys,
    rng: np.random.Generator,
    counts: dict[str, QuirkCount],
) -> LeadEvents:
    """Status changes of all leads. A lead without rows is still open as it was created."""
    n, end = len(population), parameters.window_days * DAY - 1
    quirks, has_lead = parameters.quirks, population.has_lead
    entered = journeys.entered_day
    at = np.full((n, 4), FAR, dtype=np.int64)
    previous = population.created_at.copy()
    for step in range(3):
        happened = has_lead & (entered[:, step + 1] < parameters.window_days)
        minute = next_minutes(np.minimum(entered[:, step + 1], NEVER), previous, rng)
        at[happened, step] = minute[happened]
        previous = np.where(happened, minute, previous)
    at[~has_lead, CONVERSION] = population.created_at[~has_lead]
    lost = has_lead & (journeys.lost_from >= 0) & (journeys.lost_from < 3)
    lost &= journeys.lost_day < parameters.window_days
    minute = next_minutes(journeys.lost_day, previous, rng)
    at[lost, LOSS] = minute[lost]

    is_skipped = happens(rng, quirks.mql_skipped, n) & (at[:, SQL] < FAR)
    counts["mql_skipped"] = QuirkCount(
        quirks.mql_skipped, "leads that reached SQL: nobody ever called them MQL", *_of(at[:, SQL] < FAR, is_skipped)
    )
    mql_at = np.where(is_skipped, FAR, at[:, MQL])
    following = np.minimum(np.minimum(mql_at, at[:, SQL]), at[:, LOSS])
    worked_at = population.created_at + integers(rng, 20, 600, n)
    worked = has_lead & happens(rng, quirks.worked, n) & (worked_at < following) & (worked_at <= end)

    parts = [_rows(worked, worked_at, WORKING)]
    for step, status in enumerate((MARKETING_QUALIFIED, SALES_QUALIFIED, CONVERTED, NOT_CONVERTED)):
        minute = mql_at if step == MQL else at[:, step]
        parts.append(_rows(has_lead & (minute < FAR), minute, status))

    # Back to work for a while, then qualified again: the first entry counts.
    after_sql = np.where(lost, at[:, LOSS], np.minimum(entered[:, 3], journeys.lost_day) * DAY)
    gap = after_sql - at[:, SQL]
    could_step = (at[:, SQL] < FAR) & (gap > 3 * DAY) & (at[:, SQL] + (gap * 7) // 10 <= end)
    is_stepped_back = could_step & happens(rng, quirks.stepped_back, n)
    counts["stepped_back"] = QuirkCount(
        quirks.stepped_back,
        "leads that stayed SQL for more than three days: back to working, then SQL again",
        *_of(could_step, is_stepped_back),
    )
    parts.append(_rows(is_stepped_back, at[:, SQL] + (gap * 3) // 10, WORKING))
    parts.append(_rows(is_stepped_back, at[:, SQL] + (gap * 7) // 10, SALES_QUALIFIED))

    # Recycled: back to open after some weeks, some former MQLs become MQL again, most are disqualified once more;
    # none converts, and none reaches a stage for the first time.
    back = np.where(lost, at[:, LOSS], FAR) + integers(rng, 20, 120, n) * DAY
    could_return = back <= end
    returns = could_return & happens(rng, quirks.recycled, n)
    again = back + integers(rng, 3, 40, n) * DAY
    is_again = returns & (mql_at < FAR) & happens(rng, 0.50, n)
    last = np.where(is_again, again, back) + integers(rng, 5, 70, n) * DAY
    is_last = returns & happens(rng, 0.70, n)
    for happened, minute, status in (
        (returns, back, OPEN),
        (is_again & (again <= end), again, MARKETING_QUALIFIED),
        (is_last & (last <= end), last, NOT_CONVERTED),
    ):
        parts.append(_rows(happened, minute, status))
    counts["recycled"] = QuirkCount(
        quirks.recycled, "disqualified leads whose return would fall into the window", *_of(could_return, returns)
    )

    record, minute, status_ = (np.concatenate(column) for column in zip(*parts, strict=True))
    order = in_order(record, minute)
    changes = Changes(record[order], minute[order], status_[order])
    return LeadEvents(at, changes, is_skipped, is_stepped_back, returns)


def _of(eligible: Bools, realised: Bools) -> tuple[int, int]:
    return int(eligible.sum()), int(realised.sum())


def _rows(happened: Bools, minute: Ints, value: int) -> tuple[Ints, Ints, Ints]:
    """One change for every record for which it happened."""
    where = np.flatnonzero(happened)
    return where, minute[where], np.full(len(where), value, dtype=np.int64)


def choose_second_leads(
    parameters: Parameters,
    companies: Companies,
    population: Population,
    conversion_at: Ints,
    closed_day: Ints,
    rng: np.random.Generator,
    counts: dict[str, QuirkCount],
) -> Ints:
    """For each entrant the earlier lead whose opportunity it joined when it converted, -1 for none (n,).

    Both are of the same country, industry and size, so that the second can be given the first's company
    without changing any covariate: neither lead's own steps up to the opportunity change, only the second's
    opportunity is never opened. The first lead was created earlier, and its opportunity opened at most 90
    days earlier and is still open. As many as the planted share of the lead-born opportunities that remain,
    or fewer where no more pairs exist.
    """
    joins = np.full(len(population), -1, dtype=np.int64)
    stable = companies.changed_day[population.company] == NEVER
    converted = np.flatnonzero(population.has_lead & (conversion_at < FAR))
    pool = converted[stable[converted]]
    cell = (population.country[pool] * 64 + population.industry[pool]) * 64 + population.size[pool]
    order = pool[np.lexsort((pool, conversion_at[pool], cell))]
    first, second = order[:-1:2], order[1::2]
    same = population.country[first] == population.country[second]
    same &= population.industry[first] == population.industry[second]
    same &= population.size[first] == population.size[second]
    first_day, day = conversion_at[first] // DAY, conversion_at[second] // DAY
    fits = same & (first < second) & (first_day < day) & (day <= first_day + 90) & (day < closed_day[first])
    candidates = np.flatnonzero(fits)
    share = parameters.quirks.second_lead
    wanted = round(share / (1.0 + share) * len(converted))
    chosen = candidates[np.argsort(rng.random(len(candidates)), kind="stable")[:wanted]]
    joins[second[chosen]] = first[chosen]
    counts["second_lead"] = QuirkCount(
        share, "opportunities with a lead, that have a second one", len(converted) - len(chosen), len(chosen)
    )
    return joins
