"""Time and memory of `dbt build` on the demo, node by node: prints them and writes docs/timing.md."""

import json
import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1]
IMPORTS = ("great_expectations", "pandas", "pyarrow", "altair", "vl_convert", "scipy.stats", "segment_signals.review")
SHOWN_NODES = 12


def timed(command: list[str]) -> tuple[float, float]:
    """Wall seconds and peak memory (MB, largest process) of a command that must succeed."""
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed: run it alone and read what it says.")
    return time.perf_counter() - started, usage.ru_maxrss / 1024


def main() -> None:
    """Build the demo twice (first and warm parse), then import what the nodes import."""
    binary = Path(sys.executable).parent
    with tempfile.TemporaryDirectory() as folder:
        variables = json.dumps({"build_dir": folder, "releases_dir": f"{folder}/releases"})
        build = [str(binary / "dbt"), "build", "--quiet", "--target-path", f"{folder}/target", "--vars", variables]
        rows = [("`dbt build`, first", *timed(build)), ("`dbt build`, warm parse", *timed(build))]
        results = json.loads(Path(folder, "target", "run_results.json").read_text())["results"]
    rows.append(("`dbt --version` (fixed cost)", *timed([str(binary / "dbt"), "--version"])))
    rows.extend((f"import {name}", *timed([sys.executable, "-c", f"import {name}"])) for name in IMPORTS)
    kinds: dict[str, list[float]] = {}
    for result in results:
        kinds.setdefault(result["unique_id"].split(".")[0], []).append(result["execution_time"])
    slowest = sorted(results, key=lambda result: -result["execution_time"])[:SHOWN_NODES]

    lines = [
        "# Timing",
        "",
        "Written by `make bench`. One run on one machine: read the ratios, not the seconds.",
        "",
        "| what | seconds | peak MB |",
        "|---|--:|--:|",
        *(f"| {name} | {seconds:.1f} | {memory:,.0f} |" for name, seconds, memory in rows),
        "",
        "| nodes of the warm build | count | seconds |",
        "|---|--:|--:|",
        *(f"| {kind} | {len(times)} | {sum(times):.1f} |" for kind, times in sorted(kinds.items())),
        "",
        "| slowest nodes | seconds |",
        "|---|--:|",
        *(f"| {result['unique_id'].split('.')[2]} | {result['execution_time']:.2f} |" for result in slowest),
    ]
    text = "\n".join(lines) + "\n"
    (PROJECT / "docs" / "timing.md").write_text(text, encoding="utf-8")
    print(text)


if __name__ == "__main__":
    main()
