"""The signal `segment_contrasts`: does a segment really differ from the rest, or from a named one?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, codes, numbers, table, with_evidence
from segment_signals.statistics.contrasts import ClusterSums, Rates, censored_rates, clustered_rates, contrast
from segment_signals.statistics.intervals import Moments, compare_geometric_means
from segment_signals.statistics.multiplicity import two_level
from segment_signals.statistics.shrinkage import shrunken_rates

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("metric", pa.string()),
        ("comparator", pa.string()),
        ("unit", pa.string()),
        ("difference", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("is_signal", pa.bool_()),
        ("shrunken_rate", pa.float64()),
        ("comparator_n", pa.int64()),
        *EVIDENCE_FIELDS,
    ]
)

MEASURES = ["difference", "low", "high", "p_value", "q_value", "shrunken_rate"]
PAGE = ["period_grain", "period_start"]
FAMILY = [*PAGE, "dimension", "metric"]


def segment_contrasts(inputs: pa.Table, thresholds: Mapping[str, float]) -> pa.Table:
    """Contrasts of every cell with its comparators, under the two-level error control of its page.

    A page is a period; its families are the dimensions and metrics. Rates are compared by difference (unit
    `difference`), amounts and days by the ratio of geometric means less one (unit `relative`). Deals of one account are
    clustered where both sides have enough accounts. A signal passes the control and exceeds the practical floor.

    Args:
        inputs: the mart `contrast_inputs`, one row per cell, metric and comparator.
        thresholds: the seed `evidence_thresholds`: minimum_n, minimum_clusters, minimum_mature_share,
            false_discovery_rate, practical_floor_rate, practical_floor_relative.

    Returns:
        Table of `SCHEMA` with the rows of the input.
    """
    cells = inputs.to_pandas()
    is_rate = (cells["unit"] == "difference").to_numpy()
    first, second = _rates(cells, thresholds["minimum_clusters"])
    of_rates = contrast(first, second)
    of_means = compare_geometric_means(_moments(cells, ""), _moments(cells, "other_"))
    cells = cells.assign(
        difference=np.where(is_rate, of_rates.difference, of_means.estimate - 1),
        low=np.where(is_rate, of_rates.low, of_means.low - 1),
        high=np.where(is_rate, of_rates.high, of_means.high - 1),
        p_value=np.where(is_rate, of_rates.p_value, of_means.p_value),
        comparator_n=cells["other_n"],
    )
    # A cohort of which most was not followed to the horizon is not compared with one that was: at high rates its
    # variance is too uncertain to claim anything.
    immature = is_rate & (
        (numbers(cells, "mature_count") < thresholds["minimum_mature_share"] * numbers(cells, "n"))
        | (numbers(cells, "other_mature_count") < thresholds["minimum_mature_share"] * numbers(cells, "other_n"))
    )
    is_shown = cells["own_evidence"] != "suppressed"
    suppressed_reason = (
        cells["own_evidence_reason"]
        .where(~is_shown)
        .mask(is_shown & immature, "too_early")
        .mask(is_shown & (cells["other_n"] < thresholds["minimum_n"]), "insufficient_sample")
        .mask(is_shown & np.isnan(numbers(cells, "p_value")), "insufficient_sample")
    )
    cells = with_evidence(
        cells, suppressed_reason, cells["own_evidence_reason"].where(cells["own_evidence"] == "directional")
    )
    cells.loc[suppressed_reason.notna(), ["difference", "low", "high", "p_value"]] = np.nan
    cells["q_value"] = _page_q_values(cells, thresholds["false_discovery_rate"])
    floor = np.where(is_rate, thresholds["practical_floor_rate"], thresholds["practical_floor_relative"])
    cells["is_signal"] = (numbers(cells, "q_value") <= thresholds["false_discovery_rate"]) & (
        np.abs(numbers(cells, "difference")) >= floor
    )
    ranked = is_rate & (cells["comparator"] == "rest").to_numpy() & suppressed_reason.isna().to_numpy()
    cells["shrunken_rate"] = shrunken_rates(
        np.where(ranked, numbers(cells, "rate"), np.nan), first.effective_n, codes(cells, FAMILY)
    ).mean
    return table(cells, SCHEMA)


def _rates(cells: pd.DataFrame, minimum_clusters: float) -> tuple[Rates, Rates]:
    """Both sides as rates, with the variance between accounts where both have enough of them."""
    first = _plain_rates(cells, "")
    second = _plain_rates(cells, "other_")
    own, rest = _cluster_sums(cells, "cluster_"), _cluster_sums(cells, "rest_cluster_")
    enough = (own.cluster_count >= minimum_clusters) & (rest.cluster_count >= minimum_clusters)
    own_clustered, rest_clustered = clustered_rates(own), clustered_rates(rest)
    enough &= ~np.isnan(own_clustered.effective_n) & ~np.isnan(rest_clustered.effective_n)
    return _either(enough, own_clustered, first), _either(enough, rest_clustered, second)


def _plain_rates(cells: pd.DataFrame, side: str) -> Rates:
    return censored_rates(
        *(numbers(cells, f"{side}{name}") for name in ("rate", "variance", "n", "followed_count", "mature_count"))
    )


def _cluster_sums(cells: pd.DataFrame, side: str) -> ClusterSums:
    columns = (numbers(cells, f"{side}{name}") for name in ("count", "n", "x", "nn", "nx", "xx"))
    return ClusterSums(*columns)


def _either(first_where: "np.ndarray[tuple[int], np.dtype[np.bool_]]", first: Rates, second: Rates) -> Rates:
    return Rates(
        np.where(first_where, first.rate, second.rate),
        np.where(first_where, first.n, second.n),
        np.where(first_where, first.effective_n, second.effective_n),
        np.where(first_where, first.df, second.df),
    )


def _moments(cells: pd.DataFrame, side: str) -> Moments:
    return Moments(
        numbers(cells, f"{side}n"), numbers(cells, f"{side}log_sum"), numbers(cells, f"{side}log_square_sum")
    )


def _page_q_values(cells: pd.DataFrame, level: float) -> "np.ndarray[tuple[int], np.dtype[np.float64]]":
    """q-values of the two-level procedure, page by page, shape (k,)."""
    q_values = np.full(len(cells), np.nan)
    for _, rows in cells.groupby(PAGE, sort=True):
        at = cells.index.get_indexer(rows.index)
        q_values[at] = two_level(numbers(rows, "p_value"), codes(rows, FAMILY), level).q_value
    return q_values
