"""The scores of a past month, told again later, are row for row those that a build of that month made."""

import random
from datetime import date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from conftest import Build, dataset

pytestmark = pytest.mark.long

FIRST, PAST, LAST = date(2024, 1, 1), date(2025, 5, 31), date(2025, 10, 10)
INDUSTRIES = ["Software", "Manufacturing", "Retail"]
MAPPING = {
    "sources": ["salesforce", "export"],
    "lead_attributes": ["lead_source", "industry", {"employee_count": "number"}],
    "entities": {
        "touches": {
            "file": "touches.csv",
            "columns": {
                "person_id": {"column": "lead", "source": "salesforce"},
                "channel": {"constant": "web"},
                "touch_type": "type",
                "page": "page",
                "occurred_at": "at",
            },
        }
    },
}
Row = dict[str, Any]


def world(leads: int = 2600) -> dict[str, list[Row]]:
    """Leads that convert the better the more they look; a third of them share the domain of an account."""
    rng = random.Random(20260101)
    tables: dict[str, list[Row]] = {
        name: [] for name in ("Lead", "Contact", "Account", "Opportunity", "Task", "Event", "LeadHistory", "Touch")
    }
    tables["ContactHistory"] = []

    def stamp(day: date) -> str:
        return datetime(day.year, day.month, day.day, 9).strftime("%Y-%m-%dT%H:%M:%S.000Z")

    for at in range(150):
        tables["Account"].append(
            {"Id": f"001A{at:04d}", "Name": f"A{at}", "Website": f"shared{at}.com", "Industry": "Retail",
             "CreatedDate": stamp(FIRST + timedelta(rng.randrange(500)))}
        )  # fmt: skip
    for at in range(leads):
        came = FIRST + timedelta(rng.randrange((LAST - FIRST).days))
        visits, industry = min(rng.randrange(6), rng.randrange(6)), rng.choice(INDUSTRIES)
        chance = 0.06 + 0.12 * visits + (0.15 if industry == "Software" else 0)
        domain = f"shared{rng.randrange(150)}.com" if at % 3 == 0 else ("gmail.com" if at % 3 == 1 else f"own{at}.com")
        converted = came + timedelta(5 + rng.randrange(70)) if rng.random() < chance else None
        converted = converted if converted is None or converted <= LAST else None
        key = f"00QL{at:04d}"
        lead: Row = {
            "Id": key, "Email": f"p{at}@{domain}", "Status": "Closed - Converted" if converted else
            "Open - Not Contacted", "LeadSource": rng.choice(["Web", "Partner"]), "Industry": industry,
            "NumberOfEmployees": rng.choice(["", "20", "300"]), "Title": rng.choice(["CEO", "Manager", ""]),
            "IsConverted": str(converted is not None).lower(), "ConvertedDate": converted or "",
            "ConvertedContactId": f"003C{at:04d}" if converted else "",
            "ConvertedAccountId": f"001N{at:04d}" if converted else "",
            "ConvertedOpportunityId": f"006O{at:04d}" if converted else "", "CreatedDate": stamp(came),
        }  # fmt: skip
        for _ in range(visits):
            seen = came + timedelta(rng.randrange(60))
            if seen <= LAST:
                tables["Touch"].append({"lead": key, "type": "visit", "page": "/pricing", "at": stamp(seen)})
        # What a seller corrects later: the lead's industry, its title.
        if rng.random() < 0.2:
            changed = came + timedelta(1 + rng.randrange(200))
            if changed <= LAST:
                field, old = rng.choice([("Industry", "Banking"), ("Title", "Director")])
                tables["LeadHistory"].append(
                    {"Id": f"017H{at:04d}", "LeadId": key, "Field": field, "OldValue": old, "NewValue": lead[field],
                     "CreatedDate": stamp(changed)}
                )  # fmt: skip
        if rng.random() < 0.3:
            planned = came + timedelta(rng.randrange(20))
            done = planned + timedelta(rng.randrange(40))
            if planned <= LAST:
                is_done = done <= LAST
                tables["Task"].append(
                    {"Id": f"00TT{at:04d}", "WhoId": key, "TaskSubtype": "Call", "ActivityDate": planned,
                     "Status": "Completed" if is_done else "Not Started", "IsClosed": str(is_done).lower(),
                     "CompletedDateTime": stamp(done) if is_done else "", "CreatedDate": stamp(came)}
                )  # fmt: skip
                tables["Event"].append(
                    {"Id": f"00UE{at:04d}", "WhoId": key, "Type": "Meeting", "StartDateTime": stamp(planned),
                     "CreatedDate": stamp(done)}
                )  # fmt: skip
        if converted:
            tables["Account"].append(
                {"Id": f"001N{at:04d}", "Name": f"N{at}", "Website": domain if domain != "gmail.com" else "",
                 "Industry": "Banking", "CreatedDate": stamp(converted)}
            )  # fmt: skip
            tables["Contact"].append(
                {"Id": f"003C{at:04d}", "AccountId": f"001N{at:04d}", "Email": lead["Email"], "Title": "CEO",
                 "LeadSource": "Partner", "CreatedDate": stamp(converted)}
            )  # fmt: skip
            if converted + timedelta(3) <= LAST:
                tables["ContactHistory"].append(
                    {"Id": f"017C{at:04d}", "ContactId": f"003C{at:04d}", "Field": "LeadSource", "OldValue": "Event",
                     "NewValue": "Partner", "CreatedDate": stamp(converted + timedelta(3))}
                )  # fmt: skip
            tables["Opportunity"].append(
                {"Id": f"006O{at:04d}", "AccountId": f"001N{at:04d}", "StageName": "Prospecting", "Amount": 100,
                 "IsClosed": "false", "IsWon": "false", "CloseDate": LAST + timedelta(90), "CreatedDate":
                 stamp(converted)}
            )  # fmt: skip
        # The day after a lead came, somebody enters it again, with another industry.
        if at % 20 == 0 and came + timedelta(1) <= LAST:
            tables["Contact"].append(
                {"Id": f"003D{at:04d}", "AccountId": "", "Email": lead["Email"], "Title": "CEO",
                 "LeadSource": "Event", "CreatedDate": stamp(came + timedelta(1))}
            )  # fmt: skip
        tables["Lead"].append(lead)
    return tables


