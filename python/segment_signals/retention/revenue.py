"""The signal `revenue_retention`: gross, net and logo retention of each cell, with intervals and evidence."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc

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
COUNTS = [
    "churned_count",
    "expanded_count",
    "contracted_count",
    "new_count",
    "reactivated_count",
    "closing_count",
    "excluded_count",
]
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
        grr_low=np.minimum(limits["gross_low"], gross),
        grr_high=np.maximum(limits["gross_high"], gross),
        nrr=net,
        nrr_low=np.minimum(limits["net_low"], net),
        nrr_high=np.maximum(limits["net_high"], net),
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
    opened = accounts.filter(pc.greater(accounts["opening_arr_amount"], 0))
    if not opened.num_rows:
        return found
    opening, closing = (
        np.asarray(opened[f"{name}_arr_amount"].cast(pa.float64()).to_numpy(), dtype=np.float64)
        for name in ("opening", "closing")
    )
    # In the order of their ids, so that the same customers always get the same weights.
    order = np.argsort(_ranks(opened["account_id"])[0], kind="stable")
    window, windows = np.zeros(opened.num_rows, dtype=np.int64), np.zeros(len(cells), dtype=np.int64)
    for name in WINDOW:
        code, values = _ranks(opened[name].cast(pa.string()))
        known = {value: at for at, value in enumerate(values)}
        window = window * len(values) + code
        windows = windows * len(values) + np.array([known.get(str(value), -(10**9)) for value in _texts(cells[name])])
    for dimension in cells["dimension"].unique():
        code, values = (np.zeros(1, dtype=np.int64), ["all"]) if dimension == "all" else _ranks(opened[dimension])
        known = {value: at for at, value in enumerate(values)}
        rows = np.flatnonzero((cells["dimension"] == dimension).to_numpy() & is_shown)
        segment = np.array([known.get(str(value), -1) for value in cells["segment"].iloc[rows]], dtype=np.int64)
        keys = windows[rows] * len(values) + segment
        rows, keys = rows[(segment >= 0) & (keys >= 0)], keys[(segment >= 0) & (keys >= 0)]
        if not len(rows):
            continue
        own = window * len(values) + code
        sorted_keys = np.argsort(keys, kind="stable")
        place = np.minimum(np.searchsorted(keys[sorted_keys], own), len(keys) - 1)
        cell = np.where(keys[sorted_keys][place] == own, sorted_keys[place], -1)[order]
        mine = order[cell >= 0]
        limits = retention_intervals(opening[mine], closing[mine], cell[cell >= 0], len(rows))
        for name, limit in found.items():
            limit[rows] = getattr(limits, name)
    return found


def _texts(column: "pd.Series[Any]") -> list[str]:
    """Values as text; days as ISO dates."""
    return [value.isoformat()[:10] if hasattr(value, "isoformat") else str(value) for value in column]


def _ranks(column: pa.ChunkedArray) -> tuple[Integers, list[str]]:
    """Codes (n,) of a column of text in the order of its values, and the values."""
    encoded = column.combine_chunks().dictionary_encode()
    if isinstance(encoded, pa.ChunkedArray):
        encoded = encoded.combine_chunks()
    values = encoded.dictionary.to_pylist()
    order = sorted(range(len(values)), key=lambda at: values[at])
    rank = np.empty(len(values), dtype=np.int64)
    rank[order] = np.arange(len(values))
    return rank[encoded.indices.to_numpy(zero_copy_only=False).astype(np.int64)], [values[at] for at in order]
