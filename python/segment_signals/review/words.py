"""How the page writes numbers, periods, evidence and change. Pure functions, no tables.

Rules (visual.md): at most three significant digits in sight, counts of records exact, a no-break space before a unit,
a true minus sign. Rates are rounded half up from millionths because page.js rounds the same integers the same way:
a cell that the script redraws reads exactly like the one that was printed.
"""

from __future__ import annotations

import math
import re
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Literal

NBSP = "\u00a0"
MINUS = "\u2212"
Grain = Literal["month", "quarter"]

MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
CURRENCY_SIGNS = {"USD": "$", "EUR": "€", "GBP": "£"}

EVIDENCE = ("reportable", "directional", "suppressed")
EVIDENCE_MARKS = {"reportable": "●", "directional": "○", "suppressed": "▨"}
EVIDENCE_RULES = {
    "reportable": "Enough records, a narrow interval and complete data: the value can be quoted with its interval.",
    "directional": "Fewer records, few outcomes of one kind, a wide interval or gaps in the data: quote the value only "
    "together with its caveat. Drawn hollow.",
    "suppressed": "Held back: no value and no interval are published, only the number of records and the reason. "
    "Drawn hatched.",
}


@dataclass(frozen=True)
class Reason:
    """Why a cell is not reportable: its code, the words that fit into a cell, and a clause for hover and text."""

    code: str
    short: str
    sentence: str


REASONS = {
    reason.code: reason
    for reason in (
        Reason("insufficient_sample", "too few", "too few records or outcomes"),
        Reason("too_early", "too young", "too few records have been followed to the horizon"),
        Reason("left_truncated", "truncated", "the cohort began before the history of the source"),
        Reason("incomplete_data", "incomplete", "the data of the cell is incomplete"),
        Reason("wide_interval", "wide", "the interval is wider than the limit"),
        Reason("definition_changed", "redefined", "a definition changed within the comparison"),
        Reason("not_applicable", "n/a", "the dimension is not known yet at this stage"),
    )
}


def reason_of(code: str | None) -> Reason:
    """The known reason of that code, or one that repeats an unknown code in plain words."""
    if code is None:
        return Reason("", "held back", "no reason given")
    return REASONS.get(code) or Reason(code, plain(code), plain(code))


def plain(code: str) -> str:
    """A code as words: 'deal_size_tier' -> 'deal size tier'."""
    return code.replace("_", " ").strip()


def sentence_case(text: str) -> str:
    """Only the first letter is raised; acronyms inside stay."""
    return text[:1].upper() + text[1:]


# ---------------------------------------------------------------- periods


@dataclass(frozen=True)
class Period:
    """A month or a quarter, named by its first day. Fiscal quarters may start in any month."""

    grain: str
    start: date

    @property
    def months(self) -> int:
        """Length in months."""
        return 3 if self.grain == "quarter" else 1

    @property
    def index(self) -> int:
        """Months since year 0: the position on a time axis, free of time zones."""
        return self.start.year * 12 + self.start.month - 1

    @property
    def end(self) -> date:
        """Last day of the period."""
        year, month = divmod(self.index + self.months, 12)
        return date(year, month + 1, 1) - timedelta(days=1)

    @property
    def label(self) -> str:
        """'May 2025', '2025 Q2', or 'Q starting Feb 2025' where the quarter is not a calendar quarter."""
        name = MONTHS[self.start.month - 1]
        if self.grain != "quarter":
            return f"{name}{NBSP}{self.start.year}"
        if self.start.month % 3 == 1:
            return f"{self.start.year}{NBSP}Q{(self.start.month + 2) // 3}"
        return f"Q starting {name}{NBSP}{self.start.year}"

    @property
    def key(self) -> str:
        """The period as it stands in the address of the page: '2025-05' or '2025-04-quarter'."""
        key = f"{self.start.year:04d}-{self.start.month:02d}"
        return f"{key}-quarter" if self.grain == "quarter" else key

    def is_complete(self, as_of: date | None) -> bool:
        """A period that ends after the as-of date is not complete; without an as-of date nothing is."""
        return as_of is not None and self.end <= as_of


def day(value: date | None) -> str:
    """'30 Jun 2025'."""
    return "unknown" if value is None else f"{value.day}{NBSP}{MONTHS[value.month - 1]}{NBSP}{value.year}"


# ---------------------------------------------------------------- numbers


def count(value: float) -> str:
    """Records are counted exactly: 1204 -> '1,204'."""
    return f"{round(value):,}".replace("-", MINUS)


def significant(value: float, digits: int = 3, *, trim: bool = True) -> str:
    """At most three significant digits, no exponent: 1284.2 -> '1,280', 0.1234 -> '0.123', 43.0 -> '43'."""
    if value == 0:
        return "0"
    places = digits - 1 - math.floor(math.log10(abs(value)))
    rounded = round(value, places)
    # Rounding may have raised the magnitude (99.96 -> 100.0): count the places again.
    places = max(0, digits - 1 - math.floor(math.log10(abs(rounded))))
    text = f"{rounded:,.{places}f}"
    if trim and "." in text and float(rounded).is_integer():
        text = text.split(".")[0]
    return text.replace("-", MINUS)


