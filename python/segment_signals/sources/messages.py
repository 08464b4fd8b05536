"""What every reader's message is made of: the one error, and how names and values are shown in it."""

from __future__ import annotations

import difflib
import os
from collections.abc import Iterable, Sequence
from pathlib import Path

BLANKS = " \t\r\n\u00a0\ufeff"  # what surrounds names and values without being part of them
MAX_LISTED = 5  # problems named in one message: enough to mend by, few enough to read


class ExportError(ValueError):
    """An input or its mapping cannot be read; the message says what is wrong, where, and the mend."""


def nearest(name: str, options: Iterable[str], count: int = 1, cutoff: float = 0.6) -> list[str]:
    """The options spelt most like `name`, nearest first, upper and lower case alike."""
    by_folded = {option.casefold(): option for option in options}
    return [by_folded[near] for near in difflib.get_close_matches(name.casefold(), by_folded, count, cutoff)]


def listed(problems: Sequence[str], separator: str = "; ") -> str:
    """At most five problems in one line, and how many more there are."""
    shown = separator.join(problems[:MAX_LISTED])
    more = len(problems) - MAX_LISTED
    return f"{shown}{separator}and {more} more" if more > 0 else shown


def quoted(value: object, width: int = 60) -> str:
    """A value as a message shows it: in quotation marks, on one line, cut where it is long."""
    text = " ".join(str(value).split()) or str(value)
    return f"'{text[:width]}...'" if len(text) > width else f"'{text}'"


def display_path(path: Path, project_dir: Path) -> str:
    """A path as messages name it: from the project root, never a machine's own path."""
    return Path(os.path.relpath(path, project_dir)).as_posix()


def shown(value: object) -> str:
    """A YAML value as a message shows it."""
    if value is None:
        return "empty"
    if isinstance(value, dict):
        return "a mapping"
    if isinstance(value, list):
        return "a list"
    return quoted(str(value).lower() if isinstance(value, bool) else value)


def did_you_mean(name: str, options: Iterable[str], prefix: str = "") -> str:
    """What may have been meant instead of `name`, in brackets; nothing where nothing is near."""
    near = nearest(name, options)
    return f" (did you mean '{prefix}{near[0]}'?)" if near else ""
