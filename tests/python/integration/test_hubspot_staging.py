"""HubSpot files through the reader and the staging views: two shapes of the same records, and the public fixtures."""

import csv
import io
import json
from collections.abc import Mapping, Sequence
from datetime import date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import Build, dataset

pytestmark = pytest.mark.long


HS = "hubspot:"
SF = "salesforce:"
UUID_STAGE = "ab12cd34-5678-90ab-cdef-1234567890ab"  # "Negotiation" of the pipeline "Renewals"
RECORDS = ("id", "deal_id", "engagement_id", "owner_id")  # fields of the record itself, which take no prefix

CONTACTS = [
    {
        "id": "101",
        "createdate": "2024-01-04T08:00:00Z",
        "lastmodifieddate": "2024-06-01T00:00:00Z",
        "email": "ann@Acme.com",
        "jobtitle": "CFO",
        "hs_persona": "persona_1",
        "hs_buying_role": "DECISION_MAKER",
        "lifecyclestage": "opportunity",
        "hs_analytics_source": "ORGANIC_SEARCH",
        "country": "France",
        "industry": "Banking",
        "numemployees": "5-25",
        "associatedcompanyid": "501",
        "hubspot_owner_id": "9001",
        "salesforceleadid": "00Q000000000001AAA",
        "salesforcecontactid": "003000000000001AAA",
        "hs_calculated_merged_vids": "105:1704067200000;101:1704067200000",
        "hs_v2_date_entered_lead": "2024-01-05T10:00:00Z",
        "hs_v2_date_entered_marketingqualifiedlead": "2024-01-10T10:00:00Z",
        "hs_v2_date_entered_50963061_1234567": "2024-01-15T10:00:00Z",
        "hs_v2_date_entered_current_stage": "2024-02-01T10:00:00Z",
        "hs_date_entered_marketingqualifiedlead": "2024-01-11T10:00:00Z",
        "hs_date_entered_salesqualifiedlead": "2024-01-20T10:00:00Z",
        "hs_lifecyclestage_lead_date": "2024-01-06T10:00:00Z",
        "hs_lifecyclestage_salesqualifiedlead_date": "2024-01-21T10:00:00Z",
        "hs_lifecyclestage_opportunity_date": "2024-02-01T10:00:00Z",
    },
    {
        "id": "102",
        "createdate": "2024-02-02T08:00:00Z",
        "lifecyclestage": "lead",
        "hs_lifecyclestage_lead_date": "2024-02-03T10:00:00Z",
        "salesforcecontactid": "003000000000002AAA",
        "numemployees": "40",
    },
    {"id": "103", "createdate": "2024-03-01T08:00:00Z", "lifecyclestage": "salesqualifiedlead"},
    {"id": "104", "createdate": "2024-03-02T08:00:00Z", "lifecyclestage": "subscriber", "jobtitle": "old",
     "lastmodifieddate": "2024-03-02T09:00:00Z"},
    {"id": "104", "createdate": "2024-03-02T08:00:00Z", "lifecyclestage": "subscriber", "jobtitle": "new",
     "lastmodifieddate": "2024-03-03T09:00:00Z"},
    {"id": "105", "createdate": "2024-01-01T00:00:00Z", "lifecyclestage": "other"},
    {"id": "106", "createdate": "2024-01-01T00:00:00Z"},
    {"id": "107", "createdate": "2024-04-01T08:00:00Z", "lifecyclestage": "marketingqualifiedlead", "deleted": "true"},
]  # fmt: skip

COMPANIES = [
    {
        "id": "501",
        "createdate": "2023-01-01T00:00:00Z",
        "hs_lastmodifieddate": "2024-01-01T00:00:00Z",
        "domain": "www.Acme.com",
        "industry": "BANKING",
        "country": "France",
        "numberofemployees": "120",
        "annualrevenue": "5000000.5",
        "hubspot_owner_id": "9001",
        "salesforceaccountid": "001000000000001AAA",
        "hs_merged_object_ids": "503",
        "icp_tier": "A",
    },
    {
        "id": "502",
        "createdate": "2023-02-01T00:00:00Z",
        "website": "https://Beta.io/about",
        "hs_parent_company_id": "501",
    },
    {"id": "503", "createdate": "2023-03-01T00:00:00Z", "deleted": "true"},
]

