"""What the page says, taken from the published tables: no HTML, no wording beyond codes.

`read_facts` turns the frames of schema `published` into typed, sorted facts. It trusts the contract for meaning and
checks it for shape: a missing table or column is an error that names it. A suppressed cell never carries a value here,
whatever the frame holds, so nothing after this module can print one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

import pandas as pd

from segment_signals.review import words
from segment_signals.review.words import Period

CELL = (
    "as_of_date",
    "period_grain",
    "period_start",
    "dimension",
    "segment",
    "within_dimension",
    "within_segment",
)
EVIDENCE = ("n", "evidence", "evidence_reason", "caveat")
EFFECTS = ("count_effect", "win_rate_effect", "deal_amount_effect", "cycle_days_effect")
EFFECT_LIMITS = tuple(f"{effect}_{end}" for effect in EFFECTS for end in ("low", "high"))
COLUMNS: dict[str, tuple[str, ...]] = {
    "funnel_conversion": (
        *CELL, "from_stage", "to_stage", "horizon_days", "entered_count", "converted_count", "lost_count", "open_count",
        "conversion_rate", "conversion_low", "conversion_high", "median_days", "imputed_share", *EVIDENCE,
    ),
    "segment_scorecards": (
        *CELL, "metric", "unit", "basis", "value", "low", "high", "previous_value", "delta", "delta_low", "delta_high",
        "year_ago_value", *EVIDENCE,
    ),
    "pipeline_velocity": (
        *CELL, "basis", "currency", "qualified_count", "win_rate", "mean_deal_amount", "mean_cycle_days",
        "velocity_per_day", "velocity_low", "velocity_high", *EFFECTS, *EFFECT_LIMITS, *EVIDENCE,
    ),
    "gate_results": ("gate", "subject", "check_name", "observed", "threshold", "status", "detail"),
    "definitions": ("kind", "code", "label", "rule", "valid_from", "definition_hash"),
    "release": (
        "release_id", "as_of_date", "input_hash", "definitions_hash", "code_version", "review_id", "supersedes",
    ),
}  # fmt: skip
CELL_TABLES = ("funnel_conversion", "segment_scorecards", "pipeline_velocity")

# The spine orders what the definitions do not order.
SPINE = ("lead", "mql", "sql", "opportunity", "won")
TOTAL = "all"
UNNAMED_SEGMENTS = ("unknown", "unmapped")
# A directional cell with this reason is published, yet part of its cohort is still open: not mature. Setting it against
# a mature period would compare an open cohort with a closed one (methods 5), so no headline stands on it.
TOO_EARLY = "too_early"
# A dimension with more segments than a page can hold shows the largest; the release tables hold all of them.
MAX_SEGMENTS = 40
DEFAULT_HORIZON = 90


class ReviewError(ValueError):
    """The tables do not have the published shape."""


@dataclass(frozen=True)
class Transition:
    """A pair of stages; end to end where it spans more than one step."""

    from_stage: str
    to_stage: str
    is_end_to_end: bool

    @property
    def rate_metric(self) -> str:
        """The metric code of its rate in the scorecards."""
        return f"{self.from_stage}_to_{self.to_stage}_rate"


@dataclass(frozen=True)
class Cell:
    """One conversion at one horizon. Rates in 0..1, None where suppressed."""

    n: int
    evidence: str
    reason: str | None
    caveat: str | None
    converted: int | None = None
    lost: int | None = None
    open: int | None = None
    rate: float | None = None
    low: float | None = None
    high: float | None = None
    median_days: float | None = None

    @property
    def is_published(self) -> bool:
        """Not suppressed, and there is a value."""
        return self.evidence != "suppressed" and self.rate is not None

    @property
    def is_reportable(self) -> bool:
        """Can be quoted without a caveat."""
        return self.evidence == "reportable" and self.rate is not None

    @property
    def is_mature(self) -> bool:
        """Published, and not short of follow-up."""
        return self.is_published and self.reason != TOO_EARLY


@dataclass(frozen=True)
class Score:
    """One metric of the scorecards in one cell and period."""

    metric: str
    unit: str
    basis: str
    period: Period
    value: float | None
    low: float | None
    high: float | None
    previous: float | None
    delta: float | None
    delta_low: float | None
    delta_high: float | None
    year_ago: float | None
    n: int
    evidence: str
    reason: str | None
    caveat: str | None

    @property
    def is_published(self) -> bool:
        """Not suppressed, and there is a value."""
        return self.evidence != "suppressed" and self.value is not None

    @property
    def is_mature(self) -> bool:
        """Published, and not short of follow-up."""
        return self.is_published and self.reason != TOO_EARLY


@dataclass(frozen=True)
class Velocity:
    """Pipeline velocity of one cell and period: currency per day and its four levers."""

    basis: str
    currency: str
    dimension: str
    segment: str
    period: Period
    qualified: float | None
    win_rate: float | None
    deal_amount: float | None
    cycle_days: float | None
    value: float | None
    low: float | None
    high: float | None
    effects: tuple[float | None, ...]
    effect_limits: tuple[tuple[float, float] | None, ...]
    n: int
    evidence: str
    reason: str | None
    caveat: str | None

    @property
    def is_published(self) -> bool:
        """Not suppressed, and there is a value."""
        return self.evidence != "suppressed" and self.value is not None

    @property
    def is_mature(self) -> bool:
        """Published, and not short of follow-up."""
        return self.is_published and self.reason != TOO_EARLY


@dataclass(frozen=True)
class Definition:
    """One row of the definitions table."""

    kind: str
    code: str
    label: str
    rule: str
    valid_from: str


@dataclass(frozen=True)
class Check:
    """One row of the gate report."""

    gate: str
    subject: str
    name: str
    observed: float | None
    threshold: float | None
    status: str
    detail: str


@dataclass(frozen=True)
class Dimension:
    """A dimension with the segments that the page shows, in reading order."""

    code: str
    segments: tuple[str, ...]
    left_out: int


CellKey = tuple[str, str, Transition, Period]


@dataclass(frozen=True)
class Facts:
    """All that the page says. `cells` hold the primary horizon; `changes` are the rates of every segment."""

    dataset: str
    as_of: date | None
    release: Mapping[str, str]
    row_counts: Mapping[str, int]
    horizon: int
    horizons: tuple[int, ...]
    transitions: tuple[Transition, ...]
    dimensions: tuple[Dimension, ...]
    cells: Mapping[CellKey, Cell]
    totals_by_horizon: Mapping[tuple[Transition, Period, int], Cell]
    scores: tuple[Score, ...]
    changes: Mapping[tuple[str, str, str, Period], Score]
    velocities: tuple[Velocity, ...]
    evidence: pd.DataFrame
    checks: tuple[Check, ...]
    definitions: tuple[Definition, ...]

    @property
    def is_empty(self) -> bool:
        """No cell table has a row."""
        return not any(self.row_counts[table] for table in CELL_TABLES)

    def label(self, kind: str, code: str) -> str:
        """The label that the definitions give to a code, the newest valid one; else the code in plain words."""
        found = [row.label for row in self.definitions if row.kind == kind and row.code == code and row.label]
        return found[-1] if found else words.sentence_case(words.plain(code))

    def periods(self) -> tuple[Period, ...]:
        """Periods that are complete and hold at least one published cell of the total; quarters first, newest first."""
        found = {
            period
            for (dimension, _, _, period), cell in self.cells.items()
            if dimension == TOTAL and cell.is_published and period.is_complete(self.as_of)
        }
        return tuple(sorted(found, key=_newest_first))

    def latest(self, transition: Transition) -> Period | None:
        """The newest mature period of the total: quarter preferred, then month."""
        return newest_mature(
            (
                (period, cell.is_mature)
                for (dimension, _, step, period), cell in self.cells.items()
                if dimension == TOTAL and step == transition
            ),
            self.as_of,
        )

    def cell(self, dimension: str, segment: str, transition: Transition, period: Period | None) -> Cell | None:
        """The cell at the primary horizon, or None where there is none (or no period)."""
        return None if period is None else self.cells.get((dimension, segment, transition, period))


def newest_mature(candidates: Iterable[tuple[Period, bool]], as_of: date | None) -> Period | None:
    """Of (period, is mature) the newest complete and mature one; quarters are preferred to months."""
    mature = [period for period, is_mature in candidates if is_mature and period.is_complete(as_of)]
    return min(mature, key=_newest_first, default=None)


def _newest_first(period: Period) -> tuple[int, int]:
    return (0 if period.grain == "quarter" else 1, -period.index)


# ---------------------------------------------------------------- reading


def read_facts(tables: Mapping[str, pd.DataFrame], *, dataset: str) -> Facts:
    """Facts from the frames of schema `published`; frames are not changed.

    Raises:
        ReviewError: a table or a column of the contract is missing.
    """
    frames = {name: _checked(tables, name) for name in COLUMNS}
    definitions = _definitions(frames["definitions"])
    horizon = _primary_horizon(definitions, frames["funnel_conversion"])
    as_of = _as_of(frames)
    funnel = _only_plain_segments(frames["funnel_conversion"])
    scorecards = _only_plain_segments(frames["segment_scorecards"])
    transitions = _transitions(funnel, definitions)
    cells, by_horizon = _cells(funnel, transitions, horizon)
    scores, changes = _scores(scorecards, transitions)
    return Facts(
        dataset=dataset,
        as_of=as_of,
        release=_release(frames["release"]),
        row_counts={name: len(frames[name]) for name in COLUMNS},
        horizon=horizon,
        horizons=tuple(sorted({int(value) for value in funnel["horizon_days"].dropna().unique()})),
        transitions=transitions,
        dimensions=_dimensions(cells, transitions, definitions),
        cells=cells,
        totals_by_horizon=by_horizon,
        scores=scores,
        changes=changes,
        velocities=_velocities(_only_plain_segments(frames["pipeline_velocity"])),
        evidence=_evidence_counts(frames),
        checks=_checks(frames["gate_results"]),
        definitions=definitions,
    )


def _checked(tables: Mapping[str, pd.DataFrame], name: str) -> pd.DataFrame:
    if name not in tables:
        raise ReviewError(
            f"The review page needs the published table '{name}' and it was not given. Pass every published table."
        )
    frame = tables[name]
    missing = [column for column in COLUMNS[name] if column not in frame.columns]
    if missing:
        raise ReviewError(
            f"The published table '{name}' lacks the column{'s' if len(missing) > 1 else ''} {', '.join(missing)}. "
            "Build the published models again, or bring the table to the published contract."
        )
    return frame


def _only_plain_segments(frame: pd.DataFrame) -> pd.DataFrame:
    """Without declared pairs (a segment within a segment): the page shows one dimension at a time."""
    return frame[frame["within_dimension"].fillna(TOTAL).astype(str) == TOTAL]


def _float(value: object) -> float | None:
    """None for NULL, NaN, NaT and pandas' NA; decimals and numpy numbers become float."""
    if value is None or value is pd.NA:
        return None
    number = float(value)  # type: ignore[arg-type]
    return None if math.isnan(number) or math.isinf(number) else number


