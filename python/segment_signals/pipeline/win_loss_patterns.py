"""The signal `win_loss_patterns`: what was different about the deals that were won. Contrasts, no causes, no advice."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, codes, numbers, table, with_evidence
from segment_signals.statistics.arrays import Floats
from segment_signals.statistics.clusters import design_effect, intraclass_correlation
from segment_signals.statistics.contrasts import clustered_rates, contrast, followed_rates
from segment_signals.statistics.multiplicity import two_level

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("attribute", pa.string()),
        ("attribute_value", pa.string()),
        ("rest_value", pa.string()),
        ("basis", pa.string()),
        ("win_rate", pa.float64()),
        ("rest_win_rate", pa.float64()),
        ("difference", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("is_signal", pa.bool_()),
        ("rest_n", pa.int64()),
        *EVIDENCE_FIELDS,
    ]
)

MEASURES = ["win_rate", "rest_win_rate", "difference", "low", "high", "p_value"]
PAGE = ["period_grain", "period_start"]


def win_loss_patterns(inputs: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pa.Table:
    """Win rates of closed deals with and without each attribute value, under the two-level control of their page.

    A page is a quarter; its families are the attributes. What is recorded without a date (`as_recorded`) may have been
    filled in when the outcome was known: it is shown, is not tested and is never a signal.

    Args:
        inputs: the mart `pattern_inputs`, one row per quarter, attribute and value; one of an attribute of two values,
            so that no contrast counts twice.
        thresholds: the seed `evidence_thresholds`: false_discovery_rate, practical_floor_rate, maximum_half_width.
        caveats: of the reasons against the evidence, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA` with the rows of the input; the cell is the total, `all`.
    """
    cells = inputs.to_pandas()
    correlation = intraclass_correlation(
        *(
            numbers(cells, name)
            for name in ("account_count", "account_n", "account_nn", "between_squares", "within_squares")
        )
    )
    own, rest = (
        clustered_rates(
            followed_rates(numbers(cells, f"{side}won_count"), numbers(cells, f"{side}n")),
            design_effect(correlation, numbers(cells, f"{side}account_records")),
        )
        for side in ("", "rest_")
    )
    found = contrast(own, rest)
    cells = cells.assign(
        dimension="all",
        segment="all",
        win_rate=own.rate,
        rest_win_rate=rest.rate,
        difference=found.difference,
        low=found.low,
        high=found.high,
        p_value=np.where(cells["basis"] == "as_recorded", np.nan, found.p_value),
    )
    suppressed_reason = cells["suppressed_reason"]
    wide = (found.high - found.low) / 2 > thresholds["maximum_half_width"]
    directional_reason = cells["directional_reason"].mask(cells["directional_reason"].isna() & wide, "wide_interval")
    cells = with_evidence(cells, suppressed_reason, directional_reason, caveats)
    reason_is_special = cells["evidence_reason"].isin(["incomplete_data", "too_early"]) & cells["caveat_key"].notna()
    cells["caveat"] = cells["caveat"].mask(reason_is_special, cells["caveat_key"].map(caveats))
    # Won of won and lost: deals that are still open are in no rate.
    cells["caveat"] = cells["caveat"].fillna(caveats["closed_deals_only"])
    cells.loc[suppressed_reason.notna().to_numpy(), MEASURES] = np.nan
    cells["q_value"] = _page_q_values(cells, thresholds["false_discovery_rate"])
    cells["is_signal"] = (numbers(cells, "q_value") <= thresholds["false_discovery_rate"]) & (
        np.abs(numbers(cells, "difference")) >= thresholds["practical_floor_rate"]
    )
    return table(cells, SCHEMA)


def _page_q_values(cells: pd.DataFrame, level: float) -> Floats:
    """q-values of the two-level procedure, page by page, shape (k,)."""
    q_values = np.full(len(cells), np.nan)
    for _, rows in cells.groupby(PAGE, sort=True):
        at = cells.index.get_indexer(rows.index)
        q_values[at] = two_level(numbers(rows, "p_value"), codes(rows, ["attribute"]), level).q_value
    return q_values
