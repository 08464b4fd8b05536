"""Salesforce files through the reader and the staging views: the shapes they come in, and the public fixtures."""

import re
import shutil
from collections.abc import Callable, Mapping
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import pytest
from conftest import PROJECT, Build, dataset
from segment_signals.sources.reader import read_sources

pytestmark = pytest.mark.long


SF = "salesforce:"

DATA = Path(__file__).parents[1] / "data"
# One small organisation as a Data Export writes it. Ids come with 15 or 18 characters.
OBJECTS = {path.stem: path.read_text(encoding="utf-8") for path in sorted((DATA / "salesforce").glob("*.csv"))}

MAPPING: Mapping[str, Any] = {
    "sources": ["salesforce"],
    "salesforce": {
        "columns": {
            "account": {"region": "Region__c", "tier": "Tier__c"},
            "lead": {
                "persona": "Persona__c",
                "self_reported_source": "How_did_you_hear__c",
                "has_budget": "Has_Budget__c",
            },
            "opportunity": {"loss_reason": "Loss_Reason__c"},
            "user": {"team": "Team__c"},
            "product2": {"list_price": "List_Price__c"},
        },
        "stage_dates": {"lead": {"mql": "MQL_Date__c"}},
    },
    "dimensions": {"tier": ["accounts.tier"]},
}

VIEWS = (
    "accounts",
    "activities",
    "attribute_history",
    "campaigns",
    "opportunities",
    "opportunity_history",
    "opportunity_people",
    "opportunity_stages",
    "owners",
    "people",
    "products",
    "stage_history",
    "touches",
)


def snake_case(name: str) -> str:
    """A name as Fivetran breaks it into words: Product2Id is product_2_id."""
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[a-z])(?=[0-9])", "_", name)
    return words.lower().replace("__", "_")


def dlt_case(name: str) -> str:
    """A name as dlt writes it: MQL_Date__c is mql_date__c, Product2Id is product2_id."""
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", name).lower()


def as_fivetran(text: str) -> str:
    """The rows as Fivetran lands them: own columns, stamps without a zone, dates as midnight."""
    header, *rows = text.splitlines()
    columns = [snake_case(name) for name in header.split(",")]
    lines = [",".join(["_fivetran_synced", *columns, "_fivetran_deleted"])]
    for row in rows:
        plain = re.sub(r"(\d{4}-\d\d-\d\d)T(\d\d:\d\d:\d\d)\.000\+0000", r"\1 \2", row)
        plain = re.sub(r"(\d{4}-\d\d-\d\d)(?=,|$)", r"\1 00:00:00", plain)
        lines.append(f"2024-12-31 00:00:00,{plain},false")
    return "\n".join(lines) + "\n"


def write_dlt(path: Path, text: str) -> None:
    """The rows as dlt writes them: Parquet, typed."""
    header, *rows = text.splitlines()
    names = header.split(",")
    types = {
        "timestamptz": re.compile(r"(CreatedDate|LastModifiedDate|LastStageChangeDate|Modstamp|DateTime)$"),
        "date": re.compile(r"(CloseDate|ActivityDate|ConvertedDate|StartDate|EndDate|FirstRespondedDate|MQL_Date__c)$"),
        "boolean": re.compile(r"^(Is|Has)[A-Z_]"),
        "double": re.compile(r"^(Amount|Probability|NumberOf|AnnualRevenue|BudgetedCost|ActualCost|TotalPrice)"),
        "bigint": re.compile(r"^SortOrder"),
    }
    columns = []
    for name in names:
        column_type = next((each for each, pattern in types.items() if pattern.search(name)), "varchar")
        columns.append(f"""nullif("{name}", '')::{column_type} as "{dlt_case(name)}" """)
    source = path.with_suffix(".csv")
    source.write_text(text, encoding="utf-8")
    with duckdb.connect() as connection:
        connection.execute("set timezone = 'UTC'")
        connection.execute(
            f"copy (select {', '.join(columns)}, 'x' || row_number() over () as _dlt_id, '1' as _dlt_load_id "
            f"from read_csv('{source}', header = true, all_varchar = true)) to '{path}' (format parquet)"
        )
    source.unlink()
    assert len(rows) > 0


