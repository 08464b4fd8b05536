"""One sentence per lever signal: what is, with its interval and what it is held against. Never what to do, or why."""

from typing import Any

LEVERS = {
    "qualified_count": "Qualified opportunities",
    "win_rate": "Win rate",
    "mean_deal_amount": "Mean deal amount",
    "mean_cycle_days": "Mean cycle",
    "typical_deal_amount": "Typical deal (geometric mean)",
    "typical_cycle_days": "Typical cycle (geometric mean)",
    "pipeline_velocity": "Pipeline velocity",
}
CLOSED_LEVERS = {"qualified_count": "Closed deals", "win_rate": "Win rate of closed deals"}


def lever_sentence(row: Any) -> str:
    """The sentence of a row of `lever_signals` that is not suppressed.

    Args:
        row: named tuple with the columns of the signal, and `statistic`, `comparison` and `label` of its reference.
    """
    name = (CLOSED_LEVERS if row.basis == "closed" else {}).get(row.lever, LEVERS[row.lever])
    value = f"{name} {_amount(row, row.value)} ({_range(row, row.low, row.high)})"
    if row.statistic == "value" and row.comparator == "threshold":
        return f"{value}: {_whole(row)} {row.comparison} {_amount(row, row.reference_value)}"
    change = (
        f"{_change(row, row.difference)} ({_change(row, row.difference_low)} to {_change(row, row.difference_high)})"
    )
    told = "told apart" if row.is_signal else "not told apart"
    reference = _amount(row, row.reference_value)
    if row.comparator == "benchmark":
        return f"{value}: {change} against the benchmark of {reference}, {told}"
    if row.lever in ("win_rate", "typical_deal_amount", "typical_cycle_days"):
        past = f"{value}: {change} against {reference} in the months before"
    else:
        past = f"{value}: {change} against {reference} at the pace of the months before"
    if row.comparator == "history":
        return f"{past}, {told}"
    limit = _change(row, row.threshold_value).lstrip("+")
    if row.comparison == "within":
        return f"{past}; {_whole(row)} within {limit} either way"
    return f"{past}; {_whole(row)} {row.comparison} {limit}"


def _whole(row: Any) -> str:
    return "the whole interval is" if row.is_signal else "the interval is not wholly"


def _amount(row: Any, value: float) -> str:
    if row.lever == "win_rate":
        return f"{100 * value:.1f} %"
    if row.lever == "qualified_count":
        return f"{value:,.0f}"
    if row.lever in ("mean_cycle_days", "typical_cycle_days"):
        return f"{value:,.1f} days"
    return f"{value:,.0f} {row.currency}{' a day' if row.lever == 'pipeline_velocity' else ''}"


def _range(row: Any, low: float, high: float) -> str:
    if row.lever == "win_rate":
        return f"{100 * low:.1f} to {100 * high:.1f} %"
    if row.lever in ("mean_cycle_days", "typical_cycle_days"):
        return f"{low:,.1f} to {high:,.1f}"
    return f"{low:,.0f} to {high:,.0f}"


def _change(row: Any, value: float) -> str:
    return f"{100 * value:+.1f} {'points' if row.unit == 'difference' else '%'}"
