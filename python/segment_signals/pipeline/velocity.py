"""The signal `pipeline_velocity`: velocity per cell on both bases, with interval, lever effects and evidence."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, numbers, table
from segment_signals.statistics.velocity import DealSums, Levers, Velocity, estimate_velocity, lever_effects

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("basis", pa.string()),
        ("currency", pa.string()),
        ("qualified_count", pa.int64()),
        ("win_rate", pa.float64()),
        ("mean_deal_amount", pa.float64()),
        ("mean_cycle_days", pa.float64()),
        ("velocity_per_day", pa.float64()),
        ("velocity_low", pa.float64()),
        ("velocity_high", pa.float64()),
        ("count_effect", pa.float64()),
        ("win_rate_effect", pa.float64()),
        ("deal_amount_effect", pa.float64()),
        ("cycle_days_effect", pa.float64()),
        ("expected_win_count", pa.float64()),
        *EVIDENCE_FIELDS,
    ]
)

MEASURES = [
    "win_rate",
    "mean_deal_amount",
    "mean_cycle_days",
    "velocity_per_day",
    "velocity_low",
    "velocity_high",
    "count_effect",
    "win_rate_effect",
    "deal_amount_effect",
    "cycle_days_effect",
]
SUMS = [field.name for field in fields(DealSums)]
PAGE = ["period_grain", "period_start", "basis"]


def pipeline_velocity(inputs: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pa.Table:
    """Velocity of every cell.

    Args:
        inputs: the mart `velocity_inputs`, one row per period, dimension, segment and basis.
        thresholds: the seed `evidence_thresholds`: minimum_outcome_n, maximum_velocity_span.
        caveats: of reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA` with the same rows. Amounts in the reporting currency, velocity in currency per day.
    """
    cells = inputs.to_pandas()
    velocity, current = estimates(cells, thresholds["minimum_outcome_n"])
    effects = lever_effects(
        Levers(
            numbers(cells, "previous_qualified_count"),
            numbers(cells, "previous_win_rate"),
            numbers(cells, "previous_mean_deal_amount"),
            numbers(cells, "previous_mean_cycle_days"),
        ),
        current,
    )
    unmeasured = np.isnan(velocity.per_day) | np.isnan(velocity.high)
    suppressed_reason = cells["suppressed_reason"].where(
        cells["suppressed_reason"].notna() | ~unmeasured, "incomplete_data"
    )
    suppressed = suppressed_reason.notna()
    with np.errstate(divide="ignore", invalid="ignore"):
        is_wide = velocity.high / velocity.low > thresholds["maximum_velocity_span"]
    directional_reason = cells["directional_reason"].where(
        cells["directional_reason"].notna() | ~is_wide, "wide_interval"
    )
    reason = suppressed_reason.where(suppressed, directional_reason)
    # The caveat says more than the reason where there is more to say.
    code = reason.fillna(cells["basis"].map({"closed": "closed_deals_only"}))
    code = code.where(suppressed | (velocity.per_day != 0), "nothing_won")
    code = code.where(~suppressed | cells["suppressed_caveat"].isna(), cells["suppressed_caveat"])
    result = cells.assign(
        win_rate=current.win_rate,
        mean_deal_amount=current.mean_deal_amount,
        mean_cycle_days=current.mean_cycle_days,
        velocity_per_day=velocity.per_day,
        velocity_low=velocity.low,
        velocity_high=velocity.high,
        count_effect=effects.qualified_count,
        win_rate_effect=effects.win_rate,
        deal_amount_effect=effects.mean_deal_amount,
        cycle_days_effect=effects.mean_cycle_days,
        n=cells["qualified_count"],
        evidence=np.select([suppressed, reason.notna()], ["suppressed", "directional"], default="reportable"),
        evidence_reason=reason,
        caveat=code.map(caveats),
    )
    result.loc[suppressed, MEASURES] = np.nan
    return table(result, SCHEMA)


def estimates(cells: pd.DataFrame, fewest_wins: float) -> tuple[Velocity, Levers]:
    """Velocities with their intervals, and the levers, from the sums of cells and of the totals that they are part of.

    Args:
        cells: k rows with the columns of `DealSums` and those of `PAGE`; the rows of dimension `all` are the totals.
        fewest_wins: from so many wins on a cell's own spread is used.
    """
    sums = deal_sums(cells)
    total = cells[cells["dimension"] == "all"]
    population = cells[PAGE].merge(total[[*PAGE, *SUMS]], how="left", on=PAGE, validate="many_to_one")
    return estimate_velocity(sums, deal_sums(population), fewest_wins), sums.levers


def deal_sums(cells: pd.DataFrame, prefix: str = "") -> DealSums:
    """The sums of cells, from the columns of their names after the prefix."""
    return DealSums(**{name: numbers(cells, f"{prefix}{name}") for name in SUMS})
