"""Pipeline velocity: coverage of its interval, who is shown, scenarios, and what its levers add up to."""

import numpy as np
import pandas as pd
import pyarrow as pa
from segment_signals.pipeline.scenarios import velocity_scenarios
from segment_signals.pipeline.velocity import pipeline_velocity
from segment_signals.statistics.velocity import LEVERS, scenario_factor

from certification.engine import Warehouse, frame
from certification.targets import Target, exact, mean, share

TOPIC = "6. Pipeline velocity"
WIN_RATE = 0.25
LOG_AMOUNT, AMOUNT_SPREAD = 9.0, 0.8
LOG_CYCLE, CYCLE_SPREAD = 3.8, 0.5
CORRELATION = 0.4
HORIZON_DAYS = 180
EFFECTS = ["count_effect", "win_rate_effect", "deal_amount_effect", "cycle_days_effect"]
# About as many wins are to be expected as are needed to be shown.
AT_THE_EDGE = 12
CHANGE_PCT = 15.0


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Coverage from 12 expected wins on, no selection by the outcome, and the exactness of lever effects.

    Args:
        warehouse: compiled project.
        scale: of the numbers of replicates.
    """
    draws = np.random.default_rng(20260106)
    targets, gaps = [], []
    for wins in (AT_THE_EDGE, 30, 100):
        inputs, found = _cohorts(warehouse, draws, wins, round(3_000 * scale))
        cells = frame(found)
        cells = cells[cells["dimension"] == "lead_source"]
        truth = _true_velocity_per_day(wins)
        told = cells[cells["velocity_per_day"].notna()]
        covers = told["velocity_low"].le(truth) & told["velocity_high"].ge(truth)
        what = f"coverage of 95 % intervals of cohort velocity at {wins} expected wins"
        targets.append(Target(TOPIC, what, share(covers), lower=0.93, slack=2))
        gaps.append(_largest_gap(cells))
        if wins == AT_THE_EDGE:
            targets += _selection(cells)
        if wins == 30:
            targets.append(_scenario(warehouse, inputs, found, truth))
    what = "largest distance of the lever effects' sum from the change, relative to the velocity"
    return [*targets, Target(TOPIC, what, exact(max(gaps)), upper=1e-9, form=".1e")]


def _selection(cells: pd.DataFrame) -> list[Target]:
    """What is shown must not follow from the outcome: the published win rates are right on average."""
    truth = WIN_RATE * _in_time()
    told = cells[cells["velocity_per_day"].notna()]
    bias = mean(told["win_rate"] - truth)
    what = f"bias of the win rates published at about {AT_THE_EDGE} expected wins"
    by_outcome = told[told["win_rate"] * told["n"] >= 10]
    naive = "the same if cells with at least 10 wins were published"
    return [
        Target(TOPIC, what, bias, lower=-0.002, upper=0.002, slack=2, form="points"),
        Target(TOPIC, naive, mean(by_outcome["win_rate"] - truth), form="points"),
    ]


def _scenario(warehouse: Warehouse, inputs: pa.Table, found: pa.Table, true_velocity: float) -> Target:
    changes = pa.table({"change_pct": [CHANGE_PCT]})
    rows = frame(velocity_scenarios(found, inputs, changes, warehouse.thresholds, warehouse.caveats))
    rows = rows[(rows["dimension"] == "lead_source") & (rows["lever"] == "all") & rows["uplift_per_day"].notna()]
    uplift = true_velocity * (float(scenario_factor(CHANGE_PCT, LEVERS)) - 1)
    covers = rows["uplift_low"].le(uplift) & rows["uplift_high"].ge(uplift)
    what = "coverage of 95 % intervals of the uplift of all four levers 15 % better, at 30 expected wins"
    return Target(TOPIC, what, share(covers), lower=0.93, slack=2)


def _cohorts(warehouse: Warehouse, draws: np.random.Generator, wins: int, replicates: int) -> tuple[pa.Table, pa.Table]:
    """Inputs and velocity of two quarters of each replicate, a segment; opportunities arrive as a Poisson process.

    Amounts and cycles are log-normal and correlated; a cycle is the days until the win, rounded down.
    """
    opened = draws.poisson(wins / WIN_RATE, 2 * replicates)
    cohort = np.repeat(np.arange(2 * replicates), opened)
    size = len(cohort)
    start = np.array(["2001-01-01", "2001-04-01"], dtype="datetime64[D]")[cohort % 2]
    day = start + draws.integers(0, 90, size)
    shared = draws.standard_normal(size)
    own = draws.standard_normal(size)
    amount = np.exp(LOG_AMOUNT + AMOUNT_SPREAD * shared)
    cycle = np.exp(LOG_CYCLE + CYCLE_SPREAD * (CORRELATION * shared + np.sqrt(1 - CORRELATION**2) * own))
    is_won = draws.random(size) < WIN_RATE
    end = day + np.floor(cycle).astype(np.int64)
    nothing = np.datetime64("NaT", "D")
    no = pa.array(np.zeros(size, dtype=bool))
    journeys = pa.table(
        {
            "journey_id": pa.array(np.arange(size)).cast(pa.string()),
            "opportunity_type": pa.repeat("new_business", size),
            "is_primary": pa.array(np.ones(size, dtype=bool)),
            "lead_source": pa.array(cohort // 2).cast(pa.string()),
            "amount": pa.array(np.round(amount, 2)),
            "opportunity_date": pa.array(day),
            "won_date": pa.array(np.where(is_won, end, nothing)),
            "lost_date": pa.array(np.where(is_won, nothing, end)),
            **{f"is_{stage}_imputed": no for stage in warehouse.spine},
        }
    )
    keep = "period_grain = 'quarter' and dimension in ('all', 'lead_source')"
    warehouse.run("velocity_inputs", keep=keep, journeys=journeys)
    inputs = warehouse.table("select * from marts.velocity_inputs where basis = 'cohort'")
    return inputs, pipeline_velocity(inputs, warehouse.thresholds, warehouse.caveats)


def _wins() -> tuple[np.ndarray, np.ndarray]:
    """Amounts and cycles of 2,000,000 simulated wins: means known to 0.1 %."""
    shared = np.random.default_rng(1).standard_normal(2_000_000)
    own = np.random.default_rng(2).standard_normal(2_000_000)
    cycle = np.floor(np.exp(LOG_CYCLE + CYCLE_SPREAD * (CORRELATION * shared + np.sqrt(1 - CORRELATION**2) * own)))
    return np.exp(LOG_AMOUNT + AMOUNT_SPREAD * shared), cycle


def _in_time() -> float:
    """The share of the wins that come within the horizon."""
    return float((_wins()[1] <= HORIZON_DAYS).mean())


def _true_velocity_per_day(wins: int) -> float:
    """N W E[A | won in time] / E[L | won in time]."""
    amount, cycle = _wins()
    in_time = cycle <= HORIZON_DAYS
    return float(wins * in_time.mean() * amount[in_time].mean() / cycle[in_time].mean())


def _largest_gap(cells: pd.DataFrame) -> float:
    cells = cells.sort_values(["segment", "period_start"])
    change = cells.groupby("segment")["velocity_per_day"].diff()
    gap = (cells[EFFECTS].sum(axis=1, skipna=False) - change).abs() / cells["velocity_per_day"]
    return float(gap.max())
