"""How Salesforce writes ids, dates, stamps and booleans in a Data Export."""

from datetime import date, timedelta

import numpy as np
from numpy.typing import NDArray

from segment_signals.simulation.draws import Bools, Floats, Ints

Texts = NDArray[np.str_]

_BASE62 = np.frombuffer(b"0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz", dtype=np.uint8)
_CHECK = np.frombuffer(b"ABCDEFGHIJKLMNOPQRSTUVWXYZ012345", dtype=np.uint8)
# Key prefixes of the standard objects; history objects have their own.
PREFIXES = {
    "Account": "001",
    "User": "005",
    "Opportunity": "006",
    "OpportunityHistory": "008",
    "Lead": "00Q",
    "LeadHistory": "017",
    "Product2": "01t",
}
# Two characters for the instance and a zero, as in real ids.
_POD = "5Y0"


def record_ids(prefix: str, count: int, start: int = 1) -> Texts:
    """Ids (count,) of 18 characters: prefix, instance, running number in base 62, and Salesforce's case check.

    The check's three characters each encode, as five bits with the first character lowest, which of five
    characters of the 15-character id are upper case; they make the id safe where case is ignored.
    """
    number = np.arange(start, start + count, dtype=np.int64)
    body = np.empty((count, 18), dtype=np.uint8)
    body[:, :6] = np.frombuffer((prefix + _POD).encode("ascii"), dtype=np.uint8)
    for place in range(9):
        body[:, 14 - place] = _BASE62[(number // 62**place) % 62]
    is_upper = (body[:, :15] >= ord("A")) & (body[:, :15] <= ord("Z"))
    bits = is_upper.reshape(count, 3, 5) @ np.array([1, 2, 4, 8, 16])
    body[:, 15:] = _CHECK[bits]
    return np.ascontiguousarray(body).view("S18").ravel().astype("U18")


class Calendar:
    """Turns days since the first day of the window, and minutes of the day, into export text."""

    def __init__(self, first_day: date, earliest: int, latest: int) -> None:
        """Prepare the days from `earliest` to `latest` (both included, relative to `first_day`)."""
        self._earliest = earliest
        self._dates = np.array(
            [(first_day + timedelta(days=day)).isoformat() for day in range(earliest, latest + 1)],
            dtype="U10",
        )
        self._times = np.array([f"T{m // 60:02d}:{m % 60:02d}:00.000+0000" for m in range(24 * 60)], dtype="U18")

    def dates(self, day: Ints) -> Texts:
        """Dates like 2024-01-05, shape of `day`. IndexError for a day that was not prepared."""
        if day.size and int(day.min()) < self._earliest:
            raise IndexError(f"day {int(day.min())} lies before the calendar. Prepare it from an earlier day.")
        return self._dates[day - self._earliest]

    def stamps(self, day: Ints, minute: Ints) -> Texts:
        """UTC stamps like 2024-01-05T10:00:00.000+0000, shape of `day`."""
        return np.char.add(self.dates(day), self._times[minute])


def booleans(values: Bools) -> Texts:
    """The words true and false, as exports write them."""
    return np.where(values, "true", "false")


def amounts(values: Floats) -> list[str]:
    """Amounts with two decimals."""
    return [f"{value:.2f}" for value in values.tolist()]


def blank_where(blank: Bools, values: Texts) -> Texts:
    """The values, empty where `blank`."""
    return np.where(blank, "", values)
