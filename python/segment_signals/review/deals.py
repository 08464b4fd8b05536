"""Why deals were won and lost as it is recorded, what wins and losses differ in, and open deals that stand still."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import pandas as pd
from markupsafe import Markup

from segment_signals.review import charts, sentences, signals, words
from segment_signals.review.facts import TOTAL, Facts
from segment_signals.review.optional import (
    CELL,
    EVIDENCE,
    Row,
    as_date,
    by_dimension,
    dot,
    mark,
    money,
    newest_quarter,
    rows,
    why_held,
)
from segment_signals.review.words import Period

BLOCKS = (
    ("lost", "reason", "missing_reason", "Reasons of lost deals"),
    ("lost", "competitor", "missing_competitor", "Competitors named in lost deals"),
    ("won", "competitor", "missing_competitor", "Competitors named in won deals"),
    ("won", "reason", "missing_reason", "Reasons of won deals"),
)
FLAGS = {
    "is_beyond_stage_age": "Longer in its stage than nine of ten deals that won from it",
    "is_close_date_past": "Planned close has passed",
    "is_close_date_pushed": "Planned close pushed",
    "is_inactive": "No recent activity",
    "is_missing_roles": "A required buying role is missing",
}
FLAG_WORDS = {
    "is_beyond_stage_age": "old in stage",
    "is_close_date_past": "close passed",
    "is_close_date_pushed": "close pushed",
    "is_inactive": "inactive",
    "is_missing_roles": "role missing",
}
UNKNOWN_PROBABILITY = {
    "not_applicable": "not new business",
    "incomplete_data": "no day of opening or stage",
    "insufficient_sample": "too few wins",
}
MOST_DEALS = 25


# ---------------------------------------------------------------- won and lost


def outcomes(facts: Facts, tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What the template names; None where there is no table of reasons."""
    found = rows(
        tables,
        "win_loss",
        (*CELL, "outcome", "category", "reason", *EVIDENCE),
        ("deal_count", "share", "low", "high", "previous_share", "delta", "delta_low", "delta_high"),
    )
    patterns = rows(
        tables,
        "win_loss_patterns",
        (*CELL, "attribute", "attribute_value", "rest_value", "basis", "rest_n", *EVIDENCE),
        ("win_rate", "rest_win_rate", "difference", "low", "high", "p_value", "q_value", "is_signal"),
    )
    if found is None:
        return None
    total = [row for row in found if row["dimension"] == TOTAL and row["period"].grain == "quarter"]
    period = newest_quarter(found, facts, "share")
    of_period = [row for row in total if row["period"] == period]
    blocks = [block for kind in BLOCKS if (block := _block(of_period, *kind)) is not None]
    lost = [
        row for row in found if row["outcome"] == "lost" and row["category"] == "reason" and row["period"] == period
    ]
    return {
        "finding": outcomes_sentence(of_period, total, period),
        "period": period,
        "blocks": blocks,
        "segments": [(label, _by_segment(mine)) for label, mine in by_dimension(facts, lost)],
        "patterns": None if patterns is None else _patterns(facts, patterns),
    }


def outcomes_sentence(of_period: Sequence[Row], total: Sequence[Row], period: Period | None) -> str:
    """How many losses have a reason, which are named most, and whether a share changed; or why nothing is published."""
    lost = _shares(of_period, "lost", "reason")
    missing = next((row for row in of_period if (row["outcome"], row["category"]) == ("lost", "missing_reason")), None)
    if period is None or not of_period:
        newest = max((row["period"].index for row in total), default=None)
        why = why_held([row for row in total if row["period"].index == newest]) or "no deal has a recorded reason"
        return f"Nothing is published about reasons: {why}."
    if not lost:
        if missing is not None and missing["share"] is not None:
            if missing["share"] == 1:
                return f"None of the {words.count(missing['n'])} deals lost in {period.label} has a recorded reason."
            share = words.number(missing["share"], "rate")
            return f"Of {words.count(missing['n'])} deals lost in {period.label}, {share} have no recorded reason."
        return f"No lost deal of {period.label} has a recorded reason."
    said = ""
    if missing is not None and missing["share"] is not None:
        said = (
            f"Of {words.count(missing['n'])} deals lost in {period.label}, "
            f"{words.number(1 - missing['share'], 'rate')} have a recorded reason. "
        )
    most = " and ".join(f"{row['reason']}, {_share(row)}" for row in lost[:2])
    plural = "s are" if len(lost) > 1 else " is"
    said += f"The most recorded reason{plural} {most}"
    changed = [row for row in lost if _said(row).word in ("higher", "lower")]
    known = [row for row in lost if row["delta_low"] is not None]
    if changed:
        named = ", ".join(f"{row['reason']} {_said(row).word}" for row in changed)
        said += f"; against the quarter before: {named}"
    elif known:
        said += "; no share has clearly changed from the quarter before"
    return said + "." + sentences.caveat_clause(lost[0]["evidence"], lost[0]["evidence_reason"], lost[0]["caveat"])


