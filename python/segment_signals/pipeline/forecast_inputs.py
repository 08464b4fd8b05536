"""What a forecast is made from, as arrays: states of open deals, past wins, windows."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segment_signals.statistics.arrays import Bools, Floats, Integers
from segment_signals.statistics.win_hazard import States

TARGET_PERIODS = ("month", "quarter", "next_60_days")
OUTCOMES = ("won", "lost", "open")
AGE_BANDS, PUSH_BANDS, DUE_BANDS = 6, 3, 6
# Snapshots are months apart: every third one lies in the same month of its quarter.
PHASES = 3
# Training looks back so many monthly snapshots from its origin.
TRAINING_SNAPSHOTS = 24
NEVER = np.int64(2_000_000)
CENTS = 100
Labels = Mapping[str, int]


def column_floats(table: pa.Table, name: str) -> Floats:
    """A column as floats, NaN where it is null."""
    values: Floats = table[name].cast(pa.float64()).to_numpy(zero_copy_only=False)
    return np.asarray(values, dtype=np.float64)


def column_integers(table: pa.Table, name: str) -> Integers:
    """A column of numbers or booleans without nulls as integers."""
    return np.asarray(table[name].cast(pa.int64()).to_numpy(zero_copy_only=False), dtype=np.int64)


def column_days(table: pa.Table, name: str) -> Integers:
    """A column of dates as days since 1970-01-01, `NEVER` where it is null."""
    days = table[name].cast(pa.int32()).cast(pa.int64())
    return np.asarray(pc.fill_null(days, int(NEVER)).to_numpy(zero_copy_only=False), dtype=np.int64)


def column_codes(table: pa.Table, name: str, labels: Labels) -> Integers:
    """A text column as the numbers of its labels; null counts as `unknown`."""
    encoded = pc.fill_null(table[name], "unknown").combine_chunks().dictionary_encode()
    codes = np.array([labels[label] for label in encoded.dictionary.to_pylist()], dtype=np.int64)
    indices = np.asarray(encoded.indices.to_numpy(zero_copy_only=False), dtype=np.int64)
    return codes[indices] if len(codes) else indices


def vocabulary(tables: Sequence[pa.Table], name: str) -> dict[str, int]:
    """The labels of a text column in all tables, numbered in alphabetical order."""
    found = set().union(*(pc.unique(pc.fill_null(table[name], "unknown")).to_pylist() for table in tables))
    return {label: at for at, label in enumerate(sorted(found | {"unknown"}))}


@dataclass(frozen=True)
class Window:
    """A window that an origin forecasts; days since 1970-01-01, ends included."""

    snapshot: int
    target_period: str
    origin: int
    start: int
    end: int
    last_quarter_start: int
    last_quarter_end: int
    history_start: int
    is_complete: bool
    is_in_history: bool
    has_last_quarter: bool

    @property
    def days_ahead(self) -> int:
        """Days of the window that are still to come."""
        return self.end - self.origin

    @property
    def history_days(self) -> int:
        """Days of history up to the origin."""
        return self.origin - self.history_start + 1


@dataclass(frozen=True)
class Deals:
    """Open deals at one or more snapshots, arrays of shape (k,).

    state: position in the states. quoted: amount, NaN where none is known. probability: of the CRM, NaN where none.
    close: planned, days since 1970-01-01.
    """

    snapshot: Integers
    state: Integers
    stage: Integers
    tier: Integers
    quoted: Floats
    probability: Floats
    close: Integers

    def take(self, positions: Integers | Bools) -> "Deals":
        """The deals at these positions."""
        return Deals(
            self.snapshot[positions],
            self.state[positions],
            self.stage[positions],
            self.tier[positions],
            self.quoted[positions],
            self.probability[positions],
            self.close[positions],
        )

    def sorted(self) -> "Deals":
        """In an order of their values alone, so that sums do not depend on the order of rows."""
        return self.take(self.order())

    def order(self) -> Integers:
        """The positions in that order."""
        return np.lexsort((self.close, self.probability, self.quoted, self.state, self.snapshot))


@dataclass(frozen=True)
class RiskCounts:
    """Landmarks by snapshot, state, exit week and outcome, arrays of shape (k,)."""

    snapshot: Integers
    state: Integers
    stage: Integers
    exit_week: Integers
    outcome: Integers
    count: Floats
    ratio_count: Floats
    ratio_sum: Floats
    ratio_square_sum: Floats


@dataclass(frozen=True)
class Wins:
    """Past wins, arrays of shape (k,), in the order of the days on which they were won.

    amount: realised, 0 where none is recorded. row: position in the input table.
    """

    opened: Integers
    won: Integers
    tier: Integers
    amount: Floats
    row: Integers

    def booked(self, start: int, end: int) -> float:
        """Amount won from one day to another, both included."""
        low, high = np.searchsorted(self.won, [start, end + 1])
        return float(self._cents[high] - self._cents[low]) / CENTS

    @cached_property
    def _cents(self) -> Integers:
        # Whole cents, so that no order of addition matters.
        return np.concatenate([[0], np.cumsum(np.rint(self.amount * CENTS).astype(np.int64))])

    def take(self, positions: Bools) -> "Wins":
        """The wins at these positions."""
        return Wins(
            self.opened[positions],
            self.won[positions],
            self.tier[positions],
            self.amount[positions],
            self.row[positions],
        )


@dataclass(frozen=True)
class ForecastData:
    """Everything that the forecasts of all origins are made from."""

    windows: tuple[Window, ...]
    snapshot_days: Mapping[int, int]
    states: States
    risk: RiskCounts
    deals: Deals
    wins: Wins
    arrivals: Mapping[int, float]
    tiers: int


def forecast_data(
    calendar: pa.Table,
    risk_counts: pa.Table,
    deals: pa.Table,
    wins: pa.Table,
    arrivals: pa.Table,
) -> tuple[ForecastData, Labels, Labels]:
    """The marts as arrays, with the labels of stages and tiers.

    Args:
        calendar: the mart `forecast_calendar`.
        risk_counts: the mart `forecast_risk_counts`.
        deals: rows of `open_deal_snapshots`.
        wins: the mart `forecast_wins`.
        arrivals: the mart `forecast_arrivals`.
    """
    stages = vocabulary([risk_counts, deals], "stage_label")
    tiers = vocabulary([risk_counts, deals, wins], "tier")
    of_risk, of_deals = (_keys(table, stages, tiers) for table in (risk_counts, deals))
    distinct, position = np.unique(np.concatenate([of_risk, of_deals]), return_inverse=True)
    states = _states(distinct, len(stages), len(tiers))
    risk = RiskCounts(
        snapshot=column_integers(risk_counts, "snapshot_number"),
        state=position[: len(of_risk)],
        stage=column_codes(risk_counts, "stage_label", stages),
        exit_week=column_integers(risk_counts, "exit_week"),
        outcome=column_codes(risk_counts, "outcome", {name: at for at, name in enumerate((*OUTCOMES, "unknown"))}),
        count=column_floats(risk_counts, "deal_count"),
        ratio_count=column_floats(risk_counts, "ratio_count"),
        ratio_sum=column_floats(risk_counts, "ratio_sum"),
        ratio_square_sum=column_floats(risk_counts, "ratio_square_sum"),
    )
    order = np.lexsort((risk.outcome, risk.exit_week, risk.state, risk.snapshot))
    risk = replace(risk, **{name: getattr(risk, name)[order] for name in RiskCounts.__dataclass_fields__})
    windows = calendar_windows(calendar)
    data = ForecastData(
        windows=windows,
        snapshot_days={window.snapshot: window.origin for window in windows},
        states=states,
        risk=risk,
        deals=_deals(deals, position[len(of_risk) :], stages, tiers),
        wins=_wins(wins, tiers),
        arrivals=dict(
            zip(
                column_integers(arrivals, "snapshot_number").tolist(),
                column_floats(arrivals, "opportunity_count").tolist(),
                strict=True,
            )
        ),
        tiers=len(tiers),
    )
    return data, stages, tiers


def calendar_windows(calendar: pa.Table) -> tuple[Window, ...]:
    """The windows, those of the latest snapshot first."""
    found = [
        Window(
            snapshot=row["snapshot_number"],
            target_period=row["target_period"],
            origin=_day(row["snapshot_date"]),
            start=_day(row["window_start_date"]),
            end=_day(row["window_end_date"]),
            last_quarter_start=_day(row["last_quarter_start_date"]),
            last_quarter_end=_day(row["last_quarter_end_date"]),
            # Without any deal there is no history.
            history_start=_day(row["history_start_date"] or row["snapshot_date"]),
            is_complete=bool(row["is_complete"]),
            is_in_history=bool(row["is_in_history"]),
            has_last_quarter=bool(row["has_last_quarter"]),
        )
        for row in calendar.to_pylist()
    ]
    return tuple(sorted(found, key=lambda window: (window.snapshot, TARGET_PERIODS.index(window.target_period))))


def state_positions(table: pa.Table, states: States, stages: Labels, tiers: Labels) -> Integers:
    """Position of each row's state among the states, -1 where it is none of them."""
    known = _mixed([states.stage, states.tier, states.age, states.pushes, states.due, states.phase], len(tiers))
    keys = _keys(table, stages, tiers)
    at = np.minimum(np.searchsorted(known, keys), max(len(known) - 1, 0))
    return np.where(known[at] == keys, at, -1) if len(known) else np.full(len(keys), -1)


