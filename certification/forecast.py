"""The pipeline forecast: coverage of its range and its loss beside simple forecasts, on simulated companies."""

from collections.abc import Iterator

import numpy as np
import pandas as pd
import pyarrow as pa
from segment_signals.pipeline.forecast import Marts, forecast_backtest

from certification import forecast_worlds
from certification.engine import Warehouse, frame
from certification.forecast_worlds import DAYS, FIRST_DAY, World

TOPIC = "7. Forecast"
MARTS = (
    "forecast_calendar",
    "forecast_segments",
    "open_deal_snapshots",
    "forecast_risk_counts",
    "forecast_segment_counts",
    "open_deals",
    "forecast_wins",
    "forecast_arrivals",
)
WORLDS = (
    World("60 deals a month"),
    World("200 deals a month", monthly_deals=200),
    World("60 deals a month, growing by 30 % a year", growth=0.3),
    World("100 deals a month, arrivals that scatter by 20 % and wins that slip", 100, 0.0, 0.2, 0.15),
    World("60 deals a month, skewed amounts", spread=1.0),
)


class Company:
    """The marts of a simulated company, built by the project's own SQL."""

    def __init__(self, warehouse: Warehouse, rows: dict[str, pa.Table], as_of: int) -> None:
        """Load the rows of core and build.

        Args:
            warehouse: the compiled project.
            rows: tables of core by name.
            as_of: days since `FIRST_DAY`.
        """
        self.connection = warehouse.connection
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
        for name in MARTS:
            model = warehouse.models[name]
            self.connection.execute(f"create or replace table {model.relation} as {model.sql}")

    def table(self, name: str, where: str = "true") -> pa.Table:
        """Rows of a mart."""
        return self.connection.sql(f"select * from marts.{name} where {where}").to_arrow_table()

    def marts(self) -> Marts:
        """What a forecast is made from."""
        return Marts(
            self.table("forecast_calendar"),
            self.table("forecast_risk_counts"),
            self.table("open_deal_snapshots", "snapshot_number <= 12"),
            self.table("forecast_wins"),
            self.table("forecast_arrivals"),
        )


def backtests(warehouse: Warehouse, draws: np.random.Generator, world: World, count: int) -> Iterator[pd.DataFrame]:
    """The backtest of each of so many companies of a kind, on another day of the month each."""
    for number in range(count):
        as_of = DAYS - 1 - int(draws.integers(0, 31))
        rows = forecast_worlds.tables(draws, forecast_worlds.simulate(draws, world), as_of)
        company = Company(warehouse, rows, as_of)
        yield frame(forecast_backtest(company.marts(), warehouse.thresholds, f"{world.name} {number}")).assign(
            company=number
        )