def _shares(of_period: Sequence[Row], outcome: str, category: str) -> list[Row]:
    mine = [
        row
        for row in of_period
        if row["outcome"] == outcome and row["category"] == category and row["share"] is not None
    ]
    return sorted(mine, key=lambda row: (-row["share"], str(row["reason"])))


def _share(row: Row) -> str:
    interval = "" if row["low"] is None else f" ({words.between(row['low'], row['high'], 'rate')})"
    return f"{words.number(row['share'], 'rate')}{interval}"


def _said(row: Row) -> words.Change:
    return words.change(
        row["delta"], row["delta_low"], row["delta_high"], has_previous=row["previous_share"] is not None
    )


def _block(of_period: Sequence[Row], outcome: str, category: str, missing: str, title: str) -> dict[str, Any] | None:
    shares = _shares(of_period, outcome, category)
    if not shares:
        return None
    top = min(1.0, charts.ceiling([row["high"] if row["high"] is not None else row["share"] for row in shares]))
    blank = next((row for row in of_period if (row["outcome"], row["category"]) == (outcome, missing)), None)
    period = shares[0]["period"].label
    note = f"Share of {words.count(shares[0]['n'])} deals {outcome} in {period} that name one, %"
    if blank is not None and blank["share"] is not None:
        note += f"; {_share(blank)} of {words.count(blank['n'])} name none"
    return {
        "title": title,
        "note": note + ".",
        "caveat": sentences.caveat_clause(
            shares[0]["evidence"], shares[0]["evidence_reason"], shares[0]["caveat"]
        ).strip(),
        "ticks": [("0", "0"), ("50", words.percent(top / 2, 0)), ("100", words.percent(top, 0))],
        "rows": [_share_row(row, top) for row in shares],
    }


def _share_row(row: Row, top: float) -> Row:
    change = _said(row)
    return {
        **mark(row),
        "name": row["reason"],
        "deals": words.count(row["deal_count"]),
        "svg": _dot(row, top),
        "value": words.percent(row["share"]),
        "interval": "" if row["low"] is None else f"{words.percent(row['low'])} to {words.percent(row['high'])}",
        "change": change,
        "change_text": "" if change.delta is None else words.points(change.delta, 1),
        "change_title": ""
        if change.low is None or change.high is None
        else f"{words.points(change.low, 1)} to {words.points(change.high, 1)} points",
    }


def _dot(row: Row, top: float) -> Markup:
    low, high = (None if row[end] is None else row[end] / top for end in ("low", "high"))
    said = f"{words.percent(row['share'])} %"
    return dot(row["share"] / top, low, high, is_hollow=row["evidence"] == "directional", label=said)


def _by_segment(mine: Sequence[Row]) -> list[Row]:
    """Segment by segment every recorded reason; one row that says why where a segment is held back."""
    made = []
    for segment in dict.fromkeys(row["segment"] for row in mine):
        part = [row for row in mine if row["segment"] == segment]
        shown = _shares(part, "lost", "reason")
        if not shown:
            held = words.reason_of(part[0]["evidence_reason"]).short
            made.append({**mark(part[0]), "name": segment, "reason": "", "held": held, "value": "", "interval": ""})
        for row in shown:
            interval = "" if row["low"] is None else f"{words.percent(row['low'])} to {words.percent(row['high'])}"
            said = {"name": segment, "reason": row["reason"], "held": "", "value": words.percent(row["share"])}
            made.append({**mark(row), **said, "interval": interval})
    return made


def _patterns(facts: Facts, found: Sequence[Row]) -> dict[str, Any]:
    tested = [row for row in found if row["p_value"] is not None and row["period"].is_complete(facts.as_of)]
    newest = max((row["period"].index for row in tested), default=None)
    tested = [row for row in tested if row["period"].index == newest]
    told = [row for row in tested if row["is_signal"]]
    told.sort(key=lambda row: (-abs(row["difference"]), str(row["attribute"]), str(row["attribute_value"])))
    return {"finding": patterns_sentence(tested, len(told)), "rows": [_pattern_row(facts, row) for row in told]}


def patterns_sentence(tested: Sequence[Row], told: int) -> str:
    """How many values of attributes were held against the rest, and in how many wins and losses differ."""
    if not tested:
        return "No attribute has enough closed deals to be tested."
    plural = "s were" if len(tested) > 1 else " was"
    start = f"{words.count(len(tested))} contrast{plural} tested in {tested[0]['period'].label}"
    if not told:
        return f"{start}; in none do wins and losses clearly differ."
    return f"{start}; {words.count(told)} {'are signals' if told > 1 else 'is a signal'}. A contrast, not a cause."


