"""Native sources read into the raw tables: what a catalog lists, however the tools that copied it spell it."""

from __future__ import annotations

import gzip
import hashlib
import hmac
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
import yaml
from segment_signals.sources import replica
from segment_signals.sources.inputs import input_hash
from segment_signals.sources.messages import ExportError
from segment_signals.sources.reader import read_sources

LABEL = "data/acme/mapping.yml"
KEY = "a secret of 27 signs, or so"
SALESFORCE = """\
required_tables: [[lead, opportunity]]
tables:
  lead:
    entity: people
    object_names: [Lead, leads]
    required: [id, created_date]
    columns:
      id: text
      status: text
      email: email
      number_of_employees: integer
      annual_revenue: amount
      score: number
      persona: text
      is_deleted: boolean
      converted_date: date
      created_date: timestamp
      last_modified_date: timestamp
    aliases: {is_deleted: [_fivetran_deleted]}
    stamps: [created_date, last_modified_date]
  opportunity:
    entity: opportunities
    object_names: [Opportunity]
    required: [id]
    columns: {id: text, stage_name: text, product2_id: text, close_date: date, created_date: timestamp}
    stamps: [created_date]
  task: {entity: null, object_names: [Task], columns: {id: text, activity_date: date, created_date: timestamp}}
"""
HUBSPOT = """\
tables:
  contact:
    entity: people
    object_names: [contact, contacts]
    required: [id]
    columns: {id: text, email: email, lifecyclestage: text, createdate: timestamp, is_deleted: boolean}
    aliases: {id: [vid, contact_id], is_deleted: [archived]}
    stamps: [createdate]
  deal:
    entity: opportunities
    object_names: [deal, deals]
    columns: {deal_id: text, dealstage: text}
"""


@dataclass(frozen=True)
class Dataset:
    """A project folder with one dataset, and the database it is read into."""

    project: Path
    connection: duckdb.DuckDBPyConnection

    @property
    def folder(self) -> Path:
        return self.project / "data" / "acme"

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file of the dataset."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def parquet(self, name: str, query: str) -> None:
        """Write a Parquet file of the dataset."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        self.connection.execute(f"copy ({query}) to '{path}' (format parquet)")

    def map(self, *sources: str, **top: Any) -> None:
        """Write mapping.yml."""
        whole = {"dataset": "acme", "data_dir": "data/acme", "sources": list(sources or ("salesforce",)), **top}
        self.write("mapping.yml", yaml.safe_dump(whole, sort_keys=False))

    def read(self, **arguments: Any) -> Dataset:
        """Read the dataset as the build does, through a cursor."""
        cursor = self.connection.cursor()
        read_sources(cursor, self.project, "data/acme", **arguments)
        cursor.close()
        return self

    def error(self, **arguments: Any) -> str:
        """The message that the dataset is refused with."""
        with pytest.raises(ExportError) as caught:
            self.read(**arguments)
        return str(caught.value)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def columns(self, table: str) -> dict[str, str]:
        """Name and type of a raw table's columns."""
        return dict(self.rows(f"select column_name, column_type from (describe raw.{table})"))


