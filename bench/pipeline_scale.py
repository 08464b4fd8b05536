"""The pipeline over a million opportunities: time and memory, step by step.

Runs the compiled SQL of the marts and the Python signals over simulated opportunities. Prints the table and writes
docs/pipeline_scale.md. Another mart is a line of MARTS, in the order in which they are built; another signal one of `steps`.
"""

import json
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import duckdb

PROJECT = Path(__file__).parents[1]
COUNT = 1_000_000
MEMORY_LIMIT = "4GB"

MARTS = (
    "pipeline/velocity_deals",
    "pipeline/velocity_facts",
    "pipeline/velocity_inputs",
    "pipeline/lever_inputs",
    "pipeline/lever_references",
    "pipeline/stage_win_rates",
    "pipeline/target_amounts",
    "pipeline/coverage_facts",
    "pipeline/pipeline_coverage",
)
VIEWS = {"velocity_deals"}
STAGES = "['Prospecting', 'Qualification', 'Proposal/Price Quote', 'Negotiation/Review']"
DIMENSIONS = ("lead_source", "region", "industry", "motion", "company_size", "deal_size_tier", "product_series", "team")

# Opportunities of 24 months as `core` has them: a quarter won, log-normal amounts and cycles, competing losses, open ones.
CORE = """
create or replace table core.journeys as
with
draws as (
    select
        i,
        date '2024-01-01' + (random() * 730)::integer as opportunity_date,
        random() < 0.25 as is_won,
        (exp(3.8 + 0.5 * (random() + random() + random() - 1.5) * 2))::integer as outcome_days,
        (exp(9 + 0.8 * (random() + random() + random() - 1.5) * 2))::decimal(18, 2) as amount
    from range({count}) as deals (i)
)
select
    'O' || i as journey_id,
    null::varchar as person_id,
    'O' || i as opportunity_id,
    'A' || (i // 5) as account_id,
    'U' || (i % 200) as owner_id,
    null::varchar as product_id,
    'new_business' as opportunity_type,
    {dimensions},
    amount,
    true as is_primary,
    false as is_recycled,
    false as is_reopened,
    {imputed},
    false as is_missing_entry_date,
    null::date as lead_date, null::date as mql_date, null::date as sql_date,
    opportunity_date,
    case when is_won and opportunity_date + outcome_days <= date '2025-12-31' then opportunity_date + outcome_days end
        as won_date,
    case when not is_won and opportunity_date + outcome_days <= date '2025-12-31' then opportunity_date + outcome_days end
        as lost_date
from draws;

create or replace table core.opportunities as
select
    opportunity_id,
    account_id,
    owner_id,
    opportunity_type,
    case when won_date is not null then 'Closed Won' when lost_date is not null then 'Closed Lost'
        else {stages}[1 + (hash(opportunity_id) % 4)::integer] end as source_stage,
    case when won_date is not null then 'won' when lost_date is not null then 'lost' else 'opportunity' end as current_stage,
    null::varchar as forecast_category,
    amount,
    case when hash(opportunity_id) % 2 = 0 then 0.3 end as probability,
    false as is_disqualified,
    opportunity_date::timestamp as created_at,
    opportunity_date as created_date,
    coalesce(won_date, lost_date)::timestamp as closed_at,
    coalesce(won_date, lost_date, date '2025-12-20' + (hash(opportunity_id) % 120)::integer) as close_date
from core.journeys;

create or replace table core.stage_visits as
select
    'opportunity' as entity,
    opportunity_id as entity_id,
    'opportunity' as stage,
    {stages}[step] as source_stage,
    step as visit_number,
    opportunity_date + (step * 5)::integer as entered_date
from core.journeys, range(1, 5) as steps (step)
where step <= 1 + hash(opportunity_id) % 4;

update core.run_context set as_of_date = date '2025-12-31';
"""


def simulated(count: int) -> str:
    """The statements that fill `core`, eight dimensions of some five segments each."""
    dimensions = ", ".join(f"'{name} ' || (random() * 4)::integer as {name}" for name in DIMENSIONS)
    stages = ("lead", "mql", "sql", "opportunity", "won")
    imputed = ", ".join(f"false as is_{stage}_imputed" for stage in stages)
    return CORE.format(count=count, dimensions=dimensions, imputed=imputed, stages=STAGES)


