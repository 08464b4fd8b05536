"""Pipeline velocity: coverage of its interval and what its levers add up to."""

import numpy as np
import pandas as pd
import pyarrow as pa
from segment_signals.pipeline.velocity import pipeline_velocity

from certification.engine import Warehouse, frame
from certification.targets import Target, exact, share

TOPIC = "6. Pipeline velocity"
WIN_RATE = 0.25
LOG_AMOUNT, AMOUNT_SPREAD = 9.0, 0.8
LOG_CYCLE, CYCLE_SPREAD = 3.8, 0.5
CORRELATION = 0.4
HORIZON_DAYS = 180
EFFECTS = ["count_effect", "win_rate_effect", "deal_amount_effect", "cycle_days_effect"]


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Coverage at 30 and 100 expected wins, and the exactness of lever effects.

    Args:
        warehouse: compiled project.
        scale: of the numbers of replicates.
    """
    draws = np.random.default_rng(20260106)
    targets, gaps = [], []
    for wins in (30, 100):
        cells = _cohorts(warehouse, draws, wins, round(3_000 * scale))
        told = cells[cells["velocity_per_day"].notna()]
        true_velocity = _true_velocity_per_day(wins)
        covers = told["velocity_low"].le(true_velocity) & told["velocity_high"].ge(true_velocity)
        what = f"coverage of 95 % intervals of cohort velocity at {wins} expected wins"
        targets.append(Target(TOPIC, what, share(covers), lower=0.93, slack=2))
        gaps.append(_largest_gap(cells))
    what = "largest distance of the lever effects' sum from the change, relative to the velocity"
    return [*targets, Target(TOPIC, what, exact(max(gaps)), upper=1e-9, form=".1e")]


def _cohorts(warehouse: Warehouse, draws: np.random.Generator, wins: int, replicates: int) -> pd.DataFrame:
    """Published velocity of two quarters of each replicate, a segment; opportunities arrive as a Poisson process.

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
    inputs = warehouse.table("select * from marts.velocity_inputs where basis = 'cohort' and dimension = 'lead_source'")
    return frame(pipeline_velocity(inputs, warehouse.caveats))


def _true_velocity_per_day(wins: int) -> float:
    """N W E[A | won in time] / E[L | won in time], from 2,000,000 simulated wins (known to 0.1 %)."""
    shared = np.random.default_rng(1).standard_normal(2_000_000)
    own = np.random.default_rng(2).standard_normal(2_000_000)
    cycle = np.floor(np.exp(LOG_CYCLE + CYCLE_SPREAD * (CORRELATION * shared + np.sqrt(1 - CORRELATION**2) * own)))
    in_time = cycle <= HORIZON_DAYS
    amount = np.exp(LOG_AMOUNT + AMOUNT_SPREAD * shared)
    return float(wins * in_time.mean() * amount[in_time].mean() / cycle[in_time].mean())


def _largest_gap(cells: pd.DataFrame) -> float:
    cells = cells.sort_values(["segment", "period_start"])
    change = cells.groupby("segment")["velocity_per_day"].diff()
    gap = (cells[EFFECTS].sum(axis=1, skipna=False) - change).abs() / cells["velocity_per_day"]
    return float(gap.max())
