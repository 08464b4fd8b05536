"""Which run a release comes from, and the ids that follow from it."""

import hashlib
import re
from dataclasses import dataclass
from datetime import date, datetime

import duckdb
import pyarrow as pa

from segment_signals.release.errors import ReleaseRefused

RELEASE_SCHEMA = pa.schema(
    [
        ("release_id", pa.string()),
        ("as_of_date", pa.date32()),
        ("input_hash", pa.string()),
        ("definitions_hash", pa.string()),
        ("code_version", pa.string()),
        ("review_id", pa.string()),
        ("supersedes", pa.string()),
    ]
)

_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9_.-]*")


@dataclass(frozen=True)
class RunContext:
    """The one row of `run_context` that names a release. The lock file is hashed into `code_version`."""

    dataset: str
    as_of_date: date
    input_hash: str
    definitions_hash: str
    code_version: str

    @property
    def release_id(self) -> str:
        """First 12 hex digits of the SHA-256 over inputs, definitions, code and as-of date."""
        parts = (self.input_hash, self.definitions_hash, self.code_version, self.as_of_date.isoformat())
        return hashlib.sha256("\n".join(parts).encode()).hexdigest()[:12]

    @property
    def review_id(self) -> str:
        """The month under review and the release it is read from, `2025-12-<release_id>`.

        The month stands first so that reviews sort by period; a restated month gets another id.
        """
        return f"{self.as_of_date:%Y-%m}-{self.release_id}"

    @property
    def folder_name(self) -> str:
        """Name of the release's folder, `2025-12-31-<release_id>`."""
        return f"{self.as_of_date.isoformat()}-{self.release_id}"


def is_file_name(name: str) -> bool:
    """Whether a dataset or table name can stand in a path as it is."""
    return _FILE_NAME.fullmatch(name) is not None


def read_run_context(connection: duckdb.DuckDBPyConnection, relation: str) -> RunContext:
    """Read the one-row relation `run_context`.

    Raises ReleaseRefused when it has not exactly one row, or a value is missing.
    """
    fields = ("dataset", "as_of_date", "input_hash", "definitions_hash", "code_version")
    rows = connection.sql(f"select {', '.join(fields)} from {relation}").fetchall()
    if len(rows) != 1:
        raise ReleaseRefused(f"run_context has {len(rows)} rows, not one. Run `dbt build` again.")
    values = dict(zip(fields, rows[0], strict=True))
    missing = [field for field, value in values.items() if value is None or value == ""]
    if missing:
        raise ReleaseRefused(
            f"run_context has no {', '.join(missing)}. "
            "Check that the mapping names the dataset and that its files hold dated records, "
            "then run `dbt build`."
        )
    if not is_file_name(values["dataset"]):
        raise ReleaseRefused(
            f"The dataset is named '{values['dataset']}', which cannot name a file. "
            "Use letters, digits, '_', '-' and '.' for `dataset` in mapping.yml."
        )
    as_of = values["as_of_date"]
    return RunContext(
        dataset=values["dataset"],
        as_of_date=as_of.date() if isinstance(as_of, datetime) else as_of,
        input_hash=values["input_hash"],
        definitions_hash=values["definitions_hash"],
        code_version=values["code_version"],
    )


def release_row(context: RunContext, supersedes: str | None) -> pa.Table:
    """The one row of the table `release`, in RELEASE_SCHEMA."""
    row = {
        "release_id": context.release_id,
        "as_of_date": context.as_of_date,
        "input_hash": context.input_hash,
        "definitions_hash": context.definitions_hash,
        "code_version": context.code_version,
        "review_id": context.review_id,
        "supersedes": supersedes,
    }
    return pa.Table.from_pylist([row], schema=RELEASE_SCHEMA)
