"""SQL that turns one trimmed text value into a typed one, or into null where the text is no such value.

Every function takes an SQL expression of type varchar and returns one of the column's type. A null out of a
text that is not null means: does not parse. No value is guessed: a comma is a thousands sign, and 3/4 a date,
only where the mapping says so.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from types import MappingProxyType

from segment_signals.sources.formats import ValueFormats
from segment_signals.sources.shapes import ColumnType

SQL_TYPES: Mapping[ColumnType, str] = MappingProxyType(
    {
        "text": "varchar",
        "integer": "bigint",
        "amount": "decimal(18,2)",
        "number": "double",
        "timestamp": "timestamp",
        "date": "date",
        "boolean": "boolean",
        "email": "varchar",
    }
)
# Of the engine's types: how native() reads them. What is not here is read as text.
_ENGINE_KINDS: Mapping[str, str] = MappingProxyType(
    {
        **dict.fromkeys(("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"), "whole"),
        **dict.fromkeys(("UTINYINT", "USMALLINT", "UINTEGER", "UBIGINT", "UHUGEINT"), "whole"),
        **dict.fromkeys(("FLOAT", "DOUBLE"), "float"),
        **dict.fromkeys(("TIMESTAMP", "TIMESTAMP_S", "TIMESTAMP_MS", "TIMESTAMP_NS"), "stamp"),
        "DECIMAL": "decimal",
        "TIMESTAMP WITH TIME ZONE": "zoned",
        "DATE": "day",
        "BOOLEAN": "boolean",
    }
)
TRUE_WORDS = ("true", "t", "yes", "1")
FALSE_WORDS = ("false", "f", "no", "0")

# ISO 8601, extended form, and spreadsheets' hours of one digit. The engine's own casts take more (infinity, 24-1-5,
# years BC) and may drop a zone.
_DAY = r"\d{4}-\d{2}-\d{2}"
_CLOCK = r"[T ]\d{1,2}:\d{2}(?::\d{2}(?:\.\d+)?)?"
_ZONE = r"(?:Z| ?UTC| ?GMT| ?[+-](?:0\d|1[0-5])(?::?[0-5]\d)?)"
_EPOCH = r"\d{10}(?:\d{3})?"
_SPACES = " \u00a0\u202f"  # what a locale writes for "a space between thousands"


def literal(text: str) -> str:
    """An SQL string literal."""
    return "'" + text.replace("'", "''") + "'"


def identifier(name: str) -> str:
    """A quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def one_of(words: tuple[str, ...]) -> str:
    """A parenthesised list of SQL string literals."""
    return f"({', '.join(literal(word) for word in words)})"


def typed(
    value: str,
    column_type: ColumnType,
    formats: ValueFormats,
    reporting_timezone: str,
    *,
    is_native: bool = False,
) -> str:
    """The SQL of `value` as the column's type.

    is_native: the text was written by the engine from a typed Parquet column or by the mapping's parser for a
    constant, so the export's own date and number formats do not apply to it.
    """
    if is_native:
        formats = replace(formats, date_formats=(), thousands="", decimal=".")
    if column_type == "timestamp":
        return _timestamp(value, formats, reporting_timezone)
    if column_type == "date":
        return _date(value, formats, reporting_timezone)
    if column_type in ("amount", "number"):
        return f"try_cast({_number(value, formats)} as {SQL_TYPES[column_type]})"
    if column_type == "integer":
        return _integer(value, formats)
    if column_type == "email":
        # One sign between two texts; anything else is no address and reaches nobody.
        return f"case when {value} like '%_@_%' and {value} not like '%@%@%' then lower({value}) end"
    if column_type == "boolean":
        return (
            f"case when lower({value}) in {one_of(TRUE_WORDS)} then true "
            f"when lower({value}) in {one_of(FALSE_WORDS)} then false end"
        )
    return value


def engine_kind(engine_type: str) -> str:
    """How a column of the engine's type is read: whole, float, decimal, stamp, zoned, day, boolean or text."""
    return _ENGINE_KINDS.get(engine_type.partition("(")[0], "text")


