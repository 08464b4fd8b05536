"""Dates as days since 1970-01-01, in which landmarks and windows are counted."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa

from segment_signals.statistics.arrays import Integers

EPOCH = date(1970, 1, 1)


def date_of(day: int) -> date:
    """The date of a day."""
    return EPOCH + timedelta(days=int(day))


def day_of(of: date) -> int:
    """The day of a date."""
    return (of - EPOCH).days


def days_of(column: pa.ChunkedArray) -> Integers:
    """Days (n,) of a column of dates."""
    return np.asarray(column.cast(pa.date32()).cast(pa.int32()).to_numpy(), dtype=np.int64)
