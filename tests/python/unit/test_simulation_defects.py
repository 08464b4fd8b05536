"""The dirty world: every defect of the catalogue at its planted rate, every hit told, nothing else changed."""

from __future__ import annotations

import gzip
import json
import math
from collections.abc import Iterator
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from segment_signals.simulation import load_scenario, write_dataset
from segment_signals.simulation.parameters import Defects

SEED = 3


class Dirty:
    """The dirty world beside the same world without defects; views are named clean_<table> and dirty_<table>."""

    def __init__(self, clean: Path, dirty: Path) -> None:
        self.folder, self.connection = dirty, duckdb.connect()
        for prefix, folder in (("clean", clean), ("dirty", dirty)):
            for path in folder.rglob("*.csv.gz"):
                name = path.name.split(".")[0]
                file, options = path, ""
                content = gzip.decompress(path.read_bytes())
                if prefix == "dirty" and name in ("Campaign", "touches"):
                    text = content.decode("utf-16" if name == "Campaign" else "windows-1252")
                    file = folder / f"{name}.utf8.csv"
                    file.write_text(text, encoding="utf-8")
                delimiters = {"Account": ";", "customer": "\t"} if prefix == "dirty" else {}
                options = f", delim = '{delimiters.get(name, ',')}'"
                self.connection.execute(
                    f"create view {prefix}_{path.parent.name}_{name} as "
                    f"select * from read_csv('{file}', all_varchar = true, header = true{options})"
                )
            for path in (folder / "truth").glob("*.parquet"):
                self.connection.execute(f"create view {prefix}_truth_{path.stem} as select * from '{path}'")
        self.truth: dict[str, Any] = json.loads((dirty / "truth" / "truth.json").read_text("utf-8"))

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def value(self, sql: str) -> Any:
        ((value,),) = self.rows(sql)
        return value

    def hits(self, defect: str, table: str) -> str:
        return f"(select record_id from dirty_truth_defects where defect = '{defect}' and table_name = '{table}')"


@pytest.fixture(scope="module")
def worlds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Dirty]:
    folder = tmp_path_factory.mktemp("worlds")
    # No incidences: they are not looked at here.
    dirty = replace(load_scenario("dirty"), truth_limit=0)
    write_dataset(replace(dirty, defects=Defects()), SEED, folder / "clean")
    write_dataset(dirty, SEED, folder / "dirty")
    found = Dirty(folder / "clean", folder / "dirty")
    yield found
    found.connection.close()


def test_every_defect_of_the_catalogue_is_planted_at_its_rate(worlds: Dirty) -> None:
    planted = load_scenario("dirty").defects
    names = {field.name for field in fields(Defects) if field.type in (float, "float")}
    assert all(getattr(planted, name) > 0.0 for name in names)
    found = worlds.truth["defects"]
    assert {item["defect"] for item in found} == names
    for item in found:
        rate, eligible, realised = item["planted"], item["eligible"], item["realised"]
        if item["table"] == "salesforce/OpportunityHistory" and item["defect"] != "other_time_zone":
            assert realised == eligible, "as many as the opportunities have"
            continue
        assert abs(realised - rate * eligible) <= 4 * math.sqrt(rate * (1 - rate) * eligible) + 1, item
        # A step from MQL to SQL that changes its order hits two rows.
        assert realised > 0, item
    assert worlds.value("select count(*) from dirty_truth_defects") == sum(item["realised"] for item in found)


def test_a_record_has_one_defect_of_its_table_at_most(worlds: Dirty) -> None:
    assert (
        worlds.rows(
            """
            select table_name, record_id from dirty_truth_defects
            where defect not in ('duplicate_rows')
            group by all having count(*) > 1
            """
        )
        == []
    )


