"""Who enters the simulated funnel: leads and outbound opportunities with their covariates.

Nothing here is an outcome.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from segment_signals.simulation.draws import Bools, Floats, Ints, choices, happens, integers
from segment_signals.simulation.parameters import Parameters


@dataclass(frozen=True)
class Companies:
    """Companies, one per position: indexes into the parameters' countries, industries, sizes; number of employees."""

    country: Ints
    industry: Ints
    size: Ints
    employees: Ints
    industry_is_blank: Bools


@dataclass(frozen=True)
class Population:
    """Entrants, one per position: leads in order of creation, then outbound opportunities (`has_lead` false).

    `created_day` (days since the first day of the window) and `created_minute` (of that day) say when the
    lead, or the outbound opportunity, was created. Country, industry and size are those of the company.
    """

    company: Ints
    source: Ints
    country: Ints
    industry: Ints
    size: Ints
    has_lead: Bools
    created_day: Ints
    created_minute: Ints

    def __len__(self) -> int:
        return len(self.source)

    def take(self, positions: Ints | Bools) -> "Population":
        """The entrants at these positions (indexes or a mask), in that order."""
        return replace(self, **{name: value[positions] for name, value in vars(self).items()})


def region_of_country(parameters: Parameters) -> Ints:
    """Index of the region of each country, shape (countries,)."""
    names = [region.name for region in parameters.regions]
    return np.array([names.index(country.region) for country in parameters.countries], dtype=np.int64)


def arrival_weights(parameters: Parameters) -> Floats:
    """Relative number of arrivals on each day of the window, shape (window_days,): growth and quiet weekends."""
    days = np.arange(parameters.window_days)
    weekday = np.array([(parameters.first_day + timedelta(days=int(day))).weekday() for day in days])
    growth = 1.0 + parameters.growth * days / parameters.window_days
    return np.asarray(growth * np.where(weekday >= 5, parameters.weekend, 1.0), dtype=np.float64)


def draw_companies(parameters: Parameters, rng: np.random.Generator) -> Companies:
    """Companies with independent country, industry and size; employees log-uniform within the size band."""
    count = parameters.companies
    country = choices(rng, [level.share for level in parameters.countries], count)
    industry = choices(rng, [level.share for level in parameters.industries], count)
    size = choices(rng, [level.share for level in parameters.sizes], count)
    low = np.array([band.low for band in parameters.sizes])[size]
    high = np.array([band.high for band in parameters.sizes])[size]
    employees = np.floor(low * ((high + 1) / low) ** rng.random(count)).astype(np.int64)
    return Companies(
        country=country,
        industry=industry,
        size=size,
        employees=np.clip(employees, low, high),
        industry_is_blank=happens(rng, parameters.quirks.industry_blank, count),
    )


def draw_population(parameters: Parameters, companies: Companies, rng: np.random.Generator) -> Population:
    """Leads and outbound opportunities spread over the window; several of them may share a company."""
    leads, outbound = parameters.leads, parameters.outbound_opportunities
    count = leads + outbound
    has_lead = np.arange(count) < leads
    company = integers(rng, 0, parameters.companies - 1, count)
    lead_source = choices(rng, [level.share for level in parameters.lead_sources], count)
    source = np.where(has_lead, lead_source, len(parameters.lead_sources))
    created_day = choices(rng, arrival_weights(parameters), count)
    created_minute = integers(rng, 6 * 60, 20 * 60 - 1, count)
    order = np.lexsort((created_minute, created_day, ~has_lead))
    drawn = Population(
        company=company,
        source=source,
        country=companies.country[company],
        industry=companies.industry[company],
        size=companies.size[company],
        has_lead=has_lead,
        created_day=created_day,
        created_minute=created_minute,
    )
    return drawn.take(order)
