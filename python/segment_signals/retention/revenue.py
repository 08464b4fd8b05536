"""The signal `revenue_retention`: gross, net and logo retention of each cell, with intervals and evidence."""

from collections.abc import Mapping, Sequence

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, numbers, table, with_evidence
from segment_signals.statistics.arrays import Bools, Floats, Integers, ratio
from segment_signals.statistics.intervals import wilson_interval
from segment_signals.statistics.retention import retention_intervals

AMOUNTS = [
    "opening_arr_amount",
    "new_amount",
    "expansion_amount",
    "contraction_amount",
    "churn_amount",
    "reactivation_amount",
    "closing_arr_amount",
]
COUNTS = ["churned_count", "expanded_count", "contracted_count", "new_count", "reactivated_count", "closing_count"]
RATES = ["grr", "grr_low", "grr_high", "nrr", "nrr_low", "nrr_high", "logo_retention", "logo_low", "logo_high"]
WINDOW = ["period_grain", "period_start", "window_name"]
SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("window_name", pa.string()),
        ("window_months", pa.int64()),
        ("basis", pa.string()),
        ("currency", pa.string()),
        *((name, pa.decimal128(18, 2)) for name in AMOUNTS),
        *((name, pa.int64()) for name in COUNTS),
        *((name, pa.float64()) for name in RATES),
        *EVIDENCE_FIELDS,
    ]
)


def revenue_retention(
    inputs: pa.Table,
    accounts: pa.Table,
    currency: str,
    thresholds: Mapping[str, float],
    caveats: Mapping[str, str],
) -> pa.Table:
    """Retention of every cell and window.

    Args:
        inputs: the mart `revenue_retention_inputs`, one row per cell and window.
        accounts: the mart `retention_accounts`, one row per window and account.
        currency: of the amounts.
        thresholds: the seed `evidence_thresholds`: maximum_half_width.
        caveats: of reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA` with the rows of the inputs. GRR and NRR are shares of the opening cohort's revenue.
    """
    cells = inputs.to_pandas()
    opening = numbers(cells, "opening_arr_amount")
    kept, cohort = numbers(cells, "kept_arr_amount"), numbers(cells, "cohort_arr_amount")
    n = numbers(cells, "opening_count")
    is_shown = cells["suppressed_reason"].isna().to_numpy()
    limits = cell_limits(cells, accounts, is_shown)
    logos = ratio(n - numbers(cells, "churned_count"), n)
    logo_limits = wilson_interval(logos, n)
    gross, net = ratio(kept, opening), ratio(cohort, opening)
    cells = cells.assign(
        basis="arr",
        currency=currency,
        grr=gross,
        grr_low=np.fmin(limits["gross_low"], gross),
        grr_high=np.fmax(limits["gross_high"], gross),
        nrr=net,
        nrr_low=np.fmin(limits["net_low"], net),
        nrr_high=np.fmax(limits["net_high"], net),
        logo_retention=logos,
        logo_low=logo_limits.low,
        logo_high=logo_limits.high,
        n=cells["opening_count"],
    )
    width = np.fmax(cells["grr_high"] - cells["grr_low"], cells["nrr_high"] - cells["nrr_low"])
    directional = cells["directional_reason"].where(
        cells["directional_reason"].notna() | (width <= 2 * thresholds["maximum_half_width"]), "wide_interval"
    )
    result = with_evidence(cells, cells["suppressed_reason"], directional, caveats)
    told = cells["directional_caveat"].map(caveats)
    result["caveat"] = result["caveat"].where((result["evidence"] != "directional") | told.isna(), told)
    result.loc[~is_shown, [*AMOUNTS, *COUNTS, *RATES]] = None
    result[RATES] = result[RATES].astype(np.float64)
    result[COUNTS] = result[COUNTS].astype("Int64")
    return table(result, SCHEMA)


def cell_limits(cells: pd.DataFrame, accounts: pa.Table, is_shown: Bools) -> dict[str, Floats]:
    """Limits of each cell from its customers, by name, shape (k,); NaN where it is not shown."""
    found = {name: np.full(len(cells), np.nan) for name in ("gross_low", "gross_high", "net_low", "net_high")}
    opening = accounts["opening_arr_amount"].cast(pa.float64()).to_numpy()
    rows = np.flatnonzero(opening > 0)
    if not len(rows):
        return found
    columns = accounts.take(pa.array(rows))
    opening, closing = opening[rows], columns["closing_arr_amount"].cast(pa.float64()).to_numpy()
    order = np.argsort(columns["account_id"].to_numpy(zero_copy_only=False).astype(str), kind="stable")
    windows = columns.select(WINDOW).to_pandas()
    for dimension in cells["dimension"].unique():
        names: Sequence[str] = [*WINDOW, *([] if dimension == "all" else ["segment"])]
        own = windows if dimension == "all" else windows.assign(segment=columns[dimension].to_pandas())
        wanted = cells.assign(cell=np.arange(len(cells)))[(cells["dimension"] == dimension).to_numpy() & is_shown]
        cell: Integers = (
            own.merge(wanted[[*names, "cell"]], how="left", on=list(names), validate="many_to_one")["cell"]
            .fillna(-1)
            .to_numpy(dtype=np.int64)
        )
        mine = order[cell[order] >= 0]
        at, codes = np.unique(cell[mine], return_inverse=True)
        limits = retention_intervals(opening[mine], closing[mine], codes.astype(np.int64), len(at))
        for name, values in found.items():
            values[at] = getattr(limits, name)
    return found
