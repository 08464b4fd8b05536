"""The signal `anomalies`: periods out of line with the strictly earlier ones, and slow drift."""

from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, codes, numbers, table, with_evidence
from segment_signals.statistics.anomalies import (
    Anomalies,
    Screening,
    amount_anomalies,
    amount_residuals,
    count_anomalies,
    count_residuals,
    needs_roll_up,
    rate_anomalies,
    rate_residuals,
)
from segment_signals.statistics.arrays import Floats, Integers, group_count, group_sum
from segment_signals.statistics.drift import cusum
from segment_signals.statistics.multiplicity import benjamini_hochberg

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("metric", pa.string()),
        ("horizon_days", pa.int32()),
        ("observed", pa.float64()),
        ("expected", pa.float64()),
        ("expected_low", pa.float64()),
        ("expected_high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("direction", pa.string()),
        ("is_flagged", pa.bool_()),
        ("power", pa.float64()),
        ("drift_q_value", pa.float64()),
        ("drift_direction", pa.string()),
        ("is_drifting", pa.bool_()),
        *EVIDENCE_FIELDS,
    ]
)

SERIES = ["dimension", "segment", "metric", "horizon_days"]
FAMILY = ["dimension", "metric"]
PERIOD = ["period_grain", "period_start"]
DIRECTIONS = {-1.0: "lower", 0.0: "same", 1.0: "higher"}
MEASURES = ["observed", "expected", "expected_low", "expected_high", "p_value", "drift_p_value"]


def anomalies(inputs: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pa.Table:
    """Every period that has a baseline, judged by the periods before it.

    Rates are beta-binomial, counts negative binomial with the days of the period as exposure, amounts robust on the log
    scale. Benjamini-Hochberg runs over all series of a period. Monthly series without the power to see a fall by 60 %
    are left to their quarters. Drift of a count is that of its share of the dimension's total, so that a company that
    grows has none; the total itself is not judged for drift.

    Args:
        inputs: the mart `anomaly_inputs`, one row per cell, metric, horizon and period.
        thresholds: the seed `evidence_thresholds`: minimum_n, reportable_n, anomaly_false_discovery_rate,
            anomaly_baseline_periods, anomaly_minimum_power.
        caveats: of reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA`, one row per cell, metric and horizon with a baseline.
    """
    screening = Screening(
        minimum_periods=int(thresholds["anomaly_baseline_periods"]), level=thresholds["anomaly_false_discovery_rate"]
    )
    rows = inputs.to_pandas()
    rows = rows[~rows["segment"].isin(["unknown", "unmapped"])]
    judged = [
        cells
        for (_, kind), series in rows.groupby(["period_grain", "kind"], sort=True)
        for cells in _judge_each_period(series, str(kind), screening)
    ]
    if not judged:
        return SCHEMA.empty_table()
    cells = pd.concat(judged, ignore_index=True)
    cells = cells[cells["p_value"].notna()].reset_index(drop=True)
    cells = _with_evidence(cells, thresholds, caveats)
    suppressed = cells["evidence"] == "suppressed"
    cells.loc[suppressed, MEASURES] = np.nan
    cells["q_value"] = _q_values(cells, "p_value")
    cells["drift_q_value"] = _q_values(cells, "drift_p_value")
    level = thresholds["anomaly_false_discovery_rate"]
    cells["is_flagged"] = cells["q_value"] <= level
    cells["is_drifting"] = cells["drift_q_value"] <= level
    for name in ("direction", "drift_direction"):
        cells[name] = cells[name].map(DIRECTIONS).where(~suppressed)
    return table(cells.sort_values([*PERIOD, *SERIES]), SCHEMA)


def _judge_each_period(rows: pd.DataFrame, kind: str, screening: Screening) -> Iterator[pd.DataFrame]:
    """The cells of each period that can have a baseline, as if it were the newest one."""
    series = rows[SERIES].drop_duplicates().sort_values(SERIES).reset_index(drop=True)
    periods = sorted(rows["period_start"].unique())
    index = pd.MultiIndex.from_frame(series)
    value, n, days = (
        rows.pivot_table(index=SERIES, columns="period_start", values=name, aggfunc="sum", sort=True)
        .reindex(index=index, columns=periods)
        .to_numpy(dtype=np.float64)
        for name in ("value", "n", "period_days")
    )
    # A segment without a record in a period that others have is a count of 0, from its first record on.
    if kind == "count":
        started = np.cumsum(~np.isnan(value), axis=1) > 0
        value = np.where(np.isnan(value) & started, 0, value)
        days = np.where(started, np.nanmax(days, axis=0), np.nan)
    family = codes(series, FAMILY)
    # What the segments of a dimension have together; a total is part of nothing.
    whole = np.stack(
        [group_sum(np.nan_to_num(column), family, group_count(family))[family] for column in value.T], axis=1
    )
    whole[(series["dimension"] == "all").to_numpy()] = np.nan
    for last in range(screening.minimum_periods, len(periods)):
        upto = slice(0, last + 1)
        found, residuals = _judge(kind, value[:, upto], n[:, upto], days[:, upto], whole[:, upto], family, screening)
        drift = cusum(residuals)
        yield series.assign(
            period_grain=rows["period_grain"].iloc[0],
            period_start=periods[last],
            observed=found.observed,
            expected=found.expected,
            expected_low=found.expected_low,
            expected_high=found.expected_high,
            p_value=found.p_value,
            direction=found.direction,
            power=found.power,
            drift_p_value=drift.p_value,
            drift_direction=drift.direction.astype(np.float64),
            # A fall to few records is judged by the many that were expected.
            n=pd.Series(np.fmax(n[:, last], found.expected if kind == "count" else 0)).round().astype("Int64"),
        )


def _judge(
    kind: str, value: Floats, n: Floats, days: Floats, whole: Floats, family: Integers, screening: Screening
) -> tuple[Anomalies, Floats]:
    """The newest period's anomalies, and the residuals of all periods for the drift."""
    if kind == "rate":
        return (
            rate_anomalies(value, n, family, screening),
            rate_residuals(value, n, family, screening.minimum_periods),
        )
    if kind == "count":
        # Growth of the whole company is no drift of its segments: their counts are residuals of shares.
        return (
            count_anomalies(value, family, np.where(np.isnan(days), 1, days), screening),
            count_residuals(value, family, whole, screening.minimum_periods),
        )
    return amount_anomalies(value, family, screening), amount_residuals(value, screening.minimum_periods)


def _with_evidence(cells: pd.DataFrame, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pd.DataFrame:
    thin = needs_roll_up(numbers(cells, "power"), thresholds["anomaly_minimum_power"])
    too_few = (cells["n"] < thresholds["minimum_n"]).to_numpy(dtype=bool)
    few = (cells["n"] < thresholds["reportable_n"]).to_numpy(dtype=bool)
    is_month = (cells["period_grain"] == "month").to_numpy()
    reason = pd.Series("insufficient_sample", index=cells.index)
    return with_evidence(cells, reason.where(too_few | (thin & is_month)), reason.where(few | thin), caveats)


def _q_values(cells: pd.DataFrame, column: str) -> Floats:
    """Benjamini-Hochberg q-values over all series of a period, shape (k,)."""
    q_values = np.full(len(cells), np.nan)
    for _, rows in cells.groupby(PERIOD, sort=True):
        q_values[cells.index.get_indexer(rows.index)] = benjamini_hochberg(numbers(rows, column))
    return q_values