def _int(value: object) -> int | None:
    number = _float(value)
    return None if number is None else round(number)


def _text(value: object) -> str | None:
    if value is None or value is pd.NA or (isinstance(value, float) and math.isnan(value)) or value is pd.NaT:
        return None
    return str(value)


def _dates(column: pd.Series) -> list[date | None]:
    parsed = pd.to_datetime(column)
    return [None if pd.isna(stamp) else stamp.date() for stamp in parsed]


def _periods(frame: pd.DataFrame) -> list[Period]:
    known: dict[tuple[str, object], Period] = {}
    periods = []
    for grain, start in zip(frame["period_grain"].astype(str), _dates(frame["period_start"]), strict=True):
        if start is None:
            raise ReviewError("A published row has no period_start. Give every cell the first day of its period.")
        key = (grain, start)
        if key not in known:
            known[key] = Period(grain, start)
        periods.append(known[key])
    return periods


def _rows(frame: pd.DataFrame, columns: Sequence[str]) -> Iterator[tuple[object, ...]]:
    return zip(*(frame[column].tolist() for column in columns), strict=True)


def _as_of(frames: Mapping[str, pd.DataFrame]) -> date | None:
    """The release's date, or else the newest that a cell names."""
    for name in ("release", *CELL_TABLES):
        found = [value for value in _dates(frames[name]["as_of_date"].drop_duplicates()) if value is not None]
        if found:
            return max(found)
    return None


