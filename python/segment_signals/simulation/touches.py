"""Marketing touches: which channels met whom and when, with the channels' planted effects."""

from dataclasses import dataclass

import numpy as np

from segment_signals.simulation.deals import Deals
from segment_signals.simulation.draws import Bools, Floats, Ints, counts, happens, integers
from segment_signals.simulation.journeys import Journeys
from segment_signals.simulation.leads import FAR, LOSS, MQL, LeadEvents
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import DAY, NEVER, Population

# The channel that a lead source comes in by, and what such a touch is.
CHANNEL_OF_SOURCE = {
    "Web": "organic_search",
    "Paid Search": "paid_search",
    "Trade Show": "event",
    "Webinar": "webinar",
    "Partner": "partner",
    "Customer Referral": "referral",
}
TOUCH_TYPES = ("visit", "ad_click", "attended", "registered", "form_fill", "email_click")
TYPE_OF_CHANNEL = {"paid_search": 1, "display": 1, "event": 2, "webinar": 3, "email": 5}
PAGES = ("/", "/pricing", "/product", "/customers", "/blog", "/demo", "/docs")
FIRST, BEFORE, DURING, VISIT = range(4)
PHASES = ("first", "before", "during", "visit")


@dataclass(frozen=True)
class Touches:
    """Touches by the as-of date, sorted by time. `phase`: index into PHASES; `page` -1 where there is none."""

    person: Ints
    channel: Ints
    kind: Ints
    page: Ints
    phase: Ints
    at: Ints

    def __len__(self) -> int:
        return len(self.person)


def draw_touches(
    parameters: Parameters,
    population: Population,
    journeys: Journeys,
    events: LeadEvents,
    deals: Deals,
    rng: np.random.Generator,
) -> Touches:
    """The touch that made the lead, earlier ones, ones during the opportunity, and visits in between.

    A channel's touches are drawn given the eventual outcome, with the planted odds ratio: odds ratios read the same
    either way, so the effect on the outcome is exact and the rates of conversion stay what they are.
    """
    end = parameters.window_days * DAY - 1
    names = [channel.name for channel in parameters.channels]
    leads = np.flatnonzero(population.has_lead)
    created = population.created_at[leads]
    of_source = [names.index(CHANNEL_OF_SOURCE.get(s.name, names[0])) for s in parameters.lead_sources]
    first = np.array(of_source)[population.source[leads]]
    parts = [(leads, first, np.full(len(leads), FIRST), created)]

    becomes_mql = journeys.entered_day[leads, 1] < NEVER
    # Of opportunities that are yet undecided, too, the outcome is known here.
    wins, length = deals.is_won, np.where(deals.closed_day < NEVER, deals.closed_day * DAY, FAR) - deals.created_at
    for index, channel in enumerate(parameters.channels):
        touched = happens(rng, exposure(channel.before, channel.effect, becomes_mql), len(leads))
        at = created - integers(rng, 60, 60 * DAY, len(leads))
        where = np.flatnonzero(touched)
        parts.append((leads[where], np.full(len(where), index), np.full(len(where), BEFORE), at[where]))
        touched = happens(rng, exposure(channel.during, channel.effect, wins), len(deals))
        at = deals.created_at + np.floor(np.minimum(length, 30 * DAY) * rng.random(len(deals))).astype(np.int64)
        where = np.flatnonzero(touched & (at <= end))
        parts.append((deals.journey[where], np.full(len(where), index), np.full(len(where), DURING), at[where]))

    visits = counts(rng, parameters.volumes.web_visits, len(leads))
    visitor = np.repeat(np.arange(len(leads)), visits)
    until = np.minimum(np.minimum(events.at[leads, MQL], events.at[leads, LOSS]), end)[visitor]
    at = created[visitor] + np.floor((until - created[visitor]) * rng.random(len(visitor)) ** 2).astype(np.int64)
    parts.append((leads[visitor], np.zeros(len(visitor), dtype=np.int64), np.full(len(visitor), VISIT), at))

    person, of_channel, phase, minute = (np.concatenate(column) for column in zip(*parts, strict=True))
    type_of = np.array([TYPE_OF_CHANNEL.get(name, 0) for name in names])
    kind = np.where((phase == FIRST) & (type_of[of_channel] == 0), 4, type_of[of_channel])
    page = np.where(np.isin(kind, (0, 1, 4)), integers(rng, 0, len(PAGES) - 1, len(person)), -1)
    order = np.argsort(minute, kind="stable")
    return Touches(person[order], of_channel[order], kind[order], page[order], phase[order], minute[order])


def exposure(share: float, effect: float, advances: Bools) -> Floats:
    """Probability of being touched: `share` of those who do not advance, with log-odds higher by `effect` of others."""
    odds = share / (1.0 - share) * np.exp(effect)
    return np.where(advances, odds / (1.0 + odds), share)
