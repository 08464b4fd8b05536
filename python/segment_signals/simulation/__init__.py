"""Seedable go-to-market worlds whose truth is known, written as the exports of the systems that users have.

Imports nothing of the rest of the package.
"""

from segment_signals.simulation.datasets import FORMATS, write_dataset
from segment_signals.simulation.draws import streams
from segment_signals.simulation.incidence import ExactRates, exact_rates, expected_entrants, true_incidence
from segment_signals.simulation.journeys import Journeys, draw_journeys
from segment_signals.simulation.parameters import END_TO_END, STAGES, TRANSITIONS, Parameters
from segment_signals.simulation.population import NEVER, Companies, Population, draw_companies, draw_population
from segment_signals.simulation.scenario import load_scenario, scenario_names
from segment_signals.simulation.world import World, simulate

__all__ = [
    "END_TO_END",
    "FORMATS",
    "NEVER",
    "STAGES",
    "TRANSITIONS",
    "Companies",
    "ExactRates",
    "Journeys",
    "Parameters",
    "Population",
    "World",
    "draw_companies",
    "draw_journeys",
    "draw_population",
    "exact_rates",
    "expected_entrants",
    "load_scenario",
    "scenario_names",
    "simulate",
    "streams",
    "true_incidence",
    "write_dataset",
]
