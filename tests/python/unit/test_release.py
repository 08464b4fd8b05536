"""The release writer: what it publishes, what it refuses, and what a refusal or a kill leaves behind."""

import hashlib
import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pandas
import pytest
import segment_signals
from pyarrow.parquet import ParquetFile
from segment_signals.release import (
    RELEASE_SCHEMA,
    ReleaseBlocked,
    ReleaseError,
    ReleaseRefused,
    folders,
    publish,
    verify,
)
from segment_signals.release.content import copy_in, open_store, table_content
from segment_signals.release.privacy import PHONE_CANDIDATE, find_email, find_phone, is_personal_name, masked

TABLES = {
    "funnel_conversion": "published.funnel_conversion",
    "segment_scorecards": "published.segment_scorecards",
    "pipeline_velocity": "published.pipeline_velocity",
    "gate_results": "published.gate_results",
}

BUILD_SQL = """
create schema published;
create table run_context as
select 'demo' as dataset, 'data/demo' as data_dir, date '2025-12-31' as as_of_date, 'inputs-1' as input_hash,
    'definitions-1' as definitions_hash, 'code-1' as code_version;
create table published.gate_results as
select * from (values
    ('raw', 'accounts', 'rows', 120.0::double, 1.0::double, 'pass', 'Accounts hold 120 rows.'),
    ('raw', 'people', 'completeness', 0.75, 0.8, 'flagged',
        'Region is known for 75 % of people.'),
    ('publication', 'funnel_conversion', 'trailing_gap', null, 14.0, 'not_applicable', null)
) as results (gate, subject, check_name, observed, threshold, status, detail);
create table gate_index as select gate, subject, check_name from published.gate_results;
create table published.funnel_conversion as
select date '2025-12-31' as as_of_date, *
from (values
    ('smb', 0.25::double, 0.17::double, 0.35::double, 0.0::double, 100::bigint, 'reportable', null),
    ('all', 0.2, 0.15, 0.26, 0.01, 200, 'reportable', null),
    ('unknown', null, null, null, null, 7, 'suppressed', 'insufficient_sample')
) as cells (
    segment, conversion_rate, conversion_low, conversion_high, imputed_share, n, evidence, evidence_reason
);
create table published.segment_scorecards as
select segment, metric, unit, value, low, high, n, evidence
from (values
    ('all', 'won_amount', 'USD', 52000.5::double, 41000::double, 63000::double, 31::bigint, 'directional'),
    ('all', 'win_rate', 'rate', 0.31, 0.24, 0.39, 140, 'reportable'),
    ('smb', 'win_rate', 'rate', null, null, null, 12, 'suppressed')
) as cells (segment, metric, unit, value, low, high, n, evidence);
create table published.pipeline_velocity as
select 'all' as segment, 'USD' as currency, 4400.0::double as velocity_per_day,
    3100.0::double as velocity_low, 6200.0::double as velocity_high, -35.5::double as win_rate_effect,
    18000.00::decimal(18, 2) as mean_deal_amount,
    50::bigint as n, 'reportable' as evidence;
"""


def render(frames: Mapping[str, pandas.DataFrame]) -> str:
    """A review that depends on what it is given."""
    return f"<html><body>{frames['release']['release_id'].iloc[0]}: {', '.join(frames)}</body></html>"


@dataclass
class Build:
    """A build file, and how it is published."""

    connection: duckdb.DuckDBPyConnection
    project_dir: Path
    tables: dict[str, str] = field(default_factory=lambda: dict(TABLES))

    @property
    def releases(self) -> Path:
        return self.project_dir / "releases"

    @property
    def current(self) -> Path:
        return self.releases / "current"

    def run(self, sql: str) -> None:
        self.connection.execute(sql)

    def set_context(self, **values: str) -> None:
        """Another run: change columns of run_context."""
        self.run("update run_context set " + ", ".join(f"{name} = '{value}'" for name, value in values.items()))

    def publish(
        self,
        *,
        reason: str | None = None,
        input_hash: str | None = None,
        render_review: Callable[[Mapping[str, pandas.DataFrame]], str] = render,
        releases_dir: Path = Path("releases"),
    ) -> dict[str, Any]:
        """Publish from a cursor in an open transaction, as dbt does; the release's row."""
        [(context_hash,)] = self.connection.sql("select min(input_hash) from run_context").fetchall()
        cursor = self.connection.cursor()
        cursor.begin()
        try:
            table = publish(
                cursor,
                tables=self.tables,
                gate_index="gate_index",
                gate_results="published.gate_results",
                run_context="run_context",
                project_dir=self.project_dir,
                releases_dir=releases_dir,
                render_review=render_review,
                restatement_reason=reason,
                current_input_hash=lambda: context_hash if input_hash is None else input_hash,
            )
        finally:
            cursor.rollback()
            cursor.close()
        assert table.schema.equals(RELEASE_SCHEMA)
        [row] = table.to_pylist()
        assert isinstance(row, dict)
        return row

    def folder(self, row: Mapping[str, Any]) -> Path:
        return self.releases / f"{row['as_of_date'].isoformat()}-{row['release_id']}"

    def manifest(self, row: Mapping[str, Any]) -> dict[str, Any]:
        manifest = json.loads((self.folder(row) / "manifest.json").read_text(encoding="utf-8"))
        assert isinstance(manifest, dict)
        return manifest

    def entries(self) -> list[str]:
        """Names in the releases folder but the lock's."""
        if not self.releases.exists():
            return []
        return sorted(entry.name for entry in self.releases.iterdir() if entry.name != folders.LOCK)


def new_build(project_dir: Path) -> Build:
    project_dir.mkdir(exist_ok=True)
    connection = duckdb.connect(str(project_dir / "build.duckdb"))
    connection.execute(BUILD_SQL)
    return Build(connection, project_dir)


