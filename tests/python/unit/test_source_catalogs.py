"""The catalogs: ours are right, and the exact sentence for one that is not."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
import yaml
from segment_signals.sources.catalogs import Catalog, canonical_name, known_sources, load_catalog, matching_name
from segment_signals.sources.messages import ExportError

LEAD: dict[str, Any] = {"object_names": ["Lead"], "columns": {"id": "text", "created_date": "timestamp"}}


@pytest.mark.parametrize("source", [name for name in known_sources() if name != "export"])
def test_our_catalogs_are_right(source: str) -> None:
    catalog = load_catalog(source)
    personal = {"name", "first_name", "last_name", "full_name", "phone", "mobile_phone", "street", "address"}
    for table in catalog.tables.values():
        names = {column.name for column in table.columns}
        assert table.key in names
        if table.entity == "people":  # people's names, numbers and addresses are in no catalog
            assert not names & personal
        assert all(column.type == "email" for column in table.columns if column.name in {"email", "email_address"})


@pytest.mark.parametrize(
    ("source", "header", "name"),
    [
        ("salesforce", "AccountId", "account_id"),
        ("salesforce", "accountId", "account_id"),
        ("salesforce", "account_id", "account_id"),
        ("salesforce", " NumberOfEmployees ", "number_of_employees"),
        ("salesforce", "MQL_Date__c", "mql_date_c"),
        ("salesforce", "mql_date__c", "mql_date_c"),
        ("salesforce", "_fivetran_deleted", "fivetran_deleted"),
        ("salesforce", "CurrencyISOCode", "currency_iso_code"),
        ("salesforce", "property_x", "property_x"),
        ("hubspot", "property_hs_v2_date_entered_lead", "hs_v2_date_entered_lead"),
        ("hubspot", "properties.createdate", "createdate"),
        ("hubspot", "property_", "property"),
        ("hubspot", "propertyName", "property_name"),
        ("stripe", "current_period_start", "current_period_start"),
    ],
)
def test_names_become_snake_case(source: str, header: str, name: str) -> None:
    assert canonical_name(source, header) == name


def test_tools_break_words_differently() -> None:
    assert matching_name("salesforce", "Product2Id") == matching_name("salesforce", "product_2_id") == "product2id"


def load(folder: Path, monkeypatch: pytest.MonkeyPatch, document: object) -> Catalog:
    (folder / "crm.yml").write_text(yaml.safe_dump(document, sort_keys=False), encoding="utf-8")
    monkeypatch.setattr("segment_signals.sources.catalogs.CATALOG_FOLDER", folder)
    return load_catalog("crm")


def test_a_catalog_is_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    lead = {
        **LEAD,
        "entity": "people",
        "required": ["id"],
        "stamps": ["created_date"],
        "aliases": {"id": ["LeadId"]},
    }
    catalog = load(tmp_path, monkeypatch, {"required_tables": [["lead"]], "tables": {"lead": lead}})
    table = catalog.tables["lead"]
    assert (table.name, table.entity, table.object_names, table.key) == ("lead", "people", ("Lead",), "id")
    assert [(column.name, column.type, column.is_required) for column in table.columns] == [
        ("id", "text", True),
        ("created_date", "timestamp", False),
    ]
    assert (table.required, table.stamps, table.aliases) == (("id",), ("created_date",), {"id": ("LeadId",)})
    assert catalog.required_tables == (("lead",),)
    assert known_sources() == ("crm", "export")


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        (
            {"entity": "person"},
            "tables.lead.entity is 'person'. It is one of accounts, people, opportunities, owners, ",
        ),
        ({"column": {}}, "tables.lead.column is not a known key (did you mean 'columns'?)."),
        ({"columns": None}, "tables.lead.columns is empty. Write it as column: type."),
        ({"columns": {"id": "string"}}, "tables.lead.columns.id is of the type 'string'. The types are text, integer"),
        ({"columns": {"Id": "text"}}, "tables.lead.columns.Id is not a name in lower-case letters"),
        ({"columns": {"email": "email", "email_hash": "text"}}, "tables.lead.columns land 'email_hash' twice."),
        ({"columns": {"source_row": "text"}}, "tables.lead.columns land 'source_row' twice."),
        (
            {"required": ["idd"]},
            "tables.lead.required names 'idd', which is no column of the table (did you mean 'id'?)",
        ),
        ({"required": "id"}, "tables.lead.required is 'id', not a list."),
        ({"stamps": ["id"]}, "tables.lead.stamps names 'id', which is no timestamp."),
        ({"key": "x"}, "tables.lead.key names 'x', which is no column"),
        ({"aliases": {"x": ["y"]}}, "tables.lead.aliases names 'x', which is no column"),
        ({"aliases": {"id": "y"}}, "tables.lead.aliases is a mapping. Write it as column: [name, ...]."),
        ({"aliases": {"id": ["CreatedDate"]}}, "tables.lead: 'created_date' is recognised as id and as created_date."),
        ({"object_names": []}, "tables.lead.object_names is a list. Write it as [Name, ...]."),
    ],
)
def test_a_table_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], problem: str
) -> None:
    with pytest.raises(ExportError) as caught:
        load(tmp_path, monkeypatch, {"tables": {"lead": {**LEAD, **change}}})
    assert str(caught.value).startswith(f"catalog/crm.yml: {problem}")


@pytest.mark.parametrize(
    ("document", "problem"),
    [
        ({}, "tables is empty. Give it at least one table."),
        ({"tables": {}, "table": 1}, "table is not a known key (did you mean 'tables'?)."),
        ({"tables": {"lead": None}}, "tables.lead is empty. Give it object_names and columns."),
        ({"tables": {"Lead": LEAD}}, "tables.Lead is not a name in lower-case letters"),
        ({"tables": {"lead": LEAD}, "required_tables": ["lead"]}, "required_tables holds lead. Write lists"),
        ({"tables": {"lead": LEAD}, "required_tables": [["x"]]}, "required_tables holds ['x']. Write lists"),
        (
            {"tables": {"lead": LEAD, "old": {**LEAD, "object_names": ["LEAD_"]}}},
            "the object name 'LEAD_' is of lead and of old. Keep it at one.",
        ),
    ],
)
def test_a_catalog_that_is_wrong(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, document: object, problem: str
) -> None:
    with pytest.raises(ExportError) as caught:
        load(tmp_path, monkeypatch, document)
    assert str(caught.value).startswith(f"catalog/crm.yml: {problem}")
