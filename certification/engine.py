"""The project's own compiled SQL on an in-memory engine, fed with simulated rows."""

import json
import subprocess
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pyarrow as pa
import yaml

PROJECT = Path(__file__).parents[1]
PREFIX = "model.segment_signals."
# Models that count journeys by cell; everything after them is by cell.
COUNTS = ("funnel_day_counts", "velocity_facts", "stage_exit_facts", "account_cluster_sums")
# Of closed deals the screening reads counts and sums of amounts only.
PARTLY_READ = "velocity_facts"
MODELS = Path("compiled", "segment_signals")


def dbt(folder: Path, *arguments: str) -> None:
    """Run dbt on the demo with everything that it writes in `folder`.

    Raises:
        RuntimeError: dbt failed; the message holds what it printed.
    """
    variables = {"build_dir": str(folder), "releases_dir": str(folder / "releases")}
    command = [str(Path(sys.executable).with_name("dbt")), *arguments, "--quiet", "--no-use-colors"]
    command += ["--vars", json.dumps(variables)]
    command += ["--target-path", str(folder / "target"), "--log-path", str(folder / "logs")]
    done = subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise RuntimeError(f"`dbt {' '.join(arguments)}` failed; mend what it says here.\n{done.stdout}")


def variables() -> dict[str, Any]:
    """The project's vars: `spine` and `dimensions` name the columns of journeys."""
    project: dict[str, Any] = yaml.safe_load((PROJECT / "dbt_project.yml").read_text(encoding="utf-8"))
    found: dict[str, Any] = project["vars"]
    return found


def frame(table: pa.Table) -> pd.DataFrame:
    """A table as a frame."""
    cells: pd.DataFrame = table.to_pandas()
    return cells


@dataclass(frozen=True)
class Model:
    """A model of the project: its SQL, its relation, and the models that it reads."""

    relation: str
    sql: str
    reads: tuple[str, ...]


def compiled_models(folder: Path) -> dict[str, Model]:
    """Every SQL model of a project that was compiled into `folder`."""
    nodes = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    models = {}
    for name, node in nodes.items():
        path = folder / "target" / MODELS / node["original_file_path"]
        if name.startswith(PREFIX) and node["language"] == "sql":
            reads = (other.removeprefix(PREFIX) for other in node["depends_on"]["nodes"] if other.startswith(PREFIX))
            models[name.removeprefix(PREFIX)] = Model(node["relation_name"], path.read_text("utf-8"), tuple(reads))
    return models


class Warehouse:
    """The compiled models over simulated rows: models that are given stand, those that read them are built."""

    def __init__(self, folder: Path, threads: int = 1) -> None:
        """Load the definitions.

        Args:
            folder: where the project was compiled.
            threads: of the engine.
        """
        self.models = compiled_models(folder)
        self.connection = duckdb.connect(config={"threads": threads})
        self.connection.execute("set enable_progress_bar = false")
        self.connection.execute("attach ':memory:' as demo; use demo")
        for schema in ("core", "marts", "definitions"):
            self.connection.execute(f"create schema {schema}")
        for seed in _seeds(folder):
            types = json.dumps(seed["config"]["column_types"]).replace('"', "'")
            self.connection.execute(
                f"create table {seed['relation_name']} as "
                f"select * from read_csv('{PROJECT / seed['original_file_path']}', header = true, columns = {types})"
            )
        # Pairs of dimensions are counted like the dimensions themselves, and cost as much again.
        self.connection.execute("delete from definitions.dimension_pairs")
        self.thresholds: Mapping[str, float] = dict(
            self.connection.sql("select threshold, value from definitions.evidence_thresholds").fetchall()
        )
        self.caveats: Mapping[str, str] = dict(
            self.connection.sql("select evidence_reason, caveat from definitions.evidence_reasons").fetchall()
        )
        (self.horizon_days,) = self.connection.sql(
            "select horizon_days from definitions.horizons where is_primary"
        ).fetchall()[0]
        self.spine: list[str] = variables()["spine"]
        self.dimensions: list[str] = list(variables()["dimensions"])

    def run(
        self,
        *targets: str,
        as_of_date: str = "9000-01-01",
        history_starts_on: str | None = None,
        keep: str = "true",
        **given: pa.Table,
    ) -> None:
        """Build the targets, and what they read, over the given models.

        Args:
            targets: names of models.
            as_of_date: end of what is known, ISO date.
            history_starts_on: first day of what is known, ISO date.
            keep: condition on the cells (period, dimension ...) that are looked at; others are dropped once counted.
            given: rows of models by name; columns that are not given are null.
        """
        start = f"date '{history_starts_on}'" if history_starts_on else "null::date"
        self.connection.execute(
            f"create or replace table core.run_context as select date '{as_of_date}' as as_of_date, "
            f"{start} as history_starts_on, 'USD' as reporting_currency"
        )
        self._create_journeys()
        if "journeys" in given:
            self._insert("core.journeys", given["journeys"])
        done = {"journeys", "run_context"}
        for target in targets:
            self._build(target, given, keep, done)

    def table(self, query: str) -> pa.Table:
        """The rows of a query."""
        return self.connection.sql(query).to_arrow_table()

    def _build(self, name: str, given: Mapping[str, pa.Table], keep: str, done: set[str]) -> None:
        if name in done:
            return
        model = self.models[name]
        for other in model.reads:
            self._build(other, given, keep, done)
        self.connection.execute(f"drop table if exists {model.relation}")
        if name in given:
            # Its own SQL gives the types.
            self.connection.execute(f"create table {model.relation} as select * from ({model.sql}\n) limit 0")
            missing = set(self.connection.table(model.relation).columns) - set(given[name].column_names)
            if missing and name != PARTLY_READ:
                raise ValueError(f"Simulated rows of {name} lack {sorted(missing)}: simulate them, too.")
            self._insert(model.relation, given[name])
        else:
            self.connection.execute(f"create table {model.relation} as {model.sql}")
        if name in COUNTS:
            self.connection.execute(f"delete from {model.relation} where not ({keep})")
        done.add(name)

    def _create_journeys(self) -> None:
        texts = ["journey_id", "person_id", "account_id", "opportunity_type", *self.dimensions]
        flags = ["is_primary", *(f"is_{stage}_imputed" for stage in self.spine)]
        dates = [*(f"{stage}_date" for stage in self.spine), "lost_date"]
        columns = [f"{name} varchar" for name in texts] + [f"{name} boolean" for name in flags]
        columns += [f"{name} date" for name in dates] + ["amount decimal(18, 2)"]
        self.connection.execute(f"create or replace table core.journeys ({', '.join(columns)})")

    def _insert(self, relation: str, rows: pa.Table) -> None:
        self.connection.register("given_rows", rows)
        self.connection.execute(f"insert into {relation} by name select * from given_rows")
        self.connection.unregister("given_rows")


def _seeds(folder: Path) -> Iterator[dict[str, Any]]:
    nodes = json.loads((folder / "target" / "manifest.json").read_text(encoding="utf-8"))["nodes"]
    return (node for node in nodes.values() if node["resource_type"] == "seed")
