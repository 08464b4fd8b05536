"""The signal `velocity_scenarios`: what velocity would be if one lever, or all four, were better. Arithmetic."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, numbers, table
from segment_signals.statistics.levers import correlation
from segment_signals.statistics.velocity import LEVERS, scenario_factor

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("basis", pa.string()),
        ("lever", pa.string()),
        ("change_pct", pa.float64()),
        ("currency", pa.string()),
        ("velocity_per_day", pa.float64()),
        ("uplift_per_day", pa.float64()),
        ("uplift_low", pa.float64()),
        ("uplift_high", pa.float64()),
        ("is_causal", pa.bool_()),
        ("size_length_correlation", pa.float64()),
        ("correlation_low", pa.float64()),
        ("correlation_high", pa.float64()),
        ("correlation_n", pa.int64()),
        *EVIDENCE_FIELDS,
    ]
)

CELL = ["period_grain", "period_start", "dimension", "segment", "basis"]
MEASURES = ["velocity_per_day", "uplift_per_day", "uplift_low", "uplift_high"]
CORRELATION = ["size_length_correlation", "correlation_low", "correlation_high"]
ALL_LEVERS = "all"


def velocity_scenarios(
    velocities: pa.Table,
    inputs: pa.Table,
    changes: pa.Table,
    thresholds: Mapping[str, float],
    caveats: Mapping[str, str],
) -> pa.Table:
    """Velocity with each lever better by every change, alone and all together, in the newest published periods.

    A scenario multiplies a published velocity by a number, so its uplift has the same relative interval. It says
    nothing of whether a lever can be moved, or moves alone: large deals may take longer, which the correlation of the
    logarithms of amount and cycle (days plus one) among the same wins shows.

    Args:
        velocities: the signal `pipeline_velocity`.
        inputs: the mart `velocity_inputs`, for the sums over pairs of amount and cycle.
        changes: the seed `scenario_changes`, change_pct in percent for the better.
        thresholds: the seed `evidence_thresholds`: minimum_n.
        caveats: of the reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA`, one row per cell, basis, lever and change. velocity_per_day is that of the scenario,
        uplift_per_day what it is above the published one.
    """
    cells = _newest_published(velocities.to_pandas())
    steps = changes.to_pandas()[["change_pct"]].astype(np.float64)
    if cells.empty or steps.empty:
        return SCHEMA.empty_table()
    cells = cells.merge(_correlations(inputs.to_pandas(), thresholds["minimum_n"]), on=CELL, how="left")
    levers = pd.DataFrame({"lever": [*LEVERS, ALL_LEVERS]})
    rows = cells.merge(levers, how="cross").merge(steps, how="cross")
    factor = np.select(
        [(rows["lever"] == lever).to_numpy() for lever in LEVERS],
        [scenario_factor(numbers(rows, "change_pct"), [lever]) for lever in LEVERS],
        default=scenario_factor(numbers(rows, "change_pct"), LEVERS),
    )
    moves_rate = rows["lever"].isin(["win_rate", ALL_LEVERS]).to_numpy()
    beyond = moves_rate & (numbers(rows, "win_rate") * (1 + numbers(rows, "change_pct") / 100) > 1)
    was_suppressed = (rows["evidence"] == "suppressed").to_numpy()
    suppressed = beyond | was_suppressed
    own = numbers(rows, "velocity_per_day")
    code = pd.Series("not_causal", index=rows.index).mask(beyond, "win_rate_beyond_one")
    rows = rows.assign(
        velocity_per_day=own * factor,
        uplift_per_day=own * (factor - 1),
        uplift_low=numbers(rows, "velocity_low") * (factor - 1),
        uplift_high=numbers(rows, "velocity_high") * (factor - 1),
        is_causal=False,
        evidence=rows["evidence"].mask(beyond, "suppressed"),
        evidence_reason=rows["evidence_reason"].mask(beyond, "not_applicable"),
        caveat=code.map(caveats).where(~was_suppressed, rows["caveat"]),
    )
    rows.loc[suppressed, MEASURES] = np.nan
    order = {lever: place for place, lever in enumerate([*LEVERS, ALL_LEVERS])}
    rows = rows.assign(order=rows["lever"].map(order)).sort_values([*CELL, "order", "change_pct"], ignore_index=True)
    return table(rows, SCHEMA)


def _newest_published(velocities: pd.DataFrame) -> pd.DataFrame:
    """All cells of the newest period of each grain and basis in which the total is published."""
    shown = velocities[(velocities["dimension"] == "all") & (velocities["evidence"] != "suppressed")]
    newest = shown.groupby(["period_grain", "basis"], as_index=False)["period_start"].max()
    return velocities.merge(newest, on=["period_grain", "basis", "period_start"])


def _correlations(inputs: pd.DataFrame, minimum_n: float) -> pd.DataFrame:
    found = correlation(
        numbers(inputs, "pair_log_count"),
        numbers(inputs, "pair_amount_log_sum"),
        numbers(inputs, "pair_cycle_log_sum"),
        numbers(inputs, "pair_amount_log_square_sum"),
        numbers(inputs, "pair_cycle_log_square_sum"),
        numbers(inputs, "pair_log_product_sum"),
    )
    rows = inputs[CELL].assign(
        size_length_correlation=found.estimate,
        correlation_low=found.low,
        correlation_high=found.high,
        correlation_n=inputs["pair_log_count"].astype("int64"),
    )
    rows.loc[rows["correlation_n"] < minimum_n, CORRELATION] = np.nan
    return rows