DEALS = [
    {
        "id": "1",
        "createdate": "2024-03-01T08:00:00Z",
        "hs_lastmodifieddate": "2024-05-02T00:00:00Z",
        "pipeline": "default",
        "dealstage": "closedwon",
        "amount": "1000",
        "deal_currency_code": "eur",
        "closedate": "2024-05-01T22:30:00Z",
        "dealtype": "newbusiness",
        "hs_analytics_source": "PAID_SEARCH",
        "hs_manual_forecast_category": "COMMIT",
        "hubspot_owner_id": "9001",
        "salesforceopportunityid": "006000000000001AAA",
        "hs_v2_date_entered_appointmentscheduled": "2024-03-01T08:00:00Z",
        "hs_v2_date_entered_closedwon": "2024-05-01T09:00:00Z",
        "hs_date_entered_closedwon": "2024-05-09T09:00:00Z",
    },
    {
        "id": "2",
        "createdate": "2024-03-02T08:00:00Z",
        "pipeline": "default",
        "dealstage": "contractsent",
        "closedate": "2024-09-30T00:00:00Z",
        "hs_is_closed": "false",
        "hs_is_closed_won": "false",
        "hs_deal_stage_probability": "0.9",
        "hs_v2_date_entered_appointmentscheduled": "2024-03-02T08:00:00Z",
    },
    {
        "id": "3",
        "createdate": "2024-03-03T08:00:00Z",
        "pipeline": "77",
        "dealstage": "7702",
        "closedate": "2024-04-10T00:00:00Z",
        "closed_lost_reason": "price",
        f"hs_v2_date_entered_{UUID_STAGE.replace('-', '_')}_998877": "2024-03-05T08:00:00Z",
        "hs_v2_date_entered_gone1": "2024-03-04T08:00:00Z",
    },
    {"id": "4", "createdate": "2024-03-01T07:00:00Z", "pipeline": "default", "dealstage": "renamed", "deleted": "true"},
]

# id, label, order, closed, probability; the label of `decisionmakerboughtin` was changed, and its meaning with it.
STAGES = {
    "default": [
        ("appointmentscheduled", "Intro call", 0, False, 0.2),
        ("decisionmakerboughtin", "Signed", 1, True, 1.0),
        ("closedwon", "Won!", 2, True, 1.0),
        ("closedlost", "Lost", 3, True, 0.0),
        ("renamed", "Old name", 4, False, 0.5),
    ],
    "77": [(UUID_STAGE, "Negotiation", 0, False, 0.4), ("7702", "Churned", 1, True, 0.0)],
}
PIPELINES = {"default": "Sales", "77": "Renewals"}
ARCHIVED_STAGE = "renamed"

DEAL_HISTORY = [
    ("1", "dealstage", "appointmentscheduled", "2024-03-01T08:00:00Z"),
    ("1", "amount", "800", "2024-03-01T08:00:00Z"),
    ("1", "closedate", "1719705600000", "2024-03-01T08:00:00Z"),  # 2024-06-30
    ("1", "amount", "1000", "2024-04-01T08:00:00Z"),
    ("1", "dealname", "secret", "2024-04-02T08:00:00Z"),
    ("1", "dealstage", "closedwon", "2024-05-01T09:00:00Z"),
    ("1", "closedate", "2024-05-01T22:30:00.000Z", "2024-05-01T09:00:00Z"),
    ("3", "amount", "500", "2024-03-03T08:00:00Z"),
    ("3", "dealstage", UUID_STAGE, "2024-03-04T23:00:00Z"),
    ("3", "amount", "", "2024-03-06T08:00:00Z"),
    ("3", "dealstage", "7702", "2024-04-10T08:00:00Z"),
]
CONTACT_HISTORY = [
    ("101", "lifecyclestage", "lead", "2024-01-04T08:00:00Z"),
    ("107", "lifecyclestage", "marketingqualifiedlead", "2024-04-02T08:00:00Z"),
    ("101", "industry", "Software", "2024-01-04T08:00:00Z"),
    ("101", "industry", "Banking", "2024-02-04T08:00:00Z"),
    ("101", "hubspot_owner_id", "9002", "2024-01-04T08:00:00Z"),
    ("101", "hubspot_owner_id", "9001", "2024-03-04T08:00:00Z"),
    ("101", "firstname", "Ann", "2024-01-04T08:00:00Z"),
]
COMPANY_HISTORY = [
    ("501", "numberofemployees", "120", "2024-02-01T00:00:00Z"),
    ("501", "numberofemployees", "100", "2023-01-01T00:00:00Z"),
]
# engagement, type, properties, contacts, companies, deals
ENGAGEMENTS = [
    ("1", "call", {"hs_call_direction": "INBOUND", "hs_call_status": "COMPLETED", "hubspot_owner_id": "9001",
                   "hs_timestamp": "2024-01-12T09:00:00Z"}, ["101", "102"], ["501"], ["1"]),
    ("2", "email", {"hs_email_direction": "INCOMING_EMAIL", "hs_timestamp": "2024-01-13T09:00:00Z"}, ["102"], [], []),
    ("3", "meeting", {"hs_meeting_outcome": "NO_SHOW", "hs_timestamp": "2024-01-14T09:00:00Z"}, [], ["502"], ["3"]),
    ("4", "task", {"hs_task_status": "NOT_STARTED", "hs_timestamp": "2024-12-01T09:00:00Z"}, ["103"], [], []),
    ("5", "task", {"hs_task_status": "COMPLETED", "hs_timestamp": "2024-01-20T09:00:00Z",
                   "hs_task_completion_date": "2024-01-16T09:00:00Z"}, ["103"], [], []),
    ("6", "note", {"hs_timestamp": "2024-01-15T09:00:00Z", "deleted": "true"}, ["103"], [], []),
]  # fmt: skip
FOLDERS = {"call": "calls", "email": "emails", "meeting": "meetings", "note": "notes", "task": "tasks"}