def _release(frame: pd.DataFrame) -> dict[str, str]:
    if frame.empty:
        return {}
    row = frame.iloc[0]
    return {column: _text(row[column]) or "" for column in COLUMNS["release"] if column != "as_of_date"}


def _definitions(frame: pd.DataFrame) -> tuple[Definition, ...]:
    rows = [
        Definition(
            _text(kind) or "",
            _text(code) or "",
            _text(label) or "",
            _text(rule) or "",
            (_text(valid_from) or "")[:10],
        )
        for kind, code, label, rule, valid_from in _rows(frame, ("kind", "code", "label", "rule", "valid_from"))
    ]
    return tuple(sorted(rows, key=lambda row: (row.kind, row.code, row.valid_from)))


def _primary_horizon(definitions: Sequence[Definition], funnel: pd.DataFrame) -> int:
    for row in definitions:
        if row.kind == "horizon" and row.label.casefold().startswith("primary") and row.code.isdigit():
            return int(row.code)
    found = {int(value) for value in funnel["horizon_days"].dropna().unique()}
    return DEFAULT_HORIZON if DEFAULT_HORIZON in found or not found else min(found)


def stage_order(definitions: Sequence[Definition]) -> dict[str, int]:
    """Stage -> order: as the definitions say ('order 3' in the rule), else as the spine."""
    order = {stage: position for position, stage in enumerate(SPINE, start=1)}
    for row in definitions:
        said = re.search(r"\border (\d+)", row.rule) if row.kind == "stage" else None
        if said:
            order[row.code] = int(said.group(1))
    return order


