"""Conversion with open records: bias, coverage, and segments of different speed."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from scipy import special
from segment_signals.statistics.arrays import Floats, Integers
from segment_signals.statistics.contrasts import Rates, contrast

from certification import rows
from certification.engine import Warehouse, frame
from certification.targets import Measurement, Target, mean, share

TOPIC = "2. Conversion with open records"
HORIZON = 90
RATES = (0.03, 0.07, 0.2, 0.5, 0.8, 0.93, 0.97)
SAMPLES = (30, 50, 100, 300)
# Days from the last entry to the as-of date; records enter evenly over 90 days before it. None: all are followed.
AGES = (None, 45, 15)
# A cell of the grid counts where so many of its replicates are published.
MINIMUM_PUBLISHED = 200


@dataclass(frozen=True)
class Speed:
    """Days to an event, log-normal and then rounded down."""

    median_days: float
    spread: float

    def draw(self, draws: np.random.Generator, size: int) -> Integers:
        """Days, shape (size,)."""
        days: Integers = np.exp(np.log(self.median_days) + self.spread * draws.standard_normal(size)).astype(np.int64)
        return days


@dataclass(frozen=True)
class World:
    """Cells of n records that enter over 90 days; advancing and losing compete, and the as-of date cuts both.

    Attributes:
        n: records of a cell.
        eventual_rate: share that advances in the end.
        advances, loses: speeds.
        age: days from the last entry to the as-of date; None: everything is followed.
    """

    n: int
    eventual_rate: float
    advances: Speed
    loses: Speed
    age: int | None = None


def truth(world: World, horizon: int) -> float:
    """Probability of advancing within the horizon."""
    # Days are rounded down, so "within the horizon" is anything below one day more.
    deviate = (np.log(horizon + 1) - np.log(world.advances.median_days)) / world.advances.spread
    return float(world.eventual_rate * special.ndtr(deviate))


def day_counts(draws: np.random.Generator, world: World, replicates: int, dimension: str) -> pa.Table:
    """Rows of `marts.funnel_day_counts`: every replicate is a segment of the dimension."""
    cell = np.repeat(np.arange(replicates), world.n)
    is_advanced = draws.random(len(cell)) < world.eventual_rate
    days = np.where(is_advanced, world.advances.draw(draws, len(cell)), world.loses.draw(draws, len(cell)))
    followed = np.iinfo(np.int64).max if world.age is None else world.age + draws.integers(0, 90, len(cell))
    is_open = days > followed
    outcome = np.where(is_open, 2, np.where(is_advanced, 0, 1))
    last = np.minimum(days, followed)
    # Later days are all alike to the longest horizon, which is 180 days.
    key = (cell * 1_000 + np.minimum(last, 999)) * 3 + outcome
    keys, row, counts = np.unique(key, return_inverse=True, return_counts=True)
    mature = np.bincount(row, weights=np.broadcast_to(followed, key.shape) >= HORIZON).astype(np.int64)
    of = keys % 3
    return rows.day_counts(
        ("quarter", dimension),
        np.full(len(keys), np.datetime64("2000-01-01", "D")),
        keys // 3_000,
        ("opportunity", "won"),
        keys // 3 % 1_000,
        np.where(of == 0, counts, 0),
        np.where(of == 1, counts, 0),
        np.where(of == 2, counts, 0),
        mature,
    )


def published(
    warehouse: Warehouse, draws: np.random.Generator, worlds: list[World], replicates: int, horizon: int = HORIZON
) -> list[pd.DataFrame]:
    """The cells of each world that `funnel_conversion` publishes at a horizon, by replicate, with effective samples."""
    counts = pa.concat_tables(
        day_counts(draws, world, replicates, f"world {number:03d}") for number, world in enumerate(worlds)
    )
    warehouse.run("funnel_conversion", funnel_day_counts=counts)
    query = f"""
        select
            dimension, segment::bigint as replicate, effective_count, funnel_conversion.entered_count,
            funnel_conversion.converted_count, funnel_conversion.lost_count, funnel_conversion.conversion_rate,
            conversion_low, conversion_high
        from marts.funnel_conversion as funnel_conversion
        inner join marts.conversion_estimates as estimates
            using (dimension, segment, from_stage, to_stage, horizon_days)
        where horizon_days = {horizon} and funnel_conversion.conversion_rate is not null
    """
    cells = frame(warehouse.table(query))
    of_world = dict(iter(cells.groupby("dimension")))
    return [of_world[f"world {number:03d}"].set_index("replicate") for number in range(len(worlds))]


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Bias, coverage and convergence.

    Args:
        warehouse: compiled project.
        scale: of the numbers of replicates.
    """
    draws = np.random.default_rng(20260102)
    return [
        *_bias_targets(warehouse, draws, round(3_000 * scale)),
        *_coverage_targets(warehouse, draws, round(2_000 * scale)),
        *_speed_targets(warehouse, draws, round(2_000 * scale)),
    ]


