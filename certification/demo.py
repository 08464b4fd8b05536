"""The demo beside its planted truth: coverage for the study, and the reading in docs/demo_truth.md.

`python -m certification.demo` builds the demo and writes that page.
"""

import json
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
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
    with built("+funnel_conversion") as connection:
        beside = beside_truth(connection)
    covers = beside["covers"]
    error = (beside["conversion_rate"] - beside["truth"]).where(beside["dimension"] == "all")
    # Cells of one cohort share their records, cohorts do not.
    cohort = [beside["from_stage"], beside["to_stage"], beside["period_start"]]
    what = f"coverage of the 95 % intervals of {len(beside):,} reportable quarterly cells"
    return [
        Target(TOPIC, what, clustered(covers, cohort), lower=0.93, upper=0.97, slack=2),
        Target(TOPIC, "mean of the totals less the truth", mean(error), form="points"),
    ]


@contextmanager
def built(*models: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The demo's build file after these models (`+name`: with all that they read), to read from."""
    with tempfile.TemporaryDirectory() as name:
        dbt(Path(name), "build", "--select", *models, "--exclude-resource-type", "test")
        with duckdb.connect(str(Path(name) / "demo.duckdb"), read_only=True) as connection:
            yield connection


def beside_truth(connection: duckdb.DuckDBPyConnection) -> pd.DataFrame:
    """Reportable quarterly cells of `funnel_conversion` with `truth` and whether the interval `covers` it."""
    cells = connection.sql(
        "select * from marts.funnel_conversion "
        "where period_grain = 'quarter' and within_dimension = 'all' and evidence = 'reportable'"
    ).df()
    beside = cells.merge(
        planted(), on=["from_stage", "to_stage", "dimension", "segment", "period_start", "horizon_days"]
    )
    return beside.assign(
        covers=beside["conversion_low"].le(beside["truth"]) & beside["conversion_high"].ge(beside["truth"])
    )


def planted() -> pd.DataFrame:
    """True incidence of every quarterly cell and horizon."""
    truth = json.loads((PROJECT / "data" / "demo" / "truth" / "truth.json").read_text(encoding="utf-8"))[
        "true_incidence"
    ]
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


# What the first of the `planted_effects` of the truth say, in their order, as the contrasts with the rest that must
# show it: segment and dimension, metric, planted sign (0: no effect), first quarter of the effect.
READINGS = (
    (("lead_source", "Trade show"), (("lead_to_mql_rate", 1), ("opportunity_to_won_rate", -1)), None),
    (("lead_source", "Customer referral"), (("lead_to_mql_rate", -1), ("opportunity_to_won_rate", 1)), None),
    (
        ("industry", "Retail"),
        tuple(
            (metric, 0)
            for metric in ("lead_to_mql_rate", "mql_to_sql_rate", "sql_to_opportunity_rate", "opportunity_to_won_rate")
        ),
        None,
    ),
    (
        ("company_size", "1,000 and more"),
        (("mean_deal_amount", 1), ("mean_cycle_days", 1), ("opportunity_to_won_rate", -1)),
        None,
    ),
    (("region", "Asia Pacific"), (("mql_to_sql_rate", -1),), "2025-07-01"),
)
SIGNS = {-1: "below the rest", 0: "as the rest", 1: "above the rest"}


def document(connection: duckdb.DuckDBPyConnection) -> str:
    """The page: planted effects beside the contrasts, changes beside their kind, scorecards beside the truth."""
    truth = json.loads((PROJECT / "data" / "demo" / "truth" / "truth.json").read_text(encoding="utf-8"))
    lines = [
        "# The demo beside its planted truth",
        "",
        "Written by `python -m certification.demo`: the built demo beside `data/demo/truth/truth.json`, by quarter.",
        "",
        "## What was planted, and what the contrasts say",
        "",
        "Signals against the rest among the quarters that may be compared; of the signals, those on the planted side.",
    ]
    planted = truth["planted_effects"]
    for planted_effect, (cell, expected, since) in zip(planted, READINGS, strict=False):
        lines += ["", planted_effect, "", *_readings(connection, cell, expected, since)]
    others = [f"- {planted_effect}" for planted_effect in planted[len(READINGS) :]]
    lines += ["", "Planted too, and no contrast of the funnel:", "", *others]
    lines += ["", "## Patterns and changes", "", *_patterns(connection), "", *_change(connection)]
    beside = beside_truth(connection)
    lines += ["", "## Conversion rates of the scorecards beside the truth", "", *_scorecards(connection, beside)]
    lines += ["", "## Coverage of reportable cells, all horizons", "", *_coverage(beside)]
    return "\n".join(lines) + "\n"


def _readings(
    connection: duckdb.DuckDBPyConnection,
    cell: tuple[str, str],
    expected: Sequence[tuple[str, int]],
    since: str | None,
) -> list[str]:
    rows = connection.execute(
        "select metric, period_start, difference, is_signal, unit from signals.segment_contrasts where dimension = ? "
        "and segment = ? and comparator = 'rest' and period_grain = 'quarter' and p_value is not null",
        cell,
    ).df()
    spans = [("", rows)]
    if since is not None:
        starts = pd.Timestamp(since)
        spans = [
            (f", before {since}", rows[rows["period_start"] < starts]),
            (f", from {since} on", rows[rows["period_start"] >= starts]),
        ]
    body = []
    for metric, sign in expected:
        for when, part in spans:
            of = part[part["metric"] == metric]
            planted_sign = 0 if when.startswith(", before") else sign
            signals = of[of["is_signal"]]
            on_side = "" if planted_sign == 0 else f"{int((np.sign(signals['difference']) == planted_sign).sum())}"
            typical = of["difference"].median()
            size = f"{100 * typical:+.1f} {'points' if (of['unit'] == 'difference').all() else '%'}" if len(of) else ""
            body.append([f"{metric}{when}", SIGNS[planted_sign], f"{len(signals)} of {len(of)}", on_side, size])
    return _table(["metric", "planted", "signals", "on the planted side", "median difference"], body)


def _patterns(connection: duckdb.DuckDBPyConnection) -> list[str]:
    rows = connection.sql(
        "select segment, pattern, count(*) from signals.segment_patterns where period_grain = 'quarter' "
        "group by all order by all"
    ).fetchall()
    return _table(["segment", "pattern", "quarters"], [[str(value) for value in row] for row in rows])


def _change(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """The change of July 2025, by region, and who is out of line from then on."""
    rows = connection.sql(
        "select period_start, total_change, mix_effect, rate_effect, rate_effect_low, rate_effect_high "
        "from signals.change_decomposition where dimension = 'region' and metric = 'mql_to_sql_rate' "
        "and comparison = 'previous' and period_grain = 'quarter' and total_change is not null order by 1"
    ).fetchall()
    body = [
        [str(start), *(f"{100 * value:+.1f}" for value in (total, mix, rate)), f"{100 * low:+.1f} to {100 * high:+.1f}"]
        for start, total, mix, rate, low, high in rows
    ]
    flagged = connection.sql(
        "select segment, count(*), min(period_start)::varchar from signals.anomalies where is_flagged "
        "and dimension = 'region' and metric = 'mql_to_sql_rate' group by segment order by segment"
    ).fetchall()
    told = "; ".join(f"{segment} in {count} months and quarters, first {first}" for segment, count, first in flagged)
    return [
        "Changes of mql_to_sql_rate from the quarter before, in points, by region:",
        "",
        *_table(["quarter", "change", "mix", "rate", "95 % of the rate effect"], body),
        "",
        f"Anomalies of mql_to_sql_rate by region: {told or 'none'}.",
    ]


def _scorecards(connection: duckdb.DuckDBPyConnection, beside: pd.DataFrame) -> list[str]:
    """The newest quarter in which every step is reportable for the total: value, interval and truth of its cells."""
    (horizon,) = connection.sql("select horizon_days from definitions.horizons where is_primary").fetchall()[0]
    cells = beside[beside["horizon_days"] == horizon]
    total = cells[(cells["dimension"] == "all") & (cells["from_stage"] == "opportunity")]
    cells = cells[cells["period_start"] == total["period_start"].max()]
    cards = connection.sql(
        "select period_start, dimension, segment, metric, value, low, high, n from marts.segment_scorecards "
        "where period_grain = 'quarter' and evidence = 'reportable'"
    ).df()
    cells = cells.assign(metric=cells["from_stage"] + "_to_" + cells["to_stage"] + "_rate")
    keys = ["period_start", "dimension", "segment", "metric"]
    rows = cells[[*keys, "truth", "covers"]].merge(cards, on=keys, validate="one_to_one").sort_values(keys)
    body = [
        [
            row.dimension,
            row.segment,
            row.metric,
            f"{row.n:,}",
            f"{100 * row.value:.1f} %",
            f"{100 * row.low:.1f} to {100 * row.high:.1f}",
            f"{100 * row.truth:.1f} %",
            "" if row.covers else "outside",
        ]
        for row in rows.itertuples()
    ]
    quarter = f"{rows['period_start'].iloc[0]:%Y-%m-%d}"
    outside = int((~rows["covers"]).sum())
    return [
        f"Reportable cells of the quarter from {quarter}, within {horizon} days: {outside} of {len(rows)} intervals of "
        "95 % miss the truth.",
        "",
        *_table(["dimension", "segment", "metric", "n", "published", "95 % interval", "truth", ""], body),
    ]


def _coverage(beside: pd.DataFrame) -> list[str]:
    body = [
        [str(dimension), f"{len(of):,}", f"{100 * of['covers'].mean():.1f} %"]
        for dimension, of in beside.groupby("dimension")
    ]
    return _table(["dimension", "cells", "covered"], body)


def _table(head: Sequence[str], body: Sequence[Sequence[str]]) -> list[str]:
    lines = [f"| {' | '.join(head)} |", f"|{'---|' * len(head)}"]
    return lines + [f"| {' | '.join(row)} |" for row in body]


def main() -> int:
    """Build the demo and write docs/demo_truth.md."""
    models = ("segment_contrasts", "segment_patterns", "change_decomposition", "anomalies", "segment_scorecards")
    with built(*(f"+{name}" for name in models)) as connection:
        page = document(connection)
    (PROJECT / "docs" / "demo_truth.md").write_text(page, encoding="utf-8")
    sys.stdout.write(page)
    return 0


if __name__ == "__main__":
    sys.exit(main())
