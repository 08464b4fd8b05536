"""The signal `win_loss`: why deals were lost or won, and to whom, with intervals that hold for all reasons at once."""

from collections.abc import Mapping

import numpy as np
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, numbers, table, with_evidence
from segment_signals.statistics.arrays import ratio
from segment_signals.statistics.intervals import difference_interval
from segment_signals.statistics.multinomial import goodman_interval

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("outcome", pa.string()),
        ("category", pa.string()),
        ("reason", pa.string()),
        ("deal_count", pa.int64()),
        ("share", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("previous_share", pa.float64()),
        ("delta", pa.float64()),
        ("delta_low", pa.float64()),
        ("delta_high", pa.float64()),
        *EVIDENCE_FIELDS,
    ]
)

MEASURES = ["share", "low", "high", "previous_share", "delta", "delta_low", "delta_high"]


def win_loss(inputs: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pa.Table:
    """Shares of the reasons and competitors of closed deals, and how they changed.

    The intervals of one cell, outcome and category hold all at once (Goodman); those of the changes to the previous
    period combine the intervals of the two periods (Newcombe), so they hold all at once as well.

    Args:
        inputs: the mart `win_loss_inputs`, one row per cell, outcome, category and reason.
        thresholds: the seed `evidence_thresholds`: maximum_half_width.
        caveats: of the reasons against the evidence, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA` with the rows of the input.
    """
    cells = inputs.to_pandas()
    n, previous_n = numbers(cells, "n"), numbers(cells, "previous_n")
    share = ratio(numbers(cells, "deal_count"), n)
    previous_share = ratio(numbers(cells, "previous_deal_count"), previous_n)
    limits = goodman_interval(numbers(cells, "deal_count"), n, numbers(cells, "reason_count"))
    previous_limits = goodman_interval(
        numbers(cells, "previous_deal_count"), previous_n, numbers(cells, "reason_count")
    )
    change = difference_interval(share, limits, previous_share, previous_limits)
    cells = cells.assign(
        share=share,
        low=limits.low,
        high=limits.high,
        previous_share=previous_share,
        delta=share - previous_share,
        delta_low=change.low,
        delta_high=change.high,
    )
    suppressed_reason, directional_reason = cells["suppressed_reason"], cells["directional_reason"]
    wide = (limits.high - limits.low) / 2 > thresholds["maximum_half_width"]
    directional_reason = directional_reason.mask(directional_reason.isna() & wide, "wide_interval")
    cells = with_evidence(cells, suppressed_reason, directional_reason, caveats)
    special = suppressed_reason.isna() & cells["caveat_key"].notna()
    cells["caveat"] = cells["caveat"].mask(special, cells["caveat_key"].map(caveats))
    cells.loc[suppressed_reason.notna().to_numpy(), MEASURES] = np.nan
    return table(cells, SCHEMA)