@pytest.fixture
def acme(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A dataset of one lead, and catalogs of two native sources."""
    catalog = tmp_path / "catalog"
    catalog.mkdir()
    (catalog / "salesforce.yml").write_text(SALESFORCE, encoding="utf-8")
    (catalog / "hubspot.yml").write_text(HUBSPOT, encoding="utf-8")
    monkeypatch.setattr("segment_signals.sources.catalogs.CATALOG_FOLDER", catalog)
    made = Dataset(tmp_path, duckdb.connect())
    made.write("salesforce/Lead.csv", "Id,Status,CreatedDate\nL1,Open,2024-01-02\n")
    made.map()
    return made


def lead(made: Dataset, column: str, header: str, *values: str, **arguments: Any) -> list[Any]:
    """The values of a column of leads whose file has these values under this header."""
    rows = "".join(f'L{number},2024-01-02,"{value}"\n' for number, value in enumerate(values))
    made.write("salesforce/Lead.csv", f'Id,CreatedDate,"{header}"\n{rows}')
    made.read(**arguments)
    return [row[0] for row in made.rows(f"select {column} from raw.salesforce_lead order by source_row")]


# --- the raw tables --------------------------------------------------------------------------------------------


def test_every_table_of_the_catalog_lands_typed_whether_the_dataset_has_it_or_not(acme: Dataset) -> None:
    acme.read()
    assert acme.rows("from raw.salesforce_lead") == [
        ("L1", "Open", *[None] * 8, datetime(2024, 1, 2), None, "Lead.csv", 1)
    ]
    assert acme.columns("salesforce_lead") == {
        "id": "VARCHAR",
        "status": "VARCHAR",
        "email_hash": "VARCHAR",
        "email_domain": "VARCHAR",
        "number_of_employees": "BIGINT",
        "annual_revenue": "DECIMAL(18,2)",
        "score": "DOUBLE",
        "persona": "VARCHAR",
        "is_deleted": "BOOLEAN",
        "converted_date": "DATE",
        "created_date": "TIMESTAMP",
        "last_modified_date": "TIMESTAMP",
        "source_file": "VARCHAR",
        "source_row": "BIGINT",
    }
    assert acme.rows("from raw.salesforce_task") == []
    assert list(acme.columns("salesforce_task")) == ["id", "activity_date", "created_date", "source_file", "source_row"]
    assert acme.rows("from raw.salesforce_stage_dates") == []
    assert acme.columns("salesforce_stage_dates") == {
        "table_name": "VARCHAR",
        "record_id": "VARCHAR",
        "stage": "VARCHAR",
        "rule": "VARCHAR",
        "entered_at": "TIMESTAMP",
    }


def test_the_register_says_what_was_found(acme: Dataset) -> None:
    acme.write("salesforce/Opportunity.csv", "Id\nO1\nO2\n")
    acme.read()
    assert acme.rows("from raw.source_tables") == [
        ("salesforce", "lead", True, "api", 1, 1),
        ("salesforce", "opportunity", True, "api", 1, 2),
        ("salesforce", "task", False, None, 0, 0),
    ]
    assert acme.rows(
        "select column_name, is_required, is_provided from raw.source_columns where table_name = 'lead'"
    ) == [
        ("id", True, True),
        ("status", False, True),
        ("email", False, False),
        ("number_of_employees", False, False),
        ("annual_revenue", False, False),
        ("score", False, False),
        ("persona", False, False),
        ("is_deleted", False, False),
        ("converted_date", False, False),
        ("created_date", True, True),
        ("last_modified_date", False, False),
    ]


@pytest.mark.parametrize(
    ("header", "shape"),
    [
        ("Id,CreatedDate,NumberOfEmployees,Product2Id", "api"),
        ("id,created_date,number_of_employees,_fivetran_synced", "fivetran"),
        ("id,created_date,number_of_employees,_dlt_id", "dlt"),
        ("id,created_date,number_of_employees,_dlt_load_id", "dlt"),
        ("ID,createddate,numberofemployees,x", "api"),
        (" id , createdDate,numberOfEmployees,x", "api"),
    ],
)
def test_a_column_is_recognised_however_a_tool_spells_it(acme: Dataset, header: str, shape: str) -> None:
    acme.write("salesforce/Lead.csv", f"{header}\nL1,2024-01-02,12,x\n")
    acme.read()
    assert acme.rows("select id, created_date, number_of_employees from raw.salesforce_lead") == [
        ("L1", datetime(2024, 1, 2), 12)
    ]
    assert acme.rows("select shape from raw.source_tables where table_name = 'lead'") == [(shape,)]


@pytest.mark.parametrize("prefix", ["", "property_", "properties_", "properties.", "properties__", "Property_"])
def test_the_prefixes_of_hubspot_are_dropped(acme: Dataset, prefix: str) -> None:
    acme.write("hubspot/contacts.csv", f"vid,{prefix}lifecyclestage,{prefix}createdate\n7,lead,1704189600000\n")
    acme.map("hubspot")
    acme.read()
    assert acme.rows("select id, lifecyclestage, createdate from raw.hubspot_contact") == [
        ("7", "lead", datetime(2024, 1, 2, 10))
    ]


def test_custom_fields_and_custom_dimensions_are_named_by_the_mapping(acme: Dataset) -> None:
    acme.write("salesforce/Lead.csv", "Id,CreatedDate,Persona__c,Channel__c,Other\nL1,2024-01-02,CTO,web,x\n")
    acme.map(salesforce={"columns": {"lead": {"persona": "Persona__c", "channel": "channel_c", "status": "Other"}}})
    custom = {"people": ["channel", "tier", "status"], "opportunities": ["size"]}
    acme.read(custom_columns=custom, dimension_attributes=["people.channel"])
    assert acme.rows("select persona, status, channel, tier from raw.salesforce_lead") == [("CTO", "x", "web", None)]
    assert list(acme.columns("salesforce_lead"))[-4:] == ["channel", "tier", "source_file", "source_row"]
    assert acme.columns("salesforce_opportunity")["size"] == "VARCHAR"
    assert "channel" not in acme.columns("salesforce_task")
    provided = "select column_name from raw.source_columns where is_provided and table_name = 'lead'"
    assert [name for (name,) in acme.rows(provided)] == ["id", "status", "persona", "created_date", "channel"]


def test_a_record_is_deleted_if_any_marker_says_so(acme: Dataset) -> None:
    acme.write(
        "salesforce/Lead.csv",
        "Id,CreatedDate,IsDeleted,_fivetran_deleted\n"
        "1,2024-01-01,false,true\n2,2024-01-01,true,false\n3,2024-01-01,false,\n4,2024-01-01,,false\n5,2024-01-01,,\n",
    )
    acme.read()
    assert [row[0] for row in acme.rows("select is_deleted from raw.salesforce_lead order by id")] == [
        True,
        True,
        False,
        False,
        None,
    ]


def test_of_a_column_and_its_aliases_the_first_that_has_a_value_counts(acme: Dataset) -> None:
    acme.write("hubspot/contact.csv", "contact_id,vid,id\nc1,v1,i1\nc2,v2,\nc3,,\n")
    acme.map("hubspot")
    acme.read()
    assert acme.rows("select id from raw.hubspot_contact") == [("i1",), ("v2",), ("c3",)]


def test_a_key_that_comes_twice_is_no_error(acme: Dataset) -> None:
    acme.write("salesforce/Lead.csv", "Id,CreatedDate\nL1,2024-01-02\nL1,2024-01-03\n,2024-01-04\n")
    acme.read()
    assert acme.rows("select id, source_row from raw.salesforce_lead") == [("L1", 1), ("L1", 2), (None, 3)]


# --- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "new_york"),
    [
        ("1704189600000", datetime(2024, 1, 2, 5)),  # 2024-01-02 10:00 UTC in milliseconds
        ("1704189600", datetime(2024, 1, 2, 5)),  # and in seconds
        ("2024-01-02T10:00:00.000Z", datetime(2024, 1, 2, 5)),
        ("2024-01-02T10:00:00.000+0000", datetime(2024, 1, 2, 5)),
        ("2024-01-02 10:00:00", datetime(2024, 1, 2, 4)),  # of no zone: Berlin's
        ("2024-01-02", datetime(2024, 1, 2)),
    ],
)
def test_moments_are_in_the_reporting_timezone(acme: Dataset, text: str, new_york: datetime) -> None:
    acme.map(timezone="Europe/Berlin")
    arguments = {"reporting_timezone": "America/New_York"}
    assert lead(acme, "last_modified_date", "LastModifiedDate", text, **arguments) == [new_york]
    assert lead(acme, "converted_date", "ConvertedDate", text, **arguments) == [new_york.date()]


def test_moments_and_numbers_of_parquet_are_taken_as_they_are_typed(acme: Dataset) -> None:
    acme.connection.execute("set timezone = 'Asia/Tokyo'")
    acme.write("salesforce/Lead.csv", "")
    (acme.folder / "salesforce/Lead.csv").unlink()
    acme.parquet(
        "salesforce/Lead.parquet",
        "select * from (values (1.0 :: double, 12.0 :: float, 1e3 :: double, 5 :: smallint, "
        "timestamptz '2024-01-02 10:00:00+00', 1704189600000, date '2024-01-05'), "
        "(2.0, null, 'nan' :: double, null, null, 1704189600, null)) "
        "as t (id, number_of_employees, annual_revenue, score, created_date, last_modified_date, converted_date)",
    )
    acme.map(timezone="Europe/Berlin")
    acme.read(reporting_timezone="America/New_York")
    assert acme.rows(
        "select id, number_of_employees, annual_revenue, score, created_date, last_modified_date, converted_date "
        "from raw.salesforce_lead"
    ) == [
        ("1", 12, Decimal("1000.00"), 5.0, datetime(2024, 1, 2, 5), datetime(2024, 1, 2, 5), date(2024, 1, 5)),
        ("2", None, None, None, None, datetime(2024, 1, 2, 5), None),
    ]


def test_any_parquet_type_gives_what_its_text_gives(acme: Dataset) -> None:
    queries = {
        "created_date": ["timestamp '2024-03-31 02:30:00'", "timestamp_ns '2024-01-02 10:00:00'", "date '2024-01-02'"],
        "converted_date": ["timestamp '2024-01-02 23:30:00'", "timestamp '2024-01-02'", "date '2024-01-02'"],
        "annual_revenue": ["12.345 :: decimal(9,3)", "7 :: ubigint", "1e17 :: double"],
        "number_of_employees": ["12 :: hugeint", "12.0 :: decimal(5,1)", "12.5 :: double"],
        "is_deleted": ["true", "1", "0 :: utinyint"],
        "score": ["0.1 :: float", "1 :: tinyint", "0.25 :: decimal(5,2)"],
    }
    (acme.folder / "salesforce/Lead.csv").unlink()
    acme.map(timezone="Europe/Berlin")
    for column, values in queries.items():
        for value in values:
            created = "" if column == "created_date" else ", timestamp '2024-01-01' as created_date"
            landed = []
            for text in (value, f"({value}) :: varchar"):
                acme.parquet("salesforce/lead.parquet", f"select 1 as id, {text} as {column}{created}")
                try:
                    acme.read(reporting_timezone="America/New_York")
                    landed.append(acme.rows(f"select {column} :: varchar from raw.salesforce_lead"))
                except ExportError as error:
                    landed.append([str(error).partition(" is not ")[2]])
            if value == "0.1 :: float":  # a float's text is rounder than the float
                assert landed[0][0][0].startswith("0.1")
            else:
                assert landed[0] == landed[1], (column, value)


@pytest.mark.parametrize("word", ["null", "NULL", "None", "N/A", "n/a", "-", "#N/A", " N/A "])
def test_words_for_no_value_are_null_and_counted(acme: Dataset, word: str) -> None:
    assert lead(acme, "number_of_employees", "NumberOfEmployees", "12", word, "", word) == [12, None, None, None]
    counts = "select column_name, disguised_null_count from raw.source_columns where disguised_null_count > 0"
    assert acme.rows(counts) == [("number_of_employees", 2)]


def test_disguised_nulls_are_counted_in_every_kind_of_column(acme: Dataset) -> None:
    acme.write(
        "salesforce/Lead.csv",
        "Id,Status,Email,AnnualRevenue,IsDeleted,CreatedDate,LastModifiedDate,MQL__c\n"
        "1,-,-,-,-,2024-01-02,-,-\n2,N/A,x@y.z,1,true,2024-01-02,2024-01-02,2024-01-02\n",
    )
    acme.map(salesforce={"stage_dates": {"lead": {"mql": "MQL__c"}}})
    acme.read()
    counts = "select column_name, disguised_null_count from raw.source_columns where disguised_null_count > 0"
    assert acme.rows(counts) == [
        ("status", 2),
        ("email", 1),
        ("annual_revenue", 1),
        ("is_deleted", 1),
        ("last_modified_date", 1),
    ]
    assert not any(name.startswith(("bad_", "null_", "stage_", "part")) for name in acme.columns("salesforce_lead"))


def test_a_table_of_more_columns_than_one_mask_holds(acme: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("segment_signals.sources.tables._BITS", 3)
    assert lead(acme, "number_of_employees", "NumberOfEmployees", "-", "7") == [None, 7]
    counts = "select column_name, disguised_null_count from raw.source_columns where disguised_null_count > 0"
    assert acme.rows(counts) == [("number_of_employees", 1)]
    acme.write("salesforce/Lead.csv", "Id,CreatedDate,LastModifiedDate\nL1,2024-01-02,x\n")
    assert "'x' is not a timestamp (salesforce.lead, column LastModifiedDate)" in acme.error()


def test_values_that_do_not_parse_are_one_error(acme: Dataset) -> None:
    acme.write(
        "salesforce/Lead.csv",
        "Id,CreatedDate,NumberOfEmployees,Revenue\nL1,2024-01-02,1,2\nL2,01/02/2024,51-200,x\nL3,y,z,1\n",
    )
    acme.map(salesforce={"columns": {"lead": {"annual_revenue": "Revenue"}}})
    assert acme.error() == (
        "data/acme/salesforce/Lead.csv, data row 2: '51-200' is not a whole number (salesforce.lead, column "
        "NumberOfEmployees); 'x' is not a number (salesforce.columns.lead.annual_revenue); '01/02/2024' is not a "
        "timestamp (salesforce.lead, column CreatedDate). Map text such as 51-200 under custom_columns; name the "
        "signs of the numbers in number_format; name the format of the dates in date_formats (ISO 8601 needs none); "
        "or mend the file."
    )


def test_formats_of_the_source_and_of_the_dataset(acme: Dataset) -> None:
    acme.write(
        "salesforce/Lead.csv", "Id;CreatedDate;AnnualRevenue;Status\nL1;02.01.2024;1.234,5;Select\nL2;03.01.2024;;-\n"
    )
    formats = {"date_formats": ["%d.%m.%Y"], "number_format": {"thousands": ".", "decimal": ","}}
    acme.map(salesforce=formats, null_words=["Select"])
    acme.read()
    assert acme.rows("select created_date, annual_revenue, status from raw.salesforce_lead") == [
        (datetime(2024, 1, 2), Decimal("1234.50"), None),
        (datetime(2024, 1, 3), None, None),
    ]


# --- e-mail addresses ------------------------------------------------------------------------------------------


def hashed(address: str, key: str = KEY) -> str:
    return hmac.new(key.encode(), address.encode(), hashlib.sha256).hexdigest()


@pytest.mark.parametrize("key", [KEY, "\u00e9", "k" * 64, "k" * 65])
def test_an_address_lands_as_its_keyed_hash_and_its_domain(acme: Dataset, key: str) -> None:
    values = [
        " Ann@Acme.COM ",
        "ann@acme.com",
        "b@x.y",
        "",
        "N/A",
        "ann",
        "@acme.com",
        "a@b@c",
        "a@",
        "J\u00d6@\u00c4.de",
    ]
    hashes = [hashed("ann@acme.com", key), hashed("ann@acme.com", key), hashed("b@x.y", key), *[None] * 6]
    assert lead(acme, "email_hash", "Email", *values, email_key=key) == [*hashes, hashed("j\u00f6@\u00e4.de", key)]
    assert [row[0] for row in acme.rows("select email_domain from raw.salesforce_lead order by source_row")] == [
        "acme.com",
        "acme.com",
        "x.y",
        *[None] * 6,
        "\u00e4.de",
    ]


def test_without_a_key_there_is_no_hash_but_the_domain(acme: Dataset) -> None:
    assert lead(acme, "(email_hash, email_domain)", "Email", "a@b.c") == [(None, "b.c")]


def test_neither_address_nor_key_is_in_the_build_file(acme: Dataset) -> None:
    path = acme.project / "acme.duckdb"
    acme.write("salesforce/Lead.csv", "Id,CreatedDate,Email\nL1,2024-01-02,someone.special@acme-example.com\n")
    with duckdb.connect(str(path)) as connection:
        Dataset(acme.project, connection).read(email_key=KEY)
    content = b"".join(each.read_bytes() for each in acme.project.glob("acme.duckdb*"))
    assert b"acme-example.com" in content
    assert b"someone" not in content
    assert KEY.encode() not in content


# --- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "name",
    ["Lead.csv", "lead.csv", "LEADS.txt", "deep/er/Lead.tsv", "Lead.csv.gz", "lead/part-1.csv", "leads/y=1/x.csv"],
)
def test_a_table_is_found_by_the_name_of_its_file_or_folder(acme: Dataset, name: str) -> None:
    (acme.folder / "salesforce/Lead.csv").unlink()
    content = b"Id\tCreatedDate\nL7\t2024-01-02\n"
    acme.write(f"salesforce/{name}", gzip.compress(content) if name.endswith(".gz") else content)
    acme.write("salesforce/LeadHistory.csv", "x\n1\n")
    acme.write("salesforce/Lead.xlsx", b"x")
    acme.read()
    assert acme.rows("select id, source_file from raw.salesforce_lead") == [("L7", name)]


def test_files_of_a_table_may_differ_in_their_columns(acme: Dataset) -> None:
    (acme.folder / "salesforce/Lead.csv").unlink()
    acme.write("salesforce/lead/1.csv", "Id,CreatedDate,Status\nL1,2024-01-01,Open\nL2,2024-01-02,Closed\n")
    acme.write("salesforce/lead/2.csv", "Score|createddate|ID\n0.5|2024-01-03|L3\n")
    acme.parquet("salesforce/lead/3.parquet", "select 'L4' as id, date '2024-01-04' as created_date, 4 as score")
    acme.read()
    assert acme.rows("select id, status, score, created_date, source_file, source_row from raw.salesforce_lead") == [
        ("L1", "Open", None, datetime(2024, 1, 1), "lead/1.csv", 1),
        ("L2", "Closed", None, datetime(2024, 1, 2), "lead/1.csv", 2),
        ("L3", None, 0.5, datetime(2024, 1, 3), "lead/2.csv", 1),
        ("L4", None, 4.0, datetime(2024, 1, 4), "lead/3.parquet", 1),
    ]
    assert acme.rows("select file_count, row_count from raw.source_tables where table_name = 'lead'") == [(3, 4)]


def test_partition_folders_are_columns(acme: Dataset) -> None:
    (acme.folder / "salesforce/Lead.csv").unlink()
    for status in ("Open", "A%2FB", "__HIVE_DEFAULT_PARTITION__"):
        acme.parquet(
            f"salesforce/lead/status={status}/a.parquet", "select 'P' as id, date '2024-01-04' as created_date"
        )
        acme.write(f"salesforce/lead/status={status}/b.csv", "Id,CreatedDate\nC,2024-01-04\n")
    acme.read()
    assert acme.rows("select status, id, source_file from raw.salesforce_lead order by all nulls first") == [
        (None, "C", "lead/status=__HIVE_DEFAULT_PARTITION__/b.csv"),
        (None, "P", "lead/status=__HIVE_DEFAULT_PARTITION__/a.parquet"),
        ("A/B", "C", "lead/status=A%2FB/b.csv"),
        ("A/B", "P", "lead/status=A%2FB/a.parquet"),
        ("Open", "C", "lead/status=Open/b.csv"),
        ("Open", "P", "lead/status=Open/a.parquet"),
    ]


def test_parquet_files_of_one_header_are_read_together_in_their_order(acme: Dataset) -> None:
    acme.map(salesforce={"files": {"lead": "parts/*.parquet"}})
    acme.connection.execute("set preserve_insertion_order = false")
    for part in range(3):
        rows = "select 'L' || i as id, 'no' as is_deleted, date '2024-01-01' as created_date "
        rows += f"from range({part * 200_000}, "
        acme.parquet(f"salesforce/parts/{part}.parquet", f"{rows}{(part + 1) * 200_000}) as t(i) order by i")
    acme.read()
    assert acme.rows(
        "select count(*), bool_and(id = 'L' || rowid), bool_and(source_row = 1 + rowid % 200000), "
        "bool_and(source_file = 'parts/' || rowid // 200000 || '.parquet') from raw.salesforce_lead"
    ) == [(600_000, True, True, True)]


def test_what_is_missing_is_one_error(acme: Dataset) -> None:
    acme.map(salesforce={"folder": "sf"})
    assert acme.error() == (
        f"{LABEL}: salesforce.folder: there is no folder data/acme/sf. Put the files there, mend salesforce.folder, "
        "or take salesforce from sources."
    )
    acme.map(salesforce={"files": {"task": "tasks/*.csv"}})
    assert acme.error() == (
        f"{LABEL}: salesforce.files.task: no file matches 'tasks/*.csv' in data/acme/salesforce "
        "(mend it or salesforce.folder). Put the file there, or mend file or folders."
    )
    acme.map()
    (acme.folder / "salesforce/Lead.csv").unlink()
    assert acme.error() == (
        f"{LABEL}: salesforce: there is no Lead or Opportunity in data/acme/salesforce. "
        "Put the file there, or name it under salesforce.files.lead."
    )
    acme.write("salesforce/Lead.csv", "Id,Create Day\nL1,2024-01-02\n")
    assert acme.error() == (
        "data/acme/salesforce/Lead.csv is the table lead of salesforce, which needs 'created_date' (nearest: "
        f"'create_day'). Export the file with the column, or name it in {LABEL} under salesforce.columns.lead."
    )
    acme.map(salesforce={"columns": {"lead": {"created_date": "Create Day"}}})
    acme.read()


def test_a_table_that_several_files_could_be(acme: Dataset) -> None:
    acme.write("salesforce/old/leads.csv", "Id,CreatedDate\nL0,2023-01-02\n")
    assert acme.error() == (
        f"{LABEL}: salesforce: each of data/acme/salesforce/Lead.csv, data/acme/salesforce/old/leads.csv could be the "
        "table lead. Say which under salesforce.files.lead."
    )
    acme.map(salesforce={"files": {"lead": "old/leads.csv"}})
    acme.read()
    assert acme.rows("select id from raw.salesforce_lead") == [("L0",)]


def test_a_field_that_the_mapping_names_must_be_there(acme: Dataset) -> None:
    acme.map(salesforce={"columns": {"lead": {"persona": "Statos"}}})
    assert acme.error() == (
        f"{LABEL}: salesforce.columns.lead.persona names 'Statos', which data/acme/salesforce/Lead.csv does not have "
        "(nearest: 'Status'). Mend the name."
    )
    acme.map(salesforce={"stage_dates": {"task": {"mql": "X"}}})
    assert acme.error() == (
        f"{LABEL}: salesforce.stage_dates.task.mql names 'X', but there is no table task. "
        "Add its file, or remove the key."
    )
    acme.map(salesforce={"columns": {"lead": {"personna": "Status"}}})
    assert acme.error() == (
        f"{LABEL}: salesforce.columns.lead.personna is no column of the table and none that a dimension reads "
        "(did you mean 'persona'?). Mend the name, or declare a dimension that reads people.personna."
    )


# --- stage dates -----------------------------------------------------------------------------------------------


def test_stage_dates_of_custom_fields(acme: Dataset) -> None:
    acme.write(
        "salesforce/Lead.csv",
        "Id,CreatedDate,MQL_Date__c,sql_date_c\nL1,2024-01-01,2024-01-02,2024-01-03 10:00\nL2,2024-01-01,,2024-01-04\n",
    )
    acme.map(salesforce={"stage_dates": {"lead": {"mql": "MQL_Date__c", "sql": "SQL_Date__c"}}})
    acme.read()
    assert acme.rows("from raw.salesforce_stage_dates order by all") == [
        ("lead", "L1", "mql", "custom_field", datetime(2024, 1, 2)),
        ("lead", "L1", "sql", "custom_field", datetime(2024, 1, 3, 10)),
        ("lead", "L2", "sql", "custom_field", datetime(2024, 1, 4)),
    ]


def test_stage_dates_of_hubspot_are_found_by_their_names(acme: Dataset) -> None:
    acme.write(
        "hubspot/contact.csv",
        "vid,property_hs_v2_date_entered_lead,property_hs_lifecyclestage_marketingqualifiedlead_date,"
        "property_hs_v2_date_entered_current_stage\n7,2024-01-02,1704240000000,2024-01-09\n8,,,\n",
    )
    acme.write("hubspot/deals.csv", "deal_id,properties.hs_date_entered_12_ab\nD1,2024-01-04\n")
    acme.map("hubspot", hubspot={"stage_dates": {"deal": {"won": "hs_date_entered_12_ab"}}})
    acme.read()
    assert acme.rows("from raw.hubspot_stage_dates order by all") == [
        ("contact", "7", "lead", "hs_v2_date_entered", datetime(2024, 1, 2)),
        ("contact", "7", "marketingqualifiedlead", "hs_lifecyclestage_date", datetime(2024, 1, 3)),
        ("deal", "D1", "12_ab", "hs_date_entered", datetime(2024, 1, 4)),
        ("deal", "D1", "won", "custom_field", datetime(2024, 1, 4)),
    ]


def test_a_stage_date_that_does_not_parse(acme: Dataset) -> None:
    acme.write("hubspot/contact.csv", "vid,hs_v2_date_entered_lead\n7,soon\n")
    acme.map("hubspot")
    assert acme.error().startswith(
        "data/acme/hubspot/contact.csv, data row 1: 'soon' is not a timestamp "
        "(hubspot.contact, column hs_v2_date_entered_lead)."
    )


# --- several sources -------------------------------------------------------------------------------------------


def both(made: Dataset, **top: Any) -> Dataset:
    """Salesforce, and an export of accounts and subscriptions."""
    made.write("accounts.csv", "Nr,Sf,Kind\nA1,001,big\nA2,,\n")
    made.write("subs.csv", "Nr,Account,Start,Sum\nS1,A1,2024-01-05,10\nS2,A2,2024-01-06,20\n")
    made.write("usage.csv", "Sub,Day,N\nS1,2024-02-01,3\nS9,2024-02-02,4\n")
    account = {"account_id": "Nr", "crm_account_id": {"column": "Sf", "source": "salesforce"}}
    usage = {"column": "Sub", "lookup": "subscriptions.subscription_id", "take": "account_id"}
    entities: Mapping[str, Any] = {
        "accounts": {"file": "accounts.csv", "columns": account, "custom_columns": {"size": "Kind"}},
        "subscriptions": {
            "file": "subs.csv",
            "columns": {"subscription_id": "Nr", "account_id": "Account", "started_date": "Start", "mrr_amount": "Sum"},
        },
        "product_usage": {
            "file": "usage.csv",
            "columns": {"account_id": usage, "usage_date": "Day", "usage_count": "N"},
        },
    }
    made.map("salesforce", "export", entities=entities, **top)
    return made


def test_a_value_of_another_system_carries_its_name(acme: Dataset) -> None:
    both(acme).read()
    assert acme.rows("select account_id, crm_account_id from raw.export_accounts") == [
        ("A1", "salesforce:001"),
        ("A2", None),
    ]


def test_a_lookup_may_take_another_column_than_the_key(acme: Dataset) -> None:
    both(acme).read()
    assert acme.rows("select account_id, usage_count from raw.export_product_usage") == [("A1", 3.0), ("S9", 4.0)]
    acme.write("subs.csv", "Nr,Account,Start,Sum\nS1,A1,2024-01-05,10\nS2,A1,2024-01-06,20\n")
    document = yaml.safe_load((acme.folder / "mapping.yml").read_text(encoding="utf-8"))
    document["entities"]["subscriptions"]["columns"]["plan"] = {"constant": "pro"}
    document["entities"]["product_usage"]["columns"]["account_id"] = {
        "column": "Sub",
        "lookup": "subscriptions.plan",
        "take": "account_id",
    }
    acme.write("mapping.yml", yaml.safe_dump(document))
    acme.write("usage.csv", "Sub,Day,N\npro,2024-02-01,3\n")
    acme.read()  # two subscriptions of one account are no contradiction
    assert acme.rows("select account_id from raw.export_product_usage") == [("A1",)]
    acme.write("subs.csv", "Nr,Account,Start,Sum\nS1,A1,2024-01-05,10\nS2,A2,2024-01-06,20\n")
    assert acme.error() == (
        "data/acme/usage.csv, data row 1: 'pro' (entities.product_usage.columns.account_id) is the plan of 2 "
        "subscriptions, 'A1' and 'A2' among them. Map a column that holds the account_id, or make the names distinct."
    )


def test_the_export_carries_the_columns_that_dimensions_read_from_another_source(acme: Dataset) -> None:
    both(acme).read(custom_columns={"accounts": ["size", "tier"]})
    assert acme.rows("select size, tier from raw.export_accounts") == [("big", None), (None, None)]


def test_addresses_of_the_export_land_as_hash_and_domain(acme: Dataset) -> None:
    acme.write("people.csv", "Id,At,Mail,Domain\nP1,2024-01-02,a@b.c,x.y\nP2,2024-01-03,,x.y\n")
    columns = {"person_id": "Id", "created_at": "At", "email": "Mail", "email_domain": "Domain"}
    acme.map("export", entities={"people": {"file": "people.csv", "columns": columns}})
    acme.read(email_key=KEY)
    assert acme.rows("select email_hash, email_domain from raw.export_people") == [
        (hashed("a@b.c"), "b.c"),
        (None, "x.y"),
    ]
    assert "email" not in acme.columns("export_people")


def test_created_and_changed_stamps_of_all_sources_date_the_dataset(acme: Dataset) -> None:
    both(acme)
    acme.write("salesforce/Lead.csv", "Id,CreatedDate,LastModifiedDate\nL1,2024-01-02,2024-01-05\n")
    acme.write("salesforce/Opportunity.csv", "Id,CloseDate,CreatedDate\nO1,2024-06-01,2024-01-04\n")
    acme.write("salesforce/Task.csv", "Id,ActivityDate,CreatedDate\nT1,2024-07-01,2024-07-01\n")
    context = "select as_of_date, as_of_rule from raw.source_context"
    assert acme.read().rows(context) == [(date(2024, 1, 5), "latest_stamp")]
    acme.write("salesforce/Opportunity.csv", "Id,CloseDate,CreatedDate\nO1,2024-06-01,2024-01-06\n")
    assert acme.read().rows(context) == [(date(2024, 1, 6), "latest_stamp")]


def test_a_source_that_is_no_longer_listed_leaves_no_table(acme: Dataset) -> None:
    both(acme).read()
    acme.map()
    acme.read()
    tables = {name for (name,) in acme.rows("select table_name from duckdb_tables() where schema_name = 'raw'")}
    assert tables == {
        *("salesforce_lead", "salesforce_opportunity", "salesforce_task", "salesforce_stage_dates"),
        *("source_tables", "source_columns", "source_context"),
    }


def test_an_error_in_one_source_leaves_all_as_they_were(acme: Dataset) -> None:
    both(acme).read()
    acme.write("salesforce/Lead.csv", "Id,CreatedDate\nL9,2024-01-02\n")
    acme.write("subs.csv", "Nr,Account,Start,Sum\nS1,A1,2024-01-05,10\nS1,A2,2024-01-06,20\n")
    assert "the subscription_id 'S1' is already in data/acme/subs.csv, data row 1" in acme.error()
    assert acme.rows("select id from raw.salesforce_lead") == [("L1",)]


def test_a_file_that_the_engine_refuses_leaves_all_as_they_were(acme: Dataset) -> None:
    acme.read()
    acme.write("salesforce/Opportunity.csv", "Id,StageName\nO1,Won\nO2\n")
    assert acme.error().startswith("data/acme/salesforce/Opportunity.csv, line 3: 1 value where the header has 2.")
    assert acme.rows("select id from raw.salesforce_lead") == [("L1",)]


def test_the_var_must_name_the_sources_of_the_mapping(acme: Dataset) -> None:
    assert acme.error(sources=["export"]) == (
        f"{LABEL} lists the sources salesforce, and the var sources export. Give dbt the mapping as its vars "
        f'(make build DATA=..., or --vars "$(cat {LABEL})"), so that both are the same.'
    )
    acme.read(sources=["salesforce"])


def test_the_input_hash_is_of_the_files_of_every_source(acme: Dataset) -> None:
    both(acme)
    seen = [input_hash(acme.project, "data/acme")]
    for name in ("salesforce/Lead.csv", "salesforce/Task.csv", "subs.csv"):
        acme.write(name, "Id,CreatedDate\n")
        seen.append(input_hash(acme.project, "data/acme"))
    acme.write("salesforce/notes.csv", "not a table\n")
    assert input_hash(acme.project, "data/acme") == seen[-1]
    assert len(set(seen)) == 4


# --- a replica -------------------------------------------------------------------------------------------------


@pytest.fixture
def stand_in(acme: Dataset, monkeypatch: pytest.MonkeyPatch) -> Dataset:
    """A DuckDB file in the place of a PostgreSQL database: the engine shows both as an attached one."""
    path = acme.project / "replica.duckdb"
    with duckdb.connect(str(path)) as database:
        database.execute("create schema sf")
        database.execute(
            "create table sf.lead as select 7 as id, timestamptz '2024-01-02 10:00:00+00' as created_date, "
            "'a@b.c' as email, ' N/A ' as status"
        )
    monkeypatch.setenv("ACME_DSN", str(path))
    monkeypatch.setattr(replica, "_load_extension", lambda *_: None)
    monkeypatch.setattr(replica, "attach_sql", lambda dsn, name: f"attach '{dsn}' as {name} (read_only)")
    acme.map(salesforce={"postgres": {"schema": "sf", "dsn_env": "ACME_DSN"}})
    return acme


def change(made: Dataset, statement: str) -> None:
    with duckdb.connect(str(made.project / "replica.duckdb")) as database:
        database.execute(statement)


def test_a_replica_is_read_as_files_are(stand_in: Dataset) -> None:
    stand_in.read(email_key=KEY, reporting_timezone="America/New_York")
    assert stand_in.rows(
        "select id, created_date, email_hash, status, source_file, source_row from raw.salesforce_lead"
    ) == [("7", datetime(2024, 1, 2, 5), hashed("a@b.c"), None, "sf.lead", 1)]
    assert stand_in.rows("from raw.source_tables where is_present") == [("salesforce", "lead", True, "api", 1, 1)]
    attached = stand_in.rows("select database_name from duckdb_databases() where not internal")
    assert [name for (name,) in attached] == ["memory"]


def test_the_rows_of_a_replica_are_part_of_the_input_hash(stand_in: Dataset) -> None:
    def landed() -> str:
        ((value,),) = stand_in.read().rows("select input_hash from raw.source_context")
        return str(value)

    first = landed()
    assert landed() == first
    assert input_hash(stand_in.project, "data/acme", first) == first
    change(stand_in, "update sf.lead set status = 'x'")
    assert landed() != first
    assert landed().split("+")[0] == first.split("+")[0]


def test_what_a_replica_lacks(stand_in: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    change(stand_in, "create table sf.leads as from sf.lead")
    assert stand_in.error() == (
        f"{LABEL}: salesforce: each of lead, leads could be the table lead. Say which under salesforce.files.lead."
    )
    where = {"schema": "sf", "dsn_env": "ACME_DSN"}
    stand_in.map(salesforce={"postgres": where, "files": {"lead": "laeds"}})
    assert stand_in.error() == (
        f"{LABEL}: salesforce.files.lead: the schema 'sf' has no table 'laeds'. It has lead, leads."
    )
    stand_in.map(salesforce={"postgres": where, "files": {"lead": "leads"}})
    stand_in.read()
    stand_in.map(salesforce={"postgres": {**where, "schema": "other"}})
    assert "the replica shows no table in the schema 'other'" in stand_in.error()
    stand_in.map(salesforce={"postgres": where})
    monkeypatch.setenv("ACME_DSN", "host=nowhere password=hunter2")
    assert stand_in.error() == (
        f"{LABEL}: salesforce.postgres.dsn_env: no connection with the connection string in ACME_DSN. "
        "Check it, and that the server lets you in."
    )
    monkeypatch.delenv("ACME_DSN")
    assert "the environment variable ACME_DSN is not set" in stand_in.error()


def test_a_replica_without_the_extension(acme: Dataset, monkeypatch: pytest.MonkeyPatch) -> None:
    acme.connection.execute(f"set extension_directory = '{acme.project}'")  # where none is installed
    monkeypatch.setenv("ACME_DSN", "host=nowhere")
    acme.map(salesforce={"postgres": {"schema": "sf", "dsn_env": "ACME_DSN"}})
    assert acme.error() == (
        f"{LABEL}: salesforce.postgres: DuckDB's extension postgres is not installed. Install it once where the "
        "network allows (install postgres), or export the tables to files and give their folder instead."
    )
