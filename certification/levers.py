"""Lever signals: whole pages without any change, with one planted, and months that differ by more than chance."""

import numpy as np
import pandas as pd
import pyarrow as pa
from segment_signals.pipeline.lever_signals import lever_signals

from certification.engine import Warehouse, frame
from certification.targets import Target, share

TOPIC = "6. Levers against their own past"
# Opportunities a quarter of the segments of one dimension; the total is their sum.
SIZES = np.array([400, 250, 180, 120, 80, 60, 40, 40])
QUARTERS = np.array(["2000-10-01", "2001-01-01", "2001-04-01", "2001-07-01", "2001-10-01"], dtype="datetime64[D]")
DAYS = np.diff(np.append(QUARTERS, np.datetime64("2002-01-01", "D"))).astype(np.int64)
AS_OF_DATE = "2001-12-31"
WIN_RATE = 0.25
REFERENCES = pa.table(
    {
        **{
            name: pa.array([], pa.string())
            for name in (
                "comparator",
                "signal",
                "label",
                "lever",
                "basis",
                "dimension",
                "segment",
                "statistic",
                "comparison",
                "applies_to",
            )
        },
        "reference_value": pa.array([], pa.float64()),
    }
)
# The second segment, of 250 opportunities a quarter, changes in its newest quarter.
CHANGED = 1


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """False claims on pages without a change, with and without overdispersion, and the power of the page.

    Args:
        warehouse: compiled project.
        scale: of the numbers of pages.
    """
    draws = np.random.default_rng(20260107)
    targets = []
    for spread, words in ((0.0, "as much as by chance"), (0.04, "by 20 % more than by chance")):
        pages = _pages(warehouse, draws, round(300 * scale), spread)
        claims = pages.groupby("world")["is_signal"].any()
        what = f"nothing changes, counts of quarters differ {words}: pages with a claim (9 cells, 5 levers)"
        targets.append(Target(TOPIC, what, share(claims), upper=0.05, slack=2))
    for lever, words, change in (
        ("win_rate", "its win rate falls from 25 to 16 %", {"win_rate": 0.16}),
        ("typical_deal_amount", "its deals are 35 % smaller", {"amount": 0.65}),
        ("typical_cycle_days", "its cycle is 30 % longer", {"cycle": 1.3}),
        ("qualified_count", "it has 25 % fewer opportunities", {"count": 0.75}),
    ):
        pages = _pages(warehouse, draws, round(60 * scale), 0.0, **change)
        planted = pages[(pages["segment"] == _name(CHANGED)) & (pages["lever"] == lever)]
        targets.append(Target(TOPIC, f"power: a segment of 250 a quarter, {words}", share(planted["is_signal"])))
    return targets


def _name(segment: int) -> str:
    return f"segment {segment}"


def _pages(
    warehouse: Warehouse,
    draws: np.random.Generator,
    worlds: int,
    spread: float,
    win_rate: float = WIN_RATE,
    amount: float = 1,
    cycle: float = 1,
    count: float = 1,
) -> pd.DataFrame:
    """The rows against the own past of one page a world, on the closed basis, in quarters."""
    cells = pd.MultiIndex.from_product(
        [range(worlds), range(len(SIZES)), range(len(QUARTERS))], names=["world", "at", "quarter"]
    ).to_frame(index=False)
    is_changed = ((cells["at"] == CHANGED) & (cells["quarter"] == len(QUARTERS) - 1)).to_numpy()
    # A quarter is a good or a bad one for a segment, whatever its length.
    level = draws.gamma(1 / spread, spread, len(cells)) if spread else np.ones(len(cells))
    expected = SIZES[cells["at"]] * DAYS[cells["quarter"]] / 91.25 * np.where(is_changed, count, 1) * level
    cells["qualified_count"] = draws.poisson(expected)
    cells["won_count"] = draws.binomial(cells["qualified_count"], np.where(is_changed, win_rate, WIN_RATE))
    cells = pd.concat([cells, _won_sums(draws, cells["won_count"].to_numpy(), is_changed, amount, cycle)], axis=1)
    total = cells.drop(columns="at").groupby(["world", "quarter"], as_index=False).sum().assign(at=-1)
    rows = pd.concat([cells, total], ignore_index=True)
    facts = rows.assign(
        period_grain="quarter",
        period_start=QUARTERS[rows["quarter"]],
        dimension=rows["world"].map("{:04d}".format) + np.where(rows["at"] < 0, " all", " team"),
        segment=np.where(rows["at"] < 0, "all", rows["at"].map(_name)),
        basis="closed",
    ).drop(columns=["world", "at", "quarter"])
    warehouse.run("lever_inputs", as_of_date=AS_OF_DATE, velocity_facts=pa.Table.from_pandas(facts))
    inputs = frame(warehouse.table("select * from marts.lever_inputs where period_grain = 'quarter'"))
    found = []
    for world in range(worlds):
        of_world = inputs[inputs["dimension"].str.startswith(f"{world:04d} ")]
        of_world = of_world.assign(dimension=of_world["dimension"].str[5:])
        signals = lever_signals(
            pa.Table.from_pandas(of_world, preserve_index=False), REFERENCES, warehouse.thresholds, warehouse.caveats
        )
        found.append(frame(signals).assign(world=world))
    return pd.concat(found, ignore_index=True)


def _won_sums(
    draws: np.random.Generator, won: "np.ndarray", is_changed: "np.ndarray", amount: float, cycle: float
) -> pd.DataFrame:
    """The sums of `velocity_facts` over the wins of every cell: correlated log-normal amounts and cycles."""
    cell = np.repeat(np.arange(len(won)), won)
    shared = draws.standard_normal(len(cell))
    own = draws.standard_normal(len(cell))
    a = np.round(np.exp(9 + 0.8 * shared) * np.where(is_changed[cell], amount, 1), 2)
    c = np.floor(np.exp(3.8 + 0.5 * (0.4 * shared + np.sqrt(0.84) * own)) * np.where(is_changed[cell], cycle, 1))

    def summed(values: "np.ndarray") -> "np.ndarray":
        return np.bincount(cell, weights=values, minlength=len(won))

    return pd.DataFrame(
        {
            **dict.fromkeys(("amount_count", "amount_log_count", "cycle_count", "pair_count"), won),
            "amount_sum": summed(a),
            "amount_square_sum": summed(a**2),
            "amount_log_sum": summed(np.log(a)),
            "amount_log_square_sum": summed(np.log(a) ** 2),
            "cycle_log_sum": summed(np.log(c + 1)),
            "cycle_log_square_sum": summed(np.log(c + 1) ** 2),
            "cycle_days_sum": summed(c),
            "cycle_days_square_sum": summed(c**2),
            "pair_amount_sum": summed(a),
            "pair_cycle_days_sum": summed(c),
            "pair_amount_cycle_days_sum": summed(a * c),
        }
    )
