"""An export read into the raw tables: values by hand, the as-of date, and the exact sentence for bad input."""

from __future__ import annotations

import csv
import gzip
import io
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta, timezone
from decimal import Decimal
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import duckdb
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st
from segment_signals.sources.inputs import code_version, input_hash
from segment_signals.sources.messages import ExportError
from segment_signals.sources.reader import read_sources
from segment_signals.sources.shapes import ENTITIES, landed_names

LABEL = "data/acme/mapping.yml"
DEALS = "Id,Stage\nO1,Won\nO2,Lost\n"
DEAL_COLUMNS = {"opportunity_id": "Id", "stage": "Stage"}


@dataclass(frozen=True)
class Export:
    """A project folder with one export, and the database it is read into."""

    project: Path
    connection: duckdb.DuckDBPyConnection

    @property
    def folder(self) -> Path:
        return self.project / "data" / "acme"

    def write(self, name: str, content: str | bytes) -> None:
        """Write a file of the export."""
        path = self.folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)

    def map(self, entities: Mapping[str, Any], **top: Any) -> None:
        """Write mapping.yml; opportunities are those of deals.csv unless they are given."""
        default = {"opportunities": {"file": "deals.csv", "columns": DEAL_COLUMNS}}
        whole = {
            "dataset": "acme",
            "data_dir": "data/acme",
            "sources": ["export"],
            **top,
            "entities": {**default, **entities},
        }
        self.write("mapping.yml", yaml.safe_dump(whole, sort_keys=False))

    def read(self, **arguments: Any) -> Export:
        """Read the export as the build does, through a cursor."""
        cursor = self.connection.cursor()
        read_sources(cursor, self.project, "data/acme", **arguments)
        cursor.close()
        return self

    def error(self, **arguments: Any) -> str:
        """The message that the export is refused with."""
        with pytest.raises(ExportError) as caught:
            self.read(**arguments)
        return str(caught.value)

    def rows(self, sql: str) -> list[tuple[Any, ...]]:
        return self.connection.execute(sql).fetchall()

    def context(self) -> dict[str, Any]:
        """The one row of raw.source_context."""
        relation = self.connection.sql("from raw.source_context")
        (row,) = relation.fetchall()
        return dict(zip(relation.columns, row, strict=True))


@pytest.fixture
def acme(tmp_path: Path) -> Export:
    """An export of two deals, mapped."""
    made = Export(tmp_path, duckdb.connect())
    made.write("deals.csv", DEALS)
    made.map({})
    return made


def one_deal(made: Export, column: str, value: str, **top: Any) -> Export:
    """An export of one deal whose canonical `column` has this text."""
    text = io.StringIO()
    csv.writer(text).writerows([["Id", "Stage", "X"], ["O1", "Won", value]])
    made.write("deals.csv", text.getvalue())
    made.map({"opportunities": {"file": "deals.csv", "columns": {**DEAL_COLUMNS, column: "X"}}}, **top)
    return made


def deal_value(made: Export, column: str) -> Any:
    """The value of a column in the one deal."""
    ((value,),) = made.rows(f"select {column} from raw.export_opportunities")
    return value


# --- the raw tables --------------------------------------------------------------------------------------------


def test_the_smallest_export_lands_with_every_canonical_column_typed(acme: Export) -> None:
    acme.read()
    assert acme.rows("from raw.export_opportunities") == [
        ("O1", *[None] * 6, "Won", *[None] * 14, "deals.csv", 1),
        ("O2", *[None] * 6, "Lost", *[None] * 14, "deals.csv", 2),
    ]
    text = (
        "opportunity_id account_id person_id crm_opportunity_id owner_id product_id campaign_id stage pipeline "
        "opportunity_type lead_source loss_reason competitor forecast_category currency"
    )
    assert acme.rows("select column_name, column_type from (describe raw.export_opportunities)") == [
        *((name, "VARCHAR") for name in text.split()),
        ("amount", "DECIMAL(18,2)"),
        ("probability", "DOUBLE"),
        ("created_at", "TIMESTAMP"),
        ("close_date", "DATE"),
        ("closed_at", "TIMESTAMP"),
        ("changed_at", "TIMESTAMP"),
        ("is_deleted", "BOOLEAN"),
        ("source_file", "VARCHAR"),
        ("source_row", "BIGINT"),
    ]


def test_entities_that_are_not_mapped_are_empty_tables_of_the_same_shape(acme: Export) -> None:
    acme.read()
    for entity, columns in ENTITIES.items():
        if entity != "opportunities":
            relation = acme.connection.sql(f"from raw.export_{entity}")
            landed = dict.fromkeys(name for column in columns for name in landed_names(column))
            assert (relation.columns, relation.fetchall()) == ([*landed, "source_file", "source_row"], [])
    assert acme.rows("select column_type from (describe raw.export_accounts) where column_name = 'employee_count'") == [
        ("BIGINT",)
    ]


def test_columns_say_which_are_provided(acme: Export) -> None:
    acme.map({"opportunities": {"file": "deals.csv", "columns": DEAL_COLUMNS, "custom_columns": {"channel": "Stage"}}})
    acme.read()
    assert acme.rows("select column_name from raw.source_columns where is_provided order by all") == [
        ("channel",),
        ("opportunity_id",),
        ("stage",),
    ]
    assert acme.rows("select source, table_name, count(*) from raw.source_columns group by all order by all") == sorted(
        ("export", entity, len(columns) + (entity == "opportunities")) for entity, columns in ENTITIES.items()
    )
    assert acme.rows("select column_name, column_type from (describe raw.source_columns)") == [
        ("source", "VARCHAR"),
        ("table_name", "VARCHAR"),
        ("column_name", "VARCHAR"),
        ("is_required", "BOOLEAN"),
        ("is_provided", "BOOLEAN"),
        ("disguised_null_count", "BIGINT"),
    ]
    assert acme.rows("from raw.source_tables where is_present") == [("export", "opportunities", True, "mapped", 1, 2)]


def test_the_context_is_one_row(acme: Export) -> None:
    acme.map({}, as_of_date=date(2024, 3, 31), history_starts_on=date(2023, 1, 1), currency="EUR")
    acme.read()
    assert acme.context() == {
        "dataset": "acme",
        "data_dir": "data/acme",
        "as_of_date": date(2024, 3, 31),
        "as_of_rule": "mapping",
        "latest_stamp_date": None,
        "history_starts_on": date(2023, 1, 1),
        "currency": "EUR",
        "input_hash": input_hash(acme.project, "data/acme"),
        "code_version": code_version(acme.project),
    }


def test_several_blocks_files_and_custom_columns_feed_one_entity(acme: Export) -> None:
    acme.write("b/2.csv", "Nr,Phase,Kanal\nB3,Open,web\n")
    acme.write("b/1.csv", "Kanal,Phase,Nr\nfair,Open,B1\n,Open,B2\n")
    acme.write(
        "mapping.yml",
        "dataset: acme\nsources: [export]\nentities:\n  opportunities:\n"
        "  - {file: deals.csv, columns: {opportunity_id: Id, stage: Stage}, custom_columns: {tag: Stage}}\n"
        "  - {file: 'b/*.csv', columns: {opportunity_id: Nr, stage: Phase, opportunity_type: {constant: new}},"
        " custom_columns: {channel: Kanal}}\n",
    )
    acme.read()
    assert acme.rows(
        "select source_file, source_row, opportunity_id, stage, opportunity_type, tag, channel "
        "from raw.export_opportunities"
    ) == [
        ("deals.csv", 1, "O1", "Won", None, "Won", None),
        ("deals.csv", 2, "O2", "Lost", None, "Lost", None),
        ("b/1.csv", 1, "B1", "Open", "new", None, "fair"),
        ("b/1.csv", 2, "B2", "Open", "new", None, None),
        ("b/2.csv", 1, "B3", "Open", "new", None, "web"),
    ]