@pytest.fixture
def build(tmp_path: Path) -> Iterator[Build]:
    made = new_build(tmp_path / "project")
    yield made
    made.connection.close()


# What a release is


def test_release_folder_holds_every_artifact_read_only(build: Build) -> None:
    row = build.publish()
    folder = build.folder(row)
    files = sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    assert files == [
        "demo.duckdb",
        "gate_report.csv",
        "manifest.json",
        "parquet/funnel_conversion.parquet",
        "parquet/gate_results.parquet",
        "parquet/pipeline_velocity.parquet",
        "parquet/release.parquet",
        "parquet/segment_scorecards.parquet",
        "review.html",
    ]
    assert {(folder / name).stat().st_mode & 0o777 for name in files} == {0o444}
    assert build.entries() == [folder.name, "current"]
    assert os.readlink(build.current) == folder.name
    assert verify(build.current) == []


def test_ids_follow_from_inputs_definitions_code_and_date(build: Build) -> None:
    row = build.publish()
    expected = hashlib.sha256(b"inputs-1\ndefinitions-1\ncode-1\n2025-12-31").hexdigest()[:12]
    assert row == {
        "release_id": expected,
        "as_of_date": date(2025, 12, 31),
        "input_hash": "inputs-1",
        "definitions_hash": "definitions-1",
        "code_version": "code-1",
        "review_id": f"2025-12-{expected}",
        "supersedes": None,
    }


def test_database_holds_tables_sorted_and_the_release_row(build: Build) -> None:
    row = build.publish()
    with duckdb.connect(str(build.folder(row) / "demo.duckdb"), read_only=True) as database:
        assert database.sql("select segment, n from published.funnel_conversion").fetchall() == [
            ("all", 200),
            ("smb", 100),
            ("unknown", 7),
        ]
        metrics = database.sql("select segment, metric from published.segment_scorecards").fetchall()
        assert metrics == [("all", "win_rate"), ("all", "won_amount"), ("smb", "win_rate")]
        types = database.sql("select n, mean_deal_amount, currency from published.pipeline_velocity").types
        assert [str(kind) for kind in types] == ["BIGINT", "DECIMAL(18,2)", "VARCHAR"]
        assert database.sql("from published.release").fetchall() == [tuple(row.values())]
    file = ParquetFile(build.folder(row) / "parquet" / "funnel_conversion.parquet")
    assert file.read().column("segment").to_pylist() == ["all", "smb", "unknown"]
    assert file.metadata.row_group(0).column(0).compression == "ZSTD"


def test_database_has_the_storage_version_that_older_clients_read(build: Build) -> None:
    path = build.folder(build.publish()) / "demo.duckdb"
    with duckdb.connect(":memory:") as database:
        database.execute(f"attach '{path}' as released (read_only)")
        [(tag,)] = database.sql(
            "select tags['storage_version'] from duckdb_databases() where database_name = 'released'"
        ).fetchall()
    assert tag.startswith("v1.4.0")
    # The main header has the version number as a little-endian integer at byte 12: 67 is DuckDB 1.4's.
    assert int.from_bytes(path.read_bytes()[12:20], "little") == 67


def test_manifest_names_content_and_no_clock(build: Build) -> None:
    row = build.publish()
    manifest = build.manifest(row)
    assert sorted(manifest) == [
        "as_of_date",
        "changes",
        "code_version",
        "content_hash",
        "dataset",
        "definitions_hash",
        "duckdb_storage_version",
        "files",
        "input_hash",
        "release_id",
        "restatement_reason",
        "review_id",
        "supersedes",
        "tables",
    ]
    assert manifest["as_of_date"] == "2025-12-31"
    assert manifest["duckdb_storage_version"] == "v1.4.0"
    assert manifest["changes"] == []
    assert manifest["restatement_reason"] is None
    assert sorted(manifest["tables"]) == sorted(TABLES)
    velocity = manifest["tables"]["pipeline_velocity"]
    assert velocity["rows"] == 1
    assert {"name": "mean_deal_amount", "type": "DECIMAL(18,2)"} in velocity["columns"]
    text = (build.folder(row) / "manifest.json").read_text(encoding="utf-8")
    assert text == json.dumps(manifest, indent=2, sort_keys=True) + "\n"
    assert str(time.gmtime().tm_year) not in text.replace("2025", "")


def test_review_gets_every_table_with_the_release(build: Build) -> None:
    seen: dict[str, pandas.DataFrame] = {}

    def keep(frames: Mapping[str, pandas.DataFrame]) -> str:
        seen.update(frames)
        return "<html>Q4</html>"

    row = build.publish(render_review=keep)
    assert sorted(seen) == sorted([*TABLES, "release"])
    assert seen["release"]["release_id"].tolist() == [row["release_id"]]
    assert seen["funnel_conversion"]["as_of_date"].iloc[0] == pandas.Timestamp(2025, 12, 31)
    assert (build.folder(row) / "review.html").read_text(encoding="utf-8") == "<html>Q4</html>"


def test_gate_report_is_the_gate_results(build: Build) -> None:
    report = (build.folder(build.publish()) / "gate_report.csv").read_text(encoding="utf-8").splitlines()
    assert report == [
        "gate,subject,check_name,observed,threshold,status,detail",
        "publication,funnel_conversion,trailing_gap,,14.0,not_applicable,",
        "raw,accounts,rows,120.0,1.0,pass,Accounts hold 120 rows.",
        "raw,people,completeness,0.75,0.8,flagged,Region is known for 75 % of people.",
    ]