def _transitions(funnel: pd.DataFrame, definitions: Sequence[Definition]) -> tuple[Transition, ...]:
    """Consecutive steps in the order of the stages, then the end-to-end ones; none that applies nowhere."""
    order = stage_order(definitions)
    applies = funnel[funnel["evidence_reason"].astype(object).fillna("") != "not_applicable"]
    pairs = sorted(set(zip(applies["from_stage"].astype(str), applies["to_stage"].astype(str), strict=True)))
    stages = sorted({stage for pair in pairs for stage in pair}, key=lambda stage: (order.get(stage, 99), stage))
    place = {stage: position for position, stage in enumerate(stages)}
    made = [Transition(start, end, place[end] - place[start] > 1) for start, end in pairs]
    return tuple(sorted(made, key=lambda step: (step.is_end_to_end, place[step.from_stage], place[step.to_stage])))


def _cells(
    funnel: pd.DataFrame, transitions: Sequence[Transition], horizon: int
) -> tuple[dict[CellKey, Cell], dict[tuple[Transition, Period, int], Cell]]:
    steps = {(step.from_stage, step.to_stage): step for step in transitions}
    wanted = funnel[(funnel["horizon_days"] == horizon) | (funnel["dimension"] == TOTAL)]
    cells: dict[CellKey, Cell] = {}
    by_horizon: dict[tuple[Transition, Period, int], Cell] = {}
    columns = (
        "dimension", "segment", "from_stage", "to_stage", "horizon_days", "n", "evidence", "evidence_reason", "caveat",
        "converted_count", "lost_count", "open_count", "conversion_rate", "conversion_low", "conversion_high",
        "median_days",
    )  # fmt: skip
    for period, row in zip(_periods(wanted), _rows(wanted, columns), strict=True):
        (
            dimension,
            segment,
            start,
            end,
            days,
            n,
            evidence,
            reason,
            caveat,
            converted,
            lost,
            still_open,
            rate,
            low,
            high,
            median,
        ) = row
        is_suppressed = str(evidence) == "suppressed"
        cell = Cell(
            n=_int(n) or 0,
            evidence=str(evidence),
            reason=_text(reason),
            caveat=_text(caveat),
            converted=_int(converted),
            lost=_int(lost),
            open=_int(still_open),
            rate=None if is_suppressed else _float(rate),
            low=None if is_suppressed else _float(low),
            high=None if is_suppressed else _float(high),
            median_days=None if is_suppressed else _float(median),
        )
        step = steps.get((str(start), str(end)))
        if step is None:
            continue
        if _int(days) == horizon:
            cells[(str(dimension), str(segment), step, period)] = cell
        if dimension == TOTAL:
            by_horizon[(step, period, _int(days) or 0)] = cell
    return cells, by_horizon