def test_where_reads_only_matching_rows_and_keeps_their_numbers(acme: Export) -> None:
    acme.write("log.csv", "Kind,Id,To,At\n Stage ,O1,Won,2024-01-02\nOwner,O1,Ann,x\nStage,O2,Lost,2024-01-03\n")
    columns = {"entity": {"constant": "opportunity"}, "entity_id": "Id", "stage": "To", "entered_at": "At"}
    acme.map({"stage_history": {"file": "log.csv", "where": {"Kind": "Stage"}, "columns": columns}})
    acme.read()
    assert acme.rows("from raw.export_stage_history") == [
        ("opportunity", "O1", "Won", datetime(2024, 1, 2), "log.csv", 1),
        ("opportunity", "O2", "Lost", datetime(2024, 1, 3), "log.csv", 3),
    ]


@pytest.mark.parametrize(
    ("wanted", "ids"), [(True, ["O1", "O2"]), (False, ["O3"]), ("", ["O4"]), ("yes", ["O2"]), (7, ["O5"])]
)
def test_where_compares_text_and_knows_booleans_in_any_spelling(acme: Export, wanted: object, ids: list[str]) -> None:
    acme.write("deals.csv", "Id,Stage,Live\nO1,a,TRUE\nO2,a,yes\nO3,a,0\nO4,a,\nO5,a,7\n")
    acme.map({"opportunities": {"file": "deals.csv", "where": {"Live": wanted}, "columns": DEAL_COLUMNS}})
    acme.read()
    assert [row[0] for row in acme.rows("select opportunity_id from raw.export_opportunities")] == ids


def test_one_file_may_feed_several_entities(acme: Export) -> None:
    acme.write("all.csv", "Kind,Id,Stage,On\nlead,L1,,2024-01-02\ndeal,D1,Won,2024-01-03\n")
    acme.map(
        {
            "opportunities": {"file": "all.csv", "where": {"Kind": "deal"}, "columns": DEAL_COLUMNS},
            "people": {
                "file": "all.csv",
                "where": {"Kind": "lead"},
                "columns": {"person_id": "Id", "created_at": "On"},
            },
        }
    )
    acme.read()
    assert acme.rows("select source_row, opportunity_id from raw.export_opportunities") == [(2, "D1")]
    assert acme.rows("select source_row, person_id, created_at from raw.export_people") == [
        (1, "L1", datetime(2024, 1, 2))
    ]


def test_no_temporary_table_is_left(acme: Export) -> None:
    cursor = acme.connection.cursor()
    read_sources(cursor, acme.project, "data/acme")
    acme.write("deals.csv", "Id,Stage\nO1,a\nO1,b\n")
    with pytest.raises(ExportError, match="already in"):
        read_sources(cursor, acme.project, "data/acme")
    assert cursor.execute("select table_name from duckdb_tables() where temporary").fetchall() == []


def test_after_an_error_the_raw_tables_are_as_they_were(acme: Export) -> None:
    acme.read()
    acme.write("people.csv", "Id,On\nP1,2024-01-01\n,2024-01-02\n")
    acme.write("deals.csv", "Id,Stage\nO9,Won\n")
    acme.map({"people": {"file": "people.csv", "columns": {"person_id": "Id", "created_at": "On"}}})
    assert "person_id is empty" in acme.error()
    assert acme.rows("select opportunity_id from raw.export_opportunities") == [("O1",), ("O2",)]
    acme.write("people.csv", "Id,On\nP1,2024-01-01\n")
    acme.read()
    assert acme.rows("select opportunity_id from raw.export_opportunities") == [("O9",)]