def test_the_build_file_is_only_read(build: Build) -> None:
    listed = "select schema_name, table_name from duckdb_tables() order by all"
    before = build.connection.sql(listed).fetchall()
    build.publish()
    assert build.connection.sql(listed).fetchall() == before


def test_absolute_releases_dir_is_taken_as_it_is(build: Build, tmp_path: Path) -> None:
    row = build.publish(releases_dir=tmp_path / "elsewhere")
    assert verify(tmp_path / "elsewhere" / "current") == []
    assert (tmp_path / "elsewhere" / f"2025-12-31-{row['release_id']}").is_dir()
    assert not build.releases.exists()


# The content hash


def content_of(sql: str) -> str:
    with duckdb.connect(":memory:") as source, open_store() as store:
        copy_in(source, f"({sql})", store, "copied")
        return table_content(store, "copied").content_hash


def test_same_content_in_two_roots_gives_the_same_manifest(tmp_path: Path) -> None:
    first, second = new_build(tmp_path / "first"), new_build(tmp_path / "second")
    # Other physical order, and noise below the tenth digit as another order of addition leaves it.
    second.run("create table shuffled as select * from published.funnel_conversion order by n desc")
    second.run("update shuffled set conversion_rate = conversion_rate * (1 + 1e-14)")
    second.tables["funnel_conversion"] = "shuffled"
    rows = [build.publish() for build in (first, second)]
    texts = [
        (build.folder(row) / "manifest.json").read_bytes() for build, row in zip((first, second), rows, strict=True)
    ]
    assert rows[0] == rows[1]
    assert texts[0] == texts[1]
    first.connection.close()
    second.connection.close()


def test_content_hash_reads_doubles_at_ten_digits() -> None:
    exact = content_of("select 0.3::double as x")
    assert content_of("select 0.1::double + 0.2::double as x") == exact
    assert content_of("select 0.30000000001::double as x") == exact
    assert content_of("select 0.3000000001::double as x") != exact
    assert content_of("select -0.0::double as x") == content_of("select 0.0::double as x")
    assert content_of("select -('nan'::double) as x") == content_of("select 'nan'::double as x")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("select null::varchar as x", "select '' as x"),
        ("select null::varchar as x", "select 'NULL' as x"),
        ("select null::varchar as x", "select '~' as x"),
        ("select 'a' as x, 'bc' as y", "select 'ab' as x, 'c' as y"),
        ("select 'a' as x, null::varchar as y", "select null::varchar as x, 'a' as y"),
        ("select 1 as x", "select 1 as y"),
        ("select 1::integer as x", "select 1::bigint as x"),
        ("select 1.5::decimal(18, 2) as x", "select 1.51::decimal(18, 2) as x"),
        ("select 1 as x", "select 1 as x union all select 1"),
        ("select 1 as x where false", "select 1 as x"),
        ("select date '2025-12-31' as x", "select date '2025-12-30' as x"),
    ],
)
def test_content_hash_tells_apart(one: str, other: str) -> None:
    assert content_of(one) == content_of(one)
    assert content_of(one) != content_of(other)


def test_content_hash_tells_timestamps_with_a_zone_by_the_moment() -> None:
    moment = content_of("select timestamptz '2025-12-31 12:00:00+00' as x")
    assert content_of("select timestamptz '2025-12-31 14:00:00+02' as x") == moment
    assert content_of("select timestamptz '2025-12-31 12:00:00.000001+00' as x") != moment


def test_types_that_arrow_lacks_survive(build: Build) -> None:
    build.run("create table wide as select 9007199254740992::hugeint as total, 'a'::enum('a') as kind")
    build.tables["wide"] = "wide"
    row = build.publish()
    with duckdb.connect(str(build.folder(row) / "demo.duckdb"), read_only=True) as database:
        assert [str(kind) for kind in database.sql("from published.wide").types] == ["HUGEINT", "ENUM('a')"]


def test_value_that_parquet_would_round_is_refused(build: Build) -> None:
    """Parquet has no hugeint; DuckDB writes a double, which cannot tell 2^53 + 1 from 2^53."""
    build.run("create table wide as select 9007199254740993::hugeint as total")
    build.tables["wide"] = "wide"
    with pytest.raises(ReleaseRefused, match=r"parquet/wide\.parquet: the values are not those of the manifest"):
        build.publish()
    assert build.entries() == []


def test_hashing_two_hundred_thousand_rows_takes_less_than_two_seconds() -> None:
    with duckdb.connect(":memory:") as source, open_store() as store:
        source.execute(
            "create table big as select i, 'segment ' || (i % 50) as segment, sqrt(i) as a, ln(i + 1) as b, "
            "(i / 7)::decimal(18, 2) as amount, date '2020-01-01' + (i % 2000)::integer as day "
            "from range(200000) as r (i)"
        )
        copy_in(source, "big", store, "big")
        seconds = []
        for _ in range(3):  # the best of three: other work on the machine is not the hash's
            started = time.perf_counter()
            content = table_content(store, "big")
            seconds.append(time.perf_counter() - started)
        assert min(seconds) < 2.0
    assert content.rows == 200_000


# Gates fail closed


def assert_nothing_written(build: Build) -> None:
    assert build.entries() == []


@pytest.mark.parametrize("status", ["pass", "flagged", "insufficient_sample", "too_early", "not_applicable"])
def test_every_known_status_but_blocked_releases(build: Build, status: str) -> None:
    build.run(f"update published.gate_results set status = '{status}'")
    assert build.folder(build.publish()).is_dir()