def test_rows_without_a_defect_are_as_in_the_clean_world(worlds: Dirty) -> None:
    assert worlds.value("select count(*) from clean_salesforce_Lead") > 5000
    for source, table, key in (
        ("salesforce", "Account", "Id"),
        ("salesforce", "Contact", "Id"),
        ("salesforce", "Lead", "Id"),
        ("salesforce", "LeadHistory", "Id"),
        ("salesforce", "Opportunity", "Id"),
        ("salesforce", "OpportunityHistory", "Id"),
        ("salesforce", "Task", "Id"),
        ("hubspot", "contact", "id"),
        ("stripe", "subscription", "id"),
    ):
        clean, dirty = f"clean_{source}_{table}", f"dirty_{source}_{table}"
        hit = f"(select record_id from dirty_truth_defects where table_name = '{table}')"
        assert worlds.rows(f"select * from {clean} where {key} not in {hit} except select * from {dirty}") == []
        assert worlds.rows(f"select * from {dirty} where {key} not in {hit} except select * from {clean}") == []
        # Whatever was hit differs, duplicates of rows aside.
        changed = (
            f"(select record_id from dirty_truth_defects where table_name = '{table}' and column_name is not null)"
        )
        same = f"select * from {dirty} where {key} in {changed} intersect select * from {clean}"
        assert worlds.rows(same) == [], table
        added = worlds.value(
            f"select count(*) from dirty_truth_defects where table_name = '{table}' and of_record_id is not null"
        )
        before, after = (worlds.value(f"select count(*) from {view}") for view in (clean, dirty))
        assert after == before + added


def test_what_was_written_is_told(worlds: Dirty) -> None:
    for table, defect, column in worlds.rows(
        "select distinct table_name, defect, column_name from dirty_truth_defects where written is not null "
        "and column_name not like '%Date' and column_name <> 'Amount'"
    ):
        source = {"contact": "hubspot", "subscription": "stripe"}.get(table, "salesforce")
        key = "Id" if source == "salesforce" else "id"
        different = worlds.value(
            f"""
            select count(*) from dirty_{source}_{table} as d
            inner join dirty_truth_defects as t on d.{key} = t.record_id
            where t.table_name = '{table}' and t.defect = '{defect}' and t.column_name = '{column}'
                and d.{column} is distinct from t.written
            """
        )
        assert different == 0, (table, defect, column)


def test_duplicates_are_the_same_subject(worlds: Dirty) -> None:
    for defect, view, kind, truth, subject in (
        ("duplicate_leads", "salesforce_Lead", "lead", "people", "person"),
        ("duplicate_contacts", "hubspot_contact", "contact", "people", "person"),
        ("duplicate_accounts", "salesforce_Account", "account", "companies", "company"),
    ):
        source = view.split("_")[0]
        pairs, same = worlds.rows(
            f"""
            select count(*), count(*) filter (where a.{subject} = b.{subject})
            from dirty_truth_defects as d
            inner join dirty_truth_{truth} as a
                on d.record_id = a.record_id and a.source = '{source}' and a.record_type = '{kind}'
            inner join dirty_truth_{truth} as b
                on d.of_record_id = b.record_id and b.source = '{source}' and b.record_type = '{kind}'
            where d.defect = '{defect}'
            """
        )[0]
        assert pairs == same > 30
    addresses = worlds.rows(
        """
        select count(*), count(*) filter (where upper(b.Email) = a.Email and b.CreatedDate < a.CreatedDate)
        from dirty_truth_defects as d
        inner join dirty_salesforce_Lead as a on d.record_id = a.Id
        inner join clean_salesforce_Lead as b on d.of_record_id = b.Id
        where d.defect = 'duplicate_leads'
        """
    )
    assert addresses[0][0] == addresses[0][1]


@pytest.mark.parametrize(
    ("defect", "child", "column", "parent", "key"),
    [
        ("orphan_account", "salesforce_Opportunity", "AccountId", "salesforce_Account", "Id"),
        ("orphan_lead_history", "salesforce_LeadHistory", "LeadId", "salesforce_Lead", "Id"),
        ("orphan_subscription", "stripe_subscription", "customer_id", "stripe_customer", "id"),
        ("owner_gone", "salesforce_Opportunity", "OwnerId", "salesforce_User", "Id"),
        ("owner_gone", "salesforce_Lead", "OwnerId", "salesforce_User", "Id"),
    ],
)
def test_orphans_are_those_told(worlds: Dirty, defect: str, child: str, column: str, parent: str, key: str) -> None:
    own = "id" if child.startswith("stripe") else "Id"
    found = worlds.rows(
        f"select distinct {own} from dirty_{child} where {column} is not null "
        f"and {column} not in (select {key} from dirty_{parent})"
    )
    told = worlds.rows(f"select distinct * from {worlds.hits(defect, child.split('_')[1])}")
    # Duplicate rows repeat what they are copies of.
    assert set(found) == set(told)