def test_a_failure_while_the_raw_tables_are_replaced_leaves_all_of_them(
    acme: Export, monkeypatch: pytest.MonkeyPatch
) -> None:
    acme.read()
    acme.write("deals.csv", "Id,Stage\nO9,Won\n")
    monkeypatch.setattr("segment_signals.sources.tables.Landing.finish", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        acme.read()
    assert acme.rows("select opportunity_id from raw.export_opportunities") == [("O1",), ("O2",)]


def test_rows_keep_their_order_where_the_profile_does_not_ask_for_it(acme: Export) -> None:
    acme.connection.execute("set preserve_insertion_order = false")
    count = 300_000  # several row groups, so that threads could swap them
    acme.connection.execute(
        f"copy (select 'O' || i as \"Id\", 'Won' as \"Stage\" from range(1, {count + 1}) as t(i) order by i) "
        f"to '{acme.folder / 'deals.csv'}' (header)"
    )
    acme.read()
    assert acme.rows("select current_setting('preserve_insertion_order')") == [(False,)]
    assert acme.rows(
        "select count(*), bool_and(opportunity_id = 'O' || source_row), bool_and(source_row = rowid + 1) "
        "from raw.export_opportunities"
    ) == [(count, True, True)]


# --- files -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("content", ["Id,Stage", "Id,Stage\n", "\ufeffId,Stage\r\n", '"Id","Stage"\n'])
def test_a_file_of_a_header_only_lands_empty(acme: Export, content: str) -> None:
    acme.write("deals.csv", content)
    acme.read()
    assert acme.rows("from raw.export_opportunities") == []
    assert acme.context()["as_of_rule"] == "no_dated_record"


@pytest.mark.parametrize(
    "content",
    [
        b"Id,Stage\nO1,Won",
        b"\xef\xbb\xbfId,Stage\r\nO1,Won\r\n",
        b"Id,Stage\rO1,Won\r",
        b'\xef\xbb\xbf"Id" ," Stage"\n O1\t,\xc2\xa0Won \n',
        b"Id;Stage\nO1;Won\n",
        b"Id\tStage\nO1\tWon\n",
        b"Id|Stage|A, B, C\nO1|Won|\n",
        b"Id,Stage,,\nO1,Won,,\n",
        b"Id,Stage\n\n\nO1,Won\n\n",
    ],
    ids=["no_end", "bom_crlf", "cr", "padded", "semicolon", "tab", "bar", "nameless", "blank_lines"],
)
def test_csv_in_the_forms_that_tools_write(acme: Export, content: bytes) -> None:
    acme.write("deals.csv", content)
    acme.read()
    assert acme.rows("select source_row, opportunity_id, stage from raw.export_opportunities") == [(1, "O1", "Won")]


@pytest.mark.parametrize("newline", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("within", ["\n", "\r\n", "\r"])
def test_line_breaks_within_quotation_marks_are_part_of_the_value(acme: Export, newline: str, within: str) -> None:
    lines = ["Id,Stage", '"O{0}1","a{0}b"', "O2,c"]
    acme.write("deals.csv", newline.join(lines).format(within).replace("Stage", f'"St{within}age"') + newline)
    acme.map({"opportunities": {"file": "deals.csv", "columns": {"opportunity_id": "Id", "stage": f"St{within}age"}}})
    acme.read()
    assert acme.rows("select source_row, opportunity_id, stage from raw.export_opportunities") == [
        (1, f"O{within}1", f"a{within}b"),
        (2, "O2", "c"),
    ]


def test_gzip_and_parquet(acme: Export) -> None:
    acme.write("leads.csv.gz", gzip.compress(b"Id,On\nP1,2024-01-02\n"))
    acme.connection.execute("set timezone = 'Asia/Tokyo'")
    acme.connection.execute(
        'copy (select 1 as " Id", \'Won\' as "Stage", 1234.5 :: double as "Amount", true as "Gone", '
        "timestamp '2024-01-02 10:00:00' as \"Made\", timestamptz '2024-01-02 10:00:00+00' as \"Closed\", "
        'date \'2024-02-03\' as "Close", null :: integer as "Who", \' NA \' as "Why") '
        f"to '{acme.folder / 'deals.parquet'}' (format parquet)"
    )
    columns = {
        **DEAL_COLUMNS,
        "amount": "Amount",
        "is_deleted": "Gone",
        "created_at": "Made",
        "closed_at": "Closed",
        "close_date": "Close",
        "owner_id": "Who",
        "loss_reason": "Why",
    }
    # Neither the export's own formats nor the session's zone touch what Parquet types itself.
    acme.map(
        {
            "opportunities": {"file": "deals.parquet", "columns": columns},
            "people": {"file": "leads.csv.gz", "columns": {"person_id": "Id", "created_at": "On"}},
        },
        date_formats=["%Y-%d-%m"],
        number_format={"thousands": ".", "decimal": ","},
        null_words=["NA"],
        timezone="Europe/Berlin",
    )
    acme.read(reporting_timezone="America/New_York")
    assert acme.rows(
        "select source_row, opportunity_id, amount, is_deleted, created_at, closed_at, close_date, owner_id, "
        "loss_reason from raw.export_opportunities"
    ) == [
        (
            1,
            "1",
            Decimal("1234.50"),
            True,
            datetime(2024, 1, 2, 4),
            datetime(2024, 1, 2, 5),
            date(2024, 2, 3),
            None,
            None,
        )
    ]
    # 2024-01-02 by %Y-%d-%m is the first of February.
    assert acme.rows("select source_file, person_id, created_at from raw.export_people") == [
        ("leads.csv.gz", "P1", datetime(2024, 2, 1))
    ]


@pytest.mark.parametrize("name", ["it's [1] *.csv", 'a "b".csv', "été.csv", "a;b--.csv", "a\\b.csv"])
def test_names_of_files_and_headers_are_quoted(acme: Export, name: str) -> None:
    acme.write(name, '"it\'s ""Id""","Stage; drop table x --"\nO\'1,"W""on"\n')
    acme.write("it's 1 x.csv", "a\n1\n")  # what the first name would match as a glob
    acme.map(
        {
            "opportunities": {
                "file": name,
                "columns": {
                    "opportunity_id": 'it\'s "Id"',
                    "stage": "Stage; drop table x --",
                    "loss_reason": {"constant": 'it\'s "so"'},
                },
                "where": {'it\'s "Id"': "O'1"},
            }
        },
        null_words=["it's", '"'],
    )
    acme.read()
    assert acme.rows("select source_file, opportunity_id, stage, loss_reason from raw.export_opportunities") == [
        (name, "O'1", 'W"on', 'it\'s "so"')
    ]


def test_the_first_folder_that_exists_is_used(acme: Export) -> None:
    acme.write("../shared/deals.csv", "Id,Stage\nS1,Won\n")
    acme.map({}, folders=["nowhere", "../shared", "."])
    acme.read()
    assert acme.rows("select source_file, opportunity_id from raw.export_opportunities") == [("deals.csv", "S1")]


TEXT = st.text(alphabet=st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=8)


@settings(max_examples=25, deadline=None)
@given(
    values=st.lists(st.tuples(TEXT, TEXT), max_size=20),
    headers=st.tuples(TEXT, TEXT),
    newline=st.sampled_from(["\n", "\r\n"]),
    delimiter=st.sampled_from([",", ";", "\t", "|"]),
)
def test_any_text_survives_the_way_through_csv(
    tmp_path_factory: pytest.TempPathFactory,
    values: list[tuple[str, str]],
    headers: tuple[str, str],
    newline: str,
    delimiter: str,
) -> None:
    made = Export(tmp_path_factory.mktemp("any"), duckdb.connect())
    names = [f"x{headers[0]}x", f"y{headers[1]}y"]
    text = io.StringIO()
    writer = csv.writer(text, delimiter=delimiter, lineterminator=newline, quoting=csv.QUOTE_ALL)
    writer.writerows([["Id", *names], *[[f"O{row}", *pair] for row, pair in enumerate(values)]])
    made.write("deals.csv", text.getvalue())
    columns = {"opportunity_id": "Id", "stage": names[0], "loss_reason": names[1]}
    made.map({"opportunities": {"file": "deals.csv", "columns": columns}})
    made.read()
    blanks = " \t\r\n\u00a0\ufeff"
    assert made.rows("select source_row, opportunity_id, stage, loss_reason from raw.export_opportunities") == [
        (row + 1, f"O{row}", first.strip(blanks) or None, second.strip(blanks) or None)
        for row, (first, second) in enumerate(values)
    ]


# --- values ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "berlin_to_new_york"),
    [
        ("2024-01-05", datetime(2024, 1, 5)),  # a day is local midnight
        ("2024-01-05T10:00:00.000+0000", datetime(2024, 1, 5, 5)),  # as Salesforce writes it
        ("2024-01-05T10:00:00Z", datetime(2024, 1, 5, 5)),
        ("2024-01-05 10:00:00 +0200", datetime(2024, 1, 5, 3)),
        ("2024-01-05 10:00:00-05", datetime(2024, 1, 5, 10)),
        ("2024-01-05T10:00:00.250+05:30", datetime(2024, 1, 4, 23, 30, 0, 250_000)),
        ("2024-01-05 10:00:00 UTC", datetime(2024, 1, 5, 5)),
        ("2024-01-05 7:00:00", datetime(2024, 1, 5, 1)),  # as spreadsheets save it
        ("2024-01-05 7:00:00Z", datetime(2024, 1, 5, 2)),
        ("2024-01-05 10:00", datetime(2024, 1, 5, 4)),  # no zone: read in Berlin
        ("2024-01-05T00:00:00", datetime(2024, 1, 4, 18)),
        ("2024-03-15T10:00:00", datetime(2024, 3, 15, 5)),  # New York has summer time before Berlin
        ("2024-07-05T10:00:00.1234567", datetime(2024, 7, 5, 4, 0, 0, 123_456)),
    ],
)
def test_timestamps_are_converted_to_the_reporting_timezone(
    acme: Export, text: str, berlin_to_new_york: datetime
) -> None:
    one_deal(acme, "created_at", text, timezone="Europe/Berlin").read(reporting_timezone="America/New_York")
    assert deal_value(acme, "created_at") == berlin_to_new_york


@pytest.mark.parametrize(
    ("text", "berlin_to_new_york"),
    [
        ("2024-01-05", date(2024, 1, 5)),
        ("2024-01-05 00:00:00", date(2024, 1, 5)),  # a day that the tool pads: not shifted
        ("2024-01-05 03:00:00", date(2024, 1, 4)),  # a moment: 21:00 of the day before in New York
        ("2024-01-05T03:00:00Z", date(2024, 1, 4)),
        ("05.01.2024", date(2024, 1, 5)),
        ("05.01.2024 03:00", date(2024, 1, 4)),
        ("05.01.2024 00:00", date(2024, 1, 5)),
        ("05.01.2024 03:00 +0000", date(2024, 1, 4)),
    ],
)
def test_dates_are_days_of_the_reporting_timezone(acme: Export, text: str, berlin_to_new_york: date) -> None:
    formats = ["%d.%m.%Y", "%d.%m.%Y %H:%M", "%d.%m.%Y %H:%M %z"]
    one_deal(acme, "close_date", text, timezone="Europe/Berlin", date_formats=formats)
    acme.read(reporting_timezone="America/New_York")
    assert deal_value(acme, "close_date") == berlin_to_new_york


@pytest.mark.parametrize(
    ("text", "formats", "utc"),
    [
        ("1/5/24", ["%m/%d/%y"], datetime(2024, 1, 5)),
        ("1/5/24 1:05 PM", ["%m/%d/%y", "%m/%d/%y %I:%M %p"], datetime(2024, 1, 5, 13, 5)),
        ("3/4/2024", ["%d/%m/%Y", "%m/%d/%Y"], datetime(2024, 4, 3)),  # the first that fits
        ("3/14/2024", ["%d/%m/%Y", "%m/%d/%Y"], datetime(2024, 3, 14)),
        ("5 Jan 2024", ["%d %b %Y"], datetime(2024, 1, 5)),
        ("20240105", ["%Y%m%d"], datetime(2024, 1, 5)),
        ("2024-01-05T10:00:00Z", ["%m/%d/%y"], datetime(2024, 1, 5, 10)),  # ISO is understood beside them
        ("2024-05-01", ["%m/%d/%y", "%Y-%d-%m"], datetime(2024, 1, 5)),
        ("2024-01-05 10:00:00+02:00", ["%Y-%m-%d %H:%M:%S%z"], datetime(2024, 1, 5, 8)),
    ],
)
def test_date_formats(acme: Export, text: str, formats: list[str], utc: datetime) -> None:
    one_deal(acme, "closed_at", text, date_formats=formats).read()
    assert deal_value(acme, "closed_at") == utc


@settings(max_examples=15, deadline=None)
@given(
    moments=st.lists(
        st.tuples(
            st.datetimes(min_value=datetime(1990, 1, 1), max_value=datetime(2037, 12, 31)),
            st.integers(-14 * 60, 14 * 60),
        ),
        min_size=1,
        max_size=40,
    ),
    source=st.sampled_from(["UTC", "Europe/Berlin", "Asia/Kolkata", "Australia/Lord_Howe"]),
    reporting=st.sampled_from(["UTC", "America/New_York", "Pacific/Auckland"]),
)
def test_any_moment_lands_where_the_time_zone_database_puts_it(
    tmp_path_factory: pytest.TempPathFactory, moments: list[tuple[datetime, int]], source: str, reporting: str
) -> None:
    zoned = [moment.replace(tzinfo=timezone(timedelta(minutes=offset))) for moment, offset in moments]
    # By way of UTC, so that none falls into the hour that a change to summer time skips.
    local = [moment.replace(tzinfo=UTC).astimezone(ZoneInfo(source)) for moment, _ in moments]
    made = Export(tmp_path_factory.mktemp("any"), duckdb.connect())
    rows = [
        f"O{row},Won,{with_zone.isoformat()},{without.replace(tzinfo=None).isoformat(sep=' ')}\n"
        for row, (with_zone, without) in enumerate(zip(zoned, local, strict=True))
    ]
    made.write("deals.csv", "Id,Stage,A,B\n" + "".join(rows))
    columns = {**DEAL_COLUMNS, "created_at": "A", "closed_at": "B"}
    made.map({"opportunities": {"file": "deals.csv", "columns": columns}}, timezone=source)
    made.read(reporting_timezone=reporting)

    def reported(moment: datetime) -> datetime:
        return moment.astimezone(UTC).astimezone(ZoneInfo(reporting)).replace(tzinfo=None)

    landed = made.rows("select created_at, closed_at from raw.export_opportunities")
    assert [created for created, _ in landed] == [reported(moment) for moment in zoned]
    for (_, closed), moment in zip(landed, local, strict=True):
        # A stamp in the hour that comes twice does not say which of the two it is.
        assert closed in {reported(moment.replace(fold=fold)) for fold in (0, 1)}


@pytest.mark.parametrize(
    ("text", "number_format", "amount"),
    [
        ("1234.5", {}, "1234.50"),
        ("-0.005", {}, "-0.01"),
        ("+.5", {}, "0.50"),
        ("1.2E+05", {}, "120000.00"),
        ("9999999999999999.99", {}, "9999999999999999.99"),
        ("1,234,567.89", {"thousands": ",", "decimal": "."}, "1234567.89"),
        ("12,34,567", {"thousands": ","}, "1234567.00"),
        ("1234567", {"thousands": ","}, "1234567.00"),
        ("1.234,5", {"thousands": ".", "decimal": ","}, "1234.50"),
        ("1\u202f234,5", {"thousands": " ", "decimal": ","}, "1234.50"),
        ("1'234.5", {"thousands": "'"}, "1234.50"),
    ],
)
def test_numbers(acme: Export, text: str, number_format: dict[str, str], amount: str) -> None:
    top = {"number_format": number_format} if number_format else {}
    one_deal(acme, "amount", text, **top).read()
    assert deal_value(acme, "amount") == Decimal(amount)


@pytest.mark.parametrize(
    ("text", "number_format"),
    [
        ("1,234.5", {}),
        ("1,23", {"thousands": ","}),  # a decimal comma: not 123
        ("1,2345", {"thousands": ","}),
        ("1 234", {"thousands": ","}),
        ("$12", {}),
        ("(12)", {}),
        ("12-", {}),
        ("1_000", {}),
        ("0x1F", {}),
        ("nan", {}),
        ("infinity", {}),
        ("99999999999999999", {}),
        (".", {}),
    ],
)
def test_a_number_that_is_none(acme: Export, text: str, number_format: dict[str, str]) -> None:
    one_deal(acme, "amount", text, **({"number_format": number_format} if number_format else {}))
    assert acme.error() == (
        f"data/acme/deals.csv, data row 1: '{text}' is not a number (entities.opportunities.columns.amount). "
        "Name the signs of the numbers in number_format; or mend the file."
    )


@settings(max_examples=15, deadline=None)
@given(
    amounts=st.lists(
        st.decimals(min_value=-(10**15), max_value=10**15, places=2, allow_nan=False, allow_infinity=False),
        min_size=1,
        max_size=40,
    ),
    signs=st.sampled_from([(",", "."), (".", ","), ("'", "."), (" ", ",")]),
)
def test_any_amount_survives_its_thousands_and_decimal_signs(
    tmp_path_factory: pytest.TempPathFactory, amounts: list[Decimal], signs: tuple[str, str]
) -> None:
    thousands, decimal = signs
    texts = [f"{amount:,.2f}".replace(",", "T").replace(".", decimal).replace("T", thousands) for amount in amounts]
    made = Export(tmp_path_factory.mktemp("any"), duckdb.connect())
    made.write("deals.csv", "Id;Stage;Sum\n" + "".join(f"O{row};Won;{text}\n" for row, text in enumerate(texts)))
    made.map(
        {"opportunities": {"file": "deals.csv", "columns": {**DEAL_COLUMNS, "amount": "Sum"}}},
        number_format={"thousands": thousands, "decimal": decimal},
    )
    made.read()
    assert made.rows("select amount from raw.export_opportunities") == [(amount,) for amount in amounts]


@pytest.mark.parametrize(("text", "number"), [("1200", 1200), ("1200.0", 1200), ("-3", -3), ("1e3", 1000)])
def test_whole_numbers(acme: Export, text: str, number: int) -> None:
    acme.write("accounts.csv", f"Id,N\nA1,{text}\n")
    acme.map({"accounts": {"file": "accounts.csv", "columns": {"account_id": "Id", "employee_count": "N"}}})
    acme.read()
    assert acme.rows("select employee_count from raw.export_accounts") == [(number,)]


@pytest.mark.parametrize("text", ["51-200", "12.5", "many", "99999999999999999999"])
def test_a_whole_number_that_is_none(acme: Export, text: str) -> None:
    acme.write("accounts.csv", f"Id,N\nA1,{text}\n")
    acme.map({"accounts": {"file": "accounts.csv", "columns": {"account_id": "Id", "employee_count": "N"}}})
    assert acme.error() == (
        f"data/acme/accounts.csv, data row 1: '{text}' is not a whole number "
        "(entities.accounts.columns.employee_count). Map text such as 51-200 under custom_columns; or mend the file."
    )


@pytest.mark.parametrize(
    ("text", "value"),
    [(word, True) for word in ("true", "TRUE", "t", "Yes", "1")]
    + [(word, False) for word in ("false", "False", "F", "no", "0")],
)
def test_booleans(acme: Export, text: str, value: bool) -> None:
    one_deal(acme, "is_deleted", text).read()
    assert deal_value(acme, "is_deleted") is value


def test_a_boolean_that_is_none(acme: Export) -> None:
    assert one_deal(acme, "is_deleted", "maybe").error() == (
        "data/acme/deals.csv, data row 1: 'maybe' is not a boolean (entities.opportunities.columns.is_deleted). "
        "Write true or false, yes or no, 1 or 0; or mend the file."
    )


def test_null_words_are_null_in_every_column(acme: Export) -> None:
    acme.write("deals.csv", 'Id,Stage,Acc,Amt,At,Gone,Day\nO1, NA ,Select,NA,"",Select,NA\nO2,na,,1,,,\n')
    columns = {
        **DEAL_COLUMNS,
        "account_id": "Acc",
        "amount": "Amt",
        "created_at": "At",
        "is_deleted": "Gone",
        "close_date": "Day",
    }
    acme.map({"opportunities": {"file": "deals.csv", "columns": columns}}, null_words=["", "NA", "Select"])
    acme.read()
    assert acme.rows(
        "select stage, account_id, amount, created_at, is_deleted, close_date from raw.export_opportunities"
    ) == [(None, None, None, None, None, None), ("na", None, Decimal(1), None, None, None)]


def test_constants_of_every_type(acme: Export) -> None:
    constants = {
        "opportunity_type": {"constant": "new_business"},
        "amount": {"constant": 12.5},
        "created_at": {"constant": "2024-01-05T10:00:00+01:00"},
        "closed_at": {"constant": date(2024, 1, 5)},
        "close_date": {"constant": date(2024, 1, 5)},
        "is_deleted": {"constant": False},
    }
    acme.map(
        {"opportunities": {"file": "deals.csv", "columns": {**DEAL_COLUMNS, **constants}}},
        date_formats=["%Y-%d-%m"],
        number_format={"thousands": ".", "decimal": ","},
        null_words=["new_business"],
    )
    acme.read()
    expected = (
        "new_business",
        Decimal("12.50"),
        datetime(2024, 1, 5, 9),
        datetime(2024, 1, 5),
        date(2024, 1, 5),
        False,
    )
    assert acme.rows(f"select {', '.join(constants)} from raw.export_opportunities") == [expected, expected]


# --- errors of values ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    ["31/12/2017", "2024-02-30", "2024-1-5", "infinity", "epoch", "today", "2024-01-05 25:00", "12:00", "45678"],
)
@pytest.mark.parametrize(("column", "what"), [("closed_at", "a timestamp"), ("close_date", "a date")])
def test_a_date_that_does_not_parse(acme: Export, column: str, what: str, text: str) -> None:
    assert one_deal(acme, column, text).error() == (
        f"data/acme/deals.csv, data row 1: '{text}' is not {what} (entities.opportunities.columns.{column}). "
        "Name the format of the dates in date_formats (ISO 8601 needs none); or mend the file."
    )


