"""Landing, staging and core over a simulated world of a hundred thousand and a million leads: writes docs/core_scale.md."""

import json
import os
import subprocess
import sys
import tempfile
import time
from datetime import datetime
from pathlib import Path

import duckdb

PROJECT = Path(__file__).parents[1]
SIZES = (100_000, 1_000_000)
MONTHS = 24
# What is asked at 1,000,000 leads, and how many times that of 100,000 at most.
ASKED = {
    "simulate, s": 90.0,
    "simulate, peak MB": 4096.0,
    "staging and core, s": 45.0,
    "landing, staging and core, peak MB": 4096.0,
}
ASKED_RATIO = 11.0
LANDING = "operation.segment_signals.segment_signals-on-run-start-0"
NOTES = """\
Landing (the files read, checked and typed into the schema raw), staging and core run in one dbt call. `staging and core` is the
time from the start of its first model to the end of the last one; dbt's own start, parsing and end have their row. Models run
two at a time, so that their seconds add up to more than the whole. The processor's seconds are those of the whole call."""


def timed(command: list[str]) -> tuple[float, float, float]:
    """Wall seconds, processor seconds and peak memory (MB, largest process) of a command that must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed: run it alone and read what it says.")
    return time.perf_counter() - started, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024


def measure(folder: Path, leads: int) -> dict[str, float]:
    """Simulate a world, then land it and build staging and core; seconds, MB and rows."""
    binary = Path(sys.executable).parent
    world = folder / "world"
    simulated = timed(
        [str(binary / "signals"), "simulate", "--scenario", "scale", "--leads", str(leads), "--months", str(MONTHS),
         "--seed", "1", "--format", "parquet", "--out", str(world)]
    )  # fmt: skip
    import yaml

    variables = yaml.safe_load((world / "mapping.yml").read_text())
    variables |= {"data_dir": str(world), "build_dir": str(folder), "releases_dir": str(folder / "releases")}
    build = [str(binary / "dbt"), "run", "--quiet", "--target-path", f"{folder}/target"]
    build += ["--vars", json.dumps(variables, default=str)]
    # Definitions are seeds; landing runs at the start of every run, so the first one is not measured twice.
    subprocess.run([build[0], "seed", *build[2:]], cwd=PROJECT, check=True, stdout=subprocess.DEVNULL)
    built = timed([*build, "--select", "staging", "core"])
    results = json.loads((folder / "target" / "run_results.json").read_text())["results"]
    seconds = {node["unique_id"]: node["execution_time"] for node in results}
    landing = seconds.pop(LANDING)
    moments = [
        datetime.fromisoformat(timing[end])
        for node in results
        if node["unique_id"].startswith("model.")
        for timing in node["timing"]
        for end in ("started_at", "completed_at")
    ]
    models = (max(moments) - min(moments)).total_seconds()
    with duckdb.connect(str(folder / f"{variables['dataset']}.duckdb"), read_only=True) as connection:
        rows = connection.execute("select sum(row_count) from raw.source_tables").fetchall()[0][0]
    slowest = sorted(seconds, key=lambda node: -seconds[node])[:12]
    return {
        "rows read": float(rows),
        "simulate, s": simulated[0],
        "simulate, peak MB": simulated[2],
        "landing, s": landing,
        "staging and core, s": models,
        "dbt's start, parsing and end, s": built[0] - landing - models,
        "landing, staging and core, processor s": built[1],
        "landing, staging and core, peak MB": built[2],
        **{f"{node.split('.')[2]}, s": seconds[node] for node in slowest},
    }


def verdicts(small: dict[str, float], large: dict[str, float]) -> list[str]:
    """What is asked, beside what was measured: a line each."""
    rows = [(name, large[name], asked) for name, asked in ASKED.items()]
    ratio = "staging and core, s"
    rows.append((f"{ratio}: ratio", large[ratio] / small[ratio], ASKED_RATIO))
    return [
        f"- {name}: {measured:,.1f}, asked at most {asked:,.0f}: {'met' if measured <= asked else 'not met'}."
        for name, measured, asked in rows
    ]


def main() -> None:
    """Measure each size in a folder of its own."""
    measured = {}
    for leads in SIZES:
        with tempfile.TemporaryDirectory() as folder:
            measured[leads] = measure(Path(folder), leads)
    small, large = (measured[leads] for leads in SIZES)
    lines = [
        "# Sources and core at scale",
        "",
        "Written by `make bench`: a simulated world of Salesforce, HubSpot, Stripe, usage and touches as Parquet, landed and built",
        f"through staging and core on 2 threads; {MONTHS} months. One run on one machine: read the ratios, not the seconds.",
        "",
        f"| step | {SIZES[0]:,} leads | {SIZES[1]:,} leads | ratio |",
        "|---|--:|--:|--:|",
    ]
    for name in large:
        one, ten = small.get(name), large[name]
        shown = f"{one:,.1f} | {ten:,.1f} | {ten / one:.1f}" if one else f" | {ten:,.1f} | "
        lines.append(f"| {name} | {shown} |")
    load = f"Load of the machine in the last 15 minutes: {os.getloadavg()[2]:.1f} on {os.cpu_count()} cores, this one at most 2."
    lines += ["", NOTES, load, "", *verdicts(small, large)]
    text = "\n".join(lines) + "\n"
    (PROJECT / "docs" / "core_scale.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
