"""What happens to each entrant: competing-risk draws of advancing or being lost, stage by stage."""

from dataclasses import dataclass

import numpy as np

from segment_signals.simulation.draws import Floats, Ints, normals
from segment_signals.simulation.incidence import OPPORTUNITY_TO_WON, advance_probability, slowness
from segment_signals.simulation.parameters import STAGES, Parameters
from segment_signals.simulation.population import NEVER, Population


@dataclass(frozen=True)
class Journeys:
    """Outcomes without any end of observation, one per entrant.

    `entered_day` (n, 5): day on which each stage of the spine was entered, NEVER where it was not; the first
    three are NEVER for outbound. `lost_day` (n,): NEVER for those who won. `lost_from` (n,): index of the
    stage they were lost from, -1 for won. `probability` (n, 4): of advancing from each stage; of a stage that was
    never entered, as if it had been entered on the day of creation. `log_days` (n, 4): shift of the log of the
    times. `tier` (n,) and `amount_usd` (n,): of the opportunity, drawn for everybody.
    """

    entered_day: Ints
    lost_day: Ints
    lost_from: Ints
    probability: Floats
    log_days: Floats
    tier: Ints
    amount_usd: Floats


def draw_journeys(parameters: Parameters, population: Population, rng: np.random.Generator) -> Journeys:
    """Draw every entrant's stages, times and deal amount.

    Each transition uses the same number of draws whatever happened before, so streams stay aligned.
    """
    n = len(population)
    created_day = population.created_day
    medians = np.array([band.amount_median_usd for band in parameters.sizes])
    amount = medians[population.size] * np.exp(parameters.amount_sigma * normals(rng, n))
    limits = [tier.below_usd for tier in parameters.deal_tiers if tier.below_usd is not None]
    tier = np.searchsorted(np.array(limits, dtype=np.float64), amount, side="right").astype(np.int64)

    entered = np.full((n, len(STAGES)), NEVER, dtype=np.int64)
    entered[:, 0] = np.where(population.has_lead, created_day, NEVER)
    entered[:, OPPORTUNITY_TO_WON] = np.where(population.has_lead, NEVER, created_day)
    lost_day = np.full(n, NEVER, dtype=np.int64)
    lost_from = np.full(n, -1, dtype=np.int64)
    probability, log_days = np.empty((n, 4)), np.empty((n, 4))
    for step, transition in enumerate(parameters.transitions):
        at_stage = entered[:, step] < NEVER
        of_tier = tier if step == OPPORTUNITY_TO_WON else None
        on_day = np.where(at_stage, entered[:, step], created_day)
        probability[:, step] = advance_probability(parameters, population, step, on_day=on_day, tier=of_tier)
        log_days[:, step] = slowness(parameters, population.source, population.size, population.motion, step, of_tier)
        advances = rng.random(n) < probability[:, step]
        z = normals(rng, n)
        to_advance = np.exp(np.log(transition.advance_median_days) + log_days[:, step] + transition.advance_sigma * z)
        to_loss = np.exp(np.log(transition.loss_median_days) + log_days[:, step] + transition.loss_sigma * z)
        days = np.floor(np.where(advances, to_advance, to_loss)).astype(np.int64)
        moves, drops = at_stage & advances, at_stage & ~advances
        entered[moves, step + 1] = (entered[:, step] + days)[moves]
        lost_day[drops] = (entered[:, step] + days)[drops]
        lost_from[drops] = step
    return Journeys(entered, lost_day, lost_from, probability, log_days, tier, amount)