def _scores(
    scorecards: pd.DataFrame, transitions: Sequence[Transition]
) -> tuple[tuple[Score, ...], dict[tuple[str, str, str, Period], Score]]:
    """All metrics of the total, and the rate metrics of every segment (for their change)."""
    rate_metrics = {step.rate_metric for step in transitions}
    wanted = scorecards[(scorecards["dimension"] == TOTAL) | scorecards["metric"].isin(rate_metrics)]
    columns = (
        "dimension", "segment", "metric", "unit", "basis", "value", "low", "high", "previous_value", "delta",
        "delta_low", "delta_high", "year_ago_value", "n", "evidence", "evidence_reason", "caveat",
    )  # fmt: skip
    totals: list[Score] = []
    changes: dict[tuple[str, str, str, Period], Score] = {}
    for period, row in zip(_periods(wanted), _rows(wanted, columns), strict=True):
        dimension, segment, metric, unit, basis, *numbers, n, evidence, reason, caveat = row
        is_suppressed = str(evidence) == "suppressed"
        value, low, high, previous, delta, delta_low, delta_high, year_ago = (_float(item) for item in numbers)
        score = Score(
            metric=str(metric),
            unit=str(unit),
            basis=str(basis),
            period=period,
            value=None if is_suppressed else value,
            low=None if is_suppressed else low,
            high=None if is_suppressed else high,
            previous=previous,
            delta=None if is_suppressed else delta,
            delta_low=None if is_suppressed else delta_low,
            delta_high=None if is_suppressed else delta_high,
            year_ago=year_ago,
            n=_int(n) or 0,
            evidence=str(evidence),
            reason=_text(reason),
            caveat=_text(caveat),
        )
        if str(metric) in rate_metrics:
            changes[(str(dimension), str(segment), str(metric), period)] = score
        if dimension == TOTAL:
            totals.append(score)
    return tuple(totals), changes


def _velocities(frame: pd.DataFrame) -> tuple[Velocity, ...]:
    columns = (
        "dimension", "segment", "basis", "currency", "qualified_count", "win_rate", "mean_deal_amount",
        "mean_cycle_days", "velocity_per_day", "velocity_low", "velocity_high", *EFFECTS, *EFFECT_LIMITS, "n",
        "evidence", "evidence_reason", "caveat",
    )  # fmt: skip
    made = []
    for period, row in zip(_periods(frame), _rows(frame, columns), strict=True):
        dimension, segment, basis, currency, qualified, *numbers, n, evidence, reason, caveat = row
        is_suppressed = str(evidence) == "suppressed"
        levers = [None if is_suppressed else _float(item) for item in numbers]
        made.append(
            Velocity(
                basis=str(basis),
                currency=_text(currency) or "",
                dimension=str(dimension),
                segment=str(segment),
                period=period,
                qualified=_float(qualified),
                win_rate=levers[0],
                deal_amount=levers[1],
                cycle_days=levers[2],
                value=levers[3],
                low=levers[4],
                high=levers[5],
                effects=tuple(levers[6:10]),
                effect_limits=tuple(
                    None if low is None or high is None else (low, high)
                    for low, high in zip(levers[10::2], levers[11::2], strict=True)
                ),
                n=_int(n) or 0,
                evidence=str(evidence),
                reason=_text(reason),
                caveat=_text(caveat),
            )
        )
    return tuple(made)