def test_a_year_of_two_digits_is_no_year_of_four(acme: Export) -> None:
    one_deal(acme, "closed_at", "1/5/24", date_formats=["%m/%d/%Y"])
    assert acme.error().startswith("data/acme/deals.csv, data row 1: '1/5/24' is not a timestamp")


def test_the_row_of_an_error_is_that_of_the_file(acme: Export) -> None:
    lines = "".join(f"O{row},Won,{'x' if row == 17 else ''}\n" for row in range(1, 30))
    acme.write("deals.csv", f"Id,Stage,At\n{lines}")
    acme.map({"opportunities": {"file": "deals.csv", "columns": {**DEAL_COLUMNS, "closed_at": "At"}}})
    assert acme.error() == (
        "data/acme/deals.csv, data row 17: 'x' is not a timestamp (entities.opportunities.columns.closed_at). "
        "Name the format of the dates in date_formats (ISO 8601 needs none); or mend the file."
    )


def test_several_columns_that_do_not_parse_are_in_one_message_in_the_order_of_rows(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage,Amt,At,Day\nO1,Won,1,,\nO2,Won,1,x,\nO3,Won,2.,y,z\nO4,Won,a,,\n")
    columns = {**DEAL_COLUMNS, "amount": "Amt", "closed_at": "At", "close_date": "Day"}
    acme.map({"opportunities": {"file": "deals.csv", "columns": columns}})
    assert acme.error() == (
        "data/acme/deals.csv: data row 2: 'x' is not a timestamp (entities.opportunities.columns.closed_at); "
        "data row 3: 'z' is not a date (entities.opportunities.columns.close_date); "
        "data row 4: 'a' is not a number (entities.opportunities.columns.amount). "
        "Name the format of the dates in date_formats (ISO 8601 needs none); "
        "name the signs of the numbers in number_format; or mend the file."
    )


def test_at_most_five_columns_that_do_not_parse_are_listed(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage,X\nO1,Won,?\n")
    names = ["amount", "created_at", "close_date", "closed_at", "changed_at", "is_deleted"]
    columns = {**DEAL_COLUMNS, **dict.fromkeys(names, "X")}
    acme.map({"opportunities": {"file": "deals.csv", "columns": columns}})
    message = acme.error()
    assert message.count("'?' is not") == 5
    assert "; and 1 more. " in message


def test_the_first_file_with_an_error_is_named(acme: Export) -> None:
    acme.write("b.csv", "Id,Stage,At\nO3,Won,bad\n")
    acme.write("a.csv", "Id,Stage,At\nO1,Won,2024-01-01\nO2,Won,worse\n")
    acme.map({"opportunities": {"file": "[ab].csv", "columns": {**DEAL_COLUMNS, "closed_at": "At"}}})
    assert acme.error().startswith("data/acme/a.csv, data row 2: 'worse' is not a timestamp")


# --- keys ------------------------------------------------------------------------------------------------------


def test_an_empty_key(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage\nO1,Won\n-,Won\n,Lost\n")
    acme.map({}, null_words=["-"])
    assert acme.error() == (
        "data/acme/deals.csv, data row 2: opportunity_id is empty (entities.opportunities.columns.opportunity_id). "
        "Give the row its key, or remove it."
    )


def test_a_repeated_key_names_both_rows(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage\nO1,Won\nO2,Won\nO3,Won\nO3,Lost\nO1 ,Lost\nO1,Lost\n")
    assert acme.error() == (
        "data/acme/deals.csv, data row 4: the opportunity_id 'O3' is already in data/acme/deals.csv, data row 3 "
        "(entities.opportunities.columns.opportunity_id). Keep one row for each opportunity_id."
    )


def test_a_key_repeated_in_another_block_names_both_files(acme: Export) -> None:
    acme.write("old.csv", "Nr,Phase\nX,Won\nO2,Won\n")
    blocks = [
        {"file": "deals.csv", "columns": DEAL_COLUMNS},
        {"file": "old.csv", "columns": {"opportunity_id": "Nr", "stage": "Phase"}},
    ]
    acme.map({"opportunities": blocks})
    assert acme.error() == (
        "data/acme/old.csv, data row 2: the opportunity_id 'O2' is already in data/acme/deals.csv, data row 2 "
        "(entities.opportunities[2].columns.opportunity_id). Keep one row for each opportunity_id."
    )


def test_an_empty_key_after_a_repeated_one_waits_its_turn(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage\nO1,Won\nO1,Won\n,Lost\n")
    assert "data row 2: the opportunity_id 'O1' is already in" in acme.error()
    acme.write("deals.csv", "Id,Stage\nO1,Won\n,Lost\nO1,Won\n")
    assert "data row 2: opportunity_id is empty" in acme.error()


def test_stage_history_has_no_key(acme: Export) -> None:
    acme.write("log.csv", "Id,To,At\nO1,Won,2024-01-02\nO1,Won,2024-01-02\n,,\n")
    columns = {"entity": {"constant": "opportunity"}, "entity_id": "Id", "stage": "To", "entered_at": "At"}
    acme.map({"stage_history": {"file": "log.csv", "columns": columns}})
    acme.read()
    assert acme.rows("select count(*) from raw.export_stage_history") == [(3,)]


# --- lookups ---------------------------------------------------------------------------------------------------

ACCOUNTS = {"file": "accounts.csv", "columns": {"account_id": "Id", "account_name": "Name"}}


def with_lookup(made: Export, accounts: str, deals: str) -> Export:
    """An export whose deals name their accounts."""
    made.write("accounts.csv", accounts)
    made.write("deals.csv", deals)
    columns = {**DEAL_COLUMNS, "account_id": {"column": "Account", "lookup": "accounts.account_name"}}
    made.map({"opportunities": {"file": "deals.csv", "columns": columns}, "accounts": ACCOUNTS})
    return made


def test_names_are_looked_up_and_those_not_found_stay(acme: Export) -> None:
    with_lookup(
        acme,
        "Id,Name\nA1,Acme\nA2, Bolt \nA3,\n",
        "Id,Stage,Account\nO1,Won,Bolt\nO2,Won, Acme\nO3,Won,acme\nO4,Won,\nO5,Won,A1\n",
    ).read()
    assert acme.rows("select source_row, account_id from raw.export_opportunities") == [
        (1, "A2"),
        (2, "A1"),
        (3, "acme"),
        (4, None),
        (5, "A1"),
    ]


def test_a_name_of_two_accounts_is_refused_where_a_deal_uses_it(acme: Export) -> None:
    accounts = "Id,Name\nA1,Acme\nA2,Bolt\nA3,Acme\n"
    with_lookup(acme, accounts, "Id,Stage,Account\nO1,Won,Bolt\nO2,Won,Acme\n")
    assert acme.error() == (
        "data/acme/deals.csv, data row 2: 'Acme' (entities.opportunities.columns.account_id) is the account_name of "
        "2 accounts, 'A1' and 'A3' among them. Map a column that holds the account_id, or make the names distinct."
    )
    with_lookup(acme, accounts, "Id,Stage,Account\nO1,Won,Bolt\n").read()
    assert acme.rows("select account_id from raw.export_opportunities") == [("A2",)]


def test_lookups_within_an_entity_by_custom_columns_and_in_one_block_of_two(acme: Export) -> None:
    acme.write("accounts.csv", "Id,Name,Parent\nA1,Acme,\nA2,Bolt,Acme\nA3,Core,Bolt\n")
    acme.write("deals.csv", "Id,Stage,Who,Key\nO1,Won,Bolt,x\n")
    acme.write("more.csv", "Id,Stage,Acc,Deal\nO2,Won,Bolt,x\nO3,Won,A3,y\n")
    acme.write("leads.csv", "Id,On,Deal\nP1,2024-01-01,x\nP2,2024-01-01,z\n")
    parent = {"column": "Parent", "lookup": "accounts.account_name"}
    accounts = {
        "file": "accounts.csv",
        "columns": {"account_id": "Id", "account_name": "Name", "parent_account_id": parent},
    }
    deals = [
        {
            "file": "deals.csv",
            "columns": {**DEAL_COLUMNS, "account_id": {"column": "Who", "lookup": "accounts.account_name"}},
            "custom_columns": {"external_key": "Key"},
        },
        {"file": "more.csv", "columns": {**DEAL_COLUMNS, "account_id": "Acc"}},
    ]
    people = {
        "file": "leads.csv",
        "columns": {
            "person_id": "Id",
            "created_at": "On",
            "opportunity_id": {"column": "Deal", "lookup": "opportunities.external_key"},
        },
    }
    acme.map({"people": people, "opportunities": deals, "accounts": accounts})
    acme.read()
    assert acme.rows("select account_id, parent_account_id from raw.export_accounts") == [
        ("A1", None),
        ("A2", "A1"),
        ("A3", "A2"),
    ]
    # The second block holds ids, and 'Bolt' there is one.
    assert acme.rows("select opportunity_id, account_id from raw.export_opportunities") == [
        ("O1", "A2"),
        ("O2", "Bolt"),
        ("O3", "A3"),
    ]
    assert acme.rows("select person_id, opportunity_id from raw.export_people") == [("P1", "O1"), ("P2", "z")]


# --- errors of files -------------------------------------------------------------------------------------------


def test_a_missing_file_names_the_folders(acme: Export) -> None:
    acme.write("exports/readme.txt", "")
    acme.map({}, folders=["nowhere", "exports", "."])
    assert acme.error() == (
        f"{LABEL}: entities.opportunities.file: there is no file 'deals.csv' in data/acme/exports (folders, of which "
        "the first that exists is used: nowhere, exports, .). Put the file there, or mend file or folders."
    )


def test_a_glob_that_matches_nothing(acme: Export) -> None:
    acme.map({"opportunities": {"file": "deals-*.csv", "columns": DEAL_COLUMNS}})
    assert acme.error() == (
        f"{LABEL}: entities.opportunities.file: no file matches 'deals-*.csv' in data/acme (folders, of which the "
        "first that exists is used: .). Put the file there, or mend file or folders."
    )


def test_no_folder_exists(acme: Export) -> None:
    acme.map({}, folders=["a", "../b"])
    assert acme.error() == (
        f"{LABEL}: none of the folders exists (tried a, ../b, seen from the mapping). "
        "Put the export in one of them, or mend folders."
    )


def test_a_spreadsheet(acme: Export) -> None:
    acme.write("deals.xlsx", b"PK")
    acme.map({"opportunities": {"file": "deals.xlsx", "columns": DEAL_COLUMNS}})
    assert acme.error() == (
        "data/acme/deals.xlsx is a spreadsheet (entities.opportunities.file). "
        "Save the sheet as CSV UTF-8, and name that file."
    )


def test_source_columns_that_the_header_does_not_have(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage Name,Amount,Amount (USD)\nO1,Won,1,2\n")
    columns = {"opportunity_id": "ID", "stage": "Stage", "amount": "Amuont"}
    acme.map({"opportunities": {"file": "deals.csv", "columns": columns, "where": {"~~": "x"}}})
    assert acme.error() == (
        "data/acme/deals.csv: the header does not have 'ID' for entities.opportunities.columns.opportunity_id "
        "(nearest: 'Id'); 'Stage' for entities.opportunities.columns.stage (nearest: 'Stage Name'); 'Amuont' for "
        "entities.opportunities.columns.amount (nearest: 'Amount', 'Amount (USD)'); '~~' for "
        "entities.opportunities.where (it has 'Id', 'Stage Name', 'Amount', 'Amount (USD)'). "
        f"Mend the names in {LABEL}."
    )


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"  \r\nId,Stage\n", b",,\nO1,Won,\n"])
def test_an_empty_file(acme: Export, content: bytes) -> None:
    acme.write("deals.csv", content)
    assert acme.error() == (
        "data/acme/deals.csv has no header in its first line. Export it again with the names of its columns there."
    )


def test_a_column_named_twice(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage, Stage \nO1,Won,Lost\n")
    assert acme.error() == ("data/acme/deals.csv: the header names the column 'Stage' twice. Rename one of the two.")


@pytest.mark.parametrize(
    ("content", "line", "problem"),
    [
        ("Id,Stage\nO1,Won\nO2\nO3,Won\n", 3, "1 value where the header has 2"),
        ("Id,Stage\nO1,Won\nO2,a,b,c\n", 3, "more than 2 values where the header has 2"),
        ('Id,Stage\r\nO1,"a\r\nb"\r\n\r\nO2\r\n', 5, "1 value where the header has 2"),
        ("Id,Stage\rO1,Won\rO2\r", 3, "1 value where the header has 2"),
    ],
)
def test_a_line_of_another_number_of_values(acme: Export, content: str, line: int, problem: str) -> None:
    acme.write("deals.csv", content)
    assert acme.error() == (
        f"data/acme/deals.csv, line {line}: {problem}. "
        "Mend that line: a value that holds a delimiter or a line break needs quotation marks around it."
    )


def test_a_bad_line_deep_in_a_compressed_file(acme: Export) -> None:
    lines = [f"O{row},Won" for row in range(200_000)]
    lines[150_000] = "O"
    lines[180_000] = "O"
    acme.write("deals.csv.gz", gzip.compress("\n".join(["Id,Stage", *lines]).encode(), compresslevel=1))
    acme.map({"opportunities": {"file": "deals.csv.gz", "columns": DEAL_COLUMNS}})
    assert acme.error().startswith("data/acme/deals.csv.gz, line 150002: 1 value where the header has 2. ")


@pytest.mark.parametrize("content", ['Id,Stage\nO1,Won\nO2,"open\nO3,x\n', 'Id,Stage\nO1,Won\nO2,"a"b"\n'])
def test_a_quotation_mark_out_of_place(acme: Export, content: str) -> None:
    acme.write("deals.csv", content)
    assert acme.error() == (
        "data/acme/deals.csv, line 3: a quotation mark is not closed, or stands alone within a value. "
        "Double the marks within a value, and close the value with one."
    )


def test_a_quotation_mark_open_in_the_header(acme: Export) -> None:
    acme.write("deals.csv", '"Id,Stage\n' + "O1,Won\n" * 200)
    assert acme.error() == ("data/acme/deals.csv: a quotation mark in the header is not closed. Mend the first line.")


@pytest.mark.parametrize("content", ["Id,Stage\r\nO1,Won\nO2,Won\r\n", "Id,Stage\nO1,Won\r\n"])
def test_mixed_line_ends(acme: Export, content: str) -> None:
    acme.write("deals.csv", content)
    assert acme.error() == (
        "data/acme/deals.csv mixes different line ends. Save the file again with one kind of line end."
    )


@pytest.mark.parametrize(
    ("content", "place"),
    [
        ("Id,Stage\nO1,Won\nO2,caf\xe9\n".encode("latin-1"), ", line 3: not UTF-8 text"),
        ("Id,Stage,\xc9tat\nO1,Won,x\n".encode("latin-1"), ": the header is not UTF-8 text"),
        ("Id,Stage\nO1,Won\n".encode("utf-16-le"), ": the header is not UTF-8 text"),
    ],
    ids=["rows", "header", "utf16_without_bom"],
)
def test_a_file_in_an_encoding_that_nothing_states(acme: Export, content: bytes, place: str) -> None:
    acme.write("deals.csv", content)
    assert acme.error() == (
        f"data/acme/deals.csv{place}. Save the file as UTF-8 (in a spreadsheet: CSV UTF-8), "
        "or name its encoding (encoding: windows-1252)."
    )


@pytest.mark.parametrize(
    ("encoding", "stated"),
    [
        ("utf-16", None),
        ("utf-8-sig", None),
        ("utf-8-sig", "windows-1252"),  # what the file says of itself goes before the mapping
        ("utf-16", "windows-1252"),
        ("windows-1252", "windows-1252"),
        ("latin-1", "latin-1"),
        ("utf-16-le", "utf-16-le"),
        ("utf-8", "UTF-8"),
    ],
)
@pytest.mark.parametrize("compress", [bytes, gzip.compress])
def test_an_encoding_that_is_stated_is_read_right(
    acme: Export, encoding: str, stated: str | None, compress: Callable[[bytes], bytes]
) -> None:
    name = "deals.csv.gz" if compress is gzip.compress else "deals.csv"
    acme.write(name, compress("Id;St\u00e4ge\r\nO1;caf\u00e9\r\n".encode(encoding)))
    columns = {"opportunity_id": "Id", "stage": "St\u00e4ge"}
    acme.map({"opportunities": {"file": name, "columns": columns}}, **({"encoding": stated} if stated else {}))
    acme.read()
    assert acme.rows("select opportunity_id, stage, source_file from raw.export_opportunities") == [
        ("O1", "caf\u00e9", name)
    ]


def test_a_file_that_is_not_in_the_encoding_that_is_stated(acme: Export) -> None:
    acme.write("deals.csv", b"Id,Stage\nO1,Won\x81\n")  # a byte that Windows-1252 does not have
    acme.map({}, encoding="windows-1252")
    assert acme.error() == (
        "data/acme/deals.csv: not windows-1252 text, which the mapping or its byte order mark says it is. "
        "Save the file as UTF-8 (in a spreadsheet: CSV UTF-8), or name its encoding (encoding: windows-1252)."
    )
    acme.write("deals.csv", DEALS.encode("utf-16")[:-1])
    acme.map({})
    assert acme.error().startswith("data/acme/deals.csv: not utf-16 text")


def test_a_bad_line_of_a_file_in_another_encoding_is_named_as_the_users_file_has_it(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage\nO1,\u00e9\u00e9\u00e9\nO2\n".encode("utf-16"))
    assert acme.error().startswith("data/acme/deals.csv, line 3: 1 value where the header has 2. ")


@pytest.mark.parametrize("name", ["deals.parquet", "deals.csv.gz"])
def test_a_file_that_is_not_what_its_name_says(acme: Export, name: str) -> None:
    acme.write(name, DEALS)
    acme.map({"opportunities": {"file": name, "columns": DEAL_COLUMNS}})
    message = acme.error()
    assert message.startswith(f"data/acme/{name} cannot be read (")
    assert message.endswith("). Check the file, or export it again.")
    assert str(acme.project) not in message


def test_a_compressed_file_cut_short(acme: Export) -> None:
    whole = gzip.compress("\n".join(["Id,Stage", *[f"O{row},Won" for row in range(50_000)]]).encode())
    acme.write("deals.csv.gz", whole[: len(whole) // 2])
    acme.map({"opportunities": {"file": "deals.csv.gz", "columns": DEAL_COLUMNS}})
    assert acme.error() == (
        "data/acme/deals.csv.gz cannot be read (Compressed file ended before the end-of-stream marker was reached). "
        "Check the file, or export it again."
    )


def test_a_compressed_file_of_a_wrong_checksum(acme: Export) -> None:
    whole = bytearray(gzip.compress(DEALS.encode()))
    whole[-8] ^= 1
    acme.write("deals.csv.gz", bytes(whole))
    acme.map({"opportunities": {"file": "deals.csv.gz", "columns": DEAL_COLUMNS}})
    assert acme.error().startswith("data/acme/deals.csv.gz cannot be read (CRC check failed")


def test_zones_and_formats_that_the_engine_does_not_know(acme: Export) -> None:
    assert acme.error(reporting_timezone="Europe/Berln") == (
        "The var reporting_timezone is 'Europe/Berln', which is not a time zone. Write a name such as 'Europe/Berlin'."
    )
    acme.map({}, timezone="Mars")
    assert acme.error().startswith(f"{LABEL}: timezone is 'Mars', which is not a time zone. Write a name such as '")
    acme.map({}, date_formats=["%d/%m/%Y %Q"])
    assert acme.error() == (
        f"{LABEL}: date_formats holds '%d/%m/%Y %Q', which is not a strptime format. "
        'Write it with directives such as "%d/%m/%Y %H:%M".'
    )


def test_a_dimension_attribute_that_nothing_maps(acme: Export) -> None:
    acme.read(dimension_attributes=["people.lead_source", "opportunities.loss_reason"])
    assert acme.error(dimension_attributes=["people.lead_source", "people.channel"]) == (
        f"The dimension attribute 'people.channel' is no column that {LABEL} maps. "
        "Map it under entities.people.custom_columns, or mend the dimension."
    )


# --- the as-of date --------------------------------------------------------------------------------------------


def dated(made: Export, stamps: Sequence[tuple[str, int]], **arguments: Any) -> tuple[Any, ...]:
    """(as_of_date, as_of_rule, latest_stamp_date) of deals created on these days, so many on each."""
    days = [day for day, count in stamps for _ in range(count)]
    rows = "".join(f"O{number},Won,{day}\n" for number, day in enumerate(days))
    made.write("deals.csv", "Id,Stage,At\n" + rows)
    made.map({"opportunities": {"file": "deals.csv", "columns": {**DEAL_COLUMNS, "created_at": "At"}}})
    made.read(**arguments)
    context = made.context()
    return context["as_of_date"], context["as_of_rule"], context["latest_stamp_date"]


def test_the_argument_goes_before_the_mapping_and_the_mapping_before_the_stamps(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage,At\nO1,Won,2024-05-06 23:59\n")
    columns = {**DEAL_COLUMNS, "created_at": "At"}
    entities = {"opportunities": {"file": "deals.csv", "columns": columns}}
    latest = date(2024, 5, 6)
    for mapped, argument, expected in [
        (date(2024, 2, 2), date(2024, 1, 1), (date(2024, 1, 1), "variable", latest)),
        (date(2024, 2, 2), None, (date(2024, 2, 2), "mapping", latest)),
        (None, None, (latest, "latest_stamp", latest)),
    ]:
        acme.map(entities, **({"as_of_date": mapped} if mapped else {}))
        acme.read(as_of_date=argument)
        context = acme.context()
        assert (context["as_of_date"], context["as_of_rule"], context["latest_stamp_date"]) == expected


def test_no_dated_record(acme: Export) -> None:
    assert dated(acme, [("", 2)]) == (date(1970, 1, 1), "no_dated_record", None)


def test_stamps_of_every_entity_count_but_no_planned_date(acme: Export) -> None:
    acme.write("deals.csv", "Id,Stage,A,B,C,Plan\nO1,Won,2024-01-01,2024-01-02,2024-01-03,2025-01-01\n")
    acme.write("leads.csv", "Id,A,B,C\nP1,2024-01-04,2024-01-05,2024-01-06\n")
    acme.write("log.csv", "Id,At\nO1,2024-01-07\n")
    acme.write("accounts.csv", "Id,A,B\nA1,2024-01-08,2024-01-09\n")
    deals = {**DEAL_COLUMNS, "created_at": "A", "closed_at": "B", "changed_at": "C", "close_date": "Plan"}
    entities: dict[str, Any] = {
        "opportunities": {"file": "deals.csv", "columns": deals},
        "people": {
            "file": "leads.csv",
            "columns": {"person_id": "Id", "created_at": "A", "converted_at": "B", "changed_at": "C"},
        },
        "stage_history": {
            "file": "log.csv",
            "columns": {
                "entity": {"constant": "opportunity"},
                "entity_id": "Id",
                "stage": {"constant": "Won"},
                "entered_at": "At",
            },
        },
        "accounts": {
            "file": "accounts.csv",
            "columns": {"account_id": "Id", "created_at": "A", "changed_at": "B"},
        },
    }
    # From the last to the first: each entity, then each column, that is taken away moves the date back.
    for entity, column, day in [
        ("accounts", "changed_at", 9),
        ("accounts", "created_at", 8),
        ("stage_history", None, 7),
        ("people", "changed_at", 6),
        ("people", "converted_at", 5),
        ("people", None, 4),
        ("opportunities", "changed_at", 3),
        ("opportunities", "closed_at", 2),
        ("opportunities", "created_at", 1),
    ]:
        acme.map(entities)
        acme.read()
        assert acme.context()["as_of_date"] == date(2024, 1, day)
        if column is None:
            del entities[entity]
        else:
            del entities[entity]["columns"][column]
    acme.map(entities)
    acme.read()
    assert acme.context()["as_of_rule"] == "no_dated_record"


def test_a_lone_outlier_is_skipped(acme: Export) -> None:
    # 1 of 1,002 stamps is less than 0.1 %, and 2099 is far more than 31 days after 2024-01-31.
    stamps = [("2024-01-30", 500), ("2024-01-31", 501), ("2099-12-31", 1)]
    assert dated(acme, stamps) == (date(2024, 1, 31), "latest_stamp", date(2024, 1, 31))


def test_a_tenth_of_a_percent_is_no_outlier(acme: Export) -> None:
    # 1 of 1,000 stamps is 0.1 %, which is not less than it.
    stamps = [("2024-01-30", 500), ("2024-01-31", 499), ("2099-12-31", 1)]
    assert dated(acme, stamps) == (date(2099, 12, 31), "latest_stamp", date(2099, 12, 31))


@pytest.mark.parametrize(("day", "as_of"), [("2024-03-02", date(2024, 3, 2)), ("2024-03-03", date(2024, 1, 31))])
def test_an_outlier_is_more_than_31_days_after_the_day_before_it(acme: Export, day: str, as_of: date) -> None:
    # 2024-01-31 + 31 days = 2024-03-02, in a leap year.
    assert dated(acme, [("2024-01-31", 2000), (day, 1)]) == (as_of, "latest_stamp", as_of)


def test_outliers_far_from_each_other_are_skipped_one_by_one(acme: Export) -> None:
    stamps = [("2024-01-31", 3000), ("2030-01-01", 1), ("2099-12-31", 2)]
    assert dated(acme, stamps)[0] == date(2024, 1, 31)


def test_days_next_to_each_other_are_not_lone(acme: Export) -> None:
    # 2099-12-31 is one day after 2099-12-30, so it is the latest stamp, whatever the gap before both.
    stamps = [("2024-01-31", 3000), ("2099-12-30", 1), ("2099-12-31", 1)]
    assert dated(acme, stamps)[0] == date(2099, 12, 31)


def test_an_outlier_at_the_beginning_does_not_matter(acme: Export) -> None:
    assert dated(acme, [("1970-01-01", 1), ("2024-01-30", 2000)])[0] == date(2024, 1, 30)


def test_the_stamp_day_is_that_of_the_reporting_timezone(acme: Export) -> None:
    stamps = [("2024-01-31T02:00:00Z", 1)]
    assert dated(acme, stamps, reporting_timezone="America/New_York")[0] == date(2024, 1, 30)


# --- fingerprints ----------------------------------------------------------------------------------------------


def test_the_input_hash_is_of_the_mapping_and_the_files_it_names(acme: Export) -> None:
    first = input_hash(acme.project, "data/acme")
    assert len(first) == 64
    acme.write("notes.csv", "not named\n")
    assert input_hash(acme.project, "data/acme") == first
    acme.write("deals.csv", DEALS + "O3,Open\n")
    changed = input_hash(acme.project, "data/acme")
    assert changed != first
    acme.write("deals.csv", DEALS)
    assert input_hash(acme.project, "data/acme") == first
    acme.map({}, currency="USD")
    assert input_hash(acme.project, "data/acme") not in {first, changed}


def test_the_input_hash_is_the_same_wherever_the_export_lies(acme: Export, tmp_path_factory: Any) -> None:
    other = Export(tmp_path_factory.mktemp("elsewhere"), duckdb.connect())
    other.write("deals.csv", DEALS)
    other.map({})
    assert input_hash(other.project, "data/acme") == input_hash(acme.project, "data/acme")
    assert input_hash(other.project / "data", "acme") == input_hash(acme.project, "data/acme")


def test_the_input_hash_tells_the_names_of_files_apart(acme: Export) -> None:
    acme.write("a.csv", "Id,Stage\nO1,a\n")
    acme.write("b.csv", "Id,Stage\nO2,b\n")
    acme.map({"opportunities": {"file": "[ab].csv", "columns": DEAL_COLUMNS}})
    first = input_hash(acme.project, "data/acme")
    acme.write("a.csv", "Id,Stage\nO2,b\n")
    acme.write("b.csv", "Id,Stage\nO1,a\n")
    assert input_hash(acme.project, "data/acme") != first


def test_the_input_hash_counts_files_of_one_name_outside_the_folder(acme: Export) -> None:
    acme.write("../x/deals.csv", "Id,Stage\nX1,a\n")
    acme.write("../y/deals.csv", "Id,Stage\nY1,b\n")
    acme.map({"opportunities": {"file": "../?/deals.csv", "columns": DEAL_COLUMNS}})
    first = input_hash(acme.project, "data/acme")
    acme.write("../x/deals.csv", "Id,Stage\nX2,a\n")
    second = input_hash(acme.project, "data/acme")
    acme.write("../y/deals.csv", "Id,Stage\nY2,b\n")
    assert len({first, second, input_hash(acme.project, "data/acme")}) == 3


def test_the_code_version_is_of_the_projects_own_code(tmp_path: Path) -> None:
    def write(name: str, content: bytes) -> str:
        path = tmp_path / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
        return code_version(tmp_path)

    empty = code_version(tmp_path)
    # sha256 of nothing begins with e3b0c44298fc.
    assert empty == "0.1.0+e3b0c44298fc"
    seen = [empty]
    for name in [
        "dbt_project.yml",
        "requirements.lock",
        "models/core/a.sql",
        "macros/a.yml",
        "expectations/suite.json",
        "python/segment_signals/review/page.css",
    ]:
        seen.append(write(name, b"a\nb\n"))
        assert write(name, b"a\r\nb\r\n") == seen[-1]
        assert seen[-1] not in seen[:-1]
    for name in ["README.md", "seeds/stage_map.csv", "models/core/a.pyc", "python/other/a.py", "tests/a.sql"]:
        assert write(name, b"x") == seen[-1]
    assert write("models/core/a.sql", b"a\nc\n") not in seen
    (tmp_path / "models/core/a.sql").rename(tmp_path / "models/core/b.sql")
    assert write("models/core/b.sql", b"a\nb\n") not in seen
