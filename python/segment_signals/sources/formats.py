"""How a source writes its values."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ValueFormats:
    """How a file writes its values."""

    timezone: str = "UTC"
    null_words: tuple[str, ...] = ("",)
    date_formats: tuple[str, ...] = ()
    thousands: str = ""
    decimal: str = "."
    encoding: str = "utf-8"  # of CSV without a byte order mark
