"""A seedable go-to-market world whose truth is known, written as a Salesforce Data Export.

Imports nothing of the rest of the package.
"""

from segment_signals.simulation.demo import demo_files, write_demo
from segment_signals.simulation.draws import streams
from segment_signals.simulation.incidence import ExactRates, exact_rates, expected_entrants, true_incidence
from segment_signals.simulation.journeys import NEVER, Journeys, draw_journeys
from segment_signals.simulation.parameters import END_TO_END, STAGES, TRANSITIONS, Parameters
from segment_signals.simulation.population import Companies, Population, draw_companies, draw_population
from segment_signals.simulation.world import World, simulate

__all__ = [
    "END_TO_END",
    "NEVER",
    "STAGES",
    "TRANSITIONS",
    "Companies",
    "ExactRates",
    "Journeys",
    "Parameters",
    "Population",
    "World",
    "demo_files",
    "draw_companies",
    "draw_journeys",
    "draw_population",
    "exact_rates",
    "expected_entrants",
    "simulate",
    "streams",
    "true_incidence",
    "write_demo",
]