def _day(value: object) -> int:
    return int(np.datetime64(str(value), "D").astype(np.int64))


def _mixed(codes: Sequence[Integers], tiers: int) -> Integers:
    """One number for stage, tier, age, pushes, due and phase."""
    key = codes[0]
    for code, levels in zip(codes[1:], _levels(tiers), strict=True):
        key = key * levels + code
    return key


def _levels(tiers: int) -> tuple[int, ...]:
    return (tiers, AGE_BANDS, PUSH_BANDS, DUE_BANDS, PHASES)


def _keys(table: pa.Table, stages: Labels, tiers: Labels) -> Integers:
    bands = [column_integers(table, name) for name in ("age_band", "push_band", "due_band", "phase")]
    return _mixed([column_codes(table, "stage_label", stages), column_codes(table, "tier", tiers), *bands], len(tiers))


def _states(keys: Integers, stages: int, tiers: int) -> States:
    rest, found = keys, []
    for levels in reversed(_levels(tiers)):
        rest, code = np.divmod(rest, levels)
        found.append(code)
    phase, due, pushes, age, tier = found
    return States(rest, age, tier, pushes, due, phase, (stages, AGE_BANDS, tiers, PUSH_BANDS, DUE_BANDS, PHASES))


def _deals(table: pa.Table, state: Integers, stages: Labels, tiers: Labels) -> Deals:
    return Deals(
        snapshot=column_integers(table, "snapshot_number"),
        state=state,
        stage=column_codes(table, "stage_label", stages),
        tier=column_codes(table, "tier", tiers),
        quoted=column_floats(table, "quoted_amount"),
        probability=column_floats(table, "probability"),
        close=column_days(table, "close_date"),
    )


def _wins(table: pa.Table, tiers: Labels) -> Wins:
    opened, won = column_days(table, "opportunity_date"), column_days(table, "won_date")
    tier, amount = column_codes(table, "tier", tiers), column_floats(table, "realised_amount")
    order = np.lexsort((amount, tier, opened, won))
    return Wins(opened[order], won[order], tier[order], amount[order], order)
