"""Who enters the simulated funnel: companies, leads and outbound opportunities with their covariates.

Nothing here is an outcome.
"""

from dataclasses import dataclass, replace
from datetime import timedelta

import numpy as np

from segment_signals.simulation.draws import Bools, Floats, Ints, choices, happens, integers, pick
from segment_signals.simulation.parameters import Level, Parameters

# A day that never comes: later than any window, small enough to add days to.
NEVER = 10**9
DAY = 24 * 60  # minutes


@dataclass(frozen=True)
class Companies:
    """Companies, one per position: indexes into the parameters' countries, industries and sizes; employees.

    Some grow or shrink into another size band on `changed_day` (NEVER for the others).
    """

    country: Ints
    industry: Ints
    industry_is_blank: Bools
    first_size: Ints
    first_employees: Ints
    changed_day: Ints
    last_size: Ints
    last_employees: Ints

    def __len__(self) -> int:
        return len(self.country)

    def size(self, company: Ints, day: Ints) -> Ints:
        """Size band of companies on days."""
        return np.where(day >= self.changed_day[company], self.last_size[company], self.first_size[company])

    def employees(self, company: Ints, day: Ints) -> Ints:
        """Employees of companies on days."""
        return np.where(day >= self.changed_day[company], self.last_employees[company], self.first_employees[company])


@dataclass(frozen=True)
class Population:
    """Entrants, one per position: leads in order of creation, then outbound opportunities (`has_lead` false).

    `created_at`: minutes since the first day of the window at which the lead, or the outbound opportunity, was
    created; `created_day` is its day. Country and industry are those of the company, size is its size of that day.
    """

    company: Ints
    source: Ints
    country: Ints
    industry: Ints
    size: Ints
    motion: Ints
    has_lead: Bools
    created_at: Ints

    def __len__(self) -> int:
        return len(self.source)

    @property
    def created_day(self) -> Ints:
        """Day of creation."""
        return self.created_at // DAY

    def take(self, positions: Ints | Bools) -> "Population":
        """The entrants at these positions (indexes or a mask), in that order."""
        return replace(self, **{name: value[positions] for name, value in vars(self).items()})

    def index(self, dimension: str, parameters: Parameters) -> Ints:
        """Index of each entrant's segment in a dimension, as in `Parameters.segment_names`."""
        if dimension == "region":
            return region_of_country(parameters)[self.country]
        names = {"lead_source": "source", "industry": "industry", "company_size": "size", "motion": "motion"}
        index: Ints = getattr(self, names[dimension])
        return index


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
    count, bands = parameters.companies, len(parameters.sizes)
    country = choices(rng, [level.share for level in parameters.countries], count)
    industry = choices(rng, [level.share for level in parameters.industries], count)
    first_size = choices(rng, [level.share for level in parameters.sizes], count)
    first_employees = _employees(parameters, first_size, rng)
    changes = happens(rng, parameters.quirks.employees_changed, count)
    grows = happens(rng, 0.6, count)
    last_size = np.clip(first_size + np.where(grows, 1, -1), 0, bands - 1)
    changes &= last_size != first_size
    day = integers(rng, 1, max(1, parameters.window_days - 1), count)
    last_employees = _employees(parameters, last_size, rng)
    return Companies(
        country=country,
        industry=industry,
        industry_is_blank=happens(rng, parameters.quirks.industry_blank, count),
        first_size=first_size,
        first_employees=first_employees,
        changed_day=np.where(changes, day, NEVER),
        last_size=np.where(changes, last_size, first_size),
        last_employees=np.where(changes, last_employees, first_employees),
    )


def _employees(parameters: Parameters, size: Ints, rng: np.random.Generator) -> Ints:
    low = np.array([band.low for band in parameters.sizes])[size]
    high = np.array([band.high for band in parameters.sizes])[size]
    drawn = np.floor(low * ((high + 1) / low) ** rng.random(len(size))).astype(np.int64)
    return np.asarray(np.clip(drawn, low, high), dtype=np.int64)


def draw_population(parameters: Parameters, companies: Companies, rng: np.random.Generator) -> Population:
    """Leads and outbound opportunities spread over the window; several of them may share a company."""
    leads, outbound = parameters.leads, parameters.outbound_opportunities
    count = leads + outbound
    created_day = choices(rng, arrival_weights(parameters), count)
    created_at = created_day * DAY + integers(rng, 6 * 60, 20 * 60 - 1, count)
    has_lead = np.arange(count) < leads
    order = np.lexsort((created_at, ~has_lead))
    created_at = created_at[order]
    company = integers(rng, 0, len(companies) - 1, count)
    source = _mixed(parameters, "lead_source", parameters.lead_sources, created_at // DAY, rng)
    motion = _mixed(parameters, "motion", parameters.motions, created_at // DAY, rng)
    # Nobody tried the product before a seller called.
    return Population(
        company=company,
        source=np.where(has_lead, source, len(parameters.lead_sources)),
        country=companies.country[company],
        industry=companies.industry[company],
        size=companies.size(company, created_at // DAY),
        motion=np.where(has_lead, motion, 0),
        has_lead=has_lead,
        created_at=created_at,
    )


def _mixed(
    parameters: Parameters, dimension: str, levels: tuple[Level, ...], day: Ints, rng: np.random.Generator
) -> Ints:
    """Indexes of levels by their shares, which the planted mix changes alter from their days on."""
    changes = [change for change in parameters.mix_changes if change.dimension == dimension]
    starts = sorted({0, *(parameters.month_start(change.from_month) for change in changes)})
    uniforms = rng.random(len(day))
    drawn = np.zeros(len(day), dtype=np.int64)
    for start in starts:
        shares = [level.share for level in levels]
        for change in changes:
            if parameters.month_start(change.from_month) <= start:
                shares[[level.name for level in levels].index(change.segment)] *= change.factor
        after = day >= start
        drawn[after] = pick(uniforms[after], shares)
    return drawn