def _evidence_counts(frames: Mapping[str, pd.DataFrame]) -> pd.DataFrame:
    """Cells per dimension, evidence and reason over all cell tables: columns dimension, evidence, reason, cells."""
    parts = [
        pd.DataFrame(
            {
                "dimension": frames[name]["dimension"].astype(str),
                "evidence": frames[name]["evidence"].astype(str),
                "reason": frames[name]["evidence_reason"]
                .astype(object)
                .where(frames[name]["evidence_reason"].notna(), ""),
                "caveat": frames[name]["caveat"].astype(object).where(frames[name]["caveat"].notna(), ""),
            }
        )
        for name in CELL_TABLES
        if len(frames[name])
    ]
    if not parts:
        return pd.DataFrame({"dimension": [], "evidence": [], "reason": [], "caveat": [], "cells": []})
    keys = ["dimension", "evidence", "reason", "caveat"]
    return pd.concat(parts).groupby(keys, sort=True).size().rename("cells").reset_index()


def _checks(frame: pd.DataFrame) -> tuple[Check, ...]:
    rows = [
        Check(
            _text(gate) or "",
            _text(subject) or "",
            _text(name) or "",
            _float(observed),
            _float(threshold),
            _text(status) or "",
            _text(detail) or "",
        )
        for gate, subject, name, observed, threshold, status, detail in _rows(frame, COLUMNS["gate_results"])
    ]
    severity = {status: position for position, status in enumerate(STATUSES)}
    return tuple(sorted(rows, key=lambda row: (severity.get(row.status, -1), row.gate, row.subject, row.name)))


# Worst first. An unknown status sorts before all of them: it is not a pass.
STATUSES = ("blocked", "flagged", "insufficient_sample", "too_early", "not_applicable", "pass")


# ---------------------------------------------------------------- dimensions and their segments


def _dimensions(
    cells: Mapping[CellKey, Cell], transitions: Sequence[Transition], definitions: Sequence[Definition]
) -> tuple[Dimension, ...]:
    """Dimensions as the stages know them (early ones first), each with its segments in reading order."""
    largest: dict[str, dict[str, int]] = {}
    first_step: dict[str, int] = {}
    position = {step: place for place, step in enumerate(transitions)}
    for (dimension, segment, step, period), cell in cells.items():
        if dimension == TOTAL:
            continue
        sizes = largest.setdefault(dimension, {})
        sizes.setdefault(segment, 0)
        if period.grain == "quarter":
            sizes[segment] = max(sizes[segment], cell.n)
        if cell.reason != "not_applicable":
            first_step[dimension] = min(first_step.get(dimension, 99), position[step])
    made = []
    for dimension in sorted(largest, key=lambda code: (first_step.get(code, 99), code)):
        sizes = largest[dimension]
        kept = sorted(sizes, key=lambda segment: (-sizes[segment], segment))[:MAX_SEGMENTS]
        made.append(Dimension(dimension, _reading_order(dimension, kept, definitions), len(sizes) - len(kept)))
    return tuple(made)


def _reading_order(dimension: str, by_size: Sequence[str], definitions: Sequence[Definition]) -> tuple[str, ...]:
    """Bands in the order of their lower bounds, other segments largest first; unknown and unmapped last."""
    bounds: dict[str, float] = {}
    for row in definitions:
        said = re.fullmatch(rf"{re.escape(dimension)}: from (\S+) to below \S+", row.code)
        if row.kind == "segment_rule" and said:
            bounds[row.label] = -math.inf if said.group(1) == "any" else float(said.group(1))
    place = {segment: position for position, segment in enumerate(by_size)}
    return tuple(
        sorted(
            by_size,
            key=lambda name: (name in UNNAMED_SEGMENTS, bounds.get(name, math.inf), place[name], name),
        )
    )