def cut(tables: dict[str, list[Row]], day: date) -> dict[str, list[Row]]:
    """The tables as they were exported on the evening of a day."""

    def on(value: object) -> date:
        return date.fromisoformat(str(value)[:10])

    past = {
        name: [dict(row) for row in rows if on(row.get("CreatedDate") or row["at"]) <= day]
        for name, rows in tables.items()
    }
    for row in past["Lead"]:
        if row["ConvertedDate"] and on(row["ConvertedDate"]) > day:
            row |= {"Status": "Open - Not Contacted", "IsConverted": "false", "ConvertedDate": ""}
            row |= {"ConvertedContactId": "", "ConvertedAccountId": "", "ConvertedOpportunityId": ""}
    leads = {row["Id"]: row for row in past["Lead"]}
    for change in tables["LeadHistory"]:
        if on(change["CreatedDate"]) > day and change["LeadId"] in leads:
            leads[change["LeadId"]][change["Field"]] = change["OldValue"]
    contacts = {row["Id"]: row for row in past["Contact"]}
    for change in tables["ContactHistory"]:
        if on(change["CreatedDate"]) > day and change["ContactId"] in contacts:
            contacts[change["ContactId"]][change["Field"]] = change["OldValue"]
    for row in past["Task"]:
        if row["CompletedDateTime"] and on(row["CompletedDateTime"]) > day:
            row |= {"Status": "Not Started", "IsClosed": "false", "CompletedDateTime": ""}
    return past


def built(folder: Path, tables: dict[str, list[Row]], day: date) -> Build:
    files = {}
    for name, rows in tables.items():
        lines = [",".join(rows[0]), *(",".join(str(value) for value in row.values()) for row in rows)]
        files["touches.csv" if name == "Touch" else f"salesforce/{name}.csv"] = "\n".join(lines) + "\n"
    mapping = {**MAPPING, "as_of_date": day.isoformat()}
    return dataset(folder, mapping, files).build_models("lead_score_history")


def test_a_past_month_is_told_again_row_for_row(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SEGMENT_SIGNALS_EMAIL_KEY", "k3y-0f-th1s-test")
    tables = world()
    then, now = built(tmp_path / "then", cut(tables, PAST), PAST), built(tmp_path / "now", tables, LAST)
    where = "date '2025-05-31' order by all"
    features = f"select * exclude (outcome) from marts.lead_features where snapshot_date = {where}"
    assert then.rows(features) == now.rows(features)
    # Inside a month: today, and the twelve month ends before it.
    told = "select count(*), count_if(is_current), count_if(is_month_end) from marts.lead_calendar where is_scored"
    assert now.rows(told) == [(13, 1, 12)]
    assert then.rows(told) == [(13, 1, 13)]
    scores = "select * from signals.lead_score_history where as_of_date = date '2025-05-31' order by person_id"
    published, again = then.rows(scores), now.rows(scores)
    assert len(published) > 200
    assert published == again
    assert then.rows(f"select count(model_version) from ({scores})") == [(len(published),)]