MAPPING: Mapping[str, Any] = {
    "sources": ["hubspot"],
    "hubspot": {"columns": {"company": {"tier": "icp_tier"}}},
    "dimensions": {"tier": ["accounts.tier"]},
}
VIEWS = (
    "accounts",
    "activities",
    "attribute_history",
    "opportunities",
    "opportunity_history",
    "opportunity_people",
    "owners",
    "people",
    "pipeline_stages",
    "stage_history",
)


def text_of(rows: Sequence[Mapping[str, Any]]) -> str:
    """Rows as CSV; a row may lack columns of others."""
    columns = list(dict.fromkeys(column for row in rows for column in row))
    stream = io.StringIO()
    writer = csv.DictWriter(stream, columns, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return stream.getvalue()


def shaped(rows: Sequence[Mapping[str, Any]], prefix: str, deleted: str) -> list[dict[str, Any]]:
    """The rows with the prefix before properties, and each shape's word for a deletion."""
    return [
        {
            **{(name if name in RECORDS else prefix + name): value for name, value in row.items() if name != "deleted"},
            deleted: row.get("deleted", "false"),
        }
        for row in rows
    ]


def plain(moment: str) -> str:
    """A moment as Fivetran lands it: without a zone."""
    return moment.replace("T", " ").removesuffix("Z")


def fivetran_rows(rows: Sequence[Mapping[str, Any]]) -> str:
    """Records as Fivetran lands them; ids of deals, their stage and pipeline have names of their own."""
    synced = {"_fivetran_synced": "2025-01-01 00:00:00"}
    return text_of([{**synced, **row} for row in shaped(rows, "property_", "_fivetran_deleted")])


def fivetran_files() -> dict[str, str]:
    """The records as Fivetran lands them: associations, stages and teams are tables."""
    deals = [
        {
            {"id": "deal_id", "pipeline": "deal_pipeline_id", "dealstage": "deal_pipeline_stage_id"}.get(
                name, name
            ): value
            for name, value in row.items()
        }
        for row in DEALS
    ]
    files = {
        "contact.csv": fivetran_rows(CONTACTS),
        "company.csv": fivetran_rows(COMPANIES),
        "deal.csv": fivetran_rows(deals).replace("property_deal_pipeline", "deal_pipeline"),
        "deal_pipeline.csv": text_of([{"pipeline_id": key, "label": label} for key, label in PIPELINES.items()]),
        "deal_pipeline_stage.csv": text_of(
            [
                {
                    "pipeline_id": pipeline,
                    "stage_id": stage,
                    "label": label,
                    "display_order": order,
                    "is_closed": is_closed,
                    "closed_won": is_closed and probability == 1,
                    "probability": probability,
                    "_fivetran_deleted": stage == ARCHIVED_STAGE,
                }
                for pipeline, stages in STAGES.items()
                for stage, label, order, is_closed, probability in stages
            ]
        ),
        "deal_stage.csv": text_of(
            [
                {"deal_id": "2", "value": "contractsent", "date_entered": "2024-03-20 08:00:00"},
                {"deal_id": "2", "value": "appointmentscheduled", "date_entered": "2024-03-02 08:00:01"},
            ]
        ),
        "deal_company.csv": text_of(
            [
                {"deal_id": "1", "company_id": "501", "type_id": "341"},
                {"deal_id": "1", "company_id": "502", "type_id": "5"},
                {"deal_id": "3", "company_id": "501", "type_id": "341"},
            ]
        ),
        "deal_contact.csv": text_of(
            [{"deal_id": deal, "contact_id": contact} for deal, contact in (("1", "102"), ("1", "101"), ("3", "103"))]
        ),
        "contact_company.csv": text_of(
            [
                {"contact_id": "102", "company_id": "501", "type_id": "279"},
                {"contact_id": "102", "company_id": "502", "type_id": "1"},
            ]
        ),
        "contact_merge_audit.csv": text_of([{"contact_id": "102", "canonical_vid": "102", "vid_to_merge": "106"}]),
        "merged_deal.csv": text_of([{"deal_id": "1", "merged_deal_id": "4"}]),
        "owner.csv": text_of(
            [
                {"owner_id": "9001", "first_name": "Ann", "last_name": "Bee", "active_user_id": "7"},
                {"owner_id": "9002", "first_name": "Cy", "last_name": "", "active_user_id": ""},
            ]
        ),
        "owner_team.csv": text_of(
            [
                {"owner_id": "9001", "team_id": "1", "is_team_primary": "false"},
                {"owner_id": "9001", "team_id": "2", "is_team_primary": "true"},
            ]
        ),
        "team.csv": text_of([{"id": "1", "name": "East"}, {"id": "2", "name": "West"}]),
        "engagement.csv": text_of([{"id": key, "type": kind.upper()} for key, kind, *_ in ENGAGEMENTS]),
    }
    for table, history in (("deal", DEAL_HISTORY), ("contact", CONTACT_HISTORY), ("company", COMPANY_HISTORY)):
        files[f"{table}_property_history.csv"] = text_of(
            [
                {f"{table}_id": key, "name": name, "value": value, "timestamp": plain(moment), "source": "CRM_UI"}
                for key, name, value, moment in history
            ]
        )
    for kind in FOLDERS:
        rows = [{"engagement_id": key, **fields} for key, other, fields, *_ in ENGAGEMENTS if other == kind]
        files[f"engagement_{kind}.csv"] = fivetran_rows(rows)
    for position, table in enumerate(("contact", "company", "deal")):
        files[f"engagement_{table}.csv"] = text_of(
            [
                {"engagement_id": key, f"{table}_id": other, "category": "HUBSPOT_DEFINED"}
                for key, _, _, *others in ENGAGEMENTS
                for other in others[position]
            ]
        )
    return {f"hubspot/{name}": text for name, text in files.items()}


def api_files() -> dict[str, str]:
    """The same records as the API has them and Airbyte lands them: associations, stages and teams are lists."""
    contacts = [dict(row) for row in CONTACTS]
    contacts[1] |= {"companies": '["502"]', "hs_merged_object_ids": "106"}
    deals = [dict(row) for row in DEALS]
    deals[0] |= {"hs_primary_associated_company": "502", "contacts": '["101","102"]', "hs_merged_object_ids": "4"}
    deals[2] |= {"companies": "[501]", "contacts": "[103]"}

    def rows_of(rows: Sequence[Mapping[str, Any]]) -> str:
        text = text_of(shaped(rows, "properties.", "archived"))
        for name in ("companies", "contacts", "deals"):
            text = text.replace(f"properties.{name}", name)
        return text

    files = {
        "contacts.csv": rows_of(contacts),
        "companies.csv": rows_of(COMPANIES),
        "deals.csv": rows_of(deals),
        "deal_pipelines.csv": text_of(
            [
                {
                    "pipelineId": pipeline,
                    "label": PIPELINES[pipeline],
                    "stages": json.dumps(
                        [
                            {
                                "stageId": stage,
                                "label": label,
                                "displayOrder": order,
                                "active": stage != ARCHIVED_STAGE,
                                "metadata": {"isClosed": str(is_closed).lower(), "probability": str(probability)},
                            }
                            for stage, label, order, is_closed, probability in stages
                        ]
                    ),
                }
                for pipeline, stages in STAGES.items()
            ]
        ),
        "stages_timing_deals.csv": text_of(
            [
                {"id": "2", "stage": "contractsent", "hs_date_entered_": "2024-03-20T08:00:00Z"},
                {"id": "2", "stage": "appointmentscheduled", "hs_date_entered_": "2024-03-02T08:00:01Z"},
            ]
        ),
        "owners.csv": text_of(
            [
                {
                    "id": "9001",
                    "firstName": "Ann",
                    "lastName": "Bee",
                    "userId": "7",
                    "archived": "false",
                    "teams": '[{"id":"1","name":"East","primary":false},{"id":"2","name":"West","primary":true}]',
                },
                {"id": "9002", "firstName": "Cy", "lastName": "", "userId": "", "archived": "false", "teams": ""},
            ]
        ),
    }
    names = {"deal": ("deals", "dealId"), "contact": ("contacts", "vid"), "company": ("companies", "object_id")}
    for table, history in (("deal", DEAL_HISTORY), ("contact", CONTACT_HISTORY), ("company", COMPANY_HISTORY)):
        folder, record = names[table]
        files[f"{folder}_property_history.csv"] = text_of(
            [
                {record: key, "property": name, "value": value, "timestamp": moment, "source-type": "CRM_UI"}
                for key, name, value, moment in history
            ]
        )
    for kind, folder in FOLDERS.items():
        rows = [
            {
                "id": key,
                **fields,
                "contacts": json.dumps(people),
                "companies": json.dumps(companies),
                "deals": json.dumps(deal),
            }
            for key, other, fields, people, companies, deal in ENGAGEMENTS
            if other == kind
        ]
        files[f"engagements_{folder}.csv"] = rows_of(rows)
    return {f"hubspot/{name}": text for name, text in files.items()}


def staged(folder: Path, mapping: Mapping[str, Any], files: Mapping[str, str]) -> Build:
    """Land a dataset, and build and test its staging views."""
    built = dataset(folder, mapping, files)
    done = built.dbt("build", "--select", "staging.hubspot")
    assert done.returncode == 0, done.stdout + done.stderr
    return built


@pytest.fixture(scope="module")
def fivetran(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return staged(tmp_path_factory.mktemp("hubspot") / "fivetran", MAPPING, fivetran_files())


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return staged(tmp_path_factory.mktemp("hubspot") / "api", MAPPING, api_files())


@pytest.fixture(scope="module")
def helsinki(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """The API's shape in another reporting timezone, and without pipelines."""
    files = {name: text for name, text in api_files().items() if "pipeline" not in name}
    mapping = {**MAPPING, "reporting_timezone": "Europe/Helsinki"}
    return staged(tmp_path_factory.mktemp("hubspot") / "helsinki", mapping, files)


def stamp(text: str) -> datetime:
    return datetime.fromisoformat(text)


# --- the two shapes -------------------------------------------------------------------------------


def test_shapes_are_told_apart(fivetran: Build, api: Build) -> None:
    sql = "select shape from raw.source_tables where source = 'hubspot' and table_name = 'contact'"
    assert (fivetran.rows(sql), api.rows(sql)) == ([("fivetran",)], [("api",)])


@pytest.mark.parametrize("view", VIEWS)
def test_both_shapes_stage_alike(fivetran: Build, api: Build, view: str) -> None:
    sql = f"select * from staging.stg_hubspot__{view} order by all"
    rows = fivetran.rows(sql)
    assert rows
    assert api.rows(sql) == rows


# --- records, by hand -----------------------------------------------------------------------------


def test_accounts(fivetran: Build) -> None:
    columns = (
        "account_id, parent_account_id, merged_into_account_id, crm_account_id, owner_id, domain, industry, country, "
        "employee_count, annual_revenue_amount, is_deleted, created_at, tier, duplicate_count"
    )
    assert fivetran.rows(f"select {columns} from staging.stg_hubspot__accounts order by account_id") == [
        (
            *(HS + "501", None, None, SF + "001000000000001", HS + "9001", "acme.com", "BANKING", "France"),
            *(120, Decimal("5000000.50"), False, stamp("2023-01-01"), "A", 0),
        ),
        (
            *(HS + "502", HS + "501", None, None, None, "beta.io", None, None),
            *(None, None, False, stamp("2023-02-01"), None, 0),
        ),
        (*(HS + "503", None, HS + "501"), *([None] * 7), True, stamp("2023-03-01"), None, 0),
    ]


def test_people(fivetran: Build) -> None:
    columns = "person_id, account_id, crm_person_id, owner_id, email_domain, title, persona, lead_source, source_stage"
    assert fivetran.rows(f"select {columns}, employee_count from staging.stg_hubspot__people order by 1") == [
        (
            *(HS + "101", HS + "501", SF + "00Q000000000001", HS + "9001", "acme.com", "CFO", "persona_1"),
            *("ORGANIC_SEARCH", "opportunity", None),
        ),
        (HS + "102", HS + "502", SF + "003000000000002", None, None, None, None, None, "lead", 40),
        (HS + "103", None, None, None, None, None, None, None, "salesqualifiedlead", None),
        (HS + "104", None, None, None, None, "new", None, None, "subscriber", None),
        (HS + "105", None, None, None, None, None, None, None, "other", None),
        (HS + "106", None, None, None, None, None, None, None, None, None),
        (HS + "107", None, None, None, None, None, None, None, "marketingqualifiedlead", None),
    ]


def test_no_contact_is_a_lead_by_itself(fivetran: Build) -> None:
    assert fivetran.rows("select distinct is_lead, email_hash from staging.stg_hubspot__people") == [(False, None)]


def test_deleted_and_repeated_contacts_are_told(fivetran: Build) -> None:
    sql = "select person_id from staging.stg_hubspot__people where {} order by 1"
    assert fivetran.rows(sql.format("is_deleted")) == [(HS + "107",)]
    assert fivetran.rows(sql.format("duplicate_count = 1")) == [(HS + "104",)]


def test_merged_contacts_name_the_one_that_stays(fivetran: Build) -> None:
    """105 is in the list of 101, which names itself, too; 106 is in the merge audit of 102."""
    sql = "select person_id, merged_into_person_id from staging.stg_hubspot__people where merged_into_person_id <> ''"
    assert sorted(fivetran.rows(sql)) == [(HS + "105", HS + "101"), (HS + "106", HS + "102")]


def test_opportunities(fivetran: Build) -> None:
    columns = (
        "opportunity_id, account_id, person_id, crm_opportunity_id, owner_id, pipeline, source_stage, currency, "
        "source_amount, probability, is_closed, is_won, is_deleted, close_date, closed_at"
    )
    assert fivetran.rows(f"select {columns} from staging.stg_hubspot__opportunities order by 1") == [
        (
            *(HS + "1", HS + "502", HS + "101", SF + "006000000000001", HS + "9001", "Sales", "closedwon", "EUR"),
            *(Decimal("1000.00"), 1.0, True, True, False, date(2024, 5, 1), stamp("2024-05-01T22:30:00")),
        ),
        (
            *(HS + "2", None, None, None, None, "Sales", "contractsent", None),
            *(None, 0.9, False, False, False, date(2024, 9, 30), None),
        ),
        (
            *(HS + "3", HS + "501", HS + "103", None, None, "Renewals", "Churned", None),
            *(None, 0.0, True, False, False, date(2024, 4, 10), stamp("2024-04-10")),
        ),
        (
            *(HS + "4", None, None, HS + "1", None, "Sales", "Old name", None),
            *(None, 0.5, False, False, True, None, None),
        ),
    ]


def test_words_on_a_deal(fivetran: Build) -> None:
    columns = "source_opportunity_type, lead_source, loss_reason, forecast_category"
    assert fivetran.rows(f"select {columns} from staging.stg_hubspot__opportunities order by opportunity_id") == [
        ("newbusiness", "PAID_SEARCH", None, "COMMIT"),
        (None, None, None, None),
        (None, None, "price", None),
        (None, None, None, None),
    ]


def test_people_of_deals(fivetran: Build) -> None:
    sql = "select opportunity_id, person_id, role from staging.stg_hubspot__opportunity_people order by 1, 2"
    assert fivetran.rows(sql) == [
        (HS + "1", HS + "101", "DECISION_MAKER"),
        (HS + "1", HS + "102", None),
        (HS + "3", HS + "103", None),
    ]


def test_owners(fivetran: Build) -> None:
    sql = "select owner_id, owner_name, team, is_active from staging.stg_hubspot__owners order by 1"
    assert fivetran.rows(sql) == [(HS + "9001", "Ann Bee", "West", True), (HS + "9002", "Cy", None, False)]


# --- stages ---------------------------------------------------------------------------------------


def test_pipeline_stages(fivetran: Build) -> None:
    """A stage of the default pipeline that means something else now goes by its label."""
    columns = "pipeline, source_stage, stage_order, is_closed, is_won, probability, is_deleted_stage"
    assert fivetran.rows(f"select {columns} from staging.stg_hubspot__pipeline_stages order by 1 desc, 3") == [
        ("Sales", "appointmentscheduled", 0, False, False, 0.2, False),
        ("Sales", "Signed", 1, True, True, 1.0, False),
        ("Sales", "closedwon", 2, True, True, 1.0, False),
        ("Sales", "closedlost", 3, True, False, 0.0, False),
        ("Sales", "Old name", 4, False, False, 0.5, True),
        ("Renewals", "Negotiation", 0, False, False, 0.4, False),
        ("Renewals", "Churned", 1, True, False, 0.0, False),
    ]


def test_stage_dates_of_people_by_the_best_rule(fivetran: Build) -> None:
    """Of 101: v2 before the older two, those where it has none. 103 has no date and is past lead; 104 is not."""
    columns = "entity_id, source_stage, source_rule, is_deleted_stage, entered_at"
    sql = f"select {columns} from staging.stg_hubspot__stage_history where entity = 'person' order by 1, 5"
    assert fivetran.rows(sql) == [
        (HS + "101", "lead", "hs_v2_date_entered", False, stamp("2024-01-05T10:00:00")),
        (HS + "101", "marketingqualifiedlead", "hs_v2_date_entered", False, stamp("2024-01-10T10:00:00")),
        (HS + "101", "50963061", "hs_v2_date_entered", False, stamp("2024-01-15T10:00:00")),
        (HS + "101", "salesqualifiedlead", "hs_date_entered", False, stamp("2024-01-20T10:00:00")),
        (HS + "101", "opportunity", "hs_lifecyclestage_date", False, stamp("2024-02-01T10:00:00")),
        (HS + "102", "lead", "hs_lifecyclestage_date", False, stamp("2024-02-03T10:00:00")),
        (HS + "103", "lead", "created_at", False, stamp("2024-03-01T08:00:00")),
        (HS + "107", "marketingqualifiedlead", "property_history", False, stamp("2024-04-02T08:00:00")),
    ]


def test_stage_dates_of_deals_by_the_best_rule(fivetran: Build) -> None:
    """`contractsent` and `gone1` are in no pipeline any more: they keep their dates, flagged."""
    columns = "entity_id, source_stage, source_rule, is_deleted_stage, entered_at"
    sql = f"select {columns} from staging.stg_hubspot__stage_history where entity = 'opportunity' order by 1, 5"
    assert fivetran.rows(sql) == [
        (HS + "1", "appointmentscheduled", "hs_v2_date_entered", False, stamp("2024-03-01T08:00:00")),
        (HS + "1", "closedwon", "hs_v2_date_entered", False, stamp("2024-05-01T09:00:00")),
        (HS + "2", "appointmentscheduled", "hs_v2_date_entered", False, stamp("2024-03-02T08:00:00")),
        (HS + "2", "contractsent", "stage_history", True, stamp("2024-03-20T08:00:00")),
        (HS + "3", "gone1", "hs_v2_date_entered", True, stamp("2024-03-04T08:00:00")),
        (HS + "3", "Negotiation", "hs_v2_date_entered", False, stamp("2024-03-05T08:00:00")),
        (HS + "3", "Churned", "property_history", False, stamp("2024-04-10T08:00:00")),
    ]


def test_no_stage_is_deleted_where_no_pipeline_is_known(helsinki: Build) -> None:
    sql = "select is_deleted_stage, count(*) from staging.stg_hubspot__stage_history group by all"
    assert helsinki.rows(sql) == [(False, 15)]
    sql = "select source_stage, pipeline from staging.stg_hubspot__opportunities where opportunity_id = 'hubspot:3'"
    assert helsinki.rows(sql) == [("7702", "77")]


# --- history --------------------------------------------------------------------------------------


def test_opportunities_as_they_were(fivetran: Build) -> None:
    """Everything is carried forward; the amount that was taken away from deal 3 is none from then on."""
    columns = "opportunity_id, source_stage, source_amount, probability, close_date, changed_at"
    assert fivetran.rows(f"select {columns} from staging.stg_hubspot__opportunity_history order by 1, 6") == [
        (
            *(HS + "1", "appointmentscheduled", Decimal(800), 0.2, date(2024, 6, 30)),
            stamp("2024-03-01T08:00:00"),
        ),
        (
            *(HS + "1", "appointmentscheduled", Decimal(1000), 0.2, date(2024, 6, 30)),
            stamp("2024-04-01T08:00:00"),
        ),
        (HS + "1", "closedwon", Decimal(1000), 1.0, date(2024, 5, 1), stamp("2024-05-01T09:00:00")),
        (HS + "3", None, Decimal(500), None, None, stamp("2024-03-03T08:00:00")),
        (HS + "3", "Negotiation", Decimal(500), 0.4, None, stamp("2024-03-04T23:00:00")),
        (HS + "3", "Negotiation", None, 0.4, None, stamp("2024-03-06T08:00:00")),
        (HS + "3", "Churned", None, 0.0, None, stamp("2024-04-10T08:00:00")),
    ]


def test_days_are_those_of_the_reporting_timezone(helsinki: Build) -> None:
    """22:30 in UTC is the next day in Helsinki, in the record as in its history; a change moves by three hours."""
    assert helsinki.rows(
        "select close_date from staging.stg_hubspot__opportunities where opportunity_id = 'hubspot:1'"
    ) == [(date(2024, 5, 2),)]
    assert helsinki.rows(
        "select max_by(close_date, changed_at), max(changed_at) from staging.stg_hubspot__opportunity_history "
        "where opportunity_id = 'hubspot:1'"
    ) == [(date(2024, 5, 2), stamp("2024-05-01T12:00:00"))]


def test_attributes_as_they_were(fivetran: Build) -> None:
    columns = "entity, entity_id, column_name, old_value, new_value, changed_at"
    sql = f"select {columns} from staging.stg_hubspot__attribute_history where entity <> 'opportunities' order by all"
    assert fivetran.rows(sql) == [
        ("accounts", HS + "501", "employee_count", "100", "120", stamp("2024-02-01")),
        ("accounts", HS + "501", "employee_count", None, "100", stamp("2023-01-01")),
        ("people", HS + "101", "industry", "Software", "Banking", stamp("2024-02-04T08:00:00")),
        ("people", HS + "101", "industry", None, "Software", stamp("2024-01-04T08:00:00")),
        ("people", HS + "101", "owner_id", HS + "9002", HS + "9001", stamp("2024-03-04T08:00:00")),
        ("people", HS + "101", "owner_id", None, HS + "9002", stamp("2024-01-04T08:00:00")),
    ]


# --- activities -----------------------------------------------------------------------------------


def test_activities(fivetran: Build) -> None:
    """The first person by id; an open task stands on the day when it is due; the deleted note is left out."""
    columns = "activity_id, activity_type, direction, person_id, account_id, opportunity_id, owner_id, is_completed"
    assert fivetran.rows(f"select {columns}, occurred_at from staging.stg_hubspot__activities order by 1") == [
        (
            *(HS + "1", "call", "inbound", HS + "101", HS + "501", HS + "1", HS + "9001", True),
            stamp("2024-01-12T09:00:00"),
        ),
        (HS + "2", "email", "inbound", HS + "102", None, None, None, True, stamp("2024-01-13T09:00:00")),
        (HS + "3", "meeting", None, None, HS + "502", HS + "3", None, False, stamp("2024-01-14T09:00:00")),
        (HS + "4", "task", None, HS + "103", None, None, None, False, stamp("2024-12-01T09:00:00")),
        (HS + "5", "task", None, HS + "103", None, None, None, True, stamp("2024-01-16T09:00:00")),
    ]


# --- the public fixtures --------------------------------------------------------------------------


def test_fivetran_seeds_stage_without_hand_edits(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "fivetran_hubspot_seeds"
    tables = [
        *("contact", "company", "deal", "deal_pipeline", "deal_pipeline_stage", "deal_stage", "deal_company"),
        *("deal_contact", "contact_property_history", "company_property_history", "deal_property_history"),
        *("contact_merge_audit", "merged_deal", "engagement", "engagement_call", "engagement_email"),
        *("engagement_meeting", "engagement_note", "engagement_task", "engagement_contact", "engagement_company"),
        *("engagement_deal", "owner", "owner_team", "team"),
    ]
    mapping = {
        "sources": ["hubspot"],
        "hubspot": {
            "folder": str(folder),
            "files": {table: f"{table}_data.csv" for table in tables},
            "date_formats": ["%Y-%m-%d %H:%M:%S"],  # some hours have one digit
        },
    }
    build = staged(tmp_path / "seeds", mapping, {})
    counts = {
        view: build.rows(f"select count(*) from staging.stg_hubspot__{view}")[0][0]
        for view in VIEWS
    }  # fmt: skip
    assert counts == {
        "accounts": 24,
        "people": 22,
        "opportunities": 44,
        "owners": 100,
        "pipeline_stages": 71,
        "stage_history": 14,
        "opportunity_people": 11,
        "activities": 105,
        "opportunity_history": 0,  # the names of its properties are hashed
        "attribute_history": 0,
    }
    assert build.rows(
        "select count(*), count(distinct merged_into_person_id) from staging.stg_hubspot__people "
        "where merged_into_person_id is not null"
    ) == [(3, 1)]
    assert build.rows("select count(*) from staging.stg_hubspot__owners where team is not null") == [(2,)]
