"""The signal `change_decomposition`: what moved between two periods, the mix of segments or their rates?"""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, codes, numbers, table, with_evidence
from segment_signals.statistics.decomposition import decompose_change, standardised_rates

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("metric", pa.string()),
        ("comparison", pa.string()),
        ("total_change", pa.float64()),
        ("mix_effect", pa.float64()),
        ("rate_effect", pa.float64()),
        ("rate_effect_low", pa.float64()),
        ("rate_effect_high", pa.float64()),
        ("is_simpson", pa.bool_()),
        ("standardised_rate", pa.float64()),
        ("standardised_low", pa.float64()),
        ("standardised_high", pa.float64()),
        *EVIDENCE_FIELDS,
    ]
)

TOTAL = ["period_grain", "period_start", "dimension", "metric", "comparison"]
MEASURES = [
    "total_change",
    "mix_effect",
    "rate_effect",
    "rate_effect_low",
    "rate_effect_high",
    "standardised_rate",
    "standardised_low",
    "standardised_high",
]


def change_decomposition(inputs: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pa.Table:
    """Kitagawa's decomposition of every change of a total, by dimension.

    Args:
        inputs: the mart `change_inputs`, one row per total (period, dimension, metric, comparison) and segment.
        thresholds: the seed `evidence_thresholds`: minimum_n, reportable_n.
        caveats: of reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA`, one row per total; its segment is `all`, n is the smaller of the two periods' records.
    """
    segments = inputs.to_pandas().sort_values([*TOTAL, "segment"], ignore_index=True)
    total = codes(segments, TOTAL)
    changes = decompose_change(
        numbers(segments, "previous_n"),
        numbers(segments, "previous_rate"),
        numbers(segments, "current_n"),
        numbers(segments, "current_rate"),
        total,
    )
    standardised = standardised_rates(
        numbers(segments, "current_rate"), numbers(segments, "current_n"), numbers(segments, "reference_n"), total
    )
    grouped = segments.groupby(TOTAL, sort=True)
    cells = grouped.agg(
        current_n=("current_n", "sum"),
        previous_n=("previous_n", "sum"),
        is_missing_by_outcome=("is_missing_by_outcome", "max"),
        is_definition_changed=("is_definition_changed", "max"),
    ).reset_index()
    n = cells[["current_n", "previous_n"]].min(axis=1)
    cells = cells.assign(
        segment="all",
        n=n,
        total_change=changes.total_change,
        mix_effect=changes.mix_effect,
        rate_effect=changes.rate_effect,
        rate_effect_low=changes.rate_effect_low,
        rate_effect_high=changes.rate_effect_high,
        is_simpson=changes.is_simpson,
        standardised_rate=standardised.rate,
        standardised_low=standardised.low,
        standardised_high=standardised.high,
    )
    suppressed_reason = pd.Series(
        np.select(
            [
                n < thresholds["minimum_n"],
                cells["is_definition_changed"].astype(bool),
                cells["is_missing_by_outcome"].astype(bool),
            ],
            ["insufficient_sample", "definition_changed", "incomplete_data"],
            default="",
        ),
        index=cells.index,
    )
    suppressed_reason = suppressed_reason.where(suppressed_reason != "")
    directional_reason = pd.Series("insufficient_sample", index=cells.index).where(n < thresholds["reportable_n"])
    cells = with_evidence(cells, suppressed_reason, directional_reason, caveats)
    cells.loc[suppressed_reason.notna(), MEASURES] = np.nan
    cells["is_simpson"] = cells["is_simpson"] & suppressed_reason.isna()
    return table(cells, SCHEMA)
