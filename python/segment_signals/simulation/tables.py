"""Columns of the exports as Arrow arrays, made from numpy without a loop over rows."""

from collections.abc import Mapping, Sequence
from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from numpy.typing import NDArray

from segment_signals.simulation.draws import Bools, Floats, Ints

Text = Any  # pyarrow.Array of strings
Column = Any  # pyarrow.Array
Table = Any  # pyarrow.Table
Ids = NDArray[np.bytes_]  # ids of equal length

_BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype=np.uint8)
_CHECK = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", dtype=np.uint8)
# Key prefixes of the standard objects; history objects have their own.
PREFIXES = {
    "Account": "001",
    "AccountHistory": "017A",
    "Campaign": "701",
    "CampaignMember": "00v",
    "Contact": "003",
    "Event": "00U",
    "Lead": "00Q",
    "LeadHistory": "017L",
    "Opportunity": "006",
    "OpportunityContactRole": "00K",
    "OpportunityFieldHistory": "017O",
    "OpportunityHistory": "008",
    "OpportunityStage": "01J",
    "Product2": "01t",
    "Task": "00T",
    "User": "005",
}
# Two characters for the instance and a zero, as in real ids.
_POD = "5Y0"


def record_ids(kind: str, count: int, start: int = 1) -> Ids:
    """Ids (count,) of 18 characters: prefix, instance, running number in base 62, and Salesforce's case check.

    The check's three characters each encode, as five bits with the first character lowest, which of five
    characters of the 15-character id are upper case; they make the id safe where case is ignored.
    """
    head = PREFIXES[kind][:3] + _POD + PREFIXES[kind][3:]
    number = np.arange(start, start + count, dtype=np.int64)
    body = np.empty((count, 18), dtype=np.uint8)
    body[:, : len(head)] = np.frombuffer(head.encode("ascii"), dtype=np.uint8)
    for place in range(15 - len(head)):
        body[:, 14 - place] = _BASE62[number % 62]
        number = number // 62
    is_upper = (body[:, :15] >= ord("A")) & (body[:, :15] <= ord("Z"))
    bits = is_upper.reshape(count, 3, 5) @ np.array([1, 2, 4, 8, 16])
    body[:, 15:] = _CHECK[bits]
    return np.ascontiguousarray(body).view("S18").ravel()


def numbered_ids(prefix: str, count: int, start: int = 1, digits: int = 8) -> Ids:
    """Ids (count,) of a prefix and a running number in base 62 of some digits, as Stripe's look."""
    number = np.arange(start, start + count, dtype=np.int64)
    body = np.empty((count, len(prefix) + digits), dtype=np.uint8)
    body[:, : len(prefix)] = np.frombuffer(prefix.encode("ascii"), dtype=np.uint8)
    for place in range(digits):
        body[:, -1 - place] = _BASE62[number % 62]
        number = number // 62
    return np.ascontiguousarray(body).view(f"S{len(prefix) + digits}").ravel()


def ids(values: Ids, position: Ints | None = None) -> Column:
    """Ids as text; with `position` those at positions, null where it is negative."""
    is_null = None
    if position is not None:
        is_null = position < 0
        values = values[np.where(is_null, 0, position)] if len(values) else np.zeros(len(position), values.dtype)
    width, n = values.dtype.itemsize, len(values)
    offsets = np.arange(n + 1, dtype=np.int64) * width
    kind = pa.string() if n * width < 2**31 else pa.large_string()
    if kind == pa.string():
        offsets = offsets.astype(np.int32)
    valid = None
    if is_null is not None and is_null.any():
        valid = pa.py_buffer(np.packbits(~is_null, bitorder="little"))
    return pa.Array.from_buffers(
        kind, n, [valid, pa.py_buffer(offsets), pa.py_buffer(np.ascontiguousarray(values).view(np.uint8))]
    )


def labels(names: Sequence[str], index: Ints, is_null: Bools | None = None) -> Text:
    """Text by index into a few names; null where the index is negative, or where `is_null`."""
    nothing = index < 0 if is_null is None else (index < 0) | is_null
    codes = pa.array(np.where(nothing, 0, index).astype(np.int32), mask=nothing)
    return pa.DictionaryArray.from_arrays(codes, pa.array(list(names), pa.string()))


def plain(column: Column) -> Text:
    """The column as plain text where it is coded."""
    return column.cast(pa.string()) if pa.types.is_dictionary(column.type) else column


def join(*parts: Text | str) -> Text:
    """Texts put one after the other, row by row; null where any part is."""
    return pc.binary_join_element_wise(*(part if isinstance(part, str) else plain(part) for part in parts), "")


def blank(column: Column, is_null: Bools) -> Column:
    """The column, null where `is_null`."""
    return pc.if_else(pa.array(is_null), pa.scalar(None, column.type), column)


def whole(values: Ints, is_null: Bools | None = None) -> Column:
    """Whole numbers."""
    return pa.array(values, pa.int64(), mask=is_null)


def amounts(values: Floats, is_null: Bools | None = None) -> Column:
    """Amounts with two decimals."""
    return pa.array(np.round(values, 2), pa.float64(), mask=is_null)


def booleans(values: Bools, is_null: Bools | None = None) -> Column:
    """True or false."""
    return pa.array(np.asarray(values, dtype=np.bool_), pa.bool_(), mask=is_null)


class Calendar:
    """Turns days and minutes since the first day of the window into dates and stamps (UTC)."""

    def __init__(self, first_day: date) -> None:
        self._origin = first_day.toordinal() - date(1970, 1, 1).toordinal()

    def dates(self, day: Ints, is_null: Bools | None = None) -> Column:
        """Dates of days."""
        kept = day if is_null is None else np.where(is_null, 0, day)
        return pa.array((kept + self._origin).astype(np.int32), pa.int32(), mask=is_null).cast(pa.date32())

    def stamps(self, at: Ints, is_null: Bools | None = None) -> Column:
        """Stamps of minutes."""
        kept = at if is_null is None else np.where(is_null, 0, at)
        return pa.array((kept + self._origin * 24 * 60) * 60, pa.int64(), mask=is_null).cast(pa.timestamp("s"))


def table(columns: Mapping[str, Column]) -> Table:
    """A table of columns by name."""
    return pa.table(dict(columns))