@pytest.mark.parametrize(
    ("change", "shown"),
    [
        (
            "update published.gate_results set status = 'blocked' where subject = 'people'",
            "raw | people | completeness | 0.75 | 0.8 | Region is known for 75 % of people.",
        ),
        (
            "update published.gate_results set status = null where subject = 'accounts'",
            "raw | accounts | rows | 120 | 1 | status NULL is no verdict: Accounts hold 120 rows.",
        ),
        (
            "update published.gate_results set status = 'PASS' where check_name = 'trailing_gap'",
            "publication | funnel_conversion | trailing_gap | - | 14 | status 'PASS' is no verdict",
        ),
        (
            "delete from published.gate_results where subject = 'accounts'",
            "raw | accounts | rows | - | - | no verdict",
        ),
        (
            "insert into published.gate_results from published.gate_results where subject = 'accounts'",
            "raw | accounts | rows | - | - | 2 verdicts, one is expected",
        ),
        (
            "insert into published.gate_results values ('raw', 'owners', 'rows', 0, 1, 'blocked', 'None.')",
            "raw | owners | rows | 0 | 1 | None.",
        ),
        (
            "insert into gate_index values ('raw', null, 'rows')",
            "raw | NULL | rows | - | - | no verdict",
        ),
    ],
)
def test_gate_without_a_releasable_verdict_blocks(build: Build, change: str, shown: str) -> None:
    build.run(change)
    with pytest.raises(ReleaseBlocked) as raised:
        build.publish()
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("The release is blocked by 1 of ")
    assert lines[1] == "gate | subject | check | observed | threshold | detail"
    assert lines[2] == shown
    assert "run `dbt build`" in lines[3]
    assert_nothing_written(build)


def test_empty_gate_index_blocks(build: Build) -> None:
    build.run("delete from gate_index")
    build.run("delete from published.gate_results")
    with pytest.raises(ReleaseBlocked, match="names no check"):
        build.publish()
    assert_nothing_written(build)


def test_verdict_that_the_index_does_not_ask_for_may_pass(build: Build) -> None:
    build.run("insert into published.gate_results values ('raw', 'owners', 'rows', 3, 1, 'pass', null)")
    assert build.folder(build.publish()).is_dir()


def test_blocked_message_shows_ten_rows_and_counts_the_rest(build: Build) -> None:
    build.run("insert into gate_index select 'raw', 'table ' || i, 'rows' from range(10, 22) as r (i)")
    with pytest.raises(ReleaseBlocked) as raised:
        build.publish()
    lines = str(raised.value).splitlines()
    assert lines[0].startswith("The release is blocked by 12 of 15 checks")
    assert lines[2].startswith("raw | table 10 ")
    assert lines[11].startswith("raw | table 19 ")
    assert lines[12] == "... and 2 more in gate_results"


def test_blocked_release_leaves_current_and_the_last_release(build: Build) -> None:
    row = build.publish()
    before = build.entries()
    build.set_context(as_of_date="2026-01-31", input_hash="inputs-2")
    build.run("update published.gate_results set status = 'blocked'")
    with pytest.raises(ReleaseBlocked):
        build.publish()
    assert build.entries() == before
    assert os.readlink(build.current) == build.folder(row).name
    assert verify(build.current) == []


# Inputs and context


def test_changed_inputs_are_refused(build: Build) -> None:
    with pytest.raises(ReleaseRefused, match="input files changed since they were read: run `dbt build` again"):
        build.publish(input_hash="inputs-2")
    assert_nothing_written(build)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("delete from run_context", "run_context has 0 rows, not one"),
        ("insert into run_context from run_context", "run_context has 2 rows, not one"),
        ("update run_context set as_of_date = null", "run_context has no as_of_date"),
        ("update run_context set dataset = '../demo'", "The dataset is named '../demo'"),
    ],
)
def test_unusable_context_is_refused(build: Build, change: str, message: str) -> None:
    build.run(change)
    with pytest.raises(ReleaseRefused) as raised:
        build.publish()
    assert message in str(raised.value)
    assert_nothing_written(build)


def test_missing_published_table_is_refused(build: Build) -> None:
    build.tables["win_loss"] = "published.win_loss"
    with pytest.raises(ReleaseRefused, match="win_loss is to be published and is not in the build file"):
        build.publish()
    assert build.entries() == []


@pytest.mark.parametrize("name", ["release", "../outside"])
def test_table_name_that_is_taken_or_no_file_name_is_refused(build: Build, name: str) -> None:
    build.tables[name] = "published.funnel_conversion"
    with pytest.raises(ReleaseRefused, match="cannot be the name of a published table"):
        build.publish()
    assert_nothing_written(build)


# The same release again


def test_same_release_again_is_a_no_op(build: Build) -> None:
    first = build.publish()
    stamps = {path: path.stat().st_mtime_ns for path in build.folder(first).rglob("*")}
    assert build.publish() == first
    assert {path: path.stat().st_mtime_ns for path in build.folder(first).rglob("*")} == stamps
    assert build.entries() == [build.folder(first).name, "current"]


def test_no_op_returns_the_row_of_the_existing_restatement(build: Build) -> None:
    build.publish()
    build.set_context(code_version="code-2")
    second = build.publish()
    assert second["supersedes"] is not None
    assert build.publish() == second


def test_other_content_under_the_same_id_is_refused(build: Build) -> None:
    row = build.publish()
    build.run("update published.funnel_conversion set n = 8 where n = 7")
    build.run("delete from published.pipeline_velocity")
    with pytest.raises(ReleaseRefused) as raised:
        build.publish()
    assert "not reproducible" in str(raised.value)
    assert "The tables that differ: funnel_conversion, pipeline_velocity." in str(raised.value)
    assert build.entries() == [build.folder(row).name, "current"]
    assert verify(build.current) == []


def test_existing_release_that_was_changed_is_refused(build: Build) -> None:
    row = build.publish()
    path = build.folder(row) / "review.html"
    path.chmod(0o644)
    path.write_text("<html>better numbers</html>", encoding="utf-8")
    with pytest.raises(ReleaseRefused, match=r"(?s)was changed since it was written.*review\.html was changed"):
        build.publish()