def fixture_files(folder: Path) -> dict[str, str]:
    """The CSV files of a folder, as they are."""
    return {f"salesforce/{path.name}": path.read_text(encoding="utf-8") for path in sorted(folder.glob("*.csv"))}


def staged(folder: Path, mapping: Mapping[str, Any], files: Mapping[str, str]) -> Build:
    """Land a dataset and build its staging views."""
    built = dataset(folder, mapping, files)
    done = built.dbt("build", "--select", "staging.salesforce")
    assert done.returncode == 0, done.stdout + done.stderr
    return built


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Build:
    files = {f"salesforce/{name}.csv": text for name, text in OBJECTS.items()}
    return staged(tmp_path_factory.mktemp("sf_api"), MAPPING, files)


def relanded(api: Build, folder: Path, files: Mapping[str, str]) -> Build:
    """Land other files of the same mapping under the same views, without another dbt run."""
    build = dataset(folder, {**MAPPING, "dataset": api.variables["dataset"]}, files)
    shutil.copy(api.database, build.database)
    with duckdb.connect(str(build.database)) as connection:
        read_sources(
            connection,
            PROJECT,
            str(folder),
            sources=["salesforce"],
            dimension_attributes=["accounts.tier"],
            custom_columns={"accounts": ["tier"]},
        )
    return build


@pytest.fixture(scope="module")
def fivetran(api: Build, tmp_path_factory: pytest.TempPathFactory) -> Build:
    files = {f"salesforce/{snake_case(name)}.csv": as_fivetran(text) for name, text in OBJECTS.items()}
    return relanded(api, tmp_path_factory.mktemp("sf_fivetran"), files)


