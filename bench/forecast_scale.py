"""The pipeline forecast over a million opportunities: time and memory, model by model.

Runs the compiled SQL of the marts and the Python signals over a simulated company. Prints the table.
"""

import resource
import sys
import tempfile
import time
from pathlib import Path

import numpy as np
import pyarrow as pa
from segment_signals.pipeline.forecast import forecast_backtest, open_deal_outlook
from segment_signals.pipeline.forecast_cells import pipeline_forecast
from segment_signals.pipeline.forecast_quality import forecast_quality

sys.path.insert(0, str(Path(__file__).parents[1]))
from certification import forecast_worlds
from certification.engine import Warehouse, dbt
from certification.forecast import MARTS, Company

MONTHLY_DEALS = 27_500
SEGMENTS = {"lead_source": 7, "industry": 9, "company_size": 4, "product_series": 3, "team": 4, "motion": 2}
LOAD = ("journeys", "opportunities", "opportunity_history", "stage_visits")


def main() -> None:
    """Simulate, then time each step once, in this process."""
    draws = np.random.default_rng(1)
    world = forecast_worlds.World("large", monthly_deals=MONTHLY_DEALS)
    as_of = forecast_worlds.DAYS - 8
    rows = forecast_worlds.tables(draws, forecast_worlds.simulate(draws, world), as_of)
    count = rows["journeys"].num_rows
    for name, segments in SEGMENTS.items():
        codes = pa.array(draws.integers(0, segments, count).astype(np.int32))
        labels = pa.array([f"{name} {at}" for at in range(segments)])
        rows["journeys"] = rows["journeys"].append_column(
            name, pa.DictionaryArray.from_arrays(codes, labels).cast(pa.string())
        )
    with tempfile.TemporaryDirectory() as name:
        dbt(Path(name), "compile")
        warehouse = Warehouse(Path(name), threads=2)
        warehouse.connection.execute("set memory_limit = '4GB'")
        sizes = {table: rows[table].num_rows for table in LOAD}
        company = Company(warehouse, rows, as_of, build=False)
        del rows
        seconds: dict[str, float] = {}

        def timed(step: str, run: object) -> object:
            started, used = time.perf_counter(), time.process_time()
            result = run()  # type: ignore[operator]
            seconds[step] = time.perf_counter() - started
            print(f"| {step} | {seconds[step]:.2f} | {time.process_time() - used:.2f} |", flush=True)
            return result

        print(sizes)
        print("| step | s | CPU s |\n|---|--:|--:|")
        for mart in MARTS:
            timed(mart, lambda mart=mart: company.build(mart))
        marts = timed("marts to Arrow", company.marts)
        segments = timed("segments to Arrow", company.segments)
        thresholds = warehouse.thresholds
        backtest = timed("forecast_backtest", lambda: forecast_backtest(marts, thresholds, "bench"))
        timed("forecast_quality", lambda: forecast_quality(backtest))
        timed("pipeline_forecast", lambda: pipeline_forecast(marts, segments, backtest, thresholds, "bench"))
        timed("open_deal_outlook", lambda: open_deal_outlook(marts, segments.open_deals, thresholds))
        print(f"| everything | {sum(seconds.values()):.2f} | |")
        print(f"peak {resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024:,.0f} MB")


if __name__ == "__main__":
    main()