def _pattern_row(facts: Facts, row: Row) -> Row:
    higher = row["difference"] > 0
    return {
        **mark(row),
        "attribute": facts.label("dimension", str(row["attribute"])),
        "value": row["attribute_value"] + (f" against {row['rest_value']}" if row["rest_value"] else ""),
        "rate": words.percent(row["win_rate"]),
        "rest": words.percent(row["rest_win_rate"]),
        "css": "up" if higher else "down",
        "sign": "▲" if higher else "▼",
        "difference": words.points(row["difference"], 1),
        "interval": f"{words.points(row['low'], 1)} to {words.points(row['high'], 1)}",
        "q": "" if row["q_value"] is None else signals.probability(row["q_value"]),
    }


# ---------------------------------------------------------------- deals that stand still


def stalled(tables: Mapping[str, pd.DataFrame]) -> dict[str, Any] | None:
    """What the template names; None where there is no table of open deals."""
    found = rows(
        tables,
        "stalled_deals",
        ("opportunity_id", "stage", "currency", "amount", "close_date", "age_in_stage_days", "age_limit_days",
         "push_count", "last_activity_date", "flag_count", "win_probability_within_a_year",
         "win_probability_reason", *FLAGS),
        (),
    )  # fmt: skip
    if found is None:
        return None
    # A flag is NULL where what it needs was not read.
    known = {code: name for code, name in FLAGS.items() if any(row[code] is not None for row in found)}
    flagged = [row for row in found if row["flag_count"]]
    flagged.sort(key=lambda row: (-row["flag_count"], -float(row["amount"] or 0), str(row["opportunity_id"])))
    return {
        "finding": stalled_sentence(found),
        "flags": [_flag_row(found, code, name) for code, name in known.items()],
        "unknown": [name[:1].lower() + name[1:] for code, name in FLAGS.items() if code not in known] if found else [],
        "rows": [_deal_row(row) for row in flagged[:MOST_DEALS]],
        "left_out": max(0, len(flagged) - MOST_DEALS),
        "total": len(flagged),
    }


def stalled_sentence(found: Sequence[Row]) -> str:
    """How many open deals are flagged, and how many are old in their stage."""
    if not found:
        return "There is no open opportunity."
    old = [row for row in found if row["is_beyond_stage_age"]]
    known = [row for row in found if row["is_beyond_stage_age"] is not None]
    several = sum((row["flag_count"] or 0) >= 3 for row in found)
    carry = f"{words.count(several)} {'carry' if several > 1 else 'carries'}" if several else "none carries"
    start = f"Of {words.count(len(found))} open opportunities"
    if not known:
        aged = "none could be held against deals that won from the same stage"
    else:
        aged = f"{words.count(len(old))} have been in their stage longer than nine of ten deals that later won from it"
    return f"{start}, {aged}; {carry} three flags or more."


def _flag_row(found: Sequence[Row], code: str, name: str) -> Row:
    judged = [row for row in found if row[code] is not None]
    mine = [row for row in judged if row[code]]
    currency = next((str(row["currency"]) for row in found if row["currency"]), "")
    amounts = [float(row["amount"]) for row in mine if row["amount"] is not None]
    return {
        "name": name,
        "deals": words.count(len(mine)),
        "judged": words.count(len(judged)),
        "share": words.percent(len(mine) / len(judged)),
        "amount": words.money(sum(amounts), currency) if amounts else "",
    }


def _deal_row(row: Row) -> Row:
    def day(value: Any) -> tuple[str, int | str]:
        return ("", "") if value is None else (words.day(as_date(value)), as_date(value).toordinal())

    probability = row["win_probability_within_a_year"]
    return {
        "id": row["opportunity_id"],
        "stage": row["stage"] or "",
        "amount": money(row["amount"], str(row["currency"] or "")),
        "sort": "" if row["amount"] is None else float(row["amount"]),
        "age": "" if row["age_in_stage_days"] is None else words.count(row["age_in_stage_days"]),
        "limit": "" if row["age_limit_days"] is None else words.count(row["age_limit_days"]),
        "close": day(row["close_date"]),
        "pushes": "" if row["push_count"] is None else words.count(row["push_count"]),
        "active": day(row["last_activity_date"]),
        "probability": "" if probability is None else words.percent(probability, 0),
        "held": ""
        if probability is not None
        else UNKNOWN_PROBABILITY.get(str(row["win_probability_reason"]), "unknown"),
        "flags": ", ".join(said for code, said in FLAG_WORDS.items() if row[code]),
        "flag_count": row["flag_count"],
    }