@pytest.fixture(scope="module")
def dlt(api: Build, tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder = tmp_path_factory.mktemp("sf_dlt")
    (folder / "salesforce").mkdir()
    for name, text in OBJECTS.items():
        stem = {"User": "sf_user", "Product2": "product_2"}.get(name, dlt_case(name))
        write_dlt(folder / "salesforce" / f"{stem}.parquet", text)
    return relanded(api, folder, {})


def keyed(*parts: str | None) -> tuple[str | None, ...]:
    """Keys of ids, None as it is."""
    return tuple(None if part is None else SF + part for part in parts)


def test_each_naming_shape_gives_the_same_rows(api: Build, fivetran: Build, dlt: Build) -> None:
    for build, shape in ((api, "api"), (fivetran, "fivetran"), (dlt, "dlt")):
        shapes = build.rows("select distinct shape from raw.source_tables where is_present")
        assert shapes == [(shape,)]
    for view in VIEWS:
        query = f"select * from staging.stg_salesforce__{view} order by all"
        expected = api.rows(query)
        assert expected, f"{view} is empty, so it compares nothing"
        assert fivetran.rows(query) == expected, view
        assert dlt.rows(query) == expected, view


def test_accounts(api: Build) -> None:
    rows = api.rows(
        "select account_id, parent_account_id, merged_into_account_id, crm_account_id, owner_id, domain, industry, "
        "country, region, employee_count, annual_revenue_amount, is_deleted, created_at, changed_at, "
        "duplicate_count, tier from staging.stg_salesforce__accounts order by account_id"
    )
    assert rows == [
        (
            *keyed("001000000000001", "001000000000002", None, None, "005000000000001"),
            "acme.com",
            "Software",
            "Germany",
            "EMEA",
            250,
            Decimal("1000000.50"),
            False,
            datetime(2024, 1, 1, 8),
            datetime(2024, 3, 1, 8),
            1,
            "gold",
        ),
        (
            *keyed("001000000000002", None, None, None, "005000000000009"),
            *("globex.co.uk", None, "GB", None, None, None, False),
            *(datetime(2024, 1, 2, 8), datetime(2024, 1, 2, 8), 0, None),
        ),
        (
            *keyed("001000000000003", None, "001000000000001", None, "005000000000001"),
            *("acme.com", "Software", None, None, None, None, True),
            *(datetime(2024, 1, 3, 8), datetime(2024, 1, 3, 8), 0, None),
        ),
        # The same characters in another case are another record.
        (
            *keyed("00100000000000A", None, None, None, "005000000000001"),
            *("crm.upper.io", None, None, None, None, None, False),
            *(datetime(2024, 1, 5, 8), datetime(2024, 1, 5, 8), 0, None),
        ),
        (
            *keyed("00100000000000a", None, None, None, "005000000000001"),
            *(None, None, None, None, None, None, False),
            *(datetime(2024, 1, 4, 8), datetime(2024, 1, 4, 8), 0, None),
        ),
    ]


def test_people(api: Build) -> None:
    rows = api.rows(
        "select person_id, account_id, opportunity_id, converted_person_id, merged_into_person_id, owner_id, "
        "email_domain, title, persona, self_reported_source, lead_source, country, industry, source_stage, "
        "employee_count, has_budget, is_lead, is_deleted, created_at, converted_at "
        "from staging.stg_salesforce__people order by person_id"
    )
    assert rows == [
        (
            *keyed("003000000000001", "001000000000001", None, None, None, "005000000000001"),
            *("acme.com", "CTO", None, None, "Web", "Germany", None, None, None, None, False, False),
            *(datetime(2024, 1, 20, 10), None),
        ),
        (
            *keyed("003000000000002", "001000000000002", None, None, None, "005000000000002"),
            *("globex.co.uk", "CFO", None, None, "Trade Show", None, None, None, None, None, False, False),
            *(datetime(2024, 1, 2, 8), None),
        ),
        (
            *keyed(
                *("00Q000000000001", "001000000000001", "006000000000001", "003000000000001", None, "005000000000001")
            ),
            *("acme.com", "CTO", "Engineer", "a friend", "Web", "Germany", "Software", "Closed - Converted", 250),
            *(True, True, False, datetime(2024, 1, 5, 23, 30), datetime(2024, 1, 20)),
        ),
        (
            *keyed("00Q000000000002", None, None, None, None, "00G000000000001"),
            *(None, None, None, None, "Partner", None, None, "Open - Not Contacted", None, None, True, False),
            *(datetime(2024, 2, 1, 9), None),
        ),
        (
            *keyed("00Q000000000003", None, None, None, "00Q000000000002", "005000000000001"),
            *(None, None, None, None, "Partner", None, None, "Open - Not Contacted", None, None, True, True),
            *(datetime(2024, 2, 2, 9), None),
        ),
    ]


def test_opportunities(api: Build) -> None:
    """Probability is a share; the plan of an open one is no closing; the largest line that is left is the product."""
    rows = api.rows(
        "select opportunity_id, account_id, person_id, owner_id, product_id, campaign_id, pipeline, source_stage, "
        "source_opportunity_type, loss_reason, forecast_category, currency, source_amount, probability, is_closed, "
        "is_won, is_deleted, close_date, closed_at, changed_at "
        "from staging.stg_salesforce__opportunities order by opportunity_id"
    )
    assert rows == [
        (
            *keyed("006000000000001", "001000000000001", "003000000000001", "005000000000001"),
            *keyed("01t000000000002", "701000000000001"),
            *("New Business", "Closed Won", "New Customer", None, "Closed", "EUR", Decimal("1200.50"), 1.0),
            *(True, True, False, date(2024, 3, 1), datetime(2024, 2, 28, 16), datetime(2024, 3, 5, 8)),
        ),
        (
            *keyed("006000000000002", "001000000000002", None, "005000000000002", None, None),
            # A record type that is not among the files is named by its id.
            *("012000000000009AAA", "Negotiation/Review", None, None, "Pipeline", "USD", None, 0.125),
            *(False, False, False, date(2024, 12, 31), None, datetime(2024, 2, 20, 10)),
        ),
        (
            *keyed("006000000000003", "001000000000002", None, "005000000000002", None, None),
            *(None, "Closed Lost", None, "No budget", "Omitted", "USD", Decimal(10), 0.0),
            *(True, False, True, date(2024, 2, 15), None, datetime(2024, 2, 15, 10)),
        ),
    ]


def test_stage_history(api: Build) -> None:
    """Status changes of leads, each once; the native history before the tracked field; the custom date as our stage."""
    rows = api.rows(
        "select entity, entity_id, source_stage, source_rule, is_deleted_stage, entered_at "
        "from staging.stg_salesforce__stage_history order by entity, entered_at"
    )
    opportunity, lead = SF + "006000000000001", SF + "00Q000000000001"
    assert rows == [
        ("opportunity", opportunity, "Prospecting", "opportunity_history", False, datetime(2024, 1, 20, 10)),
        ("opportunity", opportunity, "Prospecting", "opportunity_history", False, datetime(2024, 1, 25, 10)),
        ("opportunity", opportunity, "Closed Won", "opportunity_history", False, datetime(2024, 2, 28, 16)),
        ("person", lead, "Working - Contacted", "lead_history", False, datetime(2024, 1, 8, 9)),
        ("person", lead, "mql", "custom_field", False, datetime(2024, 1, 10)),
        ("person", lead, "Closed - Converted", "lead_history", False, datetime(2024, 1, 20, 10)),
    ]


def test_opportunity_history(api: Build) -> None:
    rows = api.rows("select * from staging.stg_salesforce__opportunity_history order by changed_at")
    key, plan = SF + "006000000000001", date(2024, 6, 30)
    assert rows == [
        (key, "Prospecting", "Pipeline", None, 0.1, plan, datetime(2024, 1, 20, 10)),
        (key, "Prospecting", "Pipeline", Decimal(1000), 0.1, plan, datetime(2024, 1, 25, 10)),
        (key, "Closed Won", "Closed", Decimal("1200.50"), 1.0, date(2024, 3, 1), datetime(2024, 2, 28, 16)),
    ]


def test_attribute_history(api: Build) -> None:
    """Our column names, also of mapped fields; lookups by id, not by name; stages and unknown fields left out."""
    rows = api.rows("select * from staging.stg_salesforce__attribute_history order by changed_at, column_name")
    account, lead = SF + "001000000000001", SF + "00Q000000000001"
    won, lost = SF + "006000000000001", SF + "006000000000003"
    queue, seller = keyed("00G000000000001", "005000000000001")
    assert rows == [
        ("people", lead, "owner_id", queue, seller, datetime(2024, 1, 6, 9)),
        ("people", lead, "persona", None, "Engineer", datetime(2024, 1, 7, 9)),
        ("accounts", account, "employee_count", "100", "250", datetime(2024, 2, 15, 9)),
        ("opportunities", lost, "loss_reason", None, "No budget", datetime(2024, 2, 15, 10)),
        ("accounts", account, "tier", "silver", "gold", datetime(2024, 2, 16, 9)),
        ("opportunities", won, "probability", "0.1", "1.0", datetime(2024, 2, 28, 16, 0, 1)),
        ("opportunities", won, "source_amount", "1000", "1200.50", datetime(2024, 2, 28, 16, 0, 1)),
    ]


def test_opportunity_people_and_stages(api: Build) -> None:
    opportunity = SF + "006000000000001"
    people = api.rows("select * from staging.stg_salesforce__opportunity_people order by person_id")
    assert people == [
        (opportunity, SF + "003000000000001", "Decision Maker", True),
        (opportunity, SF + "003000000000002", None, False),
    ]
    stages = api.rows("select * from staging.stg_salesforce__opportunity_stages order by stage_order, source_stage")
    assert stages == [
        ("Negotiation", 8, False, False),
        ("Negotiation/Review", 8, False, False),
        ("Closed Won", 9, True, True),
    ]


def test_owners_and_products(api: Build) -> None:
    owners = api.rows("select * from staging.stg_salesforce__owners order by owner_id")
    assert owners == [
        (SF + "005000000000001", "Sam Seller", "EMEA Sales", "Max Manager", None, True),
        (SF + "005000000000002", "Max Manager", "Management", None, None, True),
        (SF + "005000000000003", "Gina Gone", "Outbound", None, None, False),
    ]
    products = api.rows("select * from staging.stg_salesforce__products order by product_id")
    assert products == [
        (SF + "01t000000000001", "Support", "Services", Decimal("200.50")),
        (SF + "01t000000000002", "Suite", "Software", None),
    ]


def test_activities(api: Build) -> None:
    """WhoId and WhatId by their kind; deleted tasks and calendar copies are left out."""
    rows = api.rows("select * exclude (known_at) from staging.stg_salesforce__activities order by activity_id")
    lead, contact, opportunity = keyed("00Q000000000001", "003000000000001", "006000000000001")
    acme, globex, sam, max_ = keyed("001000000000001", "001000000000002", "005000000000001", "005000000000002")
    task = SF + "00T00000000000"
    assert rows == [
        (task + "1", "call", "outbound", lead, None, None, sam, True, datetime(2024, 1, 6, 10, 15)),
        (task + "2", "email", None, contact, acme, opportunity, sam, True, datetime(2024, 2, 1)),
        (task + "3", "email", None, None, globex, None, max_, False, datetime(2024, 12, 1)),
        # 00q is no lead, a0X neither an account nor an opportunity.
        (task + "5", "task", None, None, acme, None, sam, True, datetime(2024, 2, 3, 10)),
        (SF + "00U000000000001", "meeting", None, contact, acme, opportunity, sam, True, datetime(2024, 2, 10, 14)),
    ]


def test_touches_and_campaigns(api: Build) -> None:
    touches = api.rows("select * from staging.stg_salesforce__touches order by touch_id")
    assert touches == [
        (
            *keyed("00v000000000001", "00Q000000000001", "001000000000001", "701000000000001"),
            *("Webinar", "Attended", None, None, True, datetime(2024, 1, 12)),
        ),
        (
            *keyed("00v000000000002", "003000000000002", None, "701000000000009"),
            *(None, "Sent", None, None, False, datetime(2024, 1, 9, 9)),
        ),
    ]
    campaigns = api.rows("select * from staging.stg_salesforce__campaigns")
    assert campaigns == [
        (
            *(SF + "701000000000001", "Spring webinar", "Webinar", "USD", Decimal(5000), Decimal("4200.50")),
            *(date(2024, 1, 1), date(2024, 3, 31)),
        )
    ]


def test_without_the_native_history_the_tracked_field_tells_the_stages(tmp_path: Path) -> None:
    """A missing OpportunityHistory is no error: no as-was rows, the stages from OpportunityFieldHistory."""
    files = {
        f"salesforce/{name}.csv": OBJECTS[name] for name in ("Opportunity", "OpportunityFieldHistory", "AccountHistory")
    }
    build = staged(tmp_path / "sf_fields", {"sources": ["salesforce"], "dimensions": {}}, files)
    assert build.rows("select count(*) from staging.stg_salesforce__opportunity_history") == [(0,)]
    assert build.rows("select entity_id, source_stage, source_rule from staging.stg_salesforce__stage_history") == [
        (SF + "006000000000001", "Closed Won", "opportunity_field_history")
    ]
    present = build.rows("select table_name from raw.source_tables where is_present order by all")
    assert present == [("account_history",), ("opportunity",), ("opportunity_field_history",)]
    # Fields that no column of ours is mapped to are left out.
    columns = build.rows("select column_name from staging.stg_salesforce__attribute_history order by all")
    assert columns == [("employee_count",), ("probability",), ("source_amount",)]


def test_versions_that_fivetran_keeps_are_history_and_no_duplicates(tmp_path: Path) -> None:
    """Leads in history mode, whose own table has all versions; of an opportunity they lie in a table beside it.

    The last version of the second lead ended without a successor: it was deleted.
    """
    files = fixture_files(DATA / "salesforce_versions")
    build = staged(tmp_path / "sf_versions", {"sources": ["salesforce"], "dimensions": {}}, files)
    lead, opportunity = SF + "00Q000000000001", SF + "006000000000001"
    people = build.rows(
        "select person_id, source_stage, owner_id, is_deleted, duplicate_count "
        "from staging.stg_salesforce__people order by all"
    )
    assert people == [
        (lead, "Working", SF + "005000000000002", False, 0),
        (SF + "00Q000000000002", "New", None, True, 0),
    ]
    # The first version is no change: the record may have been in that stage long before.
    assert build.rows("select * from staging.stg_salesforce__stage_history order by all") == [
        ("opportunity", opportunity, "Negotiation", "opportunity_snapshot", False, datetime(2024, 2, 3, 8)),
        ("person", lead, "Working", "lead_snapshot", False, datetime(2024, 1, 5, 8)),
    ]
    assert build.rows(
        "select source_stage, source_amount, probability, changed_at "
        "from staging.stg_salesforce__opportunity_history order by changed_at"
    ) == [
        ("Prospecting", Decimal(100), 0.1, datetime(2024, 2, 1, 8)),
        ("Prospecting", Decimal(200), 0.1, datetime(2024, 2, 2, 8)),
        ("Negotiation", Decimal(200), 0.5, datetime(2024, 2, 3, 8)),
    ]
    assert build.rows("select * from staging.stg_salesforce__attribute_history order by changed_at, column_name") == [
        ("people", lead, "industry", "Retail", "Software", datetime(2024, 1, 5, 8)),
        ("people", lead, "owner_id", *keyed("005000000000001", "005000000000002"), datetime(2024, 1, 7, 8)),
        ("opportunities", opportunity, "source_amount", "100.00", "200.00", datetime(2024, 2, 2, 8)),
        ("opportunities", opportunity, "probability", "0.1", "0.5", datetime(2024, 2, 3, 8)),
    ]


# --- public fixtures ------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def devorg(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    mapping = {
        "sources": ["salesforce"],
        "salesforce": {"date_formats": ["%m/%d/%y %I:%M %p", "%m/%d/%y"]},
        "dimensions": {},
    }
    files = fixture_files(shared_data / "salesforce_devorg_sample")
    return staged(tmp_path_factory.mktemp("sf_devorg"), mapping, files)


