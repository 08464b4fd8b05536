"""Everything of the funnel over a million and ten million journeys: time and memory, model by model.

Runs the compiled SQL of the marts and the Python signals over simulated journeys, and one hand-written statement for the
table funnel_conversion beside them. Prints the tables and writes docs/scale.md.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import duckdb

PROJECT = Path(__file__).parents[1]
SIZES = {1_000_000: "3GB", 10_000_000: "7GB"}  # the engine's; the process may have one more

# Journeys as `core.journeys` has them: 24 months of leads, competing losses, open records, 28 segments in 8 dimensions.
JOURNEYS = """
create table core.journeys as
with
draws as (
    select
        i,
        date '2024-01-01' + (random() * 730)::integer as lead_date,
        random() as u_mql, random() as u_sql, random() as u_opportunity, random() as u_won,
        -ln(random()) * 12 as t_mql, -ln(random()) * 15 as t_sql, -ln(random()) * 10 as t_opportunity,
        -ln(random()) * 60 as t_won, -ln(random()) * 40 as t_lost,
        random() as d1, random() as d2, random() as d3, random() as d4, random() as d5, random() as d6, random() as d7
    from range({count}) as leads (i)
),
staged as (
    select
        *,
        case when u_mql < 0.45 then lead_date + t_mql::integer end as mql_date,
        case when u_mql < 0.45 and u_sql < 0.55 then lead_date + (t_mql + t_sql)::integer end as sql_date,
        case when u_mql < 0.45 and u_sql < 0.55 and u_opportunity < 0.75
            then lead_date + (t_mql + t_sql + t_opportunity)::integer end as opportunity_date,
        case when u_mql < 0.45 and u_sql < 0.55 and u_opportunity < 0.75 and u_won < 0.25
            then lead_date + (t_mql + t_sql + t_opportunity + t_won)::integer end as won_date,
        lead_date + (t_mql + t_sql + t_opportunity + t_lost)::integer as end_date
    from draws
),
seen as (
    select
        * replace (
            case when mql_date <= date '2025-12-31' then mql_date end as mql_date,
            case when sql_date <= date '2025-12-31' then sql_date end as sql_date,
            case when opportunity_date <= date '2025-12-31' then opportunity_date end as opportunity_date,
            case when won_date <= date '2025-12-31' then won_date end as won_date
        )
    from staged
)
select
    'L' || i as journey_id,
    'L' || i as person_id,
    case when opportunity_date is not null then 'O' || i end as opportunity_id,
    case when opportunity_date is not null then 'A' || (i // 5) end as account_id,
    'new_business' as opportunity_type,
    'source ' || (d1 * 6)::integer as lead_source,
    'region ' || (d2 * 3)::integer as region,
    'industry ' || (d3 * 7)::integer as industry,
    'motion ' || (d6 * 2)::integer as motion,
    'size ' || (d4 * 3)::integer as company_size,
    case when opportunity_date is not null then 'tier ' || (d5 * 2)::integer end as deal_size_tier,
    case when opportunity_date is not null then 'series ' || (d6 * 2)::integer end as product_series,
    case when opportunity_date is not null then 'team ' || (d7 * 3)::integer end as team,
    case when opportunity_date is not null then (1000 + exp(9 + d5))::decimal(18, 2) end as amount,
    true as is_primary,
    false as is_recycled,
    false as is_lead_imputed, false as is_mql_imputed, false as is_sql_imputed,
    false as is_opportunity_imputed, false as is_won_imputed,
    false as is_missing_entry_date,
    lead_date, mql_date, sql_date, opportunity_date, won_date,
    case when won_date is null and end_date <= date '2025-12-31' then end_date end as lost_date
from seen
"""

MARTS = (
    "funnel/journey_transitions",
    "funnel/funnel_day_counts",
    "funnel/dimension_completeness",
    "funnel/conversion_estimates",
    "funnel/funnel_conversion",
    "funnel/rest_day_counts",
    "funnel/rest_estimates",
    "funnel/stage_exits",
    "funnel/stage_exit_facts",
    "pipeline/velocity_deals",
    "pipeline/velocity_facts",
    "pipeline/closed_history",
    "funnel/segment_scorecards",
    "funnel/account_cluster_sums",
    "funnel/contrast_inputs",
    "funnel/followed_rates",
    "funnel/change_inputs",
    "funnel/anomaly_inputs",
    "funnel/bottleneck_inputs",
)
VIEWS = {"journey_transitions", "rest_day_counts", "stage_exits", "velocity_deals", "closed_history"}
OF_FUNNEL_CONVERSION = {"funnel_day_counts", "dimension_completeness", "conversion_estimates", "funnel_conversion"}
DIMENSIONS = ("lead_source", "region", "industry", "motion", "company_size", "deal_size_tier", "product_series", "team")
TRANSITIONS = (("lead", "mql"), ("mql", "sql"), ("sql", "opportunity"), ("opportunity", "won"), ("lead", "won"))


def by_hand() -> str:
    """One statement for the rates and intervals of every cell, as an analyst would write it on DuckDB."""
    union = " union all ".join(
        f"select '{start}' as from_stage, '{end}' as to_stage, {', '.join(DIMENSIONS)}, {start}_date as entered,"
        f" {end}_date as advanced, lost_date from core.journeys where {start}_date is not null"
        for start, end in TRANSITIONS
    )
    sets = ", ".join(f"(f, t, m, d, {dimension})" for dimension in DIMENSIONS)
    sets += ", (f, t, m, d, lead_source, region), (f, t, m, d, lead_source, company_size)"
    dimension = " ".join(f"when grouping({name}) = 0 then '{name}'" for name in DIMENSIONS)
    segment = " ".join(f"when grouping({name}) = 0 then {name}" for name in DIMENSIONS)
    pair = "grouping(lead_source) = 0 and grouping({0}) = 0 then {1}"
    within = " ".join(f"when {pair.format(name, name)}" for name in ("region", "company_size"))
    return f"""
    create table marts.by_hand as
    with days as (
        select from_stage as f, to_stage as t, date_trunc('month', entered)::date as m, {", ".join(DIMENSIONS)},
            date_diff('day', entered, coalesce(advanced, lost_date, date '2025-12-31')) as d,
            (advanced is not null)::integer as a, (advanced is null and lost_date is not null)::integer as l
        from ({union})
    ),
    months as (
        select case {dimension} else 'all' end as dimension, case {segment} else 'all' end as segment,
            case {within} else 'all' end as within_segment, f, t, m, d, count(*) as n, sum(a) as a, sum(l) as l
        from days group by grouping sets ((f, t, m, d), {sets})
    ),
    cells as (
        select 'month' as grain, m, dimension, segment, within_segment, f, t, d, n, a, l from months
        union all
        select 'quarter', date_trunc('quarter', m)::date, dimension, segment, within_segment, f, t, d, sum(n), sum(a), sum(l)
        from months group by all
    ),
    risk as (
        select *, a + l as e, (sum(n) over (partition by grain, m, dimension, segment, within_segment, f, t order by d desc))::double as r
        from cells
    ),
    survival as (
        select *, exp(coalesce(sum(case when e < r then ln(1 - e / r) end) over (
            partition by grain, m, dimension, segment, within_segment, f, t order by d
            rows between unbounded preceding and 1 preceding), 0)) as s
        from risk
    ),
    incidence as (
        select *, s * a / r as i, sum(s * a / r) over (
            partition by grain, m, dimension, segment, within_segment, f, t order by d) as c,
            case when e < r then e / (r * (r - e)) else 0 end as g, s * a / (r * r) as b,
            s * s * a * (r - a) / (r * r * r) as v
        from survival
    ),
    horizons as (
        select grain, m, dimension, segment, within_segment, f, t, h, sum(n) as n,
            coalesce(sum(a) filter (where d <= h), 0) as a, coalesce(sum(l) filter (where d <= h), 0) as l,
            coalesce(sum(i) filter (where d <= h), 0) as p,
            coalesce(sum(n) filter (where d >= h), 0) as at_risk,
            coalesce(sum(g) filter (where d <= h), 0) as g0, coalesce(sum(c * g) filter (where d <= h), 0) as g1,
            coalesce(sum(c * c * g) filter (where d <= h), 0) as g2, coalesce(sum(b) filter (where d <= h), 0) as b0,
            coalesce(sum(c * b) filter (where d <= h), 0) as b1, coalesce(sum(v) filter (where d <= h), 0) as v0
        from incidence cross join (values (30), (90), (180)) as horizon (h) group by all
    ),
    medians as (
        select x.grain, x.m, x.dimension, x.segment, x.within_segment, x.f, x.t, x.h, min(y.d) as median_days
        from horizons as x inner join incidence as y using (grain, m, dimension, segment, within_segment, f, t)
        where y.d <= x.h and y.a > 0 and y.c >= x.p / 2 - 1e-12 group by all
    ),
    variances as (
        select *, greatest(p * p * g0 - 2 * p * g1 + g2 - 2 * (p * b0 - b1) + v0, 1e-12) as v from horizons
    ),
    samples as (
        select *, case when a = 0 or p > 1 - 1e-12 then n else least(p * (1 - p) / v, n) end as k, 1.959963984540054 as z
        from variances
    )
    select *, (p + z * z / (2 * k) - z * sqrt(p * (1 - p) / k + z * z / (4 * k * k))) / (1 + z * z / k) as low,
        (p + z * z / (2 * k) + z * sqrt(p * (1 - p) / k + z * z / (4 * k * k))) / (1 + z * z / k) as high
    from samples left join medians using (grain, m, dimension, segment, within_segment, f, t, h)
    """


def measure(folder: Path, count: int, memory_limit: str) -> dict[str, float]:
    """Seconds of each step over `count` journeys; MB of the whole process as `peak MB`."""
    from segment_signals.funnel.anomalies import anomalies
    from segment_signals.funnel.bottlenecks import funnel_bottlenecks, segment_patterns
    from segment_signals.funnel.changes import change_decomposition
    from segment_signals.funnel.contrasts import segment_contrasts

    compiled = folder / "target" / "compiled" / "segment_signals" / "models" / "marts"
    connection = duckdb.connect(str(folder / "demo.duckdb"), config={"threads": 2, "memory_limit": memory_limit})
    connection.execute("drop table core.journeys; select setseed(0.42)")
    connection.execute(JOURNEYS.format(count=count))
    connection.execute("update core.run_context set as_of_date = date '2025-12-31'")
    for (name,) in connection.execute(
        "select table_name from duckdb_tables() where schema_name in ('marts', 'signals')"
    ).fetchall():
        connection.execute(f"drop table if exists marts.{name}")
    connection.execute("checkpoint")
    # The first read of the journeys from disk is paid by none of the statements that are compared.
    connection.execute("select max(columns(*)) from core.journeys")
    seconds: dict[str, float] = {}

    def timed(name: str, run: object) -> None:
        started = time.perf_counter()
        run()  # type: ignore[operator]
        seconds[name] = time.perf_counter() - started

    for mart in MARTS:
        name = mart.split("/")[1]
        kind = "view" if name in VIEWS else "table"
        sql = (compiled / f"{mart}.sql").read_text()
        timed(
            name,
            lambda kind=kind, name=name, sql=sql: connection.execute(f"create or replace {kind} marts.{name} as {sql}"),
        )

    thresholds = dict(connection.execute("select threshold, value from definitions.evidence_thresholds").fetchall())

    caveats = dict(connection.execute("select evidence_reason, caveat from definitions.evidence_reasons").fetchall())

    def arrow(name: str) -> object:
        return connection.sql(f"from marts.{name}").to_arrow_table()

    results: dict[str, object] = {}
    steps = {
        "segment_contrasts": lambda: segment_contrasts(arrow("contrast_inputs"), thresholds, caveats),
        "change_decomposition": lambda: change_decomposition(arrow("change_inputs"), thresholds, caveats),
        "anomalies": lambda: anomalies(arrow("anomaly_inputs"), thresholds, caveats),
        "funnel_bottlenecks": lambda: funnel_bottlenecks(arrow("bottleneck_inputs"), results["segment_contrasts"]),
        "segment_patterns": lambda: segment_patterns(
            results["segment_contrasts"], ["lead", "mql", "sql", "opportunity", "won"]
        ),
    }
    for name, step in steps.items():
        timed(name, lambda name=name, step=step: results.__setitem__(name, step()))
    seconds["everything"] = sum(seconds.values())
    seconds["peak MB"] = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
    timed("funnel_conversion by hand", lambda: connection.execute(by_hand()))
    seconds["funnel_conversion with what it needs"] = sum(seconds[name] for name in OF_FUNNEL_CONVERSION)
    return seconds


def main() -> None:
    """Build the demo once for its tables and compiled SQL, then measure each size in a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(Path(sys.argv[1]), int(sys.argv[2]), sys.argv[3])))
        return
    with tempfile.TemporaryDirectory() as folder:
        variables = json.dumps({"build_dir": folder, "releases_dir": f"{folder}/releases"})
        subprocess.run(
            [str(Path(sys.executable).parent / "dbt"), "build", "--quiet", "--exclude", "release", "--target-path",
             f"{folder}/target", "--vars", variables],
            cwd=PROJECT,
            check=True,
        )  # fmt: skip
        measured = {
            size: json.loads(
                subprocess.run(
                    [sys.executable, __file__, folder, str(size), limit], check=True, capture_output=True, text=True
                ).stdout
            )
            for size, limit in SIZES.items()
        }
    small, large = SIZES
    lines = [
        "# The funnel at scale",
        "",
        "Written by `make bench`: every mart and signal of the funnel over simulated journeys of 24 months with 8 dimensions,",
        f"two declared pairs, 5 transitions and 3 horizons, on 2 threads with {SIZES[small]} and {SIZES[large]} for DuckDB.",
        "One run on one machine: read the ratios, not the seconds.",
        "",
        f"| step | {small:,} journeys, s | {large:,} journeys, s | ratio |",
        "|---|--:|--:|--:|",
    ]
    for name in measured[small]:
        one, ten = measured[small][name], measured[large][name]
        lines.append(f"| {name} | {one:,.2f} | {ten:,.2f} | {ten / one if one > 0.005 else 0:.1f} |")
    for size in SIZES:
        ratio = measured[size]["funnel_conversion with what it needs"] / measured[size]["funnel_conversion by hand"]
        lines += ["", f"funnel_conversion against one hand-written statement, {size:,} journeys: {ratio:.2f} times."]
    text = "\n".join(lines) + "\n"
    (PROJECT / "docs" / "scale.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
