"""The signal `unit_economics`: what a customer costs and is worth, per segment and channel, with intervals."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL, CELL_FIELDS, EVIDENCE_FIELDS, numbers, table, with_evidence
from segment_signals.statistics.arrays import Floats, ratio
from segment_signals.statistics.survival import restricted_mean

METRICS = {
    "cac": "amount",
    "new_cac_ratio": "ratio",
    "cac_payback_months": "months",
    "ltv": "amount",
    "ltv_to_cac": "ratio",
}
SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("metric", pa.string()),
        ("unit", pa.string()),
        ("currency", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("spend_amount", pa.decimal128(18, 2)),
        ("new_mrr_amount", pa.decimal128(18, 2)),
        ("horizon_months", pa.int64()),
        *EVIDENCE_FIELDS,
    ]
)
Z = 1.959963984540054


def unit_economics(
    inputs: pa.Table,
    cohorts: pa.Table,
    currency: str,
    parameters: Mapping[str, float],
    thresholds: Mapping[str, float],
    caveats: Mapping[str, str],
) -> pa.Table:
    """Each metric of each cell.

    The formulas are in the seed `metrics`. Limits are on the log scale: a count of new customers varies like a Poisson
    count, mean revenue like the mean of its customers, months of life as Greenwood's variance says; the three as if
    independent.

    Args:
        inputs: the mart `unit_economics_inputs`.
        cohorts: the mart `cohort_counts`: its rows of all cohorts together are the survival curves.
        currency: of the amounts.
        parameters: the seed `retention_parameters`: gross_margin, ltv_horizon_months.
        thresholds: the seed `evidence_thresholds`: minimum_n, reportable_n, minimum_at_risk,
            maximum_relative_half_width.
        caveats: of reasons, the seed `evidence_reasons`.
    """
    cells = inputs.to_pandas()
    n = numbers(cells, "new_count")
    spend, mrr = numbers(cells, "spend_amount"), numbers(cells, "new_mrr_amount")
    mean = ratio(mrr, n)
    variance = np.maximum(numbers(cells, "mrr_square_sum") - n * mean**2, 0) / np.maximum(n - 1, 1)
    cap = int(parameters["ltv_horizon_months"])
    months, months_error, horizon = _lives(cells, cohorts, cap, thresholds)
    margin = parameters["gross_margin"]
    with np.errstate(divide="ignore", invalid="ignore"):
        count_error = 1 / np.sqrt(n)
        mean_error = ratio(np.sqrt(variance / n), mean)
        life_error = ratio(months_error, months)
    cac = ratio(spend, n)
    ltv = mean * margin * months
    values: dict[str, tuple[Floats, Floats]] = {
        "cac": (cac, count_error),
        "new_cac_ratio": (ratio(spend, 12 * mrr), np.hypot(count_error, mean_error)),
        "cac_payback_months": (ratio(cac, mean * margin), np.hypot(count_error, mean_error)),
        "ltv": (ltv, np.hypot(mean_error, life_error)),
        "ltv_to_cac": (ratio(ltv, cac), np.sqrt(count_error**2 + mean_error**2 + life_error**2)),
    }
    found = [
        _judged(cells, metric, *values[metric], horizon if metric.startswith("ltv") else None, cap, thresholds, caveats)
        for metric in METRICS
    ]
    return table(pd.concat(found, ignore_index=True).assign(currency=currency), SCHEMA)


def _lives(
    cells: pd.DataFrame, cohorts: pa.Table, cap: int, thresholds: Mapping[str, float]
) -> tuple[Floats, Floats, Floats]:
    """Expected months as a customer up to the horizon, their standard error, and the horizon, shape (k,) each.

    A dimension has one horizon, so that its segments can be set beside each other: the shortest one of its segments of
    at least reportable_n customers (or else of the longest one), at most the cap. Who was not followed for so long has
    none.
    """
    fewest = int(thresholds["minimum_at_risk"])
    curves = cohorts.to_pandas()
    curves = curves[curves["period_grain"] == "all"].sort_values("age_months", kind="stable")
    lives: dict[tuple[str, str], tuple[float, float, int]] = {}
    for dimension, of in curves.groupby("dimension", sort=True):
        found_curves = {
            str(segment): (numbers(rows, "at_risk_count"), numbers(rows, "event_count"))
            for segment, rows in of.groupby("segment", sort=True)
        }
        alone = {segment: restricted_mean(*curve, cap, fewest)[2] for segment, curve in found_curves.items()}
        large = [alone[segment] for segment, curve in found_curves.items() if curve[0][0] >= thresholds["reportable_n"]]
        common = min(large, default=max(alone.values()))
        for segment, curve in found_curves.items():
            if alone[segment] >= common:
                lives[str(dimension), segment] = restricted_mean(*curve, common, fewest)
    none = (np.nan, np.nan, 0)
    taken = [lives.get((d, s), none) for d, s in zip(cells["dimension"], cells["segment"], strict=True)]
    found = np.array(taken, dtype=np.float64).reshape(len(cells), 3)
    return found[:, 0], found[:, 1], found[:, 2]


def _judged(
    cells: pd.DataFrame,
    metric: str,
    value: Floats,
    error: Floats,
    horizon: Floats | None,
    cap: int,
    thresholds: Mapping[str, float],
    caveats: Mapping[str, str],
) -> pd.DataFrame:
    n = numbers(cells, "new_count")
    with np.errstate(over="ignore"):
        factor = np.exp(Z * error)
    low, high = value / factor, value * factor
    needs_spend = metric != "ltv"
    suppressed = pd.Series(None, index=cells.index, dtype=object)
    suppressed[np.isnan(value) | np.isnan(factor)] = "incomplete_data"
    if horizon is not None:
        suppressed[horizon < 1] = "too_early"
    suppressed[n < thresholds["minimum_n"]] = "insufficient_sample"
    suppressed[cells["is_left_truncated"].to_numpy(dtype=bool)] = "left_truncated"
    if needs_spend:
        suppressed[cells["spend_amount"].isna().to_numpy()] = "not_applicable"
    directional = pd.Series(None, index=cells.index, dtype=object)
    with np.errstate(invalid="ignore", divide="ignore"):
        is_wide = (high - low) / (2 * value) > thresholds["maximum_relative_half_width"]
    directional[is_wide] = "wide_interval"
    # What is left out of the value is more than its interval tells.
    is_short = np.zeros(len(cells), dtype=bool) if horizon is None else horizon < cap
    directional[is_short] = "incomplete_data"
    directional[n < thresholds["reportable_n"]] = "insufficient_sample"
    if needs_spend:
        directional[cells["is_spend_incomplete"].to_numpy(dtype=bool)] = "incomplete_data"
    directional[cells["is_unfinished"].to_numpy(dtype=bool)] = "too_early"
    hidden = suppressed.notna().to_numpy()
    result = cells[CELL].assign(
        metric=metric,
        unit=METRICS[metric],
        value=np.where(hidden, np.nan, value),
        low=np.where(hidden, np.nan, low),
        high=np.where(hidden, np.nan, high),
        spend_amount=cells["spend_amount"] if needs_spend else None,
        new_mrr_amount=cells["new_mrr_amount"].where(~hidden, None),
        horizon_months=pd.Series(np.nan if horizon is None else horizon, index=cells.index).astype("Int64"),
        n=cells["new_count"],
    )
    result = with_evidence(result, suppressed, directional, caveats)
    result.loc[suppressed == "not_applicable", "caveat"] = caveats["spend_not_by_segment"]
    if horizon is not None:
        is_told = result["evidence"].eq("directional") & is_short
        told = pd.Series([f"counts {months:.0f} of {cap} months" for months in horizon], index=result.index)
        also = result["caveat"] + "; " + told
        told = also.where(result["evidence_reason"] != "incomplete_data", told.str.capitalize())
        result["caveat"] = result["caveat"].where(~is_told, told)
    is_open = result["evidence"].eq("directional") & (directional == "too_early")
    result.loc[is_open, "caveat"] = caveats["period_not_over"]
    return result
