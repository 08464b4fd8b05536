"""A badly kept world whose every defect is known: what core and the gates find of it, record by record."""

import json
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pandas as pd
import pytest
import yaml
from conftest import PROJECT, Build

pytestmark = pytest.mark.long


# Planted defect and table -> the check and the subject that count it, one for one.
COUNTED = {
    ("close_before_create", "Opportunity"): ("impossible_dates", "opportunities.closed_at"),
    ("converted_before_create", "Lead"): ("impossible_dates", "people.converted_at"),
    ("far_close_date", "Opportunity"): ("future_dates", "opportunities.close_date"),
    ("future_created", "Lead"): ("future_dates", "people.created_at"),
    ("future_created", "Opportunity"): ("future_dates", "opportunities.created_at"),
    ("negative_amount", "Opportunity"): ("negative_amounts", "opportunities.amount"),
    ("huge_amount", "Opportunity"): ("extreme_amounts", "opportunities.amount"),
    ("unknown_currency", "Opportunity"): ("currency_coverage", "opportunities.currency"),
    ("unknown_stage", "Opportunity"): ("stage_coverage", "opportunities.stage"),
    ("unknown_status", "Lead"): ("stage_coverage", "people.status"),
    ("unknown_type", "Opportunity"): ("type_coverage", "opportunities.opportunity_type"),
    ("orphan_account", "Opportunity"): ("unknown_reference", "opportunities.account_id"),
    ("orphan_activity", "Task"): ("unknown_reference", "activities"),
    ("orphan_subscription", "subscription"): ("unknown_reference", "subscriptions.account_id"),
    ("owner_gone", "Lead"): ("unknown_reference", "people.owner_id"),
    ("owner_gone", "Opportunity"): ("unknown_reference", "opportunities.owner_id"),
}
# Told by their own test.
OTHERWISE = {
    *("duplicate_rows", "duplicate_leads", "duplicate_accounts", "duplicate_contacts"),  # identity
    *("orphan_lead_history", "disguised_null", "history_out_of_order"),
    *("other_time_zone", "currency_case"),  # read as what they mean
}
RECORD = {"Lead": "person", "contact": "person", "Account": "account"}


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder: Path = tmp_path_factory.mktemp("dirty") / "world"
    command = [str(Path(sys.executable).with_name("signals")), "simulate", "--scenario", "dirty", "--out", str(folder)]
    subprocess.run(command, cwd=PROJECT, check=True, capture_output=True)
    return folder


@pytest.fixture(scope="module")
def built(world: Path) -> Build:
    mapping = yaml.safe_load((world / "mapping.yml").read_text(encoding="utf-8"))
    build_dir = world.parent / "build"
    build_dir.mkdir()
    build = Build(build_dir, {**mapping, "data_dir": str(world), "build_dir": str(build_dir)})
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("SEGMENT_SIGNALS_EMAIL_KEY", "a key of the test")
        return build.build_models("raw_observations", releases_dir=str(build_dir / "releases"))


@pytest.fixture(scope="module")
def defects(world: Path) -> pd.DataFrame:
    return pd.read_parquet(world / "truth" / "defects.parquet")


@pytest.fixture(scope="module")
def found(built: Build) -> dict[tuple[str, str], int]:
    rows = built.rows("select check_name, subject, defect_count from gates.raw_observations")
    return {(check, subject): count for check, subject, count in rows}


def test_every_defect_is_found_as_often_as_it_was_planted(
    defects: pd.DataFrame, found: dict[tuple[str, str], int]
) -> None:
    planted = Counter(zip(defects["defect"], defects["table_name"], strict=True))
    for (defect, table), check in COUNTED.items():
        assert planted[defect, table] > 0, (defect, table)
        assert found[check] == planted[defect, table], (defect, table)


def test_no_defect_of_the_catalogue_is_left_out(defects: pd.DataFrame) -> None:
    assert set(defects["defect"]) == {defect for defect, _ in COUNTED} | OTHERWISE


def test_disguised_nulls_are_nulls_and_counted(defects: pd.DataFrame, found: dict[tuple[str, str], int]) -> None:
    assert found["disguised_nulls", "dataset"] == (defects["defect"] == "disguised_null").sum()


def test_stage_changes_of_nobody_are_counted(world: Path, built: Build, found: dict[tuple[str, str], int]) -> None:
    # Changes of other fields are no stage changes.
    [(planted,)] = built.rows(
        "select count(*) from raw.salesforce_lead_history as history "
        f"inner join '{world}/truth/defects.parquet' as defects on history.id = defects.record_id "
        "where defects.defect = 'orphan_lead_history' and history.field = 'Status'"
    )
    assert found["unknown_reference", "stage_history.entity_id"] == planted > 0


def test_history_out_of_order_is_flagged(built: Build, world: Path) -> None:
    # Both stamps changed places: the lead went to SQL first, and then back to MQL.
    [(hit, flagged)] = built.rows(
        "select count(*), count(*) filter (where journeys.has_moved_back) from ("
        "select distinct links.person_id from raw.salesforce_lead_history as history "
        f"inner join '{world}/truth/defects.parquet' as defects on history.id = defects.record_id "
        "inner join core.person_links as links "
        "on links.source_person_id = 'salesforce:' || left(history.lead_id, 15) "
        "where defects.defect = 'history_out_of_order') as leads "
        "inner join core.journeys using (person_id)"
    )
    assert flagged == hit > 30