def native(
    value: str, kind: str, column_type: ColumnType, formats: ValueFormats, reporting_timezone: str
) -> str | None:
    """The SQL of a value that the engine has typed (see engine_kind) as the column's type; None: read its text."""
    is_number = kind in ("whole", "float", "decimal")
    if column_type == "timestamp":
        if is_number:
            return _epoch_stamp(f"try_cast({value} as bigint)", reporting_timezone)
        moments = {
            "stamp": _local(f"cast({value} as timestamp)", formats, reporting_timezone),
            "zoned": f"timezone({literal(reporting_timezone)}, {value})",
            "day": f"cast({value} as timestamp)",
        }
        return moments.get(kind)
    if column_type == "date":
        if is_number:
            return f"cast({_epoch_stamp(f'try_cast({value} as bigint)', reporting_timezone)} as date)"
        days = {
            "stamp": _day_of(f"cast({value} as timestamp)", formats, reporting_timezone),
            "zoned": f"cast(timezone({literal(reporting_timezone)}, {value}) as date)",
            "day": value,
        }
        return days.get(kind)
    if column_type in ("amount", "number") and is_number:
        return f"try_cast({value} as {SQL_TYPES[column_type]})"
    if column_type == "integer" and is_number:
        return f"case when {value} = trunc({value}) then try_cast({value} as bigint) end"
    if column_type == "boolean" and kind == "boolean":
        return value
    return None


def date_format_probe(date_format: str) -> str:
    """SQL that fails exactly when the engine does not understand the strptime format."""
    return f"select try_strptime('', {literal(date_format)}) is null"


def _matches(value: str, pattern: str) -> str:
    return f"regexp_full_match({value}, {literal(pattern)})"


def _local(moment: str, formats: ValueFormats, reporting_timezone: str) -> str:
    """A stamp without a zone, from the mapping's zone to the reporting one; equal zones leave it alone."""
    if formats.timezone == reporting_timezone:
        return moment
    return f"timezone({literal(reporting_timezone)}, timezone({literal(formats.timezone)}, {moment}))"


def _zoned(value: str, reporting_timezone: str) -> str:
    # '10:00:00 +0200' is common, and the engine reads it only without the space.
    tight = f"replace(replace({value}, ' +', '+'), ' -', '-')"
    return f"timezone({literal(reporting_timezone)}, try_cast({tight} as timestamptz))"


def _strptime(value: str, date_format: str) -> str:
    parsed = f"try_strptime({value}, {literal(date_format)})"
    if "%Y" not in date_format.replace("%%", ""):
        return parsed
    # %Y takes 24 for the year 24 too: '1/5/24' must not pass for '%m/%d/%Y'.
    return f"case when year({parsed}) >= 1000 then {parsed} end"


def _kind(date_format: str) -> str:
    """What a strptime format writes: 'zoned', 'stamp' or 'day'."""
    directives = set(re.findall(r"%-?([A-Za-z])", date_format.replace("%%", "")))
    if directives & set("zZ"):
        return "zoned"
    return "stamp" if directives & set("HIMSfgnpXcT") else "day"


def _attempts(iso: str, parsed: Mapping[str, str], epoch: str) -> str:
    """The first reading that succeeds: ISO 8601, the mapping's formats in their order, or an epoch.

    ISO goes first because a format that fails is slow. Only a format that begins like ISO could read the same
    text another way (as %Y-%d-%m does), and such a one goes before.
    """
    before = [sql for date_format, sql in parsed.items() if date_format.startswith("%Y-")]
    after = [sql for date_format, sql in parsed.items() if not date_format.startswith("%Y-")]
    return f"coalesce({', '.join([*before, iso, *after, epoch])})"


def _epoch_stamp(number: str, reporting_timezone: str) -> str:
    """The moment that a whole number counts in milliseconds (13 digits) or seconds (10 digits) since 1970 in UTC."""
    moment = (
        f"case when abs({number}) >= 100000000000 then epoch_ms({number}) else make_timestamp({number} * 1000000) end"
    )
    if reporting_timezone == "UTC":
        return f"({moment})"
    return f"timezone({literal(reporting_timezone)}, timezone('UTC', {moment}))"


