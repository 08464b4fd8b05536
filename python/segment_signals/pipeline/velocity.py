"""The signal `pipeline_velocity`: velocity per cell on both bases, with interval, lever effects and evidence."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from segment_signals.statistics.velocity import (
    Levers,
    lever_effects,
    log_velocity_variance,
    sample_covariance,
)

SCHEMA = pa.schema(
    [
        ("period_grain", pa.string()),
        ("period_start", pa.date32()),
        ("dimension", pa.string()),
        ("segment", pa.string()),
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
        ("n", pa.int64()),
        ("evidence", pa.string()),
        ("evidence_reason", pa.string()),
        ("caveat", pa.string()),
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


def pipeline_velocity(inputs: pa.Table, caveats: Mapping[str, str]) -> pa.Table:
    """Velocity of every cell.

    Args:
        inputs: the mart `velocity_inputs`, one row per period, dimension, segment and basis.
        caveats: of reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA` with the same rows. Amounts in the reporting currency, velocity in currency per day.
    """
    cells = inputs.to_pandas()
    numbers = {
        column: cells[column].to_numpy(dtype=np.float64, na_value=np.nan)
        for column in cells.columns
        if column.endswith(("_count", "_sum", "_rate", "_amount", "_days", "_z"))
    }
    current = Levers(
        numbers["qualified_count"],
        numbers["win_rate"],
        numbers["mean_deal_amount"],
        numbers["mean_cycle_days"],
    )
    previous = Levers(
        numbers["previous_qualified_count"],
        numbers["previous_win_rate"],
        numbers["previous_mean_deal_amount"],
        numbers["previous_mean_cycle_days"],
    )
    velocity = current.velocity_per_day()
    amount_sum, amount_count = numbers["amount_sum"], numbers["amount_count"]
    cycle_sum, cycle_count = numbers["cycle_days_sum"], numbers["cycle_count"]
    margin = numbers["confidence_z"] * np.sqrt(
        log_velocity_variance(
            numbers["won_count"],
            amount_count,
            current.mean_deal_amount,
            sample_covariance(numbers["amount_square_sum"], amount_sum, amount_sum, amount_count),
            cycle_count,
            current.mean_cycle_days,
            sample_covariance(numbers["cycle_days_square_sum"], cycle_sum, cycle_sum, cycle_count),
            sample_covariance(
                numbers["pair_amount_cycle_days_sum"],
                numbers["pair_amount_sum"],
                numbers["pair_cycle_days_sum"],
                numbers["pair_count"],
            ),
            numbers["pair_count"],
        )
    )
    effects = lever_effects(previous, current)
    unmeasured = np.isnan(velocity) | np.isnan(margin)
    suppressed_reason = cells["suppressed_reason"].where(
        cells["suppressed_reason"].notna() | ~unmeasured, "incomplete_data"
    )
    suppressed = suppressed_reason.notna()
    reason = suppressed_reason.where(suppressed, cells["directional_reason"])
    result = cells.assign(
        velocity_per_day=velocity,
        velocity_low=velocity * np.exp(-margin),
        velocity_high=velocity * np.exp(margin),
        count_effect=effects.qualified_count,
        win_rate_effect=effects.win_rate,
        deal_amount_effect=effects.mean_deal_amount,
        cycle_days_effect=effects.mean_cycle_days,
        n=cells["qualified_count"],
        evidence=np.select([suppressed, reason.notna()], ["suppressed", "directional"], default="reportable"),
        evidence_reason=reason,
        caveat=reason.fillna(cells["basis"].map({"closed": "closed_deals_only"})).map(caveats),
    )
    result.loc[suppressed, MEASURES] = np.nan
    return pa.Table.from_pandas(result[SCHEMA.names], schema=SCHEMA, preserve_index=False)
