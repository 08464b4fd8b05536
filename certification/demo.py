"""The demo beside its planted truth."""

import json
import tempfile
from pathlib import Path

import duckdb
import numpy as np
import pandas as pd

from certification.engine import PROJECT, dbt
from certification.targets import Measurement, Target, mean

TOPIC = "The demo beside its planted truth"
# The simulator's names -> the segments that our rules make of the export's labels, where they differ.
SEGMENTS = {
    "Web": "Website",
    "Paid Search": "Paid search",
    "Trade Show": "Trade show",
    "Customer Referral": "Customer referral",
    "1-49": "1 to 49",
    "50-249": "50 to 249",
    "250-999": "250 to 999",
    "1000+": "1,000 and more",
}


def certify() -> list[Target]:
    """Coverage of the demo's reportable quarterly cells: built by dbt, read from the mart."""
    with tempfile.TemporaryDirectory() as name:
        dbt(Path(name), "build", "--select", "+funnel_conversion", "--exclude-resource-type", "test")
        with duckdb.connect(str(Path(name) / "demo.duckdb"), read_only=True) as connection:
            cells = connection.sql(
                "select * from marts.funnel_conversion "
                "where period_grain = 'quarter' and within_dimension = 'all' and evidence = 'reportable'"
            ).df()
    beside = cells.merge(
        planted(), on=["from_stage", "to_stage", "dimension", "segment", "period_start", "horizon_days"]
    )
    covers = beside["conversion_low"].le(beside["truth"]) & beside["conversion_high"].ge(beside["truth"])
    error = (beside["conversion_rate"] - beside["truth"]).where(beside["dimension"] == "all")
    # Cells of one cohort share their records, cohorts do not.
    cohort = [beside["from_stage"], beside["to_stage"], beside["period_start"]]
    what = f"coverage of the 95 % intervals of {len(beside):,} reportable quarterly cells"
    return [
        Target(TOPIC, what, clustered(covers, cohort), lower=0.93, upper=0.97, slack=2),
        Target(TOPIC, "mean of the totals less the truth", mean(error), form="points"),
    ]


def planted() -> pd.DataFrame:
    """True incidence of every quarterly cell and horizon."""
    truth = json.loads((PROJECT / "data" / "demo" / "truth.json").read_text(encoding="utf-8"))["true_incidence"]
    return pd.DataFrame(
        [
            {
                "from_stage": row["transition"].split("_to_")[0],
                "to_stage": row["transition"].split("_to_")[1],
                "dimension": row["dimension"],
                "segment": SEGMENTS.get(row["segment"], row["segment"]),
                "period_start": pd.Timestamp(row["period"]),
                "horizon_days": int(horizon),
                "truth": incidence,
            }
            for row in truth
            if row["period"] != "all"
            for horizon, incidence in row["incidence"].items()
        ]
    )


def clustered(hits: "pd.Series[bool]", cluster: list["pd.Series[str]"]) -> Measurement:
    """A share whose clusters are independent, with the sandwich error of a ratio of means."""
    value = float(hits.mean())
    sums = (hits - value).groupby(cluster).sum()
    count = len(sums)
    error = float(np.sqrt(count / (count - 1) * (sums**2).sum()) / len(hits))
    return Measurement(value, error, value - 1.96 * error, value + 1.96 * error)