def counts(build: Build) -> dict[str, int]:
    """Rows of each view."""
    return {view: build.rows(f"select count(*) from staging.stg_salesforce__{view}")[0][0] for view in VIEWS}


def test_developer_org_counts(devorg: Build) -> None:
    assert counts(devorg) == dict.fromkeys(VIEWS, 0) | {
        "accounts": 18,
        "people": 47,  # 22 leads and 25 contacts
        "opportunities": 36,
        "opportunity_history": 48,
        "stage_history": 48,
    }
    assert devorg.rows(
        "select count_if(is_lead), count(converted_at), count(converted_person_id), count(opportunity_id), "
        "max(converted_at) from staging.stg_salesforce__people"
    ) == [(22, 5, 5, 5, datetime(2026, 2, 24))]
    # Every converted key is a record of the same export.
    assert devorg.rows(
        "select count(*), count(contacts.person_id), count(opportunities.opportunity_id), count(accounts.account_id) "
        "from staging.stg_salesforce__people as leads "
        "left join staging.stg_salesforce__people as contacts on leads.converted_person_id = contacts.person_id "
        "left join staging.stg_salesforce__opportunities as opportunities "
        "on leads.opportunity_id = opportunities.opportunity_id "
        "left join staging.stg_salesforce__accounts as accounts on leads.account_id = accounts.account_id "
        "where leads.converted_at is not null"
    ) == [(5, 5, 5, 5)]