def test_release_without_manifest_is_refused(build: Build) -> None:
    row = build.publish()
    (build.folder(row) / "manifest.json").unlink()
    build.set_context(code_version="code-2")
    with pytest.raises(ReleaseRefused, match=r"has no readable manifest\.json"):
        build.publish()


# Restatements and `current`


def test_restatement_keeps_the_old_release_and_says_what_changed(build: Build) -> None:
    first = build.publish()
    build.set_context(definitions_hash="definitions-2")
    build.run("delete from published.funnel_conversion where segment = 'unknown'")
    build.run("create table published.win_loss as select 'lost' as outcome, 0.5::double as share")
    build.tables["win_loss"] = "published.win_loss"
    del build.tables["pipeline_velocity"]
    second = build.publish(reason="Segment rules were corrected.")
    assert second["supersedes"] == first["release_id"]
    manifest = build.manifest(second)
    assert manifest["supersedes"] == first["release_id"]
    assert manifest["restatement_reason"] == "Segment rules were corrected."
    assert manifest["changes"] == [
        {"table": "funnel_conversion", "rows_before": 3, "rows_after": 2},
        {"table": "pipeline_velocity", "rows_before": 1, "rows_after": None},
        {"table": "win_loss", "rows_before": None, "rows_after": 1},
    ]
    assert verify(build.folder(first)) == []
    assert verify(build.folder(second)) == []
    assert os.readlink(build.current) == build.folder(second).name


@pytest.mark.parametrize("reason", [None, " "])
def test_restatement_without_a_reason_says_so(build: Build, reason: str | None) -> None:
    build.publish()
    build.set_context(code_version="code-2")
    assert build.manifest(build.publish(reason=reason))["restatement_reason"] == "not stated"


def test_reason_without_a_restatement_is_not_kept(build: Build) -> None:
    assert build.manifest(build.publish(reason="First one."))["restatement_reason"] is None


def test_supersedes_names_the_end_of_the_chain(build: Build) -> None:
    ids: list[str] = []
    for version in ("code-1", "code-2", "code-3"):
        build.set_context(code_version=version)
        row = build.publish()
        assert row["supersedes"] == (ids[-1] if ids else None)
        ids.append(row["release_id"])
    build.set_context(as_of_date="2026-01-31")
    assert build.publish()["supersedes"] is None


def test_superseded_release_built_again_does_not_take_current_back(build: Build) -> None:
    first = build.publish()
    build.set_context(code_version="code-2")
    second = build.publish()
    build.set_context(code_version="code-1")
    assert build.publish() == first
    assert os.readlink(build.current) == build.folder(second).name


def test_later_as_of_date_moves_current_and_an_earlier_one_does_not(build: Build) -> None:
    build.publish()
    build.set_context(as_of_date="2026-01-31")
    newest = build.publish()
    assert os.readlink(build.current) == build.folder(newest).name
    build.set_context(as_of_date="2025-11-30")
    past = build.publish()
    assert build.folder(past).is_dir()
    assert os.readlink(build.current) == build.folder(newest).name
    build.set_context(as_of_date="2025-12-31", code_version="code-2")
    restated = build.publish()
    assert restated["supersedes"] is not None
    assert os.readlink(build.current) == build.folder(newest).name


def test_several_ends_of_a_chain_are_decided_by_current() -> None:
    published = {
        name: {"as_of_date": "2025-12-31", "supersedes": supersedes}
        for name, supersedes in [("a" * 12, None), ("b" * 12, "a" * 12), ("c" * 12, "a" * 12)]
    }
    as_of = date(2025, 12, 31)
    assert folders.newest_release(published, as_of, None) == "c" * 12
    assert folders.newest_release(published, as_of, Path("2025-12-31-" + "b" * 12)) == "b" * 12
    assert folders.newest_release(published, as_of, Path("2025-12-31-" + "a" * 12)) == "c" * 12
    assert folders.newest_release(published, date(2026, 1, 31), None) is None


def test_current_that_points_to_a_deleted_release_is_replaced(build: Build) -> None:
    build.releases.mkdir()
    build.current.symlink_to("2099-12-31-" + "0" * 12)
    row = build.publish()
    assert os.readlink(build.current) == build.folder(row).name


def test_current_that_is_no_release_is_refused_before_anything_is_written(build: Build) -> None:
    build.current.mkdir(parents=True)
    with pytest.raises(ReleaseRefused, match="is not a link to a release"):
        build.publish()
    build.current.rmdir()
    (build.releases / "mine").mkdir()
    build.current.symlink_to("mine")
    with pytest.raises(ReleaseRefused, match="points to 'mine', which is no release"):
        build.publish()
    assert build.entries() == ["current", "mine"]


