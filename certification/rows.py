"""Simulated rows of the marts that count journeys."""

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from segment_signals.statistics.arrays import Integers

Dates = NDArray[np.datetime64]


def month_start(first: str, months: Integers) -> Dates:
    """First day of the months after the month `first`, "YYYY-MM"."""
    return (np.datetime64(first, "M") + months).astype("datetime64[D]")


def day_counts(
    cell: tuple[str, str],
    period_start: Dates,
    segment: Integers,
    transition: tuple[str, str],
    outcome_days: Integers,
    advanced: Integers,
    lost: Integers,
    still_open: Integers,
    mature: Integers,
) -> pa.Table:
    """Rows of `marts.funnel_day_counts`; rows without a record are left out.

    Args:
        cell: period_grain and dimension.
        period_start: shape (rows,), as all arrays.
        segment: number of the segment.
        transition: from_stage and to_stage.
        outcome_days: days from entry to the outcome.
        advanced: records that advanced on that day.
        lost: records that were lost on that day.
        still_open: records last seen on that day.
        mature: of all of these, records that entered at least the primary horizon before the as-of date.
    """
    rows = len(segment)
    table = pa.table(
        {
            "period_grain": pa.repeat(cell[0], rows),
            "period_start": pa.array(period_start),
            "dimension": pa.repeat(cell[1], rows),
            "segment": pa.array(segment).cast(pa.string()),
            "within_dimension": pa.repeat("all", rows),
            "within_segment": pa.repeat("all", rows),
            "from_stage": pa.repeat(transition[0], rows),
            "to_stage": pa.repeat(transition[1], rows),
            "outcome_days": pa.array(outcome_days),
            "advanced_count": pa.array(advanced),
            "timed_advanced_count": pa.array(advanced),
            "lost_count": pa.array(lost),
            "open_count": pa.array(still_open),
            "imputed_count": pa.array(np.zeros(rows, dtype=np.int64)),
            "mature_count": pa.array(mature),
        }
    )
    return table.filter(pa.array(advanced + lost + still_open > 0))


def followed_counts(
    cell: tuple[str, str],
    period_start: Dates,
    segment: Integers,
    transition: tuple[str, str],
    entered: Integers,
    converted: Integers,
) -> pa.Table:
    """Rows of `marts.funnel_day_counts` of records that convert on day 10 or are lost on day 20."""
    nobody = np.zeros_like(entered)
    lost = entered - converted
    at = (cell, period_start, segment, transition)
    return pa.concat_tables(
        [
            day_counts(*at, np.full_like(entered, 10), converted, nobody, nobody, converted),
            day_counts(*at, np.full_like(entered, 20), nobody, lost, nobody, lost),
        ]
    )
