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
TOPICS = (
    "incidence",
    "contrasts",
    "changes",
    "anomalies",
    "velocity",
    "levers",
    "forecast",
    "scoring",
    "retention",
    "demo",
)
LONGEST_FIRST = (
    "forecast",
    "scoring",
    "retention",
    "contrasts",
    "anomalies",
    "incidence",
    "demo",
    "velocity",
    "levers",
    "changes",
)
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


def document(targets: Sequence[Target], page: str = "") -> str:
    """The whole page: the sections of these targets, and those of an earlier page that they do not measure anew."""
    sections = _sections(page) | _sections(markdown(targets))
    rows = [row for title in sections for row in sections[title].splitlines()]
    missed = [row.split(" | ")[0].removeprefix("| ") for row in rows if row.endswith("| MISSED |")]
    met_count = sum(row.endswith("| met |") for row in rows)
    verdict = f"{met_count} of {met_count + len(missed)} targets met."
    tables = [f"## {title}\n{sections[title]}" for title in sorted(sections, key=_place)]
    return "\n".join([HEADER, verdict, *(f"- missed: {what}" for what in missed), "", *tables])


def _sections(page: str) -> dict[str, str]:
    """The text below each heading of second level, by its title."""
    parts = ("\n" + page).split("\n## ")[1:]
    return {part.partition("\n")[0]: part.partition("\n")[2].rstrip() + "\n" for part in parts}


def _place(title: str) -> tuple[int, str]:
    """Sections go by the number of the method that they prove."""
    number, _, name = title.partition(". ")
    return (int(number), name) if number.isdecimal() else (99, title)


def study(topics: Sequence[str] = TOPICS) -> list[Target]:
    """Compile the project and run the topics on it."""
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dbt(folder, "compile")
        with ProcessPoolExecutor(PROCESSES, mp_context=get_context("spawn")) as pool:
            running = {topic: pool.submit(certify, topic, folder) for topic in LONGEST_FIRST if topic in topics}
            return [target for topic in TOPICS if topic in running for target in running[topic].result()]