# Checks of the written files


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            "update published.funnel_conversion set conversion_rate = 1.2 where n >= 100",
            "funnel_conversion.conversion_rate: 2 rows outside [0, 1], for example 1.2",
        ),
        (
            "update published.funnel_conversion set conversion_low = -0.1 where n = 100",
            "funnel_conversion.conversion_low: 1 rows outside [0, 1], for example -0.1",
        ),
        (
            "update published.funnel_conversion set imputed_share = 'nan' where n = 100",
            "funnel_conversion.imputed_share: 1 rows outside [0, 1], for example nan",
        ),
        (
            "update published.segment_scorecards set high = 1.5 where metric = 'win_rate' and n = 140",
            "segment_scorecards.high: 1 rows outside [0, 1], for example 1.5",
        ),
        (
            "update published.funnel_conversion set conversion_rate = 0.14 where n = 7",
            "funnel_conversion.conversion_rate: 1 suppressed rows carry a value, for example ***",
        ),
        (
            "update published.segment_scorecards set value = 0.14 where n = 12",
            "segment_scorecards.value: 1 suppressed rows carry a value, for example ***",
        ),
        (
            "update published.pipeline_velocity set evidence = 'suppressed'",
            "pipeline_velocity.velocity_high: 1 suppressed rows carry a value, for example ***",
        ),
        (
            "update published.funnel_conversion set segment = 'jane.roe@example.com' where n = 7",
            "funnel_conversion.segment: 1 rows hold an e-mail address, for example j***@e***",
        ),
        (
            "update published.funnel_conversion set segment = '+44 20 7946 0958' where n >= 100",
            "funnel_conversion.segment: 2 rows hold a phone number, for example +4* ** **** ****",
        ),
        (
            "alter table published.segment_scorecards add column contact_name varchar",
            "segment_scorecards.contact_name: 0 values in a column named like personal data, for example ***",
        ),
        (
            "update published.gate_results set detail = 'Unknown owner j@e.org.' where subject = 'people'",
            "gate_report.csv: an e-mail address, for example j***@e***",
        ),
    ],
)
def test_written_release_that_fails_a_check_is_refused_and_removed(build: Build, change: str, problem: str) -> None:
    build.run(change)
    with pytest.raises(ReleaseRefused) as raised:
        build.publish()
    assert f"\n- {problem}\n" in str(raised.value)
    assert "example.com" not in str(raised.value)
    assert build.entries() == []


def test_numbers_that_are_no_rates_may_leave_zero_to_one(build: Build) -> None:
    """Amounts, contributions to a change, and a scorecard's value in a currency."""
    row = build.publish()
    with duckdb.connect(str(build.folder(row) / "demo.duckdb"), read_only=True) as database:
        assert database.sql("select win_rate_effect from published.pipeline_velocity").fetchall() == [(-35.5,)]
        assert database.sql("select max(value) from published.segment_scorecards").fetchall() == [(52000.5,)]


def test_review_with_an_email_address_is_refused(build: Build) -> None:
    with pytest.raises(ReleaseRefused, match=r"review\.html: an e-mail address, for example j\*\*\*@e\*\*\*"):
        build.publish(render_review=lambda _: "<p>Ask jane&#64;example.com</p>")
    assert build.entries() == []


def test_reason_with_an_email_address_is_refused(build: Build) -> None:
    build.publish()
    before = build.entries()
    build.set_context(code_version="code-2")
    with pytest.raises(ReleaseRefused, match=r"manifest\.json: an e-mail address"):
        build.publish(reason="Asked for by jane@example.com")
    assert build.entries() == before


def test_files_that_do_not_hold_what_was_built_are_refused(build: Build, monkeypatch: pytest.MonkeyPatch) -> None:
    """A copy that loses a row must not become a release."""
    write = folders.write_manifest

    def write_after_loss(folder: Path, manifest: Mapping[str, Any]) -> None:
        with duckdb.connect(str(folder / "demo.duckdb")) as database:
            database.execute("delete from published.funnel_conversion where n = 7")
        write(folder, manifest)

    monkeypatch.setattr(folders, "write_manifest", write_after_loss)
    with pytest.raises(ReleaseRefused, match="table funnel_conversion: 2 rows, the manifest says 3"):
        build.publish()
    assert build.entries() == []


def test_review_that_cannot_be_rendered_leaves_nothing(build: Build) -> None:
    def fail(_: Mapping[str, pandas.DataFrame]) -> str:
        raise RuntimeError("no chart")

    with pytest.raises(RuntimeError, match="no chart"):
        build.publish(render_review=fail)
    assert build.entries() == []
    assert build.folder(build.publish()).is_dir()


# Personal data in text


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("jane.roe+crm@mail.example.co.uk", "jane.roe+crm@mail.example.co.uk"),
        ("Owner: <jane@example.com>, EMEA", "jane@example.com"),
        ("mailto:jane%40example.com", "jane@example.com"),
        ("jane&#x40;example.com", "jane@example.com"),
        ("jörg@müller.de", "jörg@müller.de"),
        ("x" * 100_000 + "@example.com", "x" * 64 + "@example.com"),
    ],
)
def test_email_addresses_are_found(text: str, found: str) -> None:
    assert find_email(text) == found


@pytest.mark.parametrize(
    "text",
    [
        "@acme",
        "3 deals @ 4,000 each",
        "@media print { color: black }",
        "vega@5",
        "p50@2025-12-31",
        "a@b",
        "R&D",
        "",
    ],
)
def test_other_uses_of_at_are_no_email_addresses(text: str) -> None:
    assert find_email(text) is None


@pytest.mark.parametrize(
    "text",
    [
        "+49 171 2345678",
        "+491712345678",
        "+49.1712345678",
        "+1 (555) 123-4567",
        "(555) 123-4567",
        "555-123-4567",
        "555.123.4567",
        "555-1234567",
        "555 123 4567 x89",
        "Tel.0171/2345678",
        "0171-2345678",
        "01 23 45 67 89",
        "01.23.45.67.89",
        "01/23/45/67/89",
        "912 345 678",
        "555\u2011123\u20114567",
        "555\u00a0123\u00a04567",
        "Call 555-123-4567 before 2025-12-31",
        "555-123-4567 555-123-4568",
        "2025-12-31 +44 20 7946 0958",
    ],
)
def test_phone_numbers_are_found(text: str) -> None:
    assert find_phone(text) is not None
    with duckdb.connect(":memory:") as database:
        assert database.execute("select regexp_matches(?, ?)", [text, PHONE_CANDIDATE]).fetchall() == [(True,)]