def percent(rate: float, decimals: int = 1) -> str:
    """A rate in percent without its sign, half up from millionths: 0.27885 -> '27.9'. Full certainty is '100'."""
    millionths = round(abs(rate) * 1_000_000)
    step = 10 ** (4 - decimals)
    scaled = (millionths + step // 2) // step
    whole, part = divmod(scaled, 10**decimals)
    text = f"{whole}.{part:0{decimals}d}" if decimals and whole < 100 else f"{whole}"
    return f"{MINUS}{text}" if rate < 0 and scaled else text


def seen_percent(rate: float, decimals: int = 1) -> str:
    """A percentage as it is seen: the column's decimals, but never a fourth digit: 0.1099, 2 -> '11.0'."""
    return percent(rate, 1 if abs(rate) >= 0.09995 and decimals > 1 else decimals)


def rate_decimals(rate: float) -> int:
    """Two decimals of a percentage where the rate is below 5 %, else one: at most three digits either way."""
    return 2 if abs(rate) < 0.05 else 1


def money(value: float, currency: str, *, short: bool = False) -> str:
    """1284000, 'USD' -> '$1.28 M'; 67000 -> '$67.0 k', or '$67 k' if short (ticks)."""
    size, suffix = abs(value), ""
    # 999,500 is written 1.00 M, not 1,000 k: the limit is where three digits round up.
    for limit, divisor, word in ((999.5e6, 1e9, "bn"), (999.5e3, 1e6, "M"), (9999.5, 1e3, "k")):
        if size >= limit:
            size, suffix = size / divisor, f"{NBSP}{word}"
            break
    sign = CURRENCY_SIGNS.get(currency, f"{currency}{NBSP}")
    return f"{MINUS if value < 0 else ''}{sign}{significant(size, trim=short)}{suffix}"


def decimals_for(unit: str, scale: float) -> int:
    """Decimals that give a value of that size three digits; a change and an interval use those of their value."""
    if unit == "rate":
        return rate_decimals(scale)
    return 2 if abs(scale) < 9.995 else 1 if abs(scale) < 99.95 else 0


def _fixed(value: float, decimals: int) -> str:
    text = f"{value:,.{decimals}f}"
    return text.replace("-", MINUS) if text.strip("-0.,") else text.removeprefix("-")


def _bare(value: float, unit: str, scale: float) -> str:
    """A value without its unit, except for money, whose unit carries the power of ten."""
    if unit == "rate":
        return seen_percent(value, decimals_for(unit, scale))
    if unit == "days":
        return _fixed(value, decimals_for(unit, scale))
    return count(value) if unit == "count" else money(value, unit)


def number(value: float, unit: str) -> str:
    """A value with its unit: units are 'count', 'rate', 'days', or a currency code."""
    suffix = {"rate": f"{NBSP}%", "days": f"{NBSP}days"}.get(unit, "")
    return f"{_bare(value, unit, value)}{suffix}"


def between(low: float, high: float, unit: str, *, with_unit: bool = True) -> str:
    """An interval: '25.4 to 30.5 %'; the unit is said once, or not at all beside a value that says it."""
    suffix = {"rate": f"{NBSP}%", "days": f"{NBSP}days"}.get(unit, "") if with_unit else ""
    middle = (low + high) / 2
    return f"{_bare(low, unit, middle)} to {_bare(high, unit, middle)}{suffix}"


def difference(delta: float, unit: str, scale: float) -> str:
    """A change with its sign, as exact as the value of size `scale` that changed; rates in percentage points."""
    size = _bare(abs(delta), unit, scale)
    sign = "±" if not re.search("[1-9]", size) else "+" if delta > 0 else MINUS
    suffix = {"rate": f"{NBSP}points", "days": f"{NBSP}days"}.get(unit, "")
    return f"{sign}{size}{suffix}"


def points(delta: float, decimals: int) -> str:
    """A difference of two rates in points, without the word: for columns whose header says it."""
    size = seen_percent(abs(delta), decimals)
    sign = "±" if not re.search("[1-9]", size) else "+" if delta > 0 else MINUS
    return f"{sign}{size}"


def difference_between(low: float, high: float, unit: str, scale: float) -> str:
    """The interval of a change, signs kept, unit left out where the change beside it names it."""
    return f"{_bare(low, unit, scale)} to {_bare(high, unit, scale)}"


def exact(value: float | None, unit: str) -> str:
    """For hover and the table behind: up to six significant digits, rates in percent."""
    if value is None:
        return ""
    scaled = value * 100 if unit == "rate" else value
    return f"{scaled:,.0f}" if unit == "count" else f"{float(f'{scaled:.6g}'):,}".removesuffix(".0")


# ---------------------------------------------------------------- change


@dataclass(frozen=True)
class Change:
    """A difference from an earlier period in words. 'higher' and 'lower' only where the interval excludes 0."""

    word: str
    mark: str
    css: str
    delta: float | None = None
    low: float | None = None
    high: float | None = None


def change(delta: float | None, low: float | None, high: float | None, *, has_previous: bool) -> Change:
    """Choose the word by rule; sign and shape stand beside it so that colour says nothing alone."""
    if delta is None:
        return Change("too few to say" if has_previous else "no previous value", "", "none")
    if low is None or high is None:
        return Change("no interval", "", "none", delta)
    if low > 0:
        return Change("higher", "▲", "up", delta, low, high)
    if high < 0:
        return Change("lower", "▼", "down", delta, low, high)
    return Change("no clear difference", "◇", "flat", delta, low, high)
