"""Personal data in names of columns and in text: e-mail addresses and phone numbers.

Phone numbers have no grammar, so the rule is a judgement: nine to fifteen digits (E.164 allows fifteen)
written with separators or a leading +. What the published tables are full of is told apart: dates, hashes,
ids, decimal numbers, ranges of numbers. What can be both (912 345 678) counts as a phone number: a refused
release is mended by a comma, a published phone number is not.
"""

import html
import re

_PERSONAL_NAMES = ("email", "phone", "firstname", "lastname", "fullname", "contactname", "surname")
_MEASURES = re.compile(r"^(is|has)_|_(count|rate|share|days|hours)$")

_OTHER_HYPHENS = "\u2010\u2011\u2012\u2013\u2014\u2212"
_OTHER_SPACES = "\u00a0\u202f"
_SPELLINGS = str.maketrans(dict.fromkeys(_OTHER_HYPHENS, "-") | dict.fromkeys(_OTHER_SPACES, " "))

PHONE_CANDIDATE = rf"\d(?:[ ()./{_OTHER_SPACES}{_OTHER_HYPHENS}-]{{0,3}}\d){{8}}"
"""Regular expression (RE2 and Python) that every text with a phone number matches, and few others do."""

_AT = re.compile(r"@|%40")
_LOCAL_END = re.compile(r"[\w.%+-]{1,64}$")
_DOMAIN = re.compile(r"(?:[\w-]+\.)+[^\W\d_]{2,}")

_DATE = re.compile(
    r"""(?<!\d)(?:
        (?:1[89]|2[01])\d\d-(?:0[1-9]|1[0-2])                       # 2025-12
        (?:-(?:0[1-9]|[12]\d|3[01])                                 # -31
           (?:[T ]\d\d:\d\d(?::\d\d(?:[.,]\d+)?)?                   # T10:30:00.5
              (?:[ ]?(?:Z|UTC|[+-]\d\d(?::?\d\d)?))?)?)?
        | (?<!/)\d{1,2}/\d{1,2}/(?:\d{4}|\d{2})(?!/)                # 12/31/2025
        | \d{1,2}\.\d{1,2}\.(?:19|20)\d\d(?!\.)                     # 31.12.2025
    )(?!\d)""",
    re.VERBOSE,
)
_DIGIT_RUN = re.compile(r"(?:\+ ?)?\(?\d(?:[ ()./-]{0,3}\d){8,}")
_DECIMAL = r"(?:0|[1-9]\d{0,2}(?: \d{3})+|[1-9]\d*)\.(\d+)"
_IS_DECIMAL = re.compile(_DECIMAL)
_IS_DECIMAL_RANGE = re.compile(rf"{_DECIMAL} ?- ?{_DECIMAL}")
_IS_WHOLE_RANGE = re.compile(r"(0|[1-9]\d*)( ?)-( ?)(0|[1-9]\d*)")
_ID_BEFORE = re.compile(r"\w[-_]$|\w$")
_ID_AFTER = re.compile(r"[-_]?[^\W\d]")
_EXTENSION = re.compile(r" ?(?:x|ext)\.? ?\d", re.IGNORECASE)


def is_personal_name(column: str) -> bool:
    """Whether a column is named like personal data. Counts, shares and flags about it are not."""
    name = column.lower()
    if _MEASURES.search(name):
        return False
    return any(word in re.sub(r"[^a-z]", "", name) for word in _PERSONAL_NAMES)


def find_email(text: str) -> str | None:
    """The first e-mail address in a text, also one written with HTML or URL escapes."""
    plain = html.unescape(text)
    for at in _AT.finditer(plain):
        # Looking around each @ keeps this linear in long texts without spaces.
        local = _LOCAL_END.search(plain[max(0, at.start() - 64) : at.start()])
        domain = _DOMAIN.match(plain, at.end(), at.end() + 255)
        if local and domain:
            return f"{local.group()}@{domain.group()}"
    return None


def find_phone(text: str) -> str | None:
    """The first phone number in a text."""
    plain = _DATE.sub("|", text.translate(_SPELLINGS))
    for run in _DIGIT_RUN.finditer(plain):
        before, after = plain[max(0, run.start() - 2) : run.start()], plain[run.end() : run.end() + 8]
        if _ID_BEFORE.search(before) or (_ID_AFTER.match(after) and not _EXTENSION.match(after)):
            continue
        if re.match(r",\d", after) and re.fullmatch(r"\d{1,3}(?:\.\d{3})+", run.group()):
            continue  # 123.456.789,00
        found = _phone_in(run.group())
        if found is not None:
            return found
    return None


def masked(found: str) -> str:
    """A finding that can be shown: what kind it is and its outline, not whom it names."""
    if "@" in found:
        local, domain = found.split("@", 1)
        return f"{local[0]}***@{domain[0]}***"
    first = re.search(r"\d", found)
    start = first.end() if first else 0
    return found[:start] + re.sub(r"\d", "*", found[start:])


def _phone_in(run: str) -> str | None:
    """The phone number in a run of digits and separators, if it holds one."""
    digits = sum(character.isdigit() for character in run)
    if digits > 15:
        parts = run.split()
        return next((part for part in parts if _phone_in(part)), None) if len(parts) > 1 else None
    return run if digits >= 9 and not _is_quantity(run) else None


def _is_quantity(run: str) -> bool:
    """Whether a run of digits and separators is a number, an id or a range of numbers."""
    international = run.startswith("+")
    bare = run.lstrip("+ ")
    decimal = _IS_DECIMAL.fullmatch(bare)
    if decimal:
        # +49.1712345678 is how registries write phone numbers; +1234567.89 is a change.
        return not (international and len(decimal.group(1)) >= 7 and not bare.startswith("0"))
    if international:
        return False
    if bare.isdigit() or _IS_DECIMAL_RANGE.fullmatch(bare):
        return True
    if "/" in bare and not bare.startswith(("0", "(")):
        return True  # 12345/67890, a ratio; written with a slash, phone numbers start with their trunk zero
    whole = _IS_WHOLE_RANGE.fullmatch(bare)
    if whole:
        low, space_before, space_after, high = whole.groups()
        # 10000-49999 and 50000-100000 are bands; 555-1234567 rises too, but bands end at round numbers.
        return int(low) < int(high) and (bool(space_before and space_after) or high[-1] in "09")
    return False
