"""The forecast of simulated companies through the compiled SQL: by hand, without leaks, and with bad input."""

import warnings
from datetime import date
from pathlib import Path

import numpy as np
import pandas as pd
import pyarrow as pa
import pytest
from segment_signals.pipeline.forecast import BACKTEST_SCHEMA, forecast_backtest, load, open_deal_outlook
from segment_signals.pipeline.forecast_cells import SCHEMA, pipeline_forecast
from segment_signals.pipeline.forecast_inputs import NEVER, Deals, Window, Wins
from segment_signals.pipeline.forecast_model import fit_origin, new_deals, same_day_last_quarter, stage_weighted
from segment_signals.pipeline.forecast_quality import forecast_quality

from certification import forecast, forecast_worlds
from certification.engine import Warehouse, dbt
from certification.forecast import Company
from certification.forecast_worlds import FIRST_DAY, World

AS_OF = 1_099
AMOUNTS = ["booked_amount", "open_amount", "new_amount", "p10_amount", "p50_amount", "p90_amount"]


@pytest.fixture(scope="module")
def warehouse(tmp_path_factory: pytest.TempPathFactory) -> Warehouse:
    folder: Path = tmp_path_factory.mktemp("forecast")
    dbt(folder, "compile")
    return Warehouse(folder)


@pytest.fixture(scope="module")
def rows() -> dict[str, pa.Table]:
    deals = forecast_worlds.simulate(np.random.default_rng(1), World("test", 90))
    return forecast_worlds.tables(np.random.default_rng(2), deals, AS_OF)


def cells(warehouse: Warehouse, company: Company, **thresholds: float) -> pd.DataFrame:
    """The published cells, where every warning of numpy is an error."""
    limits = {**warehouse.thresholds, **thresholds}
    with warnings.catch_warnings():
        warnings.simplefilter("error", RuntimeWarning)
        backtest = forecast_backtest(company.marts(), limits, "seed")
        forecast_quality(backtest, limits)
        open_deal_outlook(company.marts(), company.segments().open_deals, limits)
        found: pd.DataFrame = pipeline_forecast(
            company.marts(), company.segments(), backtest, limits, "seed"
        ).to_pandas()
    numbers = found[AMOUNTS].to_numpy(dtype=np.float64)
    assert not np.isinf(numbers).any()
    assert (found["p50_amount"].isna() == (found["evidence"] == "suppressed")).all()
    return found


def total(found: pd.DataFrame) -> pd.Series:
    return found[(found["dimension"] == "all") & (found["target_period"] == "quarter")].iloc[0]


def changed(table: pa.Table, **columns: pa.Array) -> pa.Table:
    for name, values in columns.items():
        table = table.set_column(table.column_names.index(name), name, values)
    return table


def window(**other: int) -> Window:
    known = {"origin": 1000, "start": 990, "end": 1030, "last_quarter_start": 910, "last_quarter_end": 939}
    return Window(
        snapshot=0,
        target_period="month",
        history_start=0,
        is_complete=False,
        is_in_history=True,
        has_last_quarter=True,
        **{**known, **other},
    )


def wins(opened: list[int], won: list[int], amount: list[float]) -> Wins:
    count = len(opened)
    return Wins(np.array(opened), np.array(won), np.zeros(count, np.int64), np.array(amount), np.arange(count))


def test_new_deals_by_hand() -> None:
    # 30 days ahead, half a year of 182 days behind. Won after 0, 10 and 29 days; after 30 days is too late, and the
    # deal of 200 days ago and the win of tomorrow do not count.
    past = wins([850, 860, 870, 880, 800, 995], [850, 870, 899, 910, 805, 1001], [1e4, 2e4, 4e4, 9e9, 9e9, 9e9])
    found = new_deals(past, window(), 0.0)
    weights = [30 / 182, 20 / 172, 1 / 153]
    assert found.weights == pytest.approx(weights)
    assert found.amounts.tolist() == [1e4, 2e4, 4e4]
    assert found.expected() == pytest.approx(np.dot(weights, [1e4, 2e4, 4e4]))
    assert found.count_spread == pytest.approx(np.sqrt(np.square(weights).sum()) / sum(weights))


def test_booked_and_last_quarter_by_hand() -> None:
    past = wins([0] * 5, [909, 910, 939, 990, 1000], [1.0, 20.10, 300.20, 4000.0, 50000.05])
    assert past.booked(990, 1000) == 54000.05
    assert same_day_last_quarter(past, window(), 54000.05) == pytest.approx(54000.05 + 320.30)