def test_developer_org_values(devorg: Build) -> None:
    """US dates with AM and PM, percent, empty amounts."""
    assert devorg.rows(
        "select source_stage, source_amount, probability, is_closed, is_won, close_date, created_at, closed_at, "
        "changed_at from staging.stg_salesforce__opportunities "
        "where opportunity_id in ('salesforce:006bm00000LKJNT', 'salesforce:006bm00000LKdM8') order by opportunity_id"
    ) == [
        (
            *("Closed Lost", Decimal(120000), 0.0, True, False, date(2024, 2, 3)),
            *(datetime(2026, 2, 23), None, datetime(2026, 3, 7, 21)),
        ),
        (
            *("Proposal/Price Quote", None, 0.75, False, False, date(2026, 3, 31)),
            *(datetime(2026, 2, 24), None, datetime(2026, 2, 24, 2, 20)),
        ),
    ]
    assert devorg.rows(
        "select source_stage, source_amount, probability, close_date, forecast_category, changed_at "
        "from staging.stg_salesforce__opportunity_history "
        "where opportunity_id = 'salesforce:006bm00000LKgOn' order by changed_at"
    ) == [
        ("Prospecting", None, 0.1, date(2026, 3, 31), "Pipeline", datetime(2026, 2, 24, 2, 18)),
        ("Closed Won", None, 1.0, date(2026, 2, 23), "Closed", datetime(2026, 2, 24, 2, 20)),
        ("Closed Lost", None, 0.0, date(2026, 2, 23), "Omitted", datetime(2026, 3, 7, 20, 59)),
    ]
    assert devorg.rows(
        "select industry, employee_count, annual_revenue_amount from staging.stg_salesforce__accounts "
        "where account_id = 'salesforce:001bm00001ZL8UE'"
    ) == [("Energy", 145000, Decimal(5600000000))]
    assert devorg.rows(
        "select title, lead_source, email_domain, source_stage, changed_at from staging.stg_salesforce__people "
        "where person_id = 'salesforce:00Qbm00000OrxkD'"
    ) == [("SVP, Production", "Web", "delphi.chemicals.com", "Working - Contacted", datetime(2026, 2, 23, 22, 11))]