def test_dates_that_cannot_be(worlds: Dirty) -> None:
    early = worlds.rows(
        """
        select Id from dirty_salesforce_Opportunity where IsClosed = 'true' and CloseDate < left(CreatedDate, 10)
        """
    )
    assert set(early) == set(worlds.rows(worlds.hits("close_before_create", "Opportunity")[1:-1]))
    history = worlds.value(
        """
        select count(distinct o.Id) from dirty_salesforce_Opportunity as o
        inner join dirty_salesforce_OpportunityHistory as h on h.OpportunityId = o.Id
        where h.StageName in ('Closed Won', 'Closed Lost')
            and h.CreatedDate :: timestamptz < o.CreatedDate :: timestamptz
        """
    )
    assert history == len(set(early))
    agreeing = worlds.value(
        f"""
        select count(*) from (select distinct Id, CloseDate from dirty_salesforce_Opportunity) as o
        inner join dirty_salesforce_OpportunityHistory as h
            on h.OpportunityId = o.Id and h.CloseDate = o.CloseDate and left(h.CreatedDate, 10) = o.CloseDate
        where h.Id in {worlds.hits("close_before_create", "OpportunityHistory")}
        """
    )
    assert agreeing == history
    late = worlds.rows("select Id from dirty_salesforce_Lead where CreatedDate > '2026'")
    assert set(late) == set(worlds.rows(worlds.hits("future_created", "Lead")[1:-1]))
    late = worlds.rows("select Id from dirty_salesforce_Opportunity where CreatedDate > '2026'")
    assert set(late) == set(worlds.rows(worlds.hits("future_created", "Opportunity")[1:-1]))
    assert "as_of_date: 2025-12-31\n" in (worlds.folder / "mapping.yml").read_text()


def test_moments_in_other_time_zones_are_the_same_moments(worlds: Dirty) -> None:
    worlds.connection.execute("set timezone = 'UTC'")
    for table in ("LeadHistory", "OpportunityHistory"):
        moved, same, total = worlds.rows(
            f"""
            select
                count(*) filter (where d.CreatedDate <> c.CreatedDate),
                count(*) filter (where d.CreatedDate :: timestamptz = c.CreatedDate :: timestamptz), count(*)
            from dirty_salesforce_{table} as d inner join clean_salesforce_{table} as c on d.Id = c.Id
            where d.Id in {worlds.hits("other_time_zone", table)}
            """
        )[0]
        assert moved == same == total > 500


def test_files_with_surprises(worlds: Dirty) -> None:
    folder = worlds.folder
    assert gzip.decompress((folder / "salesforce/Campaign.csv.gz").read_bytes())[:2] in (b"\xff\xfe", b"\xfe\xff")
    assert worlds.value("select count(*) from dirty_salesforce_Campaign where Name like '%é%'") > 0
    assert worlds.value("select count(*) from dirty_marketing_touches where page like '%é%'") > 0
    with pytest.raises(UnicodeDecodeError):
        gzip.decompress((folder / "marketing/touches.csv.gz").read_bytes()).decode("utf-8")
    assert gzip.decompress((folder / "salesforce/Account.csv.gz").read_bytes()).startswith(b"Id;IsDeleted;Name;")
    mapping = yaml.safe_load((folder / "mapping.yml").read_text("utf-8"))
    assert mapping["entities"]["touches"]["encoding"] == "windows-1252"


def test_the_truth_is_that_of_the_clean_world(worlds: Dirty) -> None:
    for name in ("journeys", "opportunities", "customers", "subscriptions"):
        clean, dirty = f"clean_truth_{name}", f"dirty_truth_{name}"
        assert worlds.rows(f"(select * from {clean} except select * from {dirty}) limit 1") == []
        assert worlds.rows(f"(select * from {dirty} except select * from {clean}) limit 1") == []
