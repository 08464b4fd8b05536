"""The pipeline forecast: coverage of its range and its loss beside simple forecasts, on simulated companies."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from segment_signals.pipeline.forecast import Marts, forecast_backtest
from segment_signals.pipeline.forecast_cells import Segments, pipeline_forecast

from certification import forecast_worlds
from certification.engine import Warehouse, frame
from certification.forecast_worlds import FIRST_DAY, World
from certification.targets import Measurement, Target, exact, mean

TOPIC = "7. Forecast"
MARTS = (
    "forecast_calendar",
    "forecast_segments",
    "forecast_amount_fences",
    "open_deal_snapshots",
    "forecast_risk_counts",
    "forecast_segment_counts",
    "open_deals",
    "forecast_wins",
    "forecast_arrivals",
    "forecast_origin_deals",
)
LABELS = {"month": "rest of the month", "quarter": "rest of three months", "next_60_days": "60 days"}
SIMPLE = {"stage_weighted": "stage-weighted forecast", "same_day_last_quarter": "same days of the quarter before"}
COMPANIES = 24
AS_OF = 1_109
# The last one for comparison: its hazards do not depend on age.
WORLDS = (
    World("60 deals a month"),
    World("200 deals a month", monthly_deals=200),
    World("60 deals a month, growing by 30 % a year", growth=0.3),
    World("100 deals a month, arrivals that scatter by 20 % and wins that slip", 100, 0.0, 0.2, 0.15),
    World("60 deals a month, skewed amounts", spread=1.0),
    World("60 deals a month, hazards that do not depend on age", hazards_age=False, forgotten=0.0),
)


class Company:
    """The marts of a simulated company, built by the project's own SQL."""

    def __init__(self, warehouse: Warehouse, rows: dict[str, pa.Table], as_of: int, build: bool = True) -> None:
        """Load the rows of core and build.

        Args:
            warehouse: the compiled project.
            rows: tables of core by name.
            as_of: days since `FIRST_DAY`.
            build: whether the marts are built at once.
        """
        self.warehouse, self.connection = warehouse, warehouse.connection
        self.connection.execute(
            f"create or replace table core.run_context as select date '{FIRST_DAY + as_of}' as as_of_date, "
            "null::date as history_starts_on, 'USD' as reporting_currency"
        )
        for name, table in rows.items():
            self.connection.register("given_rows", table)
            extra = ", ".join(
                f"null::varchar as {dimension}"
                for dimension in warehouse.dimensions
                if name == "journeys" and dimension not in table.column_names
            )
            amount = " replace (amount::decimal(18, 2) as amount)" if "amount" in table.column_names else ""
            columns = f"*{amount}{', ' * bool(extra)}{extra}"
            self.connection.execute(f"create or replace table core.{name} as select {columns} from given_rows")
            self.connection.unregister("given_rows")
        self.connection.execute(
            "create or replace table marts.dimension_completeness as select '' as dimension, '' as from_stage, "
            "'' as to_stage, '' as within_dimension, '' as period_grain, null::date as period_start, "
            "false as is_missing_by_outcome limit 0"
        )
        for name in MARTS if build else ():
            self.build(name)

    def build(self, name: str) -> None:
        """Build a mart."""
        model = self.warehouse.models[name]
        self.connection.execute(f"create or replace table {model.relation} as {model.sql}")

    def table(self, name: str) -> pa.Table:
        """Rows of a mart."""
        return self.connection.sql(f"select * from marts.{name}").to_arrow_table()

    def segments(self) -> Segments:
        """What the forecast of segments needs besides."""
        return Segments(
            self.table("open_deals"), self.table("forecast_segment_counts"), self.table("forecast_segments")
        )

    def marts(self) -> Marts:
        """What a forecast is made from."""
        return Marts(
            self.table("forecast_calendar"),
            self.table("forecast_risk_counts"),
            self.table("forecast_origin_deals"),
            self.table("forecast_wins"),
            self.table("forecast_arrivals"),
        )


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Coverage, loss beside simple forecasts, and that nothing later than an origin is known at it.

    Args:
        warehouse: the compiled project.
        scale: of the numbers of companies.
    """
    count = max(round(COMPANIES * scale), 2)
    found = [
        pd.concat(backtests(warehouse, np.random.default_rng(20261000 + at), world, count)).assign(world=world.name)
        for at, world in enumerate(WORLDS)
    ]
    ageing = pd.concat(found[:-1])
    model = ageing[ageing["method"] == "model"]
    targets = []
    for target_period, label in LABELS.items():
        rows = model[model["target_period"] == target_period]
        what = f"P10 to P90 covers what came: {label}, {len(rows):,} forecasts of {len(found[:-1]) * count} companies"
        targets.append(Target(TOPIC, what, coverage(rows), lower=0.77, upper=0.83, slack=2))
    what = f"P10 to P90 covers what came: all {len(model):,} of them"
    targets.append(Target(TOPIC, what, coverage(model), lower=0.77, upper=0.83))
    for rows in found:
        name = rows["world"].iloc[0]
        targets.append(Target(TOPIC, f"the same, {name}", coverage(rows[rows["method"] == "model"])))
    for method, label in SIMPLE.items():
        what = f"pinball loss, as a share of that of the {label}"
        targets.append(Target(TOPIC, what, loss_ratio(ageing, method, "pinball_loss"), upper=1.0, form=".2f"))
        what = f"absolute error of the median, as a share of that of the {label}"
        targets.append(Target(TOPIC, what, loss_ratio(ageing, method, "absolute_error"), upper=1.0, form=".2f"))
    what = "the same beside the stage-weighted forecast, where no hazard depends on age"
    targets.append(Target(TOPIC, what, loss_ratio(found[-1], "stage_weighted", "absolute_error"), form=".2f"))
    what = "bias of the median, all companies"
    targets.append(Target(TOPIC, what, bias(model)))
    what = "largest relative distance of a backtest from the forecast of a company that ends at its origin"
    return [*targets, Target(TOPIC, what, exact(leak(warehouse)), upper=1e-9, form=".1e")]


def coverage(rows: pd.DataFrame) -> Measurement:
    """Share of forecasts that hold what came; companies are independent, the forecasts of one are not."""
    return mean(rows["is_covered"].astype(float).groupby([rows["world"], rows["company"]]).mean())


def loss_ratio(rows: pd.DataFrame, method: str, loss: str) -> Measurement:
    """Mean over companies of the model's loss as a share of another method's, over the same origins."""
    known = rows.dropna(subset=["p50_amount"])
    sums = known.pivot_table(loss, ["world", "company"], "method", "sum")
    return mean(sums["model"] / sums[method])


def bias(rows: pd.DataFrame) -> Measurement:
    """Mean over companies of the sum of medians over the sum of what came, less 1."""
    sums = rows.groupby(["world", "company"])[["p50_amount", "actual_amount"]].sum()
    return mean(sums["p50_amount"] / sums["actual_amount"] - 1)


def leak(warehouse: Warehouse) -> float:
    """Largest distance of a backtest at the third origin from the forecast made with nothing later, relative."""
    deals = forecast_worlds.simulate(np.random.default_rng(7), WORLDS[0])
    company = _company(warehouse, deals, AS_OF)
    known = frame(forecast_backtest(company.marts(), warehouse.thresholds, "leak"))
    origins = sorted(known["origin_date"].unique(), reverse=True)
    origin = origins[2]
    then = _company(warehouse, deals, int((np.datetime64(origin, "D") - FIRST_DAY).astype(int)))
    forecast = frame(
        pipeline_forecast(
            then.marts(),
            then.segments(),
            forecast_backtest(then.marts(), warehouse.thresholds, "leak"),
            {**warehouse.thresholds, "forecast_maximum_floor": np.inf},
            "leak",
        )
    )
    model = known[(known["method"] == "model") & (known["origin_date"] == origin)]
    beside = model.merge(forecast[forecast["dimension"] == "all"], on="target_period", suffixes=("", "_then"))
    if len(beside) == 0:
        return np.nan
    columns = ["p10_amount", "p50_amount", "p90_amount"]
    distance = [(beside[name] / beside[f"{name}_then"] - 1).abs().max() for name in columns]
    return float(max(distance))


def backtests(warehouse: Warehouse, draws: np.random.Generator, world: World, count: int) -> Iterator[pd.DataFrame]:
    """The backtest of each of so many companies of a kind, each on another day.

    The day after the as-of date is one of the first twenty of its month: with a few days left most of a month is
    booked, and a range that is nearly a point holds what came more often than it says.
    """
    for number in range(count):
        month = np.datetime64("2023-11", "M") + int(draws.integers(0, 3))
        as_of = int((month.astype("datetime64[D]") - FIRST_DAY).astype(int)) - 1 + int(draws.integers(0, 20))
        rows = forecast_worlds.tables(draws, forecast_worlds.simulate(draws, world), as_of)
        company = Company(warehouse, rows, as_of)
        found = frame(forecast_backtest(company.marts(), warehouse.thresholds, f"{world.name} {number}"))
        error = (found["actual_amount"] - found["p50_amount"]).abs()
        yield found.assign(world=world.name, company=number, absolute_error=error)


def _company(warehouse: Warehouse, deals: forecast_worlds.Deals, as_of: int) -> Company:
    return Company(warehouse, forecast_worlds.tables(np.random.default_rng(8), deals, as_of), as_of)