@pytest.fixture(scope="module")
def fivetran_seeds(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Fivetran's files have names of their own; `_history_data` files are versions of an object (history mode)."""
    tables = {
        **{
            table: f"sf_{table}_data.csv"
            for table in ("account", "campaign", "campaign_member", "contact", "event", "lead", "opportunity")
        },
        **{table: f"sf_{table}_data.csv" for table in ("opportunity_line_item", "task", "user", "user_role")},
        "product2": "sf_product_2_data.csv",
        **{f"{table}_snapshot": f"sf_{table}_history_data.csv" for table in ("account", "contact", "lead")},
        "opportunity_snapshot": "sf_opportunity_history_data.csv",
    }
    mapping = {"sources": ["salesforce"], "salesforce": {"files": tables}, "dimensions": {}}
    files = fixture_files(shared_data / "fivetran_salesforce_seeds")
    return staged(tmp_path_factory.mktemp("sf_seeds"), mapping, files)


def test_fivetran_seeds_counts(fivetran_seeds: Build) -> None:
    assert counts(fivetran_seeds) == dict.fromkeys(VIEWS, 0) | {
        "accounts": 10,
        "people": 5,  # 1 lead and 4 contacts
        "opportunities": 10,
        "opportunity_history": 10,  # one version of each: history begins with them, so nothing changed stage
        "owners": 10,
        "products": 2,
        "activities": 20,  # 10 tasks and 10 events
        "touches": 5,
        "campaigns": 4,
    }
    deleted = "select count_if(is_deleted) from staging.stg_salesforce__"
    assert fivetran_seeds.rows(deleted + "accounts") == [(9,)]
    assert fivetran_seeds.rows(deleted + "opportunities") == [(10,)]
    assert fivetran_seeds.rows(deleted + "people") == [(0,)]


def test_fivetran_seeds_values(fivetran_seeds: Build) -> None:
    query = fivetran_seeds.rows
    assert query("select activity_type, count(*) from staging.stg_salesforce__activities group by all order by 1") == [
        ("call", 6),
        ("meeting", 4),
        ("task", 10),
    ]
    assert query(
        "select person_id, account_id, opportunity_id, owner_id, is_completed, occurred_at "
        "from staging.stg_salesforce__activities where activity_id = 'salesforce:00T1G00003Ufap9'"
    ) == [
        (
            *keyed("0031G00001S3ckZ", "0011G00000jWVWo", "0061G00000N38JZ", "0051G000005Mun4"),
            *(True, datetime(2019, 11, 11, 17, 23, 34)),
        )
    ]
    # Values are scrambled there: a probability of 1000 stays what it is, for core to flag.
    assert query(
        "select source_amount, probability, is_won, close_date from staging.stg_salesforce__opportunities "
        "where opportunity_id = 'salesforce:006q000000Hddoh'"
    ) == [(Decimal(24120000), 10.0, True, date(2018, 12, 19))]
    # Neither those that Fivetran no longer finds, nor the one whose last version ended, nor those that left.
    assert query("select count_if(is_active), count(*) from staging.stg_salesforce__owners") == [(4, 10)]
    assert query(
        "select touch_id, person_id, channel, touch_type, has_responded, occurred_at "
        "from staging.stg_salesforce__touches where campaign_id = 'salesforce:camp001AAA000001' order by touch_id"
    ) == [
        (
            *keyed("mem001AAA000001", "cont001AAAAAAA"),
            *("Webinar", "Responded", True, datetime(2024, 1, 12)),
        ),
        (
            *keyed("mem002AAA000002", "lead001AAAAAAA"),
            *("Webinar", "Sent", False, datetime(2024, 1, 10)),
        ),
    ]
    assert query(
        "select converted_person_id, account_id, converted_at, source_stage, is_lead "
        "from staging.stg_salesforce__people where person_id = 'salesforce:00Q1G00000nDnM5'"
    ) == [
        (
            *keyed("0031G00001QtDPl", "0011G00000tLWKn"),
            *(datetime(2019, 11, 11, 17, 23, 34), "Converted", True),
        )
    ]


def test_a_missing_required_column_is_one_clear_error(tmp_path: Path) -> None:
    files = {"salesforce/leads.csv": "Name,Status\nx,y\n"}
    built = dataset(tmp_path / "sf_missing", {"sources": ["salesforce"], "dimensions": {}}, files)
    done = built.dbt("run", "--select", "staging.salesforce")
    assert done.returncode != 0
    message = done.stdout + done.stderr
    assert "salesforce/leads.csv" in message
    assert "'id'" in message


def test_helpers_name_as_the_tools_do() -> None:
    """The shapes differ, so the equality above means something."""
    names: list[tuple[Callable[[str], str], str, str]] = [
        (snake_case, "Product2Id", "product_2_id"),
        (snake_case, "How_did_you_hear__c", "how_did_you_hear_c"),
        (dlt_case, "Product2Id", "product2_id"),
        (dlt_case, "MQL_Date__c", "mql_date__c"),
    ]
    for function, name, expected in names:
        assert function(name) == expected
