"""Simulated leads whose true probability of converting is known."""

from dataclasses import dataclass, replace

import numpy as np
from scipy.special import expit
from segment_signals.learning import CATEGORY, Categories, Examples, Feature, Target
from segment_signals.simulation.draws import streams
from segment_signals.simulation.journeys import draw_journeys
from segment_signals.simulation.parameters import DIMENSIONS
from segment_signals.simulation.population import NEVER, draw_companies, draw_population
from segment_signals.simulation.scenario import load_scenario
from segment_signals.statistics.arrays import Floats

HORIZON = 90
TARGET = Target("lead_score", "Lead score", "lead", "conversion", "converts", HORIZON, "certification", {})
MONTHS = 24
DEMO_FEATURES = tuple(
    Feature(name, group, CATEGORY)
    for name, group in (
        ("lead_source", "source"),
        ("region", "fit"),
        ("country", "fit"),
        ("industry", "fit"),
        ("company_size", "fit"),
        ("motion", "motion"),
    )
)
PLAIN_FEATURES = (
    Feature("visits", "engagement"),
    Feature("recency_days", "engagement"),
    Feature("pages", "intent"),
    Feature("employees", "fit"),
    Feature("seniority", "fit", CATEGORY),
    Feature("industry", "fit", CATEGORY),
    Feature("noise", "other"),
    Feature("random_category", "other", CATEGORY),
)


@dataclass(frozen=True)
class Design:
    """A world: `demo` (the demo's company, its planted effects), or invented features with these properties."""

    name: str
    is_demo: bool = False
    base: float = -1.6
    interaction: float = 0.0
    missing: float = 0.1
    strength: float = 1.0


DESIGNS = (
    Design("the demo's company, scored on entry", is_demo=True),
    Design("features that add up, 25 % convert"),
    Design("features that add up, 6 % convert", base=-3.6),
    Design("a feature that matters only for some", interaction=2.5),
    Design("weak features, half of one missing", strength=0.5, missing=0.5),
)


def world(design: Design, leads: int, seed: int) -> tuple[Examples, Floats, tuple[Feature, ...]]:
    """Leads in the order of time, their true probabilities (leads,), and the features."""
    return _demo(leads, seed) if design.is_demo else _plain(design, leads, seed)


def _demo(leads: int, seed: int) -> tuple[Examples, Floats, tuple[Feature, ...]]:
    """Population and journeys of the demo without its shift: a later change is in no training and no Bayes score."""
    parameters = replace(load_scenario("demo", leads=leads), shifts=(), outbound_per_lead=0.0)
    rng = streams(seed)
    companies = draw_companies(parameters, rng["companies"])
    population = draw_population(parameters, companies, rng["population"])
    journeys = draw_journeys(parameters, population, rng["journeys"])
    columns = {
        name: Categories(np.asarray(population.index(name, parameters), dtype=np.int64), parameters.segment_names(name))
        for name in DIMENSIONS
    }
    countries = tuple(level.name for level in parameters.countries)
    columns["country"] = Categories(np.asarray(population.country, dtype=np.int64), countries)
    order = np.argsort(population.created_at, kind="stable")
    label = (journeys.entered_day[:, 3] < NEVER).astype(np.float64)
    examples = Examples(np.arange(len(label)), population.company, population.created_at // (24 * 60), label, columns)
    return examples.take(order), journeys.probability[order, :3].prod(axis=1), DEMO_FEATURES


def _plain(design: Design, leads: int, seed: int) -> tuple[Examples, Floats, tuple[Feature, ...]]:
    rng = np.random.default_rng(seed)
    visits = rng.poisson(1.2, leads).astype(float)
    recency = rng.exponential(25, leads)
    recency[rng.random(leads) < design.missing] = np.nan
    pages = rng.gamma(0.7, 10, leads) * (rng.random(leads) < 0.6)
    employees = np.round(rng.lognormal(4.5, 1.3, leads)) + 1
    seniority, industry = rng.choice(4, leads, p=[0.1, 0.2, 0.3, 0.4]), rng.integers(0, 9, leads)
    log_odds = 0.6 * np.minimum(visits, 4) - 0.5 * np.where(np.isnan(recency), 1.2, np.minimum(recency / 30, 2))
    log_odds += 0.5 * np.tanh(pages / 10) - 0.25 * (np.log(employees) - 4.5) ** 2
    log_odds += np.array([0.7, 0.3, 0.0, -0.4])[seniority] + np.linspace(-0.6, 0.6, 9)[industry]
    log_odds = design.base + design.strength * log_odds
    log_odds += design.interaction * (pages > 5) * np.where(seniority < 2, 1, -0.5)
    probability = expit(log_odds)
    columns = {
        "visits": visits,
        "recency_days": recency,
        "pages": pages,
        "employees": employees,
        "seniority": Categories(seniority, ("executive", "director", "manager", "other")),
        "industry": Categories(industry, tuple(f"industry {at}" for at in range(9))),
        "noise": rng.normal(size=leads),
        "random_category": Categories(rng.integers(0, 12, leads), tuple(f"level {at:02d}" for at in range(12))),
    }
    at = np.sort(rng.integers(0, MONTHS, leads)) * 30
    label = (rng.random(leads) < probability).astype(np.float64)
    # Three leads to an account, in neighbouring months: the label of one says nothing of another's.
    return Examples(np.arange(leads), np.arange(leads) // 3, at, label, columns), probability, PLAIN_FEATURES
