"""What happens to each entrant: competing-risk draws of advancing or being lost, stage by stage."""

from dataclasses import dataclass

import numpy as np

from segment_signals.simulation.draws import Floats, Ints, normals
from segment_signals.simulation.incidence import (
    MQL_TO_SQL,
    OPPORTUNITY_TO_WON,
    advance_probability,
    slowness,
)
from segment_signals.simulation.parameters import STAGES, Parameters
from segment_signals.simulation.population import Population

# A day that never comes: later than any window, small enough to add days to.
NEVER = 10**9


@dataclass(frozen=True)
class Journeys:
    """Outcomes without any end of observation, one per entrant.

    `entered_day` (n, 5): day on which each stage of the spine was entered, NEVER where it was not; the first
    three are NEVER for outbound. `lost_day` (n,): NEVER for those who won. `lost_from` (n,): index of the
    stage they were lost from, -1 for won. `tier` (n,) and `amount_usd` (n,): of the opportunity, drawn for
    everybody.
    """

    entered_day: Ints
    lost_day: Ints
    lost_from: Ints
    tier: Ints
    amount_usd: Floats


def draw_journeys(parameters: Parameters, population: Population, rng: np.random.Generator) -> Journeys:
    """Draw every entrant's stages, times and deal amount.

    Each transition uses the same number of draws whatever happened before, so streams stay aligned.
    """
    n = len(population)
    medians = np.array([band.amount_median_usd for band in parameters.sizes])
    amount = medians[population.size] * np.exp(parameters.amount_sigma * normals(rng, n))
    limits = [tier.below_usd for tier in parameters.deal_tiers if tier.below_usd is not None]
    tier = np.searchsorted(np.array(limits, dtype=np.float64), amount, side="right").astype(np.int64)

    entered = np.full((n, len(STAGES)), NEVER, dtype=np.int64)
    entered[:, 0] = np.where(population.has_lead, population.created_day, NEVER)
    entered[:, OPPORTUNITY_TO_WON] = np.where(population.has_lead, NEVER, population.created_day)
    lost_day = np.full(n, NEVER, dtype=np.int64)
    lost_from = np.full(n, -1, dtype=np.int64)
    for step, transition in enumerate(parameters.transitions):
        at_stage = entered[:, step] < NEVER
        shifted = (entered[:, step] >= parameters.mql_to_sql_shift.from_day) & (step == MQL_TO_SQL)
        of_tier = tier if step == OPPORTUNITY_TO_WON else None
        advances = rng.random(n) < advance_probability(parameters, population, step, shifted=shifted, tier=of_tier)
        slower = slowness(parameters, population.source, population.size, step, of_tier)
        z = normals(rng, n)
        to_advance = np.exp(np.log(transition.advance_median_days) + slower + transition.advance_sigma * z)
        to_loss = np.exp(np.log(transition.loss_median_days) + slower + transition.loss_sigma * z)
        days = np.floor(np.where(advances, to_advance, to_loss)).astype(np.int64)
        moves, drops = at_stage & advances, at_stage & ~advances
        entered[moves, step + 1] = (entered[:, step] + days)[moves]
        lost_day[drops] = (entered[:, step] + days)[drops]
        lost_from[drops] = step
    return Journeys(entered, lost_day, lost_from, tier, amount)
