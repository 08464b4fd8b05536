"""What moved: identity, pure changes of the mix, Simpson's paradox."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from segment_signals.funnel.changes import change_decomposition
from segment_signals.statistics.arrays import floats

from certification.engine import Warehouse, frame
from certification.rows import followed_counts, month_start
from certification.targets import Target, exact, share

TOPIC = "4. What moved: mix or rate"


@dataclass(frozen=True)
class Change:
    """Two months of a total.

    Attributes:
        name: of the design.
        n: records of the total in each month.
        shares: of the segments in the two months.
        rates: of the segments in the two months.
    """

    name: str
    n: int
    shares: tuple[tuple[float, ...], tuple[float, ...]]
    rates: tuple[tuple[float, ...], tuple[float, ...]]


FOUR = (0.10, 0.25, 0.40, 0.55)
TEN = (0.05, 0.08, 0.12, 0.16, 0.20, 0.25, 0.30, 0.38, 0.45, 0.60)
THIN_TEN = (0.30, 0.22, 0.15, 0.11, 0.08, 0.06, 0.04, 0.02, 0.01, 0.01)


def _raised(rates: tuple[float, ...], by: float) -> tuple[float, ...]:
    return tuple(rate + by for rate in rates)


def _reversed(shares: tuple[float, ...]) -> tuple[float, ...]:
    return shares[::-1]


TWO, LITTLE_BIG = (0.1, 0.6), (0.2, 0.8)
UPHILL = (0.1, 0.2, 0.3, 0.4)
EVEN = (0.25, 0.25, 0.25, 0.25)
PURE_MIX = (
    Change("2 segments, 1,000 records", 1_000, (LITTLE_BIG, _reversed(LITTLE_BIG)), (TWO, TWO)),
    Change("4 segments, 300 records", 300, (UPHILL, _reversed(UPHILL)), (FOUR, FOUR)),
    Change("4 segments, 3,000 records", 3_000, (UPHILL, _reversed(UPHILL)), (FOUR, FOUR)),
    Change("10 segments, some thin, 1,000 records", 1_000, (THIN_TEN, _reversed(THIN_TEN)), (TEN, TEN)),
)
SIMPSON = (
    Change(
        "every rate rises by 6 points, the total falls; 8,000 records",
        8_000,
        (UPHILL, _reversed(UPHILL)),
        (FOUR, _raised(FOUR, 0.06)),
    ),
)
NO_SIMPSON = (
    Change("nothing changes, 1,000 records", 1_000, (EVEN, EVEN), (FOUR, FOUR)),
    Change("every rate rises by 6 points, same mix, 1,000 records", 1_000, (EVEN, EVEN), (FOUR, _raised(FOUR, 0.06))),
    Change("10 segments, nothing changes, 1,000 records", 1_000, (THIN_TEN, THIN_TEN), (TEN, TEN)),
    *PURE_MIX,
)


def decomposed(
    warehouse: Warehouse, draws: np.random.Generator, changes: tuple[Change, ...], replicates: int
) -> pd.DataFrame:
    """`change_decomposition` of independent replicates; a design is a dimension, a replicate two months of three."""
    counts = pa.concat_tables(_day_counts(draws, change, replicates) for change in changes)
    warehouse.run("change_inputs", funnel_day_counts=counts)
    inputs = warehouse.table(
        "select * from marts.change_inputs where period_grain = 'month' and comparison = 'previous'"
    )
    return frame(change_decomposition(inputs, warehouse.thresholds, warehouse.caveats))


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Identity, intervals and flags.

    Args:
        warehouse: compiled project.
        scale: of the numbers of replicates.
    """
    draws = np.random.default_rng(20260104)
    replicates = round(2_000 * scale)
    cells = decomposed(warehouse, draws, (*SIMPSON, *NO_SIMPSON), replicates)
    told = cells[cells["evidence"] != "suppressed"]
    gap = (told["mix_effect"] + told["rate_effect"] - told["total_change"]).abs().max()
    targets = [
        Target(TOPIC, "largest distance of mix + rate from the change", exact(float(gap)), upper=1e-12, form=".1e")
    ]
    for change in PURE_MIX:
        of_change = told[told["dimension"] == change.name]
        covers = of_change["rate_effect_low"].le(0) & of_change["rate_effect_high"].ge(0)
        what = f"only the mix changes ({change.name}): the rate effect's interval holds 0"
        targets.append(Target(TOPIC, what, share(covers), lower=0.93, slack=2))
    for change in SIMPSON:
        flagged = told.loc[told["dimension"] == change.name, "is_simpson"]
        targets.append(Target(TOPIC, f"Simpson planted ({change.name}): flagged", share(flagged), lower=0.95, slack=2))
    for change in NO_SIMPSON:
        flagged = told.loc[told["dimension"] == change.name, "is_simpson"]
        kind = f"only the mix changes ({change.name})" if change in PURE_MIX else change.name
        targets.append(Target(TOPIC, f"no Simpson planted ({kind}): flagged", share(flagged), upper=0.05, slack=2))
    return targets


def _day_counts(draws: np.random.Generator, change: Change, replicates: int) -> pa.Table:
    """Rows of `marts.funnel_day_counts`: two months of each replicate, the third one empty."""
    segments = len(change.shares[0])
    tables = []
    for month, (shares, rates) in enumerate(zip(change.shares, change.rates, strict=True)):
        entered = draws.multinomial(change.n, floats(shares), size=replicates)
        converted = draws.binomial(entered, floats(rates))
        starts = np.repeat(month_start("1000-01", 3 * np.arange(replicates) + month), segments)
        numbers = np.tile(np.arange(segments), replicates)
        cell = ("month", change.name)
        tables.append(
            followed_counts(cell, starts, numbers, ("opportunity", "won"), entered.ravel(), converted.ravel())
        )
    return pa.concat_tables(tables)