@pytest.mark.parametrize(
    "text",
    [
        "2025-12-31",
        "2025-12-31 10:30:00.123456",
        "2025-12-31T10:30:00.123+02:00",
        "2025-12-31 10",
        "2025-10-01 - 2025-12-31",
        "2025-01/2025-12 of 2024-01/2024-12",
        "12/31/2025 10:30",
        "31.12.2025 10:30",
        "2025-12-a1b2c3d4e5f6",
        "2025-12-123456789012",
        "9e107d9d372bb6826bd81d3542a419d6",
        "1234567890",
        "123456789012345678",
        "006Hs00001ABCdeIAF",
        "0061234567890123AA",
        "550e8400-e29b-41d4-a716-446655440000",
        "55018400-1234-4567-8901-446655440abc",
        "12345678-1234-1234-1234-123456789012",
        "OPP-000-123-456",
        "acct_000-123-456",
        "12345678.90",
        "+1234567.89",
        "-1234567.891",
        "0.123456789",
        "1.23456789e-05",
        "1,234,567,890.12",
        "1 234 567.89",
        "123.456.789,00",
        "10000-49999",
        "50000\u2013100000",
        "from 1200000 - 3456789 USD",
        "0.1234-0.56789",
        "12345/67890",
        "555-1234",
        "n = 12, 34, 56, 78, 90",
        "",
    ],
)
def test_dates_ids_hashes_and_numbers_are_no_phone_numbers(text: str) -> None:
    assert find_phone(text) is None
    assert find_email(text) is None


def test_ids_dates_and_bands_are_published(build: Build) -> None:
    build.run(
        """
        create table published.lead_scores as
        select '006Hs00001ABCdeIAF' as person_id, '550e8400-e29b-41d4-a716-446655440000' as account_id,
            '9e107d9d372bb6826bd81d3542a419d6' as model_version, '10000-49999' as segment,
            'Between 2025-01-01 and 2025-12-31: 12345678.90 USD.' as reason, 4::bigint as email_count
        """
    )
    build.tables["lead_scores"] = "published.lead_scores"
    assert verify(build.folder(build.publish())) == []


@pytest.mark.parametrize(
    ("column", "personal"),
    [
        ("email", True),
        ("Email", True),
        ("e_mail", True),
        ("owner_email_address", True),
        ("phone_number", True),
        ("telephone", True),
        ("first_name", True),
        ("LastName", True),
        ("full_name", True),
        ("contact_name", True),
        ("owner_name", False),
        ("account_name", False),
        ("model_name", False),
        ("email_count", False),
        ("is_email_known", False),
        ("phone_share", False),
        ("segment", False),
    ],
)
def test_column_names(column: str, personal: bool) -> None:
    assert is_personal_name(column) is personal


def test_examples_are_masked() -> None:
    assert masked("jane.roe@example.com") == "j***@e***"
    assert masked("+49 171 2345678") == "+4* *** *******"
    assert masked("(555) 123-4567") == "(5**) ***-****"


# Killed and concurrent runs

KILLED = """
import os, sys
from pathlib import Path
sys.path.insert(0, sys.argv[2])
from test_release import Build
from segment_signals.release import folders
import duckdb

if sys.argv[3] == "writing":
    render = lambda frames: os._exit(9)
else:
    render = lambda _: "<html></html>"
    folders.settle_current = lambda *arguments: os._exit(9)
project = Path(sys.argv[1])
Build(duckdb.connect(str(project / "build.duckdb")), project).publish(render_review=render)
"""


