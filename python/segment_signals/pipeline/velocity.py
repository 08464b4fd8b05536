"""The signal `pipeline_velocity`: velocity per cell on both bases, with interval, lever effects and evidence."""

from collections.abc import Mapping
from dataclasses import fields

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, numbers, table
from segment_signals.statistics.arrays import Floats
from segment_signals.statistics.velocity import (
    DealSums,
    Levers,
    Velocity,
    estimate_velocity,
    lever_effect_margins,
    lever_effects,
)

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
        ("count_effect_low", pa.float64()),
        ("count_effect_high", pa.float64()),
        ("win_rate_effect", pa.float64()),
        ("win_rate_effect_low", pa.float64()),
        ("win_rate_effect_high", pa.float64()),
        ("deal_amount_effect", pa.float64()),
        ("deal_amount_effect_low", pa.float64()),
        ("deal_amount_effect_high", pa.float64()),
        ("cycle_days_effect", pa.float64()),
        ("cycle_days_effect_low", pa.float64()),
        ("cycle_days_effect_high", pa.float64()),
        ("expected_win_count", pa.float64()),
        *EVIDENCE_FIELDS,
    ]
)

# Of a lever the name of its contribution.
EFFECTS = {
    "qualified_count": "count_effect",
    "win_rate": "win_rate_effect",
    "mean_deal_amount": "deal_amount_effect",
    "mean_cycle_days": "cycle_days_effect",
}
MEASURES = [
    "win_rate",
    "mean_deal_amount",
    "mean_cycle_days",
    "velocity_per_day",
    "velocity_low",
    "velocity_high",
    *(f"{effect}{end}" for effect in EFFECTS.values() for end in ("", "_low", "_high")),
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
    effects = _effects(cells, thresholds["minimum_outcome_n"])
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
        **effects,
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
    return estimate_velocity(sums, deal_sums(_population(cells, SUMS)), fewest_wins), sums.levers


def _population(cells: pd.DataFrame, columns: list[str]) -> pd.DataFrame:
    """Columns of the total that each cell is part of."""
    total = cells[cells["dimension"] == "all"]
    return cells[PAGE].merge(total[[*PAGE, *columns]], how="left", on=PAGE, validate="many_to_one")


def _effects(cells: pd.DataFrame, fewest_wins: float) -> dict[str, Floats]:
    """The contribution of each lever to the change from the period before, with its interval."""
    previous, current = deal_sums(cells, "previous_"), deal_sums(cells)
    population = _population(cells, [*SUMS, *(f"previous_{name}" for name in SUMS)])
    effects = lever_effects(previous.levers, current.levers)
    margins = lever_effect_margins(
        previous, current, deal_sums(population, "previous_"), deal_sums(population), fewest_wins
    )
    made: dict[str, Floats] = {}
    for lever, name in EFFECTS.items():
        effect, margin = getattr(effects, lever), getattr(margins, lever)
        made |= {name: effect, f"{name}_low": effect - margin, f"{name}_high": effect + margin}
    return made


def deal_sums(cells: pd.DataFrame, prefix: str = "") -> DealSums:
    """The sums of cells, from the columns of their names after the prefix."""
    return DealSums(**{name: numbers(cells, f"{prefix}{name}") for name in SUMS})
