"""A planted change, a planted mix shift, a null segment and a planted anomaly, each told from the others.

One simulated company of two years through the compiled SQL and the signals.
"""

import datetime
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from segment_signals.funnel.anomalies import anomalies
from segment_signals.funnel.changes import change_decomposition
from segment_signals.funnel.contrasts import segment_contrasts

from certification.engine import Warehouse, dbt, frame

LEADS_A_MONTH, MONTHS = 1_800, 24
RATE = "lead_to_mql_rate"
# Regions and industries of equal size; sources: one converts better, and its share rises from October 2025 on.
REGIONS = ("Americas", "EMEA", "APAC", "LATAM")
INDUSTRIES = ("Retail", "Software", "Finance")
SOURCES = ("Event", "Web")
SOURCE_RATES = (0.50, 0.30)
CHANGE, MIX_SHIFT, ANOMALY = (datetime.date(2025, 7, 1), datetime.date(2025, 10, 1), datetime.date(2025, 2, 1))
QUARTERS = [datetime.date(2024 + at // 4, 3 * (at % 4) + 1, 1) for at in range(8)]


def company(draws: np.random.Generator, dimensions: list[str], spine: list[str]) -> pa.Table:
    """Journeys: leads that become MQLs after 10 days or are lost after 20.

    The change: from July 2025 on, leads of APAC convert 12 points less. The anomaly: in February 2025 two thirds of the
    leads of EMEA are missing. Industries differ in nothing.
    """
    months = [datetime.date(2024 + at // 12, at % 12 + 1, 1) for at in range(MONTHS)]
    month = np.repeat(np.arange(MONTHS), draws.poisson(LEADS_A_MONTH, MONTHS))
    starts = np.array(months, dtype="datetime64[D]")[month]
    region, industry = draws.integers(0, 4, len(month)), draws.integers(0, 3, len(month))
    is_web = draws.random(len(month)) < np.where(starts >= np.datetime64(MIX_SHIFT), 0.4, 0.8)
    keeps = (region != 1) | (starts != np.datetime64(ANOMALY)) | (draws.random(len(month)) < 1 / 3)
    rate = np.where(is_web, *SOURCE_RATES[::-1]) - 0.12 * ((region == 2) & (starts >= np.datetime64(CHANGE)))
    is_mql = draws.random(len(month)) < rate
    day = starts + draws.integers(0, 28, len(month))
    never = np.full(len(month), np.datetime64("NaT"), dtype="datetime64[D]")
    columns = dict.fromkeys(dimensions, np.full(len(month), "Only")) | {
        "region": np.array(REGIONS)[region],
        "industry": np.array(INDUSTRIES)[industry],
        "lead_source": np.array(SOURCES)[is_web.astype(int)],
        "journey_id": np.arange(len(month)).astype(str),
        "person_id": np.arange(len(month)).astype(str),
        "is_primary": np.ones(len(month), dtype=bool),
        "lead_date": day,
        "mql_date": np.where(is_mql, day + 10, never),
        "lost_date": np.where(is_mql, never, day + 20),
    }
    columns |= {f"is_{stage}_imputed": np.zeros(len(month), dtype=bool) for stage in spine}
    return pa.table(columns).filter(pa.array(keeps))


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder: Path = tmp_path_factory.mktemp("told_apart")
    dbt(folder, "compile")
    return Warehouse(folder)


@pytest.fixture(scope="module")
def journeys(warehouse: Warehouse) -> pa.Table:
    return company(np.random.default_rng(5), warehouse.dimensions, warehouse.spine)


@pytest.fixture(scope="module")
def signals(warehouse: Warehouse, journeys: pa.Table) -> dict[str, pd.DataFrame]:
    """The three signals of the whole company, as of the middle of 2026."""
    warehouse.run("contrast_inputs", "change_inputs", "anomaly_inputs", as_of_date="2026-06-30", journeys=journeys)
    made = {"contrast_inputs": segment_contrasts, "change_inputs": change_decomposition, "anomaly_inputs": anomalies}
    return {
        signal.__name__: frame(
            signal(warehouse.table(f"select * from marts.{mart}"), warehouse.thresholds, warehouse.caveats)
        )
        for mart, signal in made.items()
    }


def change(signals: dict[str, pd.DataFrame], dimension: str, quarter: datetime.date) -> pd.Series:
    rows = signals["change_decomposition"]
    (row,) = (
        row
        for _, row in rows[(rows["dimension"] == dimension) & (rows["period_start"] == quarter)].iterrows()
        if (row["metric"], row["comparison"], row["period_grain"]) == (RATE, "previous", "quarter")
    )
    return row


def flagged(signals: dict[str, pd.DataFrame], metric: str, **where: object) -> set[tuple[str, datetime.date]]:
    """Segments and months that are anomalies, as long as there are leads."""
    rows = signals["anomalies"]
    rows = rows[rows["period_start"] < datetime.date(2026, 1, 1)]
    rows = rows[rows["is_flagged"] & (rows["metric"] == metric) & (rows["period_grain"] == "month")]
    for column, value in where.items():
        rows = rows[rows[column] == value]
    return set(zip(rows["segment"], rows["period_start"], strict=True))


def claimed(signals: dict[str, pd.DataFrame], dimension: str) -> dict[str, list[datetime.date]]:
    """Quarters in which each segment's conversion is a signal against the rest."""
    rows = signals["segment_contrasts"]
    rows = rows[(rows["dimension"] == dimension) & (rows["metric"] == RATE) & (rows["period_grain"] == "quarter")]
    rows = rows[(rows["comparator"] == "rest") & rows["p_value"].notna()]
    return {
        segment: list(of["period_start"][of["is_signal"]])
        for segment, of in rows.sort_values("period_start").groupby("segment")
    }


def test_the_change_is_one_of_rates_and_of_its_segment(signals: dict[str, pd.DataFrame]) -> None:
    told = change(signals, "region", CHANGE)
    assert told["rate_effect_high"] < 0
    assert abs(told["mix_effect"]) < 0.005
    assert {quarter for quarter in claimed(signals, "region")["APAC"] if quarter < CHANGE} == set()
    assert [quarter for quarter in claimed(signals, "region")["APAC"] if quarter >= CHANGE] == [CHANGE, MIX_SHIFT]
    lower = flagged(signals, RATE, dimension="region", direction="lower")
    assert ("APAC", CHANGE) in lower
    assert {segment for segment, _ in lower} == {"APAC"}
    assert min(month for _, month in lower) == CHANGE


def test_the_mix_shift_is_one_of_mix_by_source_and_of_rates_by_region(signals: dict[str, pd.DataFrame]) -> None:
    told = change(signals, "lead_source", MIX_SHIFT)
    assert told["mix_effect"] > 0.06
    assert told["rate_effect_low"] <= 0 <= told["rate_effect_high"]
    # Regions kept their mix: there, all of them convert better.
    told = change(signals, "region", MIX_SHIFT)
    assert abs(told["mix_effect"]) < 0.005
    assert told["rate_effect_low"] > 0.04
    # The sources themselves are as far apart as ever.
    assert claimed(signals, "lead_source") == {"Event": QUARTERS, "Web": QUARTERS}
    assert not {month for _, month in flagged(signals, RATE, dimension="lead_source") if month < CHANGE}


def test_the_anomaly_is_one_of_counts_and_of_its_month(signals: dict[str, pd.DataFrame]) -> None:
    lower = flagged(signals, "lead_count", dimension="region", direction="lower")
    assert lower == {("EMEA", ANOMALY)}
    assert "EMEA" not in {segment for segment, month in flagged(signals, RATE, dimension="region") if month < CHANGE}
    quarter = datetime.date(2025, 1, 1)
    assert quarter not in claimed(signals, "region")["EMEA"]
    told = change(signals, "region", quarter)
    assert told["rate_effect_low"] <= 0 <= told["rate_effect_high"]
    rows = signals["anomalies"]
    of_emea = rows[(rows["segment"] == "EMEA") & (rows["metric"] == "lead_count") & (rows["period_start"] < CHANGE)]
    assert not of_emea["is_drifting"][of_emea["period_start"] < ANOMALY].any()


def test_the_null_segments_are_nothing(signals: dict[str, pd.DataFrame]) -> None:
    assert claimed(signals, "industry") == {industry: [] for industry in INDUSTRIES}
    assert not flagged(signals, "lead_count", dimension="industry", direction="higher")
    # What moves all of them from July 2025 on is no industry's own.
    assert not {month for _, month in flagged(signals, RATE, dimension="industry") if month < CHANGE}
    for quarter in QUARTERS[1:6]:  # before the change
        told = change(signals, "industry", quarter)
        assert told["rate_effect_low"] <= 0 <= told["rate_effect_high"]


@pytest.fixture
def rule_of_august(warehouse: Warehouse) -> Iterator[datetime.date]:
    """The rules of regions are others from August 2025 on."""
    changed_on = datetime.date(2025, 8, 1)
    before = "select * from definitions.segment_rules"
    rules = warehouse.table(before)
    warehouse.connection.execute(
        f"update definitions.segment_rules set valid_from = date '{changed_on}' where dimension = 'region'"
    )
    yield changed_on
    warehouse.connection.execute("delete from definitions.segment_rules")
    warehouse._insert("definitions.segment_rules", rules)


def test_what_was_measured_otherwise_is_not_compared(
    warehouse: Warehouse, journeys: pa.Table, rule_of_august: datetime.date
) -> None:
    warehouse.run("segment_scorecards", "change_inputs", as_of_date="2026-06-30", journeys=journeys)
    cards = frame(warehouse.table(f"select * from marts.segment_scorecards where metric = '{RATE}'"))
    since = cards[cards["period_start"] > datetime.date(2024, 3, 1)]
    told = since[since["evidence_reason"] == "definition_changed"]
    assert set(told["dimension"]) == {"region"}
    # August beside July; the third quarter, in which it changed, and the fourth one beside it.
    assert {(row.period_grain, row.period_start) for row in told.itertuples()} == {
        ("month", rule_of_august),
        ("quarter", datetime.date(2025, 7, 1)),
        ("quarter", datetime.date(2025, 10, 1)),
    }
    assert len(told) == 3 * len(REGIONS)
    assert told["value"].notna().all()
    assert told[["previous_value", "delta", "delta_low", "delta_high"]].isna().all(axis=None)
    assert (told["evidence"] == "directional").all()
    assert (told["caveat"] == "A definition changed since the period before").all()
    alike = since.drop(told.index)
    assert alike.loc[alike["evidence"] != "suppressed", "delta"].notna().all()
    in_year = since[(since["dimension"] == "region") & (since["period_start"] >= rule_of_august)]
    assert in_year["year_ago_value"].isna().all()
    changes = frame(
        change_decomposition(
            warehouse.table("select * from marts.change_inputs"), warehouse.thresholds, warehouse.caveats
        )
    )
    unlike = changes[changes["evidence_reason"] == "definition_changed"]
    assert set(unlike["dimension"]) == {"region"}
    assert unlike[["total_change", "mix_effect", "rate_effect"]].isna().all(axis=None)
    previous = unlike[(unlike["comparison"] == "previous") & (unlike["period_grain"] == "quarter")]
    assert set(previous["period_start"]) == {datetime.date(2025, 7, 1), datetime.date(2025, 10, 1)}