def publish_and_die(build: Build, when: str) -> None:
    """Publish in another process, which dies without unwinding."""
    build.connection.close()
    here = Path(__file__).parent
    package_root = Path(segment_signals.__file__).parents[1]
    done = subprocess.run(
        [sys.executable, "-c", KILLED, str(build.project_dir), str(here), when],
        env={**os.environ, "PYTHONPATH": str(package_root)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 9, done.stderr
    build.connection = duckdb.connect(str(build.project_dir / "build.duckdb"))


def test_killed_while_writing_leaves_no_release_and_is_cleaned_up(build: Build) -> None:
    publish_and_die(build, "writing")
    [left] = build.entries()
    assert left.startswith(".tmp-")
    row = build.publish()
    assert build.entries() == [build.folder(row).name, "current"]


def test_killed_between_rename_and_current_is_healed(build: Build) -> None:
    publish_and_die(build, "switching")
    [left] = build.entries()
    assert left.startswith("2025-12-31-")
    row = build.publish(render_review=lambda _: "<html></html>")
    assert build.folder(row).name == left
    assert os.readlink(build.current) == left


def test_only_our_leftovers_are_removed(build: Build) -> None:
    build.releases.mkdir()
    (build.releases / ".tmp-0123456789ab-0a1b2c3d").mkdir()
    (build.releases / ".tmp-0123456789ab-0a1b2c3d" / "demo.duckdb").write_text("half")
    (build.releases / ".tmp-current-0a1b2c3d").symlink_to("2025-12-31-" + "0" * 12)
    (build.releases / "notes").mkdir()
    (build.releases / "tmp-mine").mkdir()
    (build.releases / ".tmp-notes.txt").write_text("mine")
    row = build.publish()
    assert build.entries() == [".tmp-notes.txt", build.folder(row).name, "current", "notes", "tmp-mine"]


@pytest.mark.parametrize("has_flock", [True, False])
def test_second_publish_is_refused_while_the_first_one_holds_the_lock(
    build: Build, monkeypatch: pytest.MonkeyPatch, has_flock: bool
) -> None:
    if not has_flock:
        monkeypatch.setattr(folders, "fcntl", None)
    monkeypatch.setattr(folders, "LOCK_WAIT_SECONDS", 0.2)
    build.releases.mkdir()
    with (
        folders.releases_lock(build.releases, 0.0),
        pytest.raises(ReleaseRefused, match=r"Another publish holds releases/\.publish\.lock \(waited 0\.2 s\)"),
    ):
        build.publish()
    assert build.folder(build.publish()).is_dir()


def test_second_publish_waits_for_the_first_one(build: Build) -> None:
    build.releases.mkdir()
    held = threading.Event()

    def hold() -> None:
        with folders.releases_lock(build.releases, 0.0):
            held.set()
            time.sleep(0.3)

    first = threading.Thread(target=hold)
    first.start()
    assert held.wait(5.0)
    row = build.publish()
    first.join()
    assert build.folder(row).is_dir()


# verify


def tampered(build: Build) -> Path:
    """A published release whose files can be written."""
    folder = build.folder(build.publish())
    for path in folder.rglob("*"):
        if path.is_file():
            path.chmod(0o644)
    return folder


def test_verify_finds_changed_values_in_the_database(build: Build) -> None:
    folder = tampered(build)
    with duckdb.connect(str(folder / "demo.duckdb")) as database:
        database.execute("update published.funnel_conversion set conversion_rate = 0.26 where n = 100")
    assert verify(folder) == ["demo.duckdb, table funnel_conversion: the values are not those of the manifest."]


def test_verify_finds_lost_rows_dropped_and_added_tables(build: Build) -> None:
    folder = tampered(build)
    with duckdb.connect(str(folder / "demo.duckdb")) as database:
        database.execute("delete from published.funnel_conversion where n = 7")
        database.execute("drop table published.pipeline_velocity")
        database.execute("create view everyone as select 1 as x")
        database.execute("alter table published.gate_results drop column detail")
        database.execute("update published.release set code_version = 'code-9'")
    assert verify(folder) == [
        "demo.duckdb has no table pipeline_velocity.",
        "demo.duckdb: table main.everyone is not part of the release.",
        "demo.duckdb, table funnel_conversion: 2 rows, the manifest says 3.",
        "demo.duckdb, table gate_results: the columns are not those of the manifest.",
        "demo.duckdb, table release: the row is not that of the manifest.",
    ]


def test_verify_finds_changed_files(build: Build) -> None:
    folder = tampered(build)
    (folder / "review.html").write_text("<html>better numbers</html>")
    (folder / "gate_report.csv").unlink()
    (folder / "notes.txt").write_text("mine")
    with duckdb.connect(":memory:") as database:
        path = folder / "parquet" / "segment_scorecards.parquet"
        database.execute(f"create table t as select * replace (n + 1 as n) from '{path}'")
        database.execute(f"copy t to '{path}' (format parquet)")
    (folder / "parquet" / "release.parquet").write_bytes(b"not parquet")
    problems = verify(folder)
    assert problems[:4] == [
        "gate_report.csv is missing.",
        "notes.txt is not part of the release.",
        "review.html was changed after the release was written.",
        "parquet/segment_scorecards.parquet: the values are not those of the manifest.",
    ]
    assert len(problems) == 5
    assert problems[4].startswith("parquet/release.parquet cannot be read: ")


def test_verify_finds_a_changed_manifest(build: Build) -> None:
    folder = tampered(build)
    path = folder / "manifest.json"
    manifest = json.loads(path.read_text(encoding="utf-8"))
    manifest["tables"]["funnel_conversion"]["content_hash"] = "0" * 64
    manifest["input_hash"] = "inputs-9"
    path.write_text(json.dumps(manifest), encoding="utf-8")
    problems = verify(folder)
    assert "manifest.json: release_id does not follow from its inputs, definitions, code and as-of date." in problems
    assert "manifest.json: content_hash does not follow from the tables' hashes." in problems
    assert "demo.duckdb, table release: the row is not that of the manifest." in problems


def test_verify_finds_a_renamed_folder(build: Build) -> None:
    folder = build.folder(build.publish())
    other = folder.with_name("2026-01-31-" + folder.name[11:])
    folder.rename(other)
    assert verify(other) == [f"The folder is named {other.name}, its manifest.json says {folder.name}."]


def test_verify_says_what_is_no_release(build: Build, tmp_path: Path) -> None:
    assert verify(tmp_path / "nothing") == [
        "nothing has no readable manifest.json: it is no release, or a damaged one."
    ]
    folder = tampered(build)
    (folder / "manifest.json").write_text("{}", encoding="utf-8")
    [problem] = verify(folder)
    assert problem.startswith("manifest.json does not have the shape of a release's manifest (KeyError")
    (folder / "manifest.json").write_text("[]", encoding="utf-8")
    assert len(verify(folder)) == 1


def test_verify_finds_an_unreadable_database(build: Build) -> None:
    folder = tampered(build)
    (folder / "demo.duckdb").write_bytes(b"not a database" * 1000)
    [problem] = verify(folder)
    assert problem.startswith("demo.duckdb cannot be read: ")


def test_verify_finds_another_storage_version(build: Build) -> None:
    folder = tampered(build)
    (folder / "demo.duckdb").rename(folder.parent / "old.duckdb")
    with duckdb.connect(":memory:") as database:
        database.execute(f"attach '{folder.parent / 'old.duckdb'}' as old (read_only)")
        database.execute(f"attach '{folder / 'demo.duckdb'}' as new (storage_version 'v1.2.0')")
        database.execute("copy from database old to new")
    [problem] = verify(folder)
    assert problem.startswith("demo.duckdb has storage version v1.2.0")


def test_both_refusals_are_release_errors() -> None:
    assert issubclass(ReleaseBlocked, ReleaseError)
    assert issubclass(ReleaseRefused, ReleaseError)