def test_nothing_is_silently_dropped(built: Build, world: Path, found: dict[tuple[str, str], int]) -> None:
    conserved = {subject: count for (check, subject), count in found.items() if check == "row_conservation"}
    assert len(conserved) >= 10
    assert set(conserved.values()) == {0}
    # Every row of every file was read: UTF-16, Windows-1252, semicolons and tabs among them.
    read = dict(built.rows("select source || '/' || table_name, row_count from raw.source_tables where is_present"))
    truth = json.loads((world / "truth" / "truth.json").read_text(encoding="utf-8"))
    written = {name.replace("_", "").lower(): count for name, count in truth["row_counts"].items()}
    native = {name: count for name, count in read.items() if not name.startswith("export/")}
    assert len(native) > 25
    for name, count in native.items():
        assert count == written[name.replace("_", "")], name


@pytest.mark.parametrize(("entity", "truth"), [("person", "people"), ("account", "companies")])
def test_identity_is_resolved(built: Build, world: Path, entity: str, truth: str) -> None:
    # Pairs of records: those put together that belong together, of those put together, and of those that do.
    key = "person" if entity == "person" else "company"
    [(both, joined, same)] = built.rows(
        f"""
        with records as (
            select links.{entity}_id as found, truth.{key} as true_id
            from core.{entity}_links as links
            inner join (
                select *, case source
                    when 'salesforce' then 'salesforce:' || left(record_id, 15)
                    when 'product' then record_id
                    when 'export' then record_id
                    else source || ':' || record_id
                end as record_key
                from '{world}/truth/{truth}.parquet'
            ) as truth on links.source_{entity}_id = truth.record_key
        ),
        pairs as (select sum(n * (n - 1)) as total from (select count(*) as n from records group by found, true_id)),
        found as (select sum(n * (n - 1)) as total from (select count(*) as n from records group by found)),
        true_ones as (select sum(n * (n - 1)) as total from (select count(*) as n from records group by true_id))
        select (select total from pairs), (select total from found), (select total from true_ones)
        """
    )
    assert same > 2000
    assert both / joined >= 0.99
    assert both / same >= 0.98


def test_planted_duplicates_are_one_record(built: Build, defects: pd.DataFrame) -> None:
    for entity in ("person", "account"):
        links = dict(built.rows(f"select source_{entity}_id, {entity}_id from core.{entity}_links"))
        planted = defects[
            defects["defect"].isin(["duplicate_leads", "duplicate_accounts", "duplicate_contacts"])
            & defects["table_name"].map(RECORD).eq(entity)
        ]
        assert len(planted) > 40
        for source, record, of in zip(planted["source"], planted["record_id"], planted["of_record_id"], strict=True):
            cut = 15 if source == "salesforce" else None
            assert links[f"{source}:{record[:cut]}"] == links[f"{source}:{of[:cut]}"], record
    repeated = defects[defects["defect"] == "duplicate_rows"]["table_name"].value_counts()
    for table, entity in (("Account", "accounts"), ("Opportunity", "opportunities")):
        [(count,)] = built.rows(f"select sum(duplicate_count) from staging.stg_salesforce__{entity}")
        assert count == repeated[table]


def test_journeys_without_a_defect_are_the_true_ones(built: Build, world: Path) -> None:
    # Other time zones, repeated rows and records, and words for nothing change no date.
    dates = ("lead", "mql", "sql", "opportunity", "won", "lost")
    differs = " or ".join(f"journeys.{stage}_date is distinct from truth.{stage}_date::date" for stage in dates)
    [(compared, different)] = built.rows(
        f"""
        with hit as (
            select coalesce(history.lead_id, changes.opportunity_id, defects.record_id) as record_id
            from '{world}/truth/defects.parquet' as defects
            left join raw.salesforce_lead_history as history on defects.record_id = history.id
            left join raw.salesforce_opportunity_history as changes on defects.record_id = changes.id
            where defects.defect not in (
                'other_time_zone', 'disguised_null', 'duplicate_rows', 'duplicate_accounts', 'owner_gone',
                'orphan_account', 'currency_case', 'unknown_currency', 'huge_amount', 'negative_amount', 'unknown_type'
            )
            union
            select of_record_id from '{world}/truth/defects.parquet' where of_record_id is not null
        )
        select count(*), count(*) filter (where {differs})
        from '{world}/truth/journeys.parquet' as truth
        inner join core.journeys
            on journeys.journey_id = 'salesforce:' || left(coalesce(truth.lead_id, truth.opportunity_id), 15)
        where not truth.is_recycled
            and coalesce(truth.lead_id, '') not in (select record_id from hit)
            and coalesce(truth.opportunity_id, '') not in (select record_id from hit)
        """
    )
    [(lost_rows,)] = built.rows(
        f"select count(*) from '{world}/truth/defects.parquet' where defect = 'orphan_lead_history'"
    )
    assert compared > 4000
    # What a row of nobody would have told of its lead is lost, and nothing else.
    assert different <= lost_rows
