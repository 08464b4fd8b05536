"""What reaches the releases folder, and what does not: blocked gates, repeated builds, thin inputs."""

from pathlib import Path

import duckdb
import pytest
from conftest import Build, dataset

pytestmark = pytest.mark.long  # each test runs whole builds

HEADER = "id,stage,created,closed,amount\n"
OPPORTUNITIES = {
    "file": "deals.csv",
    "columns": {
        "opportunity_id": "id",
        "stage": "stage",
        "created_at": "created",
        "closed_at": "closed",
        "amount": "amount",
    },
}


def deals(count: int, stage: str = "Closed Won") -> str:
    closed = "2025-02-01" if stage.startswith("Closed") else ""
    return HEADER + "".join(
        f"D{number},{stage},2025-01-{1 + number % 28:02d},{closed},100\n" for number in range(count)
    )


def deals_dataset(folder: Path, text: str, **mapping: object) -> Build:
    return dataset(
        folder,
        {"as_of_date": "2025-02-15", "entities": {"opportunities": OPPORTUNITIES}, **mapping},
        {"deals.csv": text},
    )


def released(build: Build) -> list[str]:
    return (
        sorted(path.name for path in build.releases.iterdir() if not path.name.startswith("."))
        if build.releases.exists()
        else []
    )


def current(build: Build) -> str:
    return (build.releases / "current").resolve().name


@pytest.fixture(scope="module")
def good(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return deals_dataset(tmp_path_factory.mktemp("good"), deals(60)).build()


def test_the_same_input_gives_the_same_release(good: Build, tmp_path: Path) -> None:
    before = released(good)
    good.build(data_tests=False)
    assert released(good) == before

    elsewhere = good.build(data_tests=False, build_dir=str(tmp_path), releases_dir=str(tmp_path / "releases"))
    manifest = (
        Path(tmp_path) / "releases" / str(elsewhere.variables["dataset"]) / "current" / "manifest.json"
    ).read_text()
    assert manifest == (good.releases / "current" / "manifest.json").read_text()


def test_amounts_without_a_named_currency_are_in_the_reporting_one_and_flagged(good: Build) -> None:
    assert good.rows("select sum(amount), count(*) filter (where is_assumed_currency) from core.opportunities") == [
        (6000, 60)
    ]
    assert good.rows(
        "select check_name, status, defect_count from gates.gate_results "
        "where subject = 'opportunities.currency' order by check_name"
    ) == [("assumed_currency", "flagged", 60), ("currency_coverage", "pass", 0)]


def test_inputs_that_changed_after_they_were_read_are_not_published(good: Build) -> None:
    text = (good.folder / "deals.csv").read_text()
    (good.folder / "deals.csv").write_text(text + "LATE,Closed Won,2025-01-05,2025-02-01,100\n")
    try:
        # Without run_context nothing tells the build that the files are others now.
        ran = good.dbt("run", "--select", "release")
        assert ran.returncode == 1
        assert "The input files changed since they were read: run `dbt build` again." in ran.stdout
    finally:
        (good.folder / "deals.csv").write_text(text)


def test_another_dataset_does_not_move_current(good: Build, tmp_path: Path) -> None:
    was = current(good)
    other = deals_dataset(tmp_path / "other", deals(30), releases_dir=good.variables["releases_dir"]).build(
        data_tests=False
    )
    assert current(good) == was
    assert current(other) != was


def test_an_earlier_as_of_date_is_released_beside_and_current_stays(good: Build) -> None:
    was = current(good)
    good.build(data_tests=False, as_of_date="2025-01-31")
    assert current(good) == was
    assert any(name.startswith("2025-01-31-") for name in released(good))
    # On 31 January every deal was still open.
    assert good.rows("select count(*) from core.journeys where won_date is not null") == [(0,)]


@pytest.mark.parametrize(("name", "text"), [("empty", HEADER), ("one", deals(1)), ("open", deals(150, "Prospecting"))])
def test_thin_inputs_build(name: str, text: str, tmp_path: Path) -> None:
    built = deals_dataset(tmp_path / name, text).build()
    with duckdb.connect(str(built.releases / "current" / f"{name}.duckdb"), read_only=True) as release:
        types = {
            table: [column[1] for column in release.execute(f"describe published.{table}").fetchall()]
            for table in ("funnel_conversion", "segment_scorecards", "pipeline_velocity")
        }
        assert "NULL" not in {kind for kinds in types.values() for kind in kinds}
        shown = release.execute(
            "select count(*) from published.funnel_conversion where conversion_rate is not null"
        ).fetchall()
        rates = release.execute(
            "select distinct conversion_rate, conversion_low from published.funnel_conversion"
        ).fetchall()
        velocity = release.execute(
            "select count(*) from published.pipeline_velocity where velocity_per_day is not null"
        ).fetchall()
    assert velocity == [(0,)]
    if name == "open":
        # 150 deals followed for 18 to 45 days, none of them closed: at 30 days a rate of 0 with an interval.
        assert {rate for rate, _ in rates} == {0.0, None}
        assert shown[0][0] > 0
    else:
        assert shown == [(0,)]


def test_no_file_at_all_stops_before_anything_is_built(tmp_path: Path) -> None:
    build = deals_dataset(tmp_path / "nothing", HEADER)
    (build.folder / "deals.csv").unlink()
    done = build.dbt("build")
    assert done.returncode == 1 or done.returncode == 2
    assert "deals.csv" in done.stdout
    assert "create" not in done.stdout.lower().split("on-run-start")[-1]
    assert not build.releases.exists()


def test_an_empty_verdict_counts_as_blocked(good: Build) -> None:
    with duckdb.connect(str(good.database)) as connection:
        connection.execute("create or replace table gates.kept as from gates.gate_results")
        connection.execute("update gates.gate_results set status = null where check_name = 'rates_in_range'")
    try:
        assert good.dbt("test", "--select", "gates_let_publish").returncode == 1
        ran = good.dbt("run", "--select", "published__gate_results", "release")
        assert ran.returncode == 1
        assert "ReleaseBlocked" in ran.stdout
    finally:
        with duckdb.connect(str(good.database)) as connection:
            connection.execute("create or replace table gates.gate_results as from gates.kept; drop table gates.kept")


def test_a_blocked_gate_publishes_nothing_and_keeps_the_last_release(good: Build) -> None:
    before, was = released(good), current(good)
    text = (good.folder / "deals.csv").read_text()
    # Half of the deals are in a stage that nobody mapped: stage_coverage blocks beyond 5 %.
    (good.folder / "deals.csv").write_text(text.replace("Closed Won,2025-01-0", "Dreaming,2025-01-0"))
    try:
        built = good.dbt("build")
        assert built.returncode == 1
        assert "BLOCKED raw gate, stage_coverage of opportunities.stage: " in built.stdout
        assert "change the threshold in gate_thresholds" in built.stdout
        assert (released(good), current(good)) == (before, was)

        # dbt run has no tests: the release node looks at the gates itself.
        ran = good.dbt("run")
        assert ran.returncode == 1
        assert "ReleaseBlocked" in ran.stdout
        assert (released(good), current(good)) == (before, was)
    finally:
        (good.folder / "deals.csv").write_text(text)
