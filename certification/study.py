"""The whole study: its topics, in two processes, and the page that says what came out."""

import tempfile
from collections.abc import Sequence
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path

from certification import demo
from certification.engine import Warehouse, dbt
from certification.targets import Target, markdown

# In the order of the table, and in that in which they are begun: the longest first.
TOPICS = ("incidence", "contrasts", "changes", "anomalies", "velocity", "levers", "forecast", "scoring", "demo")
LONGEST_FIRST = ("forecast", "scoring", "contrasts", "anomalies", "incidence", "demo", "velocity", "levers", "changes")
PROCESSES = 2
HEADER = """# Certification

Written by `make certify`. Simulated worlds whose truth is known go through the SQL that dbt compiles and the signals of
`segment_signals.funnel`; seeds are fixed. "+ 2 SE": the limit may be passed by two standard errors of the measurement.
A row without a target is for information.
"""


def certify(topic: str, folder: Path) -> list[Target]:
    """The targets of one topic, over the project compiled in `folder`."""
    if topic == "demo":
        return demo.certify()
    targets: list[Target] = import_module(f"certification.{topic}").certify(Warehouse(folder))
    return targets


def document(targets: Sequence[Target]) -> str:
    """The whole page."""
    ruled = [target for target in targets if not target.is_information]
    missed = [target for target in ruled if not target.is_met()]
    verdict = f"{len(ruled) - len(missed)} of {len(ruled)} targets met."
    lines = [f"- missed: {target.what}" for target in missed]
    return "\n".join([HEADER, verdict, *lines, "", markdown(targets)])


def study() -> list[Target]:
    """Compile the project and run every topic on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dbt(folder, "compile")
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            running = {topic: pool.submit(certify, topic, folder) for topic in LONGEST_FIRST}
            return [target for topic in TOPICS for target in running[topic].result()]