def test_stage_weighted_by_hand() -> None:
    deals = Deals(
        snapshot=np.zeros(5, np.int64),
        state=np.zeros(5, np.int64),
        stage=np.array([0, 1, 0, 0, 1]),
        tier=np.zeros(5, np.int64),
        quoted=np.array([100.0, 200.0, 400.0, np.nan, 800.0]),
        probability=np.array([0.5, np.nan, 0.5, 0.5, np.nan]),
        close=np.array([1030, 1000, 1031, 1000, NEVER]),
    )
    # 100 x 0.5 due on the last day; 200 x 0.3 by the stage, overdue; due later; no amount; 800 x 0.3 without a plan.
    assert stage_weighted(np.array([0.9, 0.3]), deals, window(), 7.0) == pytest.approx(7 + 50 + 60 + 240)
    unknown = deals.take(np.array([3]))
    assert np.isnan(stage_weighted(np.array([0.9, 0.3]), unknown, window(), 7.0))
    assert stage_weighted(np.array([0.9]), deals.take(np.array([], dtype=np.int64)), window(), 7.0) == 7.0


@pytest.mark.parametrize(
    ("as_of", "expected"),
    [
        # The day after is in the window: on the last day of a quarter the next one is forecast.
        ("2023-12-31", [(date(2024, 1, 1), date(2024, 1, 31)), (date(2024, 1, 1), date(2024, 3, 31))]),
        ("2024-02-29", [(date(2024, 3, 1), date(2024, 3, 31)), (date(2024, 1, 1), date(2024, 3, 31))]),
        ("2023-11-14", [(date(2023, 11, 1), date(2023, 11, 30)), (date(2023, 10, 1), date(2023, 12, 31))]),
    ],
)
def test_windows_by_hand(
    warehouse: Warehouse, rows: dict[str, pa.Table], as_of: str, expected: list[tuple[date, date]]
) -> None:
    company = Company(warehouse, rows, int((np.datetime64(as_of) - FIRST_DAY).astype(int)))
    calendar = company.table("forecast_calendar").to_pandas()
    now = calendar[calendar["snapshot_number"] == 0].set_index("target_period")
    found = [(now.loc[name, "window_start_date"], now.loc[name, "window_end_date"]) for name in ("month", "quarter")]
    assert [tuple(pd.Timestamp(day).date() for day in pair) for pair in found] == expected
    sixty = now.loc["next_60_days"]
    assert (pd.Timestamp(sixty["window_end_date"]) - pd.Timestamp(as_of)).days == 60
    # A quarter before, from the same place in a window of three months.
    before = calendar[(calendar["snapshot_number"] == 3) & (calendar["target_period"] == "quarter")].iloc[0]
    assert pd.Timestamp(before["window_start_date"]) == pd.Timestamp(expected[1][0]) - pd.DateOffset(months=3)


def test_a_past_forecast_knows_nothing_later(warehouse: Warehouse) -> None:
    assert forecast.leak(warehouse) <= 1e-9


