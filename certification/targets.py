"""What must be reached, what was measured, and the table of both."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from segment_signals.statistics.intervals import wilson_interval

Z = 1.959963984540054


@dataclass(frozen=True)
class Measurement:
    """A simulated figure: its value, standard error and 95 % interval."""

    value: float
    error: float
    low: float
    high: float


@dataclass(frozen=True)
class Target:
    """A row of the table.

    Attributes:
        topic: section of methods.md that it proves.
        what: what was measured, in plain words, with the design.
        measured: with its interval.
        lower, upper: what it must reach; both None is information, which cannot be missed.
        slack: standard errors of the measurement by which the limits may be passed.
        form: "%", "points" or a format of Python for numbers.
    """

    topic: str
    what: str
    measured: Measurement
    lower: float | None = None
    upper: float | None = None
    slack: float = 0
    form: str = "%"

    @property
    def is_information(self) -> bool:
        """Whether nothing has to be reached."""
        return self.lower is None and self.upper is None

    def is_met(self, slack: float | None = None) -> bool:
        """Whether the measurement is within the limits, give or take `slack` standard errors (default: the row's)."""
        give = (self.slack if slack is None else slack) * self.measured.error
        above = self.lower is None or self.measured.value >= self.lower - give
        return above and (self.upper is None or self.measured.value <= self.upper + give)

    def rule(self) -> str:
        """The limits in words."""
        if self.is_information:
            return ""
        lower = None if self.lower is None else self._number(self.lower)
        upper = None if self.upper is None else self._number(self.upper)
        if lower is not None and upper is not None:
            text = f"{lower} to {upper}"
        else:
            text = f"at most {upper}" if lower is None else f"at least {lower}"
        return f"{text} (+ {self.slack:g} SE)" if self.slack else text

    def cells(self) -> list[str]:
        """The row: what, target, measured, interval, verdict."""
        verdict = "" if self.is_information else "met" if self.is_met() else "MISSED"
        interval = f"{self._number(self.measured.low)} to {self._number(self.measured.high)}"
        return [self.what, self.rule(), self._number(self.measured.value), interval, verdict]

    def _number(self, value: float) -> str:
        if np.isnan(value):
            return "none"
        if self.form == "%":
            return f"{100 * value:.1f} %"
        if self.form == "points":
            return f"{100 * value:+.2f} points"
        return format(value, self.form)


def share(hits: ArrayLike) -> Measurement:
    """A share of independent replicates, with Wilson's interval.

    Args:
        hits: shape (replicates,), whether each one is a hit; without any the share is NaN, which meets no target.
    """
    found = np.asarray(hits, dtype=np.float64)
    if len(found) == 0:
        return Measurement(np.nan, np.nan, np.nan, np.nan)
    rate = float(found.mean())
    interval = wilson_interval([rate], [len(found)])
    error = np.sqrt(rate * (1 - rate) / len(found))
    return Measurement(rate, float(error), float(interval.low[0]), float(interval.high[0]))


def mean(values: ArrayLike) -> Measurement:
    """A mean over independent replicates, with the normal interval.

    Args:
        values: shape (replicates,); NaN replicates say nothing and are left out.
    """
    found = np.asarray(values, dtype=np.float64)
    found = found[~np.isnan(found)]
    if len(found) < 2:
        return Measurement(np.nan, np.nan, np.nan, np.nan)
    value, error = float(found.mean()), float(found.std(ddof=1) / np.sqrt(len(found)))
    return Measurement(value, error, value - Z * error, value + Z * error)


def exact(value: float) -> Measurement:
    """A figure without sampling error."""
    return Measurement(value, 0, value, value)


def markdown(targets: Sequence[Target]) -> str:
    """The table, one section per topic."""
    lines = []
    for topic in dict.fromkeys(target.topic for target in targets):
        lines += ["", f"## {topic}", "", "| what | target | measured | 95 % interval | verdict |"]
        lines.append("|---|---|--:|---|---|")
        lines += [f"| {' | '.join(target.cells())} |" for target in targets if target.topic == topic]
    return "\n".join(lines[1:]) + "\n"