def _epoch(value: str, reporting_timezone: str) -> str:
    number = f"try_cast({value} as bigint)"
    return f"case when {_matches(value, _EPOCH)} then {_epoch_stamp(number, reporting_timezone)} end"


def _timestamp(value: str, formats: ValueFormats, reporting_timezone: str) -> str:
    parsed = {}
    for date_format in formats.date_formats:
        moment = _strptime(value, date_format)
        kind = _kind(date_format)
        if kind == "zoned":
            moment = f"timezone({literal(reporting_timezone)}, {moment})"
        elif kind == "stamp":
            moment = _local(moment, formats, reporting_timezone)
        parsed[date_format] = moment
    moment = f"try_cast({value} as timestamp)"
    return _attempts(
        f"case when {_matches(value, _DAY)} then {moment} "  # a day is local midnight, never shifted
        f"when {_matches(value, _DAY + _CLOCK)} then {_local(moment, formats, reporting_timezone)} "
        f"when {_matches(value, _DAY + _CLOCK + _ZONE)} then {_zoned(value, reporting_timezone)} end",
        parsed,
        _epoch(value, reporting_timezone),
    )


def _day_of(moment: str, formats: ValueFormats, reporting_timezone: str) -> str:
    # Exports pad a day with 00:00:00; shifting that to another zone would move it to the day before.
    local = _local(moment, formats, reporting_timezone)
    if local == moment:
        return f"cast({moment} as date)"
    return f"cast(if({moment} = date_trunc('day', {moment}), {moment}, {local}) as date)"


def _date(value: str, formats: ValueFormats, reporting_timezone: str) -> str:
    def day_of(moment: str) -> str:
        return _day_of(moment, formats, reporting_timezone)

    parsed = {}
    for date_format in formats.date_formats:
        moment = _strptime(value, date_format)
        kind = _kind(date_format)
        if kind == "zoned":
            parsed[date_format] = f"cast(timezone({literal(reporting_timezone)}, {moment}) as date)"
        else:
            parsed[date_format] = day_of(moment) if kind == "stamp" else f"cast({moment} as date)"
    return _attempts(
        f"case when {_matches(value, _DAY)} then try_cast({value} as date) "
        f"when {_matches(value, _DAY + _CLOCK)} then {day_of(f'try_cast({value} as timestamp)')} "
        f"when {_matches(value, _DAY + _CLOCK + _ZONE)} "
        f"then cast({_zoned(value, reporting_timezone)} as date) end",
        parsed,
        f"cast({_epoch(value, reporting_timezone)} as date)",
    )


def _number(value: str, formats: ValueFormats) -> str:
    """The text of a number with neither thousands signs nor a decimal sign other than the point."""
    decimal = re.escape(formats.decimal)
    whole = r"\d+"
    plain = value
    if formats.thousands:
        signs = _SPACES if formats.thousands in _SPACES else formats.thousands
        group = f"[{re.escape(signs)}]"
        # Groups of three (or two, as in 12,34,567): '1,23' is not 123 but a decimal comma not declared.
        whole = rf"(?:\d+|\d{{1,3}}(?:{group}\d{{2,3}})*{group}\d{{3}})"
        plain = f"regexp_replace({plain}, {literal(group)}, '', 'g')"
    if formats.decimal != ".":
        plain = f"replace({plain}, {literal(formats.decimal)}, '.')"
    number = rf"[+-]?(?:{whole}(?:{decimal}\d*)?|{decimal}\d+)(?:[eE][+-]?\d+)?"
    return f"case when {_matches(value, number)} then {plain} end"


def _integer(value: str, formats: ValueFormats) -> str:
    # Tools that hold integers with gaps as floats write 1200.0; a fraction other than 0 is no integer.
    number = f"try_cast({_number(value, formats)} as decimal(38,6))"
    return f"case when {number} = trunc({number}) then try_cast({number} as bigint) end"
