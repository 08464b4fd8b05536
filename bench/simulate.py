"""Time and memory of `signals simulate` at scale: prints them and writes the end of docs/simulation.md."""

import argparse
import json
import os
import platform
import subprocess
import sys
import tempfile
import time
from pathlib import Path

PROJECT = Path(__file__).parents[1]
PAGE = PROJECT / "docs" / "simulation.md"
HEADING = "## Time and memory"
HISTORY_AND_ACTIVITY = (
    "salesforce/LeadHistory",
    "salesforce/OpportunityHistory",
    "salesforce/OpportunityFieldHistory",
    "salesforce/AccountHistory",
    "salesforce/CampaignMember",
    "salesforce/Task",
    "salesforce/Event",
    "hubspot/contact_property_history",
    "hubspot/engagement",
    "marketing/touches",
)


def measured(leads: int, file_format: str, folder: Path) -> tuple[int, int, float, float, float]:
    """Rows in all, rows of history, touches and activities, wall seconds, CPU seconds, peak memory (GB)."""
    code = "import sys; from segment_signals.cli import main; sys.exit(main(sys.argv[1:]))"
    command = [sys.executable, "-c", code, "simulate", "--scenario", "scale", "--leads", str(leads)]
    command += ["--out", str(folder), "--format", file_format]
    started = time.perf_counter()
    process = subprocess.Popen(command, cwd=PROJECT, stdout=subprocess.DEVNULL)
    _, status, usage = os.wait4(process.pid, 0)
    seconds = time.perf_counter() - started
    if status != 0:
        raise SystemExit(f"{' '.join(command)} failed: run it alone and read what it says.")
    counts = json.loads((folder / "truth" / "truth.json").read_text("utf-8"))["row_counts"]
    some = sum(counts[name] for name in HISTORY_AND_ACTIVITY)
    return sum(counts.values()), some, seconds, usage.ru_utime + usage.ru_stime, usage.ru_maxrss / 1024**2


def main() -> None:
    """Simulate worlds of growing size as Parquet."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--leads", type=int, nargs="+", default=[100_000, 1_000_000])
    lines = [
        HEADING,
        "",
        f"Written by `python -m bench.simulate` on {os.cpu_count()} cores ({platform.machine()}), one run, Parquet, with a load"
        f" of {os.getloadavg()[0]:.0f} from other work on the machine: that lengthens the seconds, hardly the CPU seconds.",
        "",
        "| leads | rows in all | history, touches, activities | seconds | CPU seconds | peak GB |",
        "|--:|--:|--:|--:|--:|--:|",
    ]
    for leads in parser.parse_args().leads:
        with tempfile.TemporaryDirectory() as folder:
            rows, some, seconds, cpu, memory = measured(leads, "parquet", Path(folder))
        lines.append(f"| {leads:,} | {rows:,} | {some:,} | {seconds:.1f} | {cpu:.1f} | {memory:.2f} |")
        print(lines[-1], flush=True)
    text = PAGE.read_text(encoding="utf-8").split(HEADING)[0]
    PAGE.write_text(text + "\n".join(lines) + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