def _bias_targets(warehouse: Warehouse, draws: np.random.Generator, replicates: int) -> list[Target]:
    fast_losses = Speed(25, 0.9)
    worlds = [
        World(300, 0.35, Speed(40, 0.8), fast_losses, 15),
        World(300, 0.10, Speed(40, 0.8), fast_losses, 45),
        World(100, 0.70, Speed(30, 0.8), Speed(60, 0.8), 15),
    ]
    targets = []
    for world, cells in zip(worlds, published(warehouse, draws, worlds, replicates), strict=True):
        true_rate = truth(world, HORIZON)
        converted, lost = cells["converted_count"], cells["lost_count"]
        design = f"true {100 * true_rate:.1f} %, {world.n} records, {world.age} days after the last entry"
        figures = [
            (f"bias of the published rate ({design})", cells["conversion_rate"], 0.005),
            ("bias of won / created", converted / cells["entered_count"], None),
            ("bias of won / (won + lost)", converted / (converted + lost), None),
        ]
        for what, rate, limit in figures:
            lower = None if limit is None else -limit
            targets.append(Target(TOPIC, what, mean(rate - true_rate), lower, limit, form="points"))
    return targets


def _grid() -> list[tuple[float, World]]:
    """Incidences at the horizon, and worlds that have them."""
    grid = []
    for rate in RATES:
        # High rates need fast conversions: half of those who do not convert by the horizon never will.
        by_horizon = max(0.85, (1 + rate) / 2)
        spread = 0.8
        median = (HORIZON + 1) / np.exp(spread * special.ndtri(by_horizon))
        for n in SAMPLES:
            grid += [(rate, World(n, rate / by_horizon, Speed(median, spread), Speed(60, 0.8), age)) for age in AGES]
    return grid


def _coverage_targets(warehouse: Warehouse, draws: np.random.Generator, replicates: int) -> list[Target]:
    found = []
    for number in range(len(AGES)):
        # One age at a time keeps the tables small.
        part = _grid()[number :: len(AGES)]
        cells = published(warehouse, draws, [world for _, world in part], replicates)
        found += [
            (rate, world, share(of_world["conversion_low"].le(rate) & of_world["conversion_high"].ge(rate)))
            for (rate, world), of_world in zip(part, cells, strict=True)
            if len(of_world) >= min(MINIMUM_PUBLISHED, replicates / 2)
        ]
    targets = []
    for kind, is_open in (
        ("without open records", False),
        ("with open records, 45 and 15 days after the last entry", True),
    ):
        of_kind = [row for row in found if (row[1].age is not None) == is_open]
        what = f"coverage of 95 % intervals {kind}: mean of {len(of_kind)} cells of 30 to 300 records, rates 3 to 97 %"
        targets.append(Target(TOPIC, what, _average([measured for _, _, measured in of_kind]), 0.93, 0.97))
        rate, world, lowest = min(of_kind, key=lambda row: row[2].value)
        age = "" if world.age is None else f", {world.age} days after the last entry"
        worst = f"the lowest of them: {world.n} records, rate {100 * rate:.0f} %{age}"
        targets.append(Target(TOPIC, worst, lowest))
    return targets


def _average(measured: list[Measurement]) -> Measurement:
    """Mean of independent measurements."""
    value = float(np.mean([each.value for each in measured]))
    error = float(np.sqrt(np.sum([each.error**2 for each in measured])) / len(measured))
    return Measurement(value, error, value - 1.96 * error, value + 1.96 * error)


def _speed_targets(warehouse: Warehouse, draws: np.random.Generator, replicates: int) -> list[Target]:
    """A fast and a slow segment with one eventual rate, 300 records each."""
    worlds = [World(300, 0.4, Speed(days, 0.35), Speed(100, 0.6), 120) for days in (15, 50)]
    targets = []
    for horizon in (30, 180):
        fast, slow = published(warehouse, draws, worlds, replicates, horizon)
        both = fast.index.intersection(slow.index)
        found = contrast(_rates(fast.loc[both]), _rates(slow.loc[both]))
        different = share(found.p_value <= 0.05)
        points = 100 * (truth(worlds[0], horizon) - truth(worlds[1], horizon))
        what = f"fast and slow segments of one eventual rate, at {horizon} days ({points:.1f} points apart)"
        if horizon == 180:
            apart = mean(found.difference)
            targets.append(Target(TOPIC, f"{what}: mean difference", apart, -0.005, 0.005, form="points"))
            targets.append(Target(TOPIC, f"{what}: told apart at 5 %", different, upper=0.05, slack=2))
        else:
            targets.append(Target(TOPIC, f"{what}: told apart at 5 %", different, lower=0.99, slack=2))
    return targets


def _rates(cells: pd.DataFrame) -> Rates:
    n: Floats = cells["entered_count"].to_numpy(dtype=np.float64)
    return Rates(
        cells["conversion_rate"].to_numpy(dtype=np.float64),
        n,
        cells["effective_count"].to_numpy(dtype=np.float64),
        np.full(len(n), np.inf),
    )
