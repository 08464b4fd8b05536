"""The simulation from end to end: who enters, what happens, which quirks are added, what the export says."""

from dataclasses import dataclass, replace

import numpy as np
import pandas as pd

from segment_signals.simulation.deals import Deals, deal_history, follow_ups, new_business
from segment_signals.simulation.draws import integers, streams
from segment_signals.simulation.incidence import OPPORTUNITY_TO_WON
from segment_signals.simulation.journeys import NEVER, Journeys, draw_journeys
from segment_signals.simulation.lead_events import choose_second_leads, draw_lead_events
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import Companies, Population, draw_companies, draw_population
from segment_signals.simulation.salesforce import ExportWriter, QuirkCount


@dataclass(frozen=True)
class World:
    """A simulated world: what was planted, who entered, what happened, and the export.

    `tables`: frames of text by object name. `quirks`: how often each quirk was planted and came out.
    """

    parameters: Parameters
    seed: int
    companies: Companies
    population: Population
    journeys: Journeys
    tables: dict[str, pd.DataFrame]
    quirks: dict[str, QuirkCount]


def simulate(parameters: Parameters, seed: int) -> World:
    """Simulate the world and write its export frames; the same parameters and seed give the same world.

    `seed`: a non-negative integer (ValueError from numpy otherwise).
    """
    rng = streams(seed)
    planted, quirks = parameters.quirks, dict[str, QuirkCount]()
    companies = draw_companies(parameters, rng["population"])
    population = draw_population(parameters, companies, rng["population"])
    journeys = draw_journeys(parameters, population, rng["journeys"])
    events = draw_lead_events(parameters, population, journeys, rng["leads"], rng["quirks"])

    opportunity_day = journeys.entered_day[:, OPPORTUNITY_TO_WON]
    closed_day = np.minimum(journeys.entered_day[:, OPPORTUNITY_TO_WON + 1], journeys.lost_day)
    first_of = choose_second_leads(parameters, population, opportunity_day, closed_day, rng["quirks"])
    company = population.company.copy()
    for second, first in first_of.items():
        company[second] = company[first]
    population = replace(population, company=company)
    is_opened = opportunity_day < parameters.window_days
    is_opened[list(first_of)] = False
    first_deals = new_business(
        parameters,
        population,
        journeys,
        events.opportunity_minute,
        np.flatnonzero(is_opened),
        rng["opportunities"],
    )
    deals = _with_follow_ups(parameters, first_deals, rng["follow_ups"], quirks)
    deals = deals.join(_deleted_copies(planted.deleted_opportunities, first_deals, rng["quirks"]))

    history, deal_counts = deal_history(parameters, deals, companies, rng["opportunities"])
    counts = {
        **events.counts,
        **deal_counts,
        "second_lead": (int((first_deals.lead >= 0).sum()), len(first_of)),
    }
    for name, of in (
        ("mql_row_missing", "leads that reached SQL: the MQL row is not in LeadHistory"),
        ("recycled", "disqualified leads whose return would fall into the window"),
        ("second_lead", "opportunities with a lead, that have a second one"),
        ("amount_revised", "opportunities that entered Proposal/Price Quote"),
        ("close_date_pushed", "planned close dates that passed while the opportunity was open"),
    ):
        quirks[name] = QuirkCount(getattr(planted, name), of, *counts[name])
    quirks["opportunity_without_lead"] = QuirkCount(
        parameters.outbound_opportunities,
        "outbound opportunities, a count",
        None,
        int((first_deals.lead < 0).sum()),
    )
    quirks["deleted_opportunities"] = QuirkCount(
        planted.deleted_opportunities,
        "duplicates that were deleted, a count",
        None,
        int(deals.is_deleted.sum()),
    )
    writer = ExportWriter(parameters, companies, population, rng["names"], rng["owners"], rng["quirks"], quirks)
    tables = writer.write(deals, history, events.rows, opportunity_day, first_of)
    return World(parameters, seed, companies, population, journeys, tables, quirks)


def _with_follow_ups(
    parameters: Parameters, first_deals: Deals, rng: np.random.Generator, quirks: dict[str, QuirkCount]
) -> Deals:
    """New business followed by renewals and the like; each kind's share is of all opportunities."""
    won = first_deals.take(first_deals.is_won & (first_deals.closed_day < parameters.window_days))
    total = len(first_deals) / (1.0 - sum(plan.share for plan in parameters.follow_ups))
    deals = first_deals
    for kind, plan in enumerate(parameters.follow_ups, start=1):
        added = follow_ups(parameters, won, kind, round(plan.share * total), rng)
        deals = deals.join(added)
        quirks["type_" + plan.type.lower().replace(" ", "_")] = QuirkCount(
            plan.share, "opportunities (deleted ones aside)", round(total), len(added)
        )
    return deals


def _deleted_copies(count: int, deals: Deals, rng: np.random.Generator) -> Deals:
    """Copies of some deals that were deleted again: without a lead, and never moved."""
    copies = deals.take(integers(rng, 0, len(deals) - 1, count))
    return replace(
        copies,
        lead=np.full(count, -1, dtype=np.int64),
        closed_day=np.full(count, NEVER, dtype=np.int64),
        is_deleted=np.ones(count, dtype=np.bool_),
    )
