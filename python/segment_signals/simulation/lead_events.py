"""Status changes of leads up to the as-of date, with the quirks that touch them."""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from segment_signals.simulation.deals import next_minutes
from segment_signals.simulation.draws import Bools, Ints, happens, integers
from segment_signals.simulation.incidence import LEAD_TO_MQL, OPPORTUNITY_TO_WON, SQL_TO_OPPORTUNITY
from segment_signals.simulation.journeys import NEVER, Journeys
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import Population

LEAD_STATUSES = (
    "Open - Not Contacted",
    "Marketing Qualified",
    "Sales Qualified",
    "Closed - Converted",
    "Closed - Not Converted",
)
OPEN, MARKETING_QUALIFIED, SALES_QUALIFIED, CONVERTED, NOT_CONVERTED = range(5)


@dataclass(frozen=True)
class LeadEvents:
    """Status changes of leads.

    `rows`: one per status change (lead, day, minute, status), sorted by lead and time.
    `opportunity_minute` (n,): minute of the day of the conversion, or of the creation of an outbound
    opportunity. `counts`: eligible and realised leads per quirk.
    """

    rows: pd.DataFrame
    opportunity_minute: Ints
    counts: dict[str, tuple[int, int]]


def draw_lead_events(
    parameters: Parameters,
    population: Population,
    journeys: Journeys,
    rng: np.random.Generator,
    quirk_rng: np.random.Generator,
) -> LeadEvents:
    """Status changes of all leads. A lead without rows is still open as it was created."""
    n, as_of = len(population), parameters.window_days - 1
    quirks = parameters.quirks
    entered = journeys.entered_day
    day, minute = population.created_day.copy(), population.created_minute.copy()
    opportunity_minute = population.created_minute.copy()
    mql_missing = happens(quirk_rng, quirks.mql_row_missing, n)
    reached_sql = population.has_lead & (entered[:, SQL_TO_OPPORTUNITY] <= as_of)
    parts = []
    for step, status in ((1, MARKETING_QUALIFIED), (2, SALES_QUALIFIED), (3, CONVERTED)):
        enters = population.has_lead & (entered[:, step] <= as_of)
        at = next_minutes(entered[:, step] == day, minute, rng)
        day, minute = np.where(enters, entered[:, step], day), np.where(enters, at, minute)
        is_written = enters & ~(mql_missing & reached_sql) if status == MARKETING_QUALIFIED else enters
        parts.append(_rows(is_written, day, minute, status))
        if status == CONVERTED:
            opportunity_minute = np.where(enters, minute, opportunity_minute)

    lost = (journeys.lost_from >= LEAD_TO_MQL) & (journeys.lost_from < OPPORTUNITY_TO_WON)
    lost &= journeys.lost_day <= as_of
    at = next_minutes(journeys.lost_day == day, minute, rng)
    parts.append(_rows(lost, np.where(lost, journeys.lost_day, 0), at, NOT_CONVERTED))

    # Recycled: back to open after some weeks, some become MQL again, most are disqualified once more; none
    # converts.
    lost_day = np.where(lost, journeys.lost_day, NEVER)
    back = lost_day + integers(quirk_rng, 20, 120, n)
    could_return = back <= as_of
    returns = could_return & happens(quirk_rng, quirks.recycled, n)
    again = back + integers(quirk_rng, 3, 40, n)
    is_again = returns & happens(quirk_rng, 0.30, n)
    last = np.where(is_again, again, back) + integers(quirk_rng, 5, 70, n)
    is_last = returns & happens(quirk_rng, 0.70, n)
    for happened, when, status in (
        (returns, back, OPEN),
        (is_again & (again <= as_of), again, MARKETING_QUALIFIED),
        (is_last & (last <= as_of), last, NOT_CONVERTED),
    ):
        parts.append(_rows(happened, when, integers(quirk_rng, 8 * 60, 18 * 60, n), status))

    rows = pd.concat(parts, ignore_index=True).sort_values(["lead", "day", "minute"], kind="stable")
    counts = {
        "mql_row_missing": (int(reached_sql.sum()), int((mql_missing & reached_sql).sum())),
        "recycled": (int(could_return.sum()), int(returns.sum())),
    }
    return LeadEvents(rows.reset_index(drop=True), opportunity_minute, counts)


def _rows(happened: Bools, day: Ints, minute: Ints, status: int) -> pd.DataFrame:
    """One status change for every lead for which it happened."""
    where = np.flatnonzero(happened)
    return pd.DataFrame(
        {"lead": where, "day": day[where], "minute": minute[where], "status": np.full(len(where), status)}
    )


def choose_second_leads(
    parameters: Parameters,
    population: Population,
    opportunity_day: Ints,
    closed_day: Ints,
    rng: np.random.Generator,
) -> dict[int, int]:
    """Leads that convert into an opportunity that another lead opened before: {second lead: first lead}.

    Both are of the same country, industry and size, so that the second can be given the first's company
    without changing any covariate: neither lead's own steps up to the opportunity change, only the second's
    opportunity is never opened. The first lead was created earlier, and its opportunity opened at most 90
    days earlier and is still open. As many as the planted share of the lead-born opportunities that remain,
    or fewer where no more pairs exist.
    """
    as_of = parameters.window_days - 1
    converted = np.flatnonzero(population.has_lead & (opportunity_day <= as_of))
    share = parameters.quirks.second_lead
    wanted = round(share / (1.0 + share) * len(converted))
    cells: dict[tuple[int, int, int], list[int]] = {}
    for lead in converted.tolist():
        key = (int(population.country[lead]), int(population.industry[lead]), int(population.size[lead]))
        cells.setdefault(key, []).append(lead)
    first_of: dict[int, int] = {}
    taken: set[int] = set()
    for second in converted[np.argsort(rng.random(len(converted)), kind="stable")].tolist():
        if len(first_of) == wanted:
            break
        if second in taken:
            continue
        key = (
            int(population.country[second]),
            int(population.industry[second]),
            int(population.size[second]),
        )
        day = opportunity_day[second]
        candidates = [
            first
            for first in cells[key]
            if first < second and first not in taken and day - 90 <= opportunity_day[first] < day < closed_day[first]
        ]
        if candidates:
            first = candidates[int(rng.random() * len(candidates))]
            first_of[second] = first
            taken |= {first, second}
    return first_of
