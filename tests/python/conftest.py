"""Builds of small exports through dbt itself, as a user runs it."""

import json
import os
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pandas as pd
import pytest
import yaml

PROJECT = Path(__file__).parents[2]
SHARED_DATA = Path(os.environ.get("SIGNALS_SHARED_DATA", PROJECT.parent / "shared" / "data"))


@dataclass(frozen=True)
class Build:
    """A dataset folder, and what its last dbt run left behind."""

    folder: Path
    variables: dict[str, Any]

    def dbt(self, *arguments: str, **variables: Any) -> subprocess.CompletedProcess[str]:
        """Run dbt on the dataset, from the project's root; `variables` are added for this run."""
        command = [
            str(Path(sys.executable).with_name("dbt")),
            *arguments,
            "--vars",
            json.dumps({**self.variables, **variables}, default=str),
            "--target-path",
            str(self.folder / "target"),
            "--log-path",
            str(self.folder / "logs"),
            "--no-use-colors",
        ]
        return subprocess.run(command, cwd=PROJECT, capture_output=True, text=True, check=False)

    def build(self, *, data_tests: bool = True, **variables: Any) -> "Build":
        """Run `dbt build`, which must succeed; without data tests where another test builds the same kind of input."""
        done = self.dbt("build", *(() if data_tests else ("--exclude", "test_type:generic")), **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    def build_models(self, *names: str, **variables: Any) -> "Build":
        """Build some models with all that they need, and their own tests; it must succeed."""
        selected = [f"+{name}" for name in names]
        done = self.dbt("build", "--indirect-selection", "cautious", "--select", *selected, **variables)
        assert done.returncode == 0, done.stdout + done.stderr
        return self

    @property
    def database(self) -> Path:
        return Path(self.variables["build_dir"]) / f"{self.variables['dataset']}.duckdb"

    @property
    def releases(self) -> Path:
        return Path(self.variables["releases_dir"]) / str(self.variables["dataset"])

    def query(self, sql: str) -> pd.DataFrame:
        """A query on the build file."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.sql(sql).df()

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        """The rows of a query on the build file, as Python values."""
        with duckdb.connect(str(self.database), read_only=True) as connection:
            return connection.sql(sql).fetchall()


def dataset(folder: Path, mapping: Mapping[str, Any], files: Mapping[str, str]) -> Build:
    """Write a dataset folder: its mapping and its files; `dimensions` in the mapping replace ours."""
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    whole = {
        "dataset": folder.name,
        "data_dir": str(folder),
        "build_dir": str(folder),
        "releases_dir": str(folder / "releases"),
        "sources": ["export"],
        **mapping,
    }
    (folder / "mapping.yml").write_text(yaml.safe_dump(whole, sort_keys=False), encoding="utf-8")
    return Build(folder, whole)


@pytest.fixture(scope="session")
def shared_data() -> Path:
    """The folder of public data; the tests that need it skip where it is absent."""
    if not SHARED_DATA.is_dir():
        pytest.skip(f"the public data is not at {SHARED_DATA} (SIGNALS_SHARED_DATA)")
    return SHARED_DATA