def test_states_at_a_snapshot_by_hand(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    """Stage, age, amount, pushes and planned close of every snapshot, against a slow reading of the history."""
    company = Company(warehouse, rows, AS_OF)
    snapshots = company.table("open_deal_snapshots").to_pandas().sample(200, random_state=1)
    numbers = rows["opportunities"].select(["opportunity_id", "opportunity_number"]).to_pandas()
    history = rows["opportunity_history"].to_pandas().merge(numbers, on="opportunity_number")
    visits = rows["stage_visits"].to_pandas().merge(numbers, left_on="entity_number", right_on="opportunity_number")
    for row in snapshots.itertuples():
        seen = history[(history["opportunity_id"] == row.opportunity_id) & (history["changed_at"] <= row.snapshot_date)]
        last = seen.sort_values("change_number").iloc[-1]
        pushes = int((seen["close_date"] > seen["previous_close_date"]).sum())
        visit = visits[(visits["opportunity_id"] == row.opportunity_id) & (visits["entered_date"] <= row.snapshot_date)]
        visit = visit.sort_values("entered_date", kind="stable").iloc[-1]
        assert row.stage_label == visit["source_stage"]
        assert row.age_in_stage_days == (pd.Timestamp(row.snapshot_date) - pd.Timestamp(visit["entered_date"])).days
        assert float(row.quoted_amount) == pytest.approx(last["amount"])
        assert row.push_band == min(pushes, 2)
        assert pd.Timestamp(row.close_date) == pd.Timestamp(last["close_date"])


def test_segments_add_up_to_the_total(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    company = Company(warehouse, rows, AS_OF)
    found = cells(warehouse, company, forecast_maximum_floor=99, minimum_n=0, minimum_wins=1)
    for target_period, window_cells in found.groupby("target_period"):
        whole = window_cells[window_cells["dimension"] == "all"].iloc[0]
        for dimension in ("region", "deal_size_tier"):
            parts = window_cells[window_cells["dimension"] == dimension]
            assert len(parts) == 3, target_period
            for amount in ("booked_amount", "open_amount", "new_amount"):
                assert parts[amount].sum() == pytest.approx(whole[amount], rel=1e-9)


def test_the_order_of_rows_does_not_matter(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    first = cells(warehouse, Company(warehouse, rows, AS_OF))
    draws = np.random.default_rng(3)
    shuffled = {name: table.take(draws.permutation(table.num_rows)) for name, table in rows.items()}
    again = cells(warehouse, Company(warehouse, shuffled, AS_OF))
    pd.testing.assert_frame_equal(first, again, check_exact=True)


def test_later_stages_win_more(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    company = Company(warehouse, rows, AS_OF)
    found = open_deal_outlook(company.marts(), company.segments().open_deals, warehouse.thresholds).to_pandas()
    assert found["win_probability"].between(0, found["win_probability_within_a_year"]).all()
    assert found["win_probability_within_a_year"].le(1).all()
    fresh = found[found["age_in_stage_days"] < 40].groupby("stage")["win_probability_within_a_year"].mean()
    assert fresh["Discovery"] < fresh["Proposal"] < fresh["Negotiation"]
    # Half a year in a stage that takes a month: forgotten.
    stale = found[found["age_in_stage_days"] > 112]
    assert len(stale) > 5
    assert stale["win_probability_within_a_year"].mean() < 0.5 * fresh["Discovery"]


def test_without_history_of_amounts(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    bare = {**rows, "opportunity_history": rows["opportunity_history"].slice(0, 0)}
    company = Company(warehouse, bare, AS_OF)
    found = total(cells(warehouse, company))
    assert (found["evidence"], found["evidence_reason"]) == ("directional", "incomplete_data")
    assert found["caveat"] == "Without a history of amounts and planned closes"
    backtest = forecast_backtest(company.marts(), warehouse.thresholds, "seed").to_pandas()
    static = backtest[backtest["method"] == "stage_weighted"]
    assert static["p50_amount"].isna().all()
    assert static["caveat"].str.startswith("No history of amounts").all()
    assert backtest[backtest["method"] == "model"]["p50_amount"].notna().all()


def test_no_losses(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    nothing = pa.nulls(rows["journeys"].num_rows, pa.date32())
    company = Company(warehouse, {**rows, "journeys": changed(rows["journeys"], lost_date=nothing)}, AS_OF)
    found = total(cells(warehouse, company))
    assert (found["evidence"], found["caveat"]) == ("directional", "No deal is recorded as lost")


def test_no_amounts(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    bare = {
        name: changed(table, amount=pa.nulls(table.num_rows, pa.float64())) if "amount" in table.column_names else table
        for name, table in rows.items()
    }
    found = total(cells(warehouse, Company(warehouse, bare, AS_OF)))
    assert (found["evidence"], found["evidence_reason"]) == ("suppressed", "incomplete_data")


def test_negative_amounts_count_as_none(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    negative = {
        name: changed(table, amount=pa.array(-table["amount"].to_numpy())) if "amount" in table.column_names else table
        for name, table in rows.items()
    }
    found = total(cells(warehouse, Company(warehouse, negative, AS_OF)))
    assert (found["evidence"], found["evidence_reason"]) == ("suppressed", "incomplete_data")


def with_amounts(rows: dict[str, pa.Table], is_it: np.ndarray, amount: float) -> dict[str, pa.Table]:
    """The company with that amount in the whole history of some of its opportunities."""
    keys = {
        "opportunities": "opportunity_id",
        "journeys": "opportunity_id",
        "opportunity_history": "opportunity_number",
    }
    made = dict(rows)
    for name, column in keys.items():
        wanted = set(np.array(rows["opportunities"][column].to_pylist())[is_it])
        mine = np.array([key in wanted for key in rows[name][column].to_pylist()])
        made[name] = changed(rows[name], amount=pa.array(np.where(mine, amount, rows[name]["amount"].to_numpy())))
    return made


def test_one_giant_deal_is_valued_like_one_without_an_amount(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    company = Company(warehouse, rows, AS_OF)
    usual, open_deal = total(cells(warehouse, company)), company.segments().open_deals["opportunity_id"][0].as_py()
    is_it = np.array(rows["opportunities"]["opportunity_id"].to_pylist()) == open_deal
    found = total(cells(warehouse, Company(warehouse, with_amounts(rows, is_it, 1e12), AS_OF)))
    assert found["evidence"] == "directional"
    assert "beyond the usual: 1 open deals" in found["caveat"]
    assert found["p90_amount"] == pytest.approx(usual["p90_amount"], rel=0.1)


def test_an_extreme_amount_is_one_of_its_day(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    """Prices rise a thousandfold after a day: the usual amounts of later deals are no scale for the earlier ones."""
    day = FIRST_DAY + 800
    opened = rows["journeys"]["opportunity_date"].to_numpy().astype("datetime64[D]")

    def quoted(company_rows: dict[str, pa.Table]) -> pd.DataFrame:
        company = Company(warehouse, company_rows, AS_OF)
        found = company.table("open_deal_snapshots").to_pandas()
        found = found[pd.to_datetime(found["snapshot_date"]) <= pd.Timestamp(day)]
        return found.set_index(["snapshot_number", "opportunity_id"])[
            ["quoted_amount", "is_extreme_amount"]
        ].sort_index()

    # One of the deals that were open then is a thousand times as large as the others.
    known = quoted(rows)
    giant = known.index[0][1]
    is_giant = np.array(rows["opportunities"]["opportunity_id"].to_pylist()) == giant
    odd = with_amounts(rows, is_giant, 1e9)
    before, after = quoted(odd), quoted(with_amounts(odd, opened > day, 1e9))
    pd.testing.assert_frame_equal(before, after)
    assert before["is_extreme_amount"].groupby("opportunity_id").all()[lambda found: found].index.tolist() == [giant]
    assert before.loc[pd.IndexSlice[:, giant], "quoted_amount"].isna().all()


def test_one_month_of_history(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    found = cells(warehouse, Company(warehouse, _until(rows, 31), 31))
    assert set(found["evidence_reason"]) == {"too_early"}
    assert len(found[found["dimension"] == "all"]) == 3


def test_nothing_at_all(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    empty = {name: table.slice(0, 0) for name, table in rows.items()}
    company = Company(warehouse, empty, AS_OF)
    found = cells(warehouse, company)
    assert found["target_period"].tolist() == ["month", "quarter", "next_60_days"]
    assert set(found["evidence"]) == {"suppressed"}
    assert forecast_backtest(company.marts(), warehouse.thresholds, "seed").schema == BACKTEST_SCHEMA
    assert SCHEMA.names[: len(found.columns)] == list(found.columns)


def test_deals_that_are_won_on_their_first_day(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    journeys = rows["journeys"].to_pandas()
    journeys["won_date"] = journeys["opportunity_date"].where(journeys["won_date"].notna())
    visits = rows["stage_visits"].to_pandas()
    won = set(journeys.loc[journeys["won_date"].notna(), "opportunity_number"])
    visits = visits[~(visits["entity_number"].isin(won) & (visits["stage"] == "opportunity"))]
    changed_rows = {
        **rows,
        "journeys": pa.Table.from_pandas(journeys, preserve_index=False),
        "stage_visits": pa.Table.from_pandas(visits, schema=rows["stage_visits"].schema, preserve_index=False),
    }
    company = Company(warehouse, changed_rows, AS_OF)
    found = total(cells(warehouse, company, forecast_maximum_floor=99, minimum_wins=0))
    # None of them ever was open at the end of a day: open deals are only lost, and all that is to come is new.
    assert set(company.table("open_deal_snapshots")["outcome"].to_pylist()) == {"lost", "open"}
    assert found["new_amount"] > 100 * found["open_amount"]
    assert found["new_amount"] > 0


def test_an_unknown_stage_is_a_stage(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    labels = rows["stage_visits"]["source_stage"].to_pylist()
    renamed = [
        None if label == "Discovery" else f"{label} (new)" if at % 2 and label == "Proposal" else label
        for at, label in enumerate(labels)
    ]
    visits = changed(rows["stage_visits"], source_stage=pa.array(renamed, pa.string()))
    assert total(cells(warehouse, Company(warehouse, {**rows, "stage_visits": visits}, AS_OF)))["p50_amount"] > 0


def test_the_fit_is_of_what_was_known(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    data, _, _ = load(Company(warehouse, rows, AS_OF).marts())
    fits = [fit_origin(data, snapshot) for snapshot in (0, 6, 12)]
    assert fits[0].wins > fits[1].wins > fits[2].wins > 0
    assert [fit.landmarks for fit in fits] == [24, 24, 24]


def backtest_of(actual: list[float], **medians: list[float | None]) -> pa.Table:
    """A backtest of months at as many origins, with the medians of some methods."""
    origins = [date(2023 + at // 12, at % 12 + 1, 28) for at in range(len(actual))]
    count = len(medians)
    return pa.table(
        {
            "origin_date": origins * count,
            "target_period": ["month"] * len(actual) * count,
            "method": [name for name in medians for _ in actual],
            "actual_amount": actual * count,
            "p50_amount": pa.array([value for values in medians.values() for value in values], pa.float64()),
            "pinball_loss": pa.array([1.0] * len(actual) * count),
            "is_covered": pa.array([True] * len(actual) * count),
        }
    )


def quality_of(backtest: pa.Table) -> pd.DataFrame:
    found = forecast_quality(backtest, {"forecast_minimum_origins": 8}).to_pandas()
    return found.set_index(["method", "metric"])[lambda rows: rows["target_period"] == "month"].sort_index()


def test_quality_by_hand() -> None:
    backtest = backtest_of([100.0, 200.0], model=[110.0, 150.0], stage_weighted=[None, None])
    found = quality_of(backtest)
    measured = found.loc["model"]["value"].to_dict()
    assert measured == pytest.approx(
        {
            "mape": 0.175,
            "wape": 0.2,
            "bias": -40 / 300,
            "pinball_loss": 1.0,
            "median_pinball_loss": 15.0,
            "coverage": 1.0,
        }
    )
    assert found.loc[("model", "coverage"), "n"] == 2
    assert found.loc[("model", "mape"), "caveat"].startswith("No interval: ")
    assert found.loc[("stage_weighted", "mape"), "n"] == 0
    assert np.isnan(found.loc[("stage_weighted", "mape"), "value"])
    assert found.loc[("stage_weighted", "mape"), "caveat"] == "Not known at any origin"
    # A method that is known nowhere is held against nothing.
    assert "median_pinball_loss_difference" not in found.loc["stage_weighted"].index


def test_methods_are_held_against_each_other_where_all_are_known() -> None:
    backtest = backtest_of(
        [100.0] * 4,
        model=[110.0, 90.0, 104.0, 170.0],
        stage_weighted=[130.0, 100.0, 80.0, 100.0],
        same_day_last_quarter=[100.0, 100.0, 100.0, None],
    )
    found = quality_of(backtest).xs("median_pinball_loss_difference", level="metric")
    # Half of the absolute errors: 5, 5, 2 of the forecast, 15, 0, 10 and 0, 0, 0; the fourth has no third number.
    weighted, before = found.loc["stage_weighted"], found.loc["same_day_last_quarter"]
    assert (weighted["value"], weighted["n"]) == (pytest.approx(4 - 25 / 3), 3)
    assert (before["value"], before["n"]) == (pytest.approx(4), 3)
    # Three differences -10, 5, -8: Student's interval with two degrees of freedom.
    differences = np.array([-10.0, 5.0, -8.0])
    error = 4.302653 * differences.std(ddof=1) / np.sqrt(3)
    assert (weighted["low"], weighted["high"]) == pytest.approx((-13 / 3 - error, -13 / 3 + error))
    assert weighted["caveat"] == "Backtested at 3 earlier origins only"


def test_a_simple_forecast_that_was_clearly_closer_is_named(warehouse: Warehouse, rows: dict[str, pa.Table]) -> None:
    company = Company(warehouse, rows, AS_OF)
    known = forecast_backtest(company.marts(), warehouse.thresholds, "seed")

    def caveat(backtest: pd.DataFrame) -> str | None:
        made = pa.Table.from_pandas(backtest, schema=BACKTEST_SCHEMA, preserve_index=False)
        found = pipeline_forecast(company.marts(), company.segments(), made, warehouse.thresholds, "seed")
        row = total(found.to_pandas())
        is_reportable = row["evidence"] == "reportable"
        assert is_reportable == pd.isna(row["caveat"])
        return None if is_reportable else str(row["caveat"])

    origins = known.to_pandas()
    assert caveat(origins) is None
    is_before = (origins["method"] == "same_day_last_quarter") & (origins["target_period"] == "quarter")
    # Had the quarter before been right to the cent, at every origin.
    right = origins.assign(p50_amount=origins["p50_amount"].mask(is_before, origins["actual_amount"]))
    assert caveat(right) == "In the backtest the quarter before was closer to the outcome"


def _until(rows: dict[str, pa.Table], day: int) -> dict[str, pa.Table]:
    """The rows of a company that began so many days before its last one."""
    del rows
    deals = forecast_worlds.simulate(np.random.default_rng(1), World("young", 90))
    return forecast_worlds.tables(np.random.default_rng(2), deals, day)
