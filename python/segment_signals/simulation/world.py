"""The simulation from end to end: who enters, what happens, which records the systems hold of it."""

from dataclasses import dataclass, replace

import numpy as np

from segment_signals.simulation.customers import (
    Customers,
    Subscriptions,
    Usage,
    draw_customers,
    draw_subscriptions,
    draw_usage,
    follow_up_deals,
)
from segment_signals.simulation.deals import DealHistory, Deals, deal_history, deleted_copies, new_business
from segment_signals.simulation.draws import streams
from segment_signals.simulation.journeys import Journeys, draw_journeys
from segment_signals.simulation.leads import (
    CONVERSION,
    FAR,
    LeadEvents,
    QuirkCount,
    choose_second_leads,
    draw_lead_events,
)
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import Companies, Population, draw_companies, draw_population
from segment_signals.simulation.records import Records, draw_records
from segment_signals.simulation.touches import Touches, draw_touches


@dataclass(frozen=True)
class World:
    """A simulated world: what was planted, who entered, what happened, and which records there are.

    `joins` (n,): the earlier lead whose opportunity a lead joined, -1 for none. `deals`: new business, renewals and
    expansion, then deleted copies; `deal_of` (n,): the entrant's opportunity, -1 for none; `customer_of_deal`: of
    renewals and expansion. `quirks`: how often each quirk was planted and came out.
    """

    parameters: Parameters
    seed: int
    companies: Companies
    population: Population
    journeys: Journeys
    events: LeadEvents
    joins: np.ndarray[tuple[int], np.dtype[np.int64]]
    deals: Deals
    deal_of: np.ndarray[tuple[int], np.dtype[np.int64]]
    history: DealHistory
    customers: Customers
    customer_of_deal: np.ndarray[tuple[int], np.dtype[np.int64]]
    subscriptions: Subscriptions
    usage: Usage
    touches: Touches
    records: Records
    quirks: dict[str, QuirkCount]
    rng: dict[str, np.random.Generator]


def simulate(parameters: Parameters, seed: int) -> World:
    """Simulate the world; the same parameters and seed give the same one.

    `seed`: a non-negative integer (ValueError from numpy otherwise).
    """
    rng = streams(seed)
    quirks: dict[str, QuirkCount] = {}
    companies = draw_companies(parameters, rng["companies"])
    population = draw_population(parameters, companies, rng["population"])
    journeys = draw_journeys(parameters, population, rng["journeys"])
    events = draw_lead_events(parameters, population, journeys, rng["leads"], quirks)

    conversion_at = events.at[:, CONVERSION]
    closed_day = np.minimum(journeys.entered_day[:, 4], journeys.lost_day)
    joins = choose_second_leads(parameters, companies, population, conversion_at, closed_day, rng["leads"], quirks)
    company = np.where(joins >= 0, population.company[joins], population.company)
    population = replace(population, company=company)
    opens = (conversion_at < FAR) & (joins < 0)
    opened = np.flatnonzero(opens)
    first = new_business(parameters, population, journeys, conversion_at, opened, rng["deals"], quirks)
    customers = draw_customers(parameters, first, rng["customers"])
    later, of_customer = follow_up_deals(parameters, first, customers, rng["follow_ups"])
    subscriptions = draw_subscriptions(parameters, customers, later, of_customer)
    copies = deleted_copies(parameters.quirks.deleted_opportunities, first, rng["follow_ups"])
    deals = first.join(later).join(copies)
    history = deal_history(parameters, deals, rng["deals"], quirks)
    deal_of = np.full(len(population), -1, dtype=np.int64)
    deal_of[first.journey] = np.arange(len(first))
    deal_of = np.where(joins >= 0, deal_of[joins], deal_of)
    records = draw_records(parameters, companies, population, events, deals, rng, quirks)
    return World(
        parameters=parameters,
        seed=seed,
        companies=companies,
        population=population,
        journeys=journeys,
        events=events,
        joins=joins,
        deals=deals,
        deal_of=deal_of,
        history=history,
        customers=customers,
        customer_of_deal=of_customer,
        subscriptions=subscriptions,
        usage=draw_usage(parameters, customers, rng["usage"]),
        touches=draw_touches(parameters, population, journeys, events, first, rng["touches"]),
        records=records,
        quirks=quirks,
        rng=rng,
    )