def measure(folder: Path) -> dict[str, Any]:
    """Wall and processor seconds of each step over `COUNT` opportunities; MB of the whole process as `peak MB`."""
    from segment_signals.pipeline.lever_signals import lever_signals
    from segment_signals.pipeline.scenarios import velocity_scenarios
    from segment_signals.pipeline.velocity import pipeline_velocity

    compiled = folder / "target" / "compiled" / "segment_signals" / "models" / "marts"
    connection = duckdb.connect(str(folder / "demo.duckdb"), config={"threads": 2, "memory_limit": MEMORY_LIMIT})
    connection.execute("select setseed(0.42)")
    connection.execute(simulated(COUNT))
    connection.execute("checkpoint")
    seconds: dict[str, list[float]] = {}
    results: dict[str, Any] = {}

    def timed(name: str, run: Callable[[], Any]) -> None:
        started, started_cpu = time.perf_counter(), time.process_time()
        results[name] = run()
        seconds[name] = [time.perf_counter() - started, time.process_time() - started_cpu]

    for mart in MARTS:
        name = mart.split("/")[1]
        kind = "view" if name in VIEWS else "table"
        statement = f"create or replace {kind} marts.{name} as {(compiled / f'{mart}.sql').read_text()}"
        timed(name, lambda statement=statement: connection.execute(statement))

    thresholds = dict(connection.execute("select threshold, value from definitions.evidence_thresholds").fetchall())
    caveats = dict(connection.execute("select evidence_reason, caveat from definitions.evidence_reasons").fetchall())

    def arrow(name: str) -> Any:
        return connection.sql(f"from {name}").to_arrow_table()

    steps: dict[str, Callable[[], Any]] = {
        "pipeline_velocity": lambda: pipeline_velocity(arrow("marts.velocity_inputs"), thresholds, caveats),
        "velocity_scenarios": lambda: velocity_scenarios(
            results["pipeline_velocity"],
            arrow("marts.velocity_inputs"),
            arrow("definitions.scenario_changes"),
            thresholds,
            caveats,
        ),
        "lever_signals": lambda: lever_signals(
            arrow("marts.lever_inputs"), arrow("marts.lever_references"), thresholds, caveats
        ),
    }
    for name, step in steps.items():
        timed(name, step)
    seconds["everything"] = [sum(step[at] for step in seconds.values()) for at in (0, 1)]
    return {"seconds": seconds, "peak MB": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}


def main() -> None:
    """Build the demo once for its tables and compiled SQL, then measure in a process of its own."""
    if len(sys.argv) > 1:
        print(json.dumps(measure(Path(sys.argv[1]))))
        return
    with tempfile.TemporaryDirectory() as folder:
        variables = json.dumps({"build_dir": folder, "releases_dir": f"{folder}/releases"})
        subprocess.run(
            [str(Path(sys.executable).parent / "dbt"), "build", "--quiet", "--exclude", "release", "--target-path",
             f"{folder}/target", "--vars", variables],
            cwd=PROJECT,
            check=True,
        )  # fmt: skip
        measured = json.loads(
            subprocess.run([sys.executable, __file__, folder], check=True, capture_output=True, text=True).stdout
        )
    lines = [
        "# The pipeline at scale",
        "",
        f"Written by `make bench`: every mart and signal of the pipeline over {COUNT:,} simulated opportunities of 24 months with",
        f"{len(DIMENSIONS)} dimensions, on 2 threads with {MEMORY_LIMIT} for DuckDB. One run on one machine: where",
        "other work ran beside it, half the processor seconds are nearer to the truth than the seconds.",
        "",
        "| step | seconds | processor seconds |",
        "|---|--:|--:|",
        *(f"| {name} | {wall:,.2f} | {cpu:,.2f} |" for name, (wall, cpu) in measured["seconds"].items()),
        "",
        f"Peak memory of the process: {measured['peak MB']:,.0f} MB.",
    ]
    text = "\n".join(lines) + "\n"
    (PROJECT / "docs" / "pipeline_scale.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
