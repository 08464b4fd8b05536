"""The signal `segment_contrasts`: does a segment really differ from the rest, or from a named one?"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL, CELL_FIELDS, EVIDENCE_FIELDS, codes, numbers, table, with_evidence
from segment_signals.statistics.arrays import Floats, ratio, root
from segment_signals.statistics.clusters import design_effect, intraclass_correlation
from segment_signals.statistics.contrasts import Rates, censored_rates, clustered_rates, contrast
from segment_signals.statistics.intervals import Moments, compare_geometric_means, t_quantile
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


def segment_contrasts(inputs: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pa.Table:
    """Contrasts of every cell with its comparators, under the two-level error control of its page.

    A page is a period; its families are the dimensions and metrics. Rates are compared by difference (unit
    `difference`), amounts and days by the ratio of geometric means less one (unit `relative`). Deals of one account are
    worth less than as many of different ones. A signal passes the control and exceeds the practical floor. A contrast
    is directional where either of its sides is thin.

    Args:
        inputs: the mart `contrast_inputs`, one row per cell, metric and comparator.
        thresholds: the seed `evidence_thresholds`: minimum_n, reportable_n, minimum_outcome_n, maximum_half_width,
            maximum_relative_half_width, minimum_at_risk, minimum_mature_share, false_discovery_rate,
            practical_floor_rate, practical_floor_relative.
        caveats: of reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA` with the rows of the input, in the order of cell, metric and comparator.
    """
    # In one order whatever the engine's: the shrinkage of a family is the last digits of sums over it.
    cells = inputs.to_pandas().sort_values([*CELL, "metric", "comparator"], ignore_index=True)
    is_rate = (cells["unit"] == "difference").to_numpy()
    first, second = _sides(cells)
    of_rates = contrast(first.rates, second.rates)
    of_means = compare_geometric_means(first.logs, second.logs)
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
    directional_reason = (
        cells["own_evidence_reason"]
        .where(cells["own_evidence"] == "directional")
        .fillna(_thin(first, thresholds))
        .fillna(_thin(second, thresholds))
    )
    cells = with_evidence(cells, suppressed_reason, directional_reason, caveats)
    cells.loc[suppressed_reason.notna(), ["difference", "low", "high", "p_value"]] = np.nan
    cells["q_value"] = _page_q_values(cells, thresholds["false_discovery_rate"])
    floor = np.where(is_rate, thresholds["practical_floor_rate"], thresholds["practical_floor_relative"])
    cells["is_signal"] = (numbers(cells, "q_value") <= thresholds["false_discovery_rate"]) & (
        np.abs(numbers(cells, "difference")) >= floor
    )
    ranked = is_rate & (cells["comparator"] == "rest").to_numpy() & suppressed_reason.isna().to_numpy()
    cells["shrunken_rate"] = shrunken_rates(
        np.where(ranked, numbers(cells, "rate"), np.nan), first.rates.effective_n, codes(cells, FAMILY)
    ).mean
    return table(cells, SCHEMA)


@dataclass(frozen=True)
class _Side:
    """One side of every contrast: a rate, or moments of logs, each NaN where the metric is the other; shapes (k,)."""

    rates: Rates
    logs: Moments
    n: Floats
    at_risk: Floats


def _sides(cells: pd.DataFrame) -> tuple[_Side, _Side]:
    """Both sides, their records worth fewer where the deals of one account hang together."""
    correlation = intraclass_correlation(
        *(
            numbers(cells, name)
            for name in ("account_count", "account_n", "account_nn", "between_squares", "within_squares")
        )
    )
    return _side(cells, "", correlation), _side(cells, "other_", correlation)


def _side(cells: pd.DataFrame, side: str, correlation: Floats) -> _Side:
    effect = design_effect(correlation, numbers(cells, f"{side}account_records"))
    rates = censored_rates(
        *(numbers(cells, f"{side}{name}") for name in ("rate", "variance", "n", "followed_count", "mature_count"))
    )
    logs = Moments(*(numbers(cells, f"{side}{name}") for name in ("n", "log_sum", "log_square_sum")))
    return _Side(
        clustered_rates(rates, effect),
        logs.clustered(effect),
        numbers(cells, f"{side}n"),
        numbers(cells, f"{side}at_risk_count"),
    )


def _thin(side: _Side, thresholds: Mapping[str, float]) -> "pd.Series[str]":
    """Why a side makes its contrasts directional, by the rules of the scorecards; missing where it does not.

    What belongs to the period or the dimension (completeness, history) is on the scorecard, and the same on both sides.
    """
    converted = side.rates.rate * side.n
    interval = side.rates.interval()
    half_width = (interval.high - interval.low) / 2
    half_width_of_logs = t_quantile(side.logs.n - 1, 0.95) * root(ratio(side.logs.variance, side.logs.n))
    few_outcomes = np.fmin(converted, side.n - converted) < thresholds["minimum_outcome_n"]
    return pd.Series(
        np.select(
            [
                side.n < thresholds["reportable_n"],
                side.at_risk < thresholds["minimum_at_risk"],
                few_outcomes,
                (half_width > thresholds["maximum_half_width"])
                | (half_width_of_logs > np.log1p(thresholds["maximum_relative_half_width"])),
            ],
            ["insufficient_sample", "too_early", "insufficient_sample", "wide_interval"],
            default="",
        )
    ).replace("", None)


def _page_q_values(cells: pd.DataFrame, level: float) -> Floats:
    """q-values of the two-level procedure, page by page, shape (k,)."""
    q_values = np.full(len(cells), np.nan)
    for _, rows in cells.groupby(PAGE, sort=True):
        at = cells.index.get_indexer(rows.index)
        q_values[at] = two_level(numbers(rows, "p_value"), codes(rows, FAMILY), level).q_value
    return q_values
