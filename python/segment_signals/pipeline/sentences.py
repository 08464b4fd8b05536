"""One sentence per lever signal: what is, with its interval and what it is held against. Never what to do, or why."""

from typing import Any

LEVERS = {
    "qualified_count": "Qualified opportunities",
    "win_rate": "Win rate",
    "mean_deal_amount": "Mean deal amount",
    "mean_cycle_days": "Mean cycle",
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
    if row.comparator == "threshold" and row.statistic == "value":
        verdict = {"below": "below", "above": "above"}[row.comparison]
        where = f"wholly {verdict}" if row.is_signal else f"not wholly {verdict}"
        return f"{value}: {where} {_amount(row, row.reference_value)}"
    change = (
        f"{_change(row, row.difference)} ({_change(row, row.difference_low)} to {_change(row, row.difference_high)})"
    )
    if row.comparator == "benchmark":
        told = "told apart" if row.is_signal else "not told apart"
        return f"{value}: {change} against the benchmark of {_amount(row, row.reference_value)}, {told}"
    past = f"{value}: {change} against {_amount(row, row.reference_value)} in the months before"
    if row.comparator == "history":
        return f"{past}, {'told apart' if row.is_signal else 'not told apart'}"
    limit = _change(row, row.threshold_value)
    if row.comparison == "within":
        size = limit.lstrip("+")
        return f"{past}, {'wholly' if row.is_signal else 'not wholly'} within {size} either way"
    return f"{past}, {'wholly' if row.is_signal else 'not wholly'} {row.comparison} {limit}"


def _amount(row: Any, value: float) -> str:
    if row.lever == "win_rate":
        return f"{100 * value:.1f} %"
    if row.lever == "qualified_count":
        return f"{value:,.0f}"
    if row.lever == "mean_cycle_days":
        return f"{value:,.1f} days"
    return f"{value:,.0f} {row.currency}{' a day' if row.lever == 'pipeline_velocity' else ''}"


def _range(row: Any, low: float, high: float) -> str:
    if row.lever == "win_rate":
        return f"{100 * low:.1f} to {100 * high:.1f} %"
    if row.lever == "mean_cycle_days":
        return f"{low:,.1f} to {high:,.1f}"
    return f"{low:,.0f} to {high:,.0f}"


def _change(row: Any, value: float) -> str:
    return f"{100 * value:+.1f} {'points' if row.unit == 'difference' else '%'}"
