"""mapping.yml: what it may say, and the exact sentence for everything it may not."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from textwrap import dedent, indent

import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_signals.sources.formats import ValueFormats
from segment_signals.sources.mapping import (
    NATIVE_NULL_WORDS,
    ColumnSource,
    ExportMapping,
    check_dimension_attributes,
    load_mapping,
)
from segment_signals.sources.messages import ExportError, listed, nearest, quoted
from segment_signals.sources.shapes import ENTITIES, STAMPS, CanonicalColumn, key_of

LABEL = "data/acme/mapping.yml"
TOP = "dataset: acme\ndata_dir: data/acme\nsources: [export]\n"
OPPORTUNITIES = """\
opportunities:
  file: deals.csv
  columns:
    opportunity_id: Id
    stage: Stage
"""
PEOPLE = """\
people:
  file: leads.csv
  columns: {person_id: Id, created_at: Created}
"""


def load(tmp_path: Path, text: str) -> ExportMapping:
    """Load a mapping of this text."""
    folder = tmp_path / "data" / "acme"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "mapping.yml").write_text(text, encoding="utf-8")
    return load_mapping(tmp_path, "data/acme")


def mapping_text(entities: str = "", top: str = TOP) -> str:
    """A mapping of the smallest opportunities block and of more entities."""
    return f"{top}entities:\n{indent(OPPORTUNITIES + dedent(entities), '  ')}"


def with_columns(columns: str, entity: str = "opportunities", required: str | None = None) -> str:
    """A mapping whose entity has these further columns."""
    base = required or "opportunity_id: Id\nstage: Stage\n"
    block = f"{entity}:\n  file: deals.csv\n  columns:\n{indent(base + dedent(columns), '    ')}"
    other = "" if entity == "opportunities" else OPPORTUNITIES
    return f"{TOP}entities:\n{indent(other + block, '  ')}"


def error(tmp_path: Path, text: str) -> str:
    """The message that a mapping of this text is refused with."""
    with pytest.raises(ExportError) as caught:
        load(tmp_path, text)
    return str(caught.value)


CATALOG = """\
tables:
  lead: {entity: people, object_names: [Lead], columns: {id: text, status: text}}
  opportunity: {entity: opportunities, object_names: [Opportunity], columns: {id: text}}
"""


@pytest.fixture(autouse=True)
def salesforce(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> None:
    """One native source, of a small catalog."""
    folder = tmp_path_factory.mktemp("catalog")
    (folder / "salesforce.yml").write_text(CATALOG, encoding="utf-8")
    monkeypatch.setattr("segment_signals.sources.catalogs.CATALOG_FOLDER", folder)


# --- what a mapping holds ---


def test_the_smallest_mapping_has_the_defaults(tmp_path: Path) -> None:
    mapping = load(tmp_path, mapping_text())
    assert (mapping.label, mapping.dataset, mapping.folders) == (LABEL, "acme", (".",))
    assert (mapping.as_of_date, mapping.history_starts_on, mapping.currency) == (None, None, None)
    (block,) = mapping.entities["opportunities"]
    assert (block.key, block.file, block.where) == ("entities.opportunities", "deals.csv", ())
    assert block.formats == ValueFormats("UTC", ("",), (), "", ".")
    assert block.columns == {
        "opportunity_id": ColumnSource(column="Id"),
        "stage": ColumnSource(column="Stage"),
    }


def test_a_full_mapping_is_read_and_a_block_overrides_the_formats_it_states(tmp_path: Path) -> None:
    text = dedent("""\
        dataset: acme
        data_dir: data/acme
        sources: [export]
        definitions_dir: data/acme/definitions
        own_definitions: [stage_map]
        dimensions: {industry: {attribute: accounts.industry}}
        fiscal_year_start_month: 2
        my_own_var: 1
        folders: [data, ../shared]
        as_of_date: 2017-12-31
        history_starts_on: "2017-03-01"
        currency: USD
        timezone: Europe/Paris
        null_words: ["NA", " Select ", ""]
        date_formats: ["%m/%d/%y"]
        number_format: {thousands: ",", decimal: "."}
        entities:
          accounts:
            file: accounts.csv
            columns: {account_id: 2024, account_name: " Name "}
          opportunities:
          - file: won.csv
            columns:
              opportunity_id: {column: Id}
              account_id: {column: Account, lookup: accounts.account_name}
              stage: {constant: Won}
              amount: {constant: 12.5}
              close_date: {constant: 2017-03-01}
              closed_at: {constant: 2017-03-01 10:00:00}
              is_deleted: {constant: false}
            custom_columns: {channel: Channel__c}
          - file: open/*.csv
            where: {Field: Status, Live: true, Year: 2017}
            timezone: UTC
            date_formats: ["%d.%m.%Y"]
            number_format: {decimal: ","}
            columns: {opportunity_id: Id, stage: Stage}
            custom_columns: {motion: {constant: inbound}}
        """)
    mapping = load(tmp_path, text)
    assert mapping.as_of_date == date(2017, 12, 31)
    assert mapping.history_starts_on == date(2017, 3, 1)
    assert (mapping.currency, mapping.folders) == ("USD", ("data", "../shared"))
    won, live = mapping.entities["opportunities"]
    assert won.formats == ValueFormats("Europe/Paris", ("", "NA", "Select"), ("%m/%d/%y",), ",", ".")
    assert live.formats == ValueFormats("UTC", ("", "NA", "Select"), ("%d.%m.%Y",), "", ",")
    assert live.where == (("Field", "Status"), ("Live", True), ("Year", "2017"))
    assert mapping.entities["accounts"][0].columns == {
        "account_id": ColumnSource(column="2024"),
        "account_name": ColumnSource(column="Name"),
    }
    assert won.columns == {
        "opportunity_id": ColumnSource(column="Id"),
        "account_id": ColumnSource(column="Account", lookup=("accounts", "account_name")),
        "stage": ColumnSource(constant="Won"),
        "amount": ColumnSource(constant="12.5"),
        "close_date": ColumnSource(constant="2017-03-01"),
        "closed_at": ColumnSource(constant="2017-03-01T10:00:00"),
        "is_deleted": ColumnSource(constant="false"),
    }
    assert (won.key, live.key) == ("entities.opportunities[1]", "entities.opportunities[2]")
    assert mapping.custom_columns("opportunities") == ("channel", "motion")
    assert mapping.is_provided("opportunities", "amount")
    assert not mapping.is_provided("accounts", "industry")
    assert live.source_columns == {
        "Id": "entities.opportunities[2].columns.opportunity_id",
        "Stage": "entities.opportunities[2].columns.stage",
        "Field": "entities.opportunities[2].where",
        "Live": "entities.opportunities[2].where",
        "Year": "entities.opportunities[2].where",
    }


SHAPES = {
    "accounts": "*account_id merged_into_account_id crm_account_id account_name domain website industry "
    "employee_count:integer annual_revenue_amount:amount country region parent_account_id owner_id "
    "created_at:timestamp changed_at:timestamp is_churned:boolean is_deleted:boolean",
    "people": "*person_id account_id opportunity_id merged_into_person_id crm_person_id owner_id email:email "
    "email_domain title persona motion lead_source self_reported_source country region industry "
    "employee_count:integer status has_budget:boolean has_authority:boolean has_need:boolean has_timeline:boolean "
    "is_lead:boolean created_at:timestamp converted_at:timestamp changed_at:timestamp is_deleted:boolean",
    "opportunities": "*opportunity_id account_id person_id crm_opportunity_id owner_id product_id campaign_id !stage "
    "pipeline opportunity_type lead_source loss_reason competitor forecast_category currency amount:amount "
    "probability:number created_at:timestamp close_date:date closed_at:timestamp changed_at:timestamp "
    "is_deleted:boolean",
    "stage_history": "!entity !entity_id !stage !entered_at:timestamp",
    "opportunity_history": "!opportunity_id stage forecast_category amount:amount probability:number close_date:date "
    "!changed_at:timestamp",
    "attribute_history": "!entity !entity_id !column_name old_value new_value !changed_at:timestamp",
    "owners": "*owner_id owner_name team manager region is_active:boolean",
    "products": "*product_id product_name product_series list_price_amount:amount",
    "activities": "activity_id !activity_type direction person_id account_id opportunity_id owner_id "
    "is_completed:boolean !occurred_at:timestamp completed_at:timestamp",
    "touches": "touch_id person_id account_id campaign_id channel touch_type page email:email has_responded:boolean "
    "!occurred_at:timestamp",
    "campaigns": "*campaign_id campaign_name channel currency budget_amount:amount cost_amount:amount "
    "started_date:date ended_date:date",
    "campaign_spend": "campaign_id channel currency !spend_amount:amount !spend_date:date",
    "subscriptions": "*subscription_id account_id product_id plan status billing_interval currency quantity:number "
    "mrr_amount:amount is_trial:boolean is_deleted:boolean !started_date:date ended_date:date cancel_date:date "
    "renewal_date:date created_at:timestamp",
    "product_usage": "usage_id account_id person_id subscription_id feature usage_count:number "
    "active_user_count:integer !usage_date:date",
    "support_tickets": "ticket_id account_id person_id priority satisfaction_score:number is_escalated:boolean "
    "!submitted_at:timestamp closed_at:timestamp",
    "survey_responses": "response_id account_id person_id !score:number !responded_date:date",
    "payments": "payment_id account_id subscription_id !status currency amount:amount !due_date:date paid_date:date",
    "churn_events": "churn_event_id account_id reason is_reactivation:boolean currency refund_amount:amount "
    "!churn_date:date",
}


def test_the_canonical_shapes_are_the_contract() -> None:
    def sign(column: CanonicalColumn) -> str:
        mark = "*" if column.is_key else "!" if column.is_required else ""
        return mark + column.name + ("" if column.type == "text" else f":{column.type}")

    assert {entity: " ".join(map(sign, columns)) for entity, columns in ENTITIES.items()} == SHAPES
    assert {entity: key_of(entity) for entity in ENTITIES} == {
        entity: next((name[1:] for name in shape.split() if name[0] == "*"), None) for entity, shape in SHAPES.items()
    }
    assert set(STAMPS) <= set(ENTITIES)
    for entity, stamps in STAMPS.items():
        types = {column.name: column.type for column in ENTITIES[entity]}
        assert {types[stamp] for stamp in stamps} == {"timestamp"}


# --- the file itself ---


def test_a_missing_mapping(tmp_path: Path) -> None:
    with pytest.raises(ExportError) as caught:
        load_mapping(tmp_path, "data/acme")
    assert str(caught.value) == (
        f"{LABEL} does not exist. Write the mapping of your data there, or point the var data_dir to the "
        "folder that holds it."
    )


def test_yaml_that_is_none_names_its_line(tmp_path: Path) -> None:
    assert error(tmp_path, "dataset: acme\nentities: {a: b\nfolders: []\n") == (
        f"{LABEL}, line 3: not valid YAML (expected ',' or '}}', but got ':'). Mend that line."
    )


def test_a_key_given_twice_is_refused_where_yaml_would_keep_the_last(tmp_path: Path) -> None:
    assert error(tmp_path, "dataset: acme\nfolders: [a]\nfolders: [b]\n") == (
        f"{LABEL}, line 3: not valid YAML (the key 'folders' is there twice). Mend that line."
    )


def test_an_anchor_and_merge_may_repeat_a_key(tmp_path: Path) -> None:
    text = mapping_text("""\
        people:
        - &lead
          file: leads.csv
          columns: {person_id: Id, created_at: Created}
        - <<: *lead
          file: contacts.csv
        """)
    assert [block.file for block in load(tmp_path, text).entities["people"]] == ["leads.csv", "contacts.csv"]


def test_a_day_that_is_none(tmp_path: Path) -> None:
    assert error(tmp_path, "as_of_date: 2024-02-30\n") == (
        f"{LABEL}: not valid YAML (day is out of range for month). Mend or quote that value."
    )


def test_a_mapping_in_another_encoding(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "acme"
    folder.mkdir(parents=True)
    (folder / "mapping.yml").write_bytes("dataset: caf\xe9\n".encode("latin-1"))
    with pytest.raises(ExportError) as caught:
        load_mapping(tmp_path, "data/acme")
    assert str(caught.value) == f"{LABEL} is not UTF-8 text. Save the file as UTF-8."


@pytest.mark.parametrize("text", ["", "- a\n- b\n", "just words\n"])
def test_a_mapping_without_keys(tmp_path: Path, text: str) -> None:
    assert error(tmp_path, text) == f"{LABEL} holds no keys. Give it at least dataset and sources."


# --- top-level keys ---


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        ("date_format", "date_formats"),
        ("time_zone", "timezone"),
        ("history_start_on", "history_starts_on"),
        ("Folders", "folders"),
        ("entitys", "entities"),
    ],
)
def test_a_near_miss_of_a_known_key(tmp_path: Path, slip: str, meant: str) -> None:
    assert error(tmp_path, f"{slip}: x\n{mapping_text()}") == (
        f"{LABEL}: '{slip}' is not a known key. Did you mean '{meant}'?"
    )


@pytest.mark.parametrize("name", ["my_var", "definitions_hash", "score_points", "releases_dir"])
def test_a_var_of_the_users_own_is_allowed(tmp_path: Path, name: str) -> None:
    assert load(tmp_path, f"{name}: 1\n{mapping_text()}").dataset == "acme"


@pytest.mark.parametrize(
    ("value", "shown"), [("", "empty"), ("../other", "'../other'"), ("12", "'12'"), ("[a]", "a list")]
)
def test_a_dataset_that_names_no_file(tmp_path: Path, value: str, shown: str) -> None:
    assert error(tmp_path, mapping_text(top=f"dataset: {value}\nsources: [export]\n")) == (
        f"{LABEL}: dataset must be a name of letters, digits, _ and -, not {shown}. "
        "It names the build file and the releases folder; give each dataset its own."
    )


@pytest.mark.parametrize("key", ["as_of_date", "history_starts_on"])
@pytest.mark.parametrize(
    ("value", "shown"),
    [("31/12/2017", "'31/12/2017'"), ("2017", "'2017'"), ("2017-12-31 10:00:00", "'2017-12-31 10:00:00'")],
)
def test_a_date_that_is_none(tmp_path: Path, key: str, value: str, shown: str) -> None:
    assert error(tmp_path, f"{key}: {value}\n{mapping_text()}") == (
        f"{LABEL}: {key} is {shown}, which is not a date. Write it as 2024-12-31."
    )


def test_a_currency_that_is_none(tmp_path: Path) -> None:
    assert error(tmp_path, f"currency: dollars\n{mapping_text()}") == (
        f"{LABEL}: currency is 'dollars', which is not a currency code. Write three capitals, such as USD."
    )


@pytest.mark.parametrize("key", ["folders", "null_words", "date_formats"])
def test_a_list_that_is_none(tmp_path: Path, key: str) -> None:
    assert error(tmp_path, f"{key}: x\n{mapping_text()}") == (
        f"{LABEL}: {key} is 'x', not a list. Write it as [\"...\"]."
    )


@pytest.mark.parametrize(("word", "shown"), [("NULL", "empty"), ("No", "'false'"), ("2024-01-01", "'2024-01-01'")])
def test_a_null_word_that_yaml_reads_as_something_else(tmp_path: Path, word: str, shown: str) -> None:
    assert error(tmp_path, f"null_words: [{word}]\n{mapping_text()}") == (
        f"{LABEL}: null_words holds {shown}, which is not text. Put it in quotation marks."
    )


def test_no_folder(tmp_path: Path) -> None:
    assert error(tmp_path, f"folders: []\n{mapping_text()}") == (
        f'{LABEL}: folders is empty. Name at least one folder, for example ".".'
    )


def test_a_date_format_without_a_year(tmp_path: Path) -> None:
    assert error(tmp_path, f'date_formats: ["dd/mm/yyyy"]\n{mapping_text()}') == (
        f"{LABEL}: date_formats holds 'dd/mm/yyyy', which has no year. "
        'Write strptime formats, for example "%d/%m/%Y".'
    )


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ('"1,000.00"', "number_format is '1,000.00'"),
        ('{group: ","}', "number_format is a mapping"),
        ('{thousands: "."}', "number_format gives '.' both meanings"),
        ('{decimal: "7"}', "number_format holds '7', which is not a sign between digits"),
        ('{decimal: ""}', "number_format holds '', which is not a sign between digits"),
        ('{thousands: ",,"}', "number_format holds ',,', which is not a sign between digits"),
        ('{thousands: "-"}', "number_format holds '-', which is not a sign between digits"),
    ],
)
def test_a_number_format_that_is_none(tmp_path: Path, value: str, problem: str) -> None:
    assert error(tmp_path, f"number_format: {value}\n{mapping_text()}") == (
        f'{LABEL}: {problem}. Write it as {{thousands: ",", decimal: "."}}, each one sign.'
    )


# --- entities and blocks ---


@pytest.mark.parametrize("text", [TOP, TOP + "entities: []\n", TOP + "entities:\n"])
def test_no_entities(tmp_path: Path, text: str) -> None:
    assert (
        error(tmp_path, text) == f"{LABEL}: entities maps nothing. Map at least one entity, for example opportunities."
    )


def test_an_unknown_entity(tmp_path: Path) -> None:
    assert error(tmp_path, mapping_text("account:\n  file: a.csv\n")) == (
        f"{LABEL}: entities.account is not an entity (did you mean 'accounts'?). "
        "The entities are accounts, people, opportunities, stage_history, opportunity_history, "
        "attribute_history, owners, products, activities, touches, campaigns, campaign_spend, subscriptions, "
        "product_usage, support_tickets, survey_responses, payments, churn_events."
    )


def test_any_entity_is_enough(tmp_path: Path) -> None:
    assert list(load(tmp_path, f"{TOP}entities:\n{indent(PEOPLE, '  ')}").entities) == ["people"]


def test_an_entity_without_a_body(tmp_path: Path) -> None:
    assert error(tmp_path, mapping_text("people:\n")) == (
        f"{LABEL}: entities.people is empty. Give it a file and its columns."
    )


def test_an_unknown_key_of_a_block(tmp_path: Path) -> None:
    assert error(tmp_path, mapping_text("people:\n  files: a.csv\n")) == (
        f"{LABEL}: entities.people.files is not a known key (did you mean 'file'?). "
        "A block has file, where, encoding, timezone, null_words, date_formats, number_format, columns, custom_columns."
    )


def test_a_block_without_a_file_names_its_number(tmp_path: Path) -> None:
    text = mapping_text("""\
        people:
        - file: a.csv
          columns: {person_id: Id, created_at: Created}
        - columns: {person_id: Id, created_at: Created}
        """)
    assert error(tmp_path, text) == (
        f"{LABEL}: entities.people[2].file is empty. Give it the name of a file or a glob."
    )


@pytest.mark.parametrize(
    ("where", "problem"),
    [
        ("Status", "where is 'Status'. Write it as {source column: value}"),
        ("{Status: [a, b]}", "where.Status is a list. Give it one value"),
        ("{Status: }", "where.Status is empty. Give it one value"),
    ],
)
def test_a_condition_that_is_none(tmp_path: Path, where: str, problem: str) -> None:
    text = mapping_text(f"people:\n  file: a.csv\n  where: {where}\n")
    assert error(tmp_path, text) == f"{LABEL}: entities.people.{problem}."


# --- columns ---


def test_unknown_columns_are_listed_with_the_nearest_names(tmp_path: Path) -> None:
    assert error(tmp_path, with_columns("stage_name: Stage\nammount: Amount\nzzz: Z\n")) == (
        f"{LABEL}: entities.opportunities.columns maps 'stage_name' (nearest: 'stage'), 'ammount' (nearest: "
        "'amount'), 'zzz', which opportunities does not have. Use the canonical names, or map columns of your "
        "own under entities.opportunities.custom_columns."
    )


def test_at_most_five_columns_are_listed(tmp_path: Path) -> None:
    columns = "".join(f"zz{number}: A\n" for number in range(7))
    assert error(tmp_path, with_columns(columns)) == (
        f"{LABEL}: entities.opportunities.columns maps 'zz0', 'zz1', 'zz2', 'zz3', 'zz4', and 2 more, which "
        "opportunities does not have. Use the canonical names, or map columns of your own under "
        "entities.opportunities.custom_columns."
    )


def test_required_columns_that_are_not_mapped(tmp_path: Path) -> None:
    assert error(tmp_path, mapping_text("stage_history:\n  file: h.csv\n  columns: {stage: Stage}\n")) == (
        f"{LABEL}: entities.stage_history.columns does not map entity, entity_id, entered_at, which stage_history "
        "needs. Map it to a source column or to {constant: value}."
    )


def test_every_block_needs_the_required_columns(tmp_path: Path) -> None:
    text = mapping_text("""\
        subscriptions:
        - file: a.csv
          columns: {subscription_id: Id, started_date: Start}
        - file: b.csv
          columns: {subscription_id: Id}
        """)
    assert error(tmp_path, text) == (
        f"{LABEL}: entities.subscriptions[2].columns does not map started_date, which subscriptions needs. "
        "Map it to a source column or to {constant: value}."
    )


MEND = "Write the name of a source column, {constant: value}, or {column: name, lookup: entity.column}."


@pytest.mark.parametrize(
    ("column", "spec", "problem"),
    [
        ("owner_id", "", "is empty, not the name of a source column (quote the name if it is one)"),
        ("owner_id", "No", "is 'false', not the name of a source column (quote the name if it is one)"),
        ("owner_id", "[A]", "is a list, not the name of a source column (quote the name if it is one)"),
        ("owner_id", "{colum: A}", "has the unknown key 'colum' (did you mean 'column'?)"),
        ("owner_id", "{lookup: owners.owner_name}", "names no column"),
        ("owner_id", "{constant: A, column: B}", "has a constant beside a column or lookup"),
        ("owner_id", "{column: A, lookup: owners}", "has the lookup 'owners', which is not entity.column"),
        ("amount", "{column: A, lookup: owners.owner_name}", "cannot be looked up, for it is no text"),
        ("owner_id", "{column: A, take: owners.owner_name}", "takes a column of no lookup"),
        ("owner_id", "{column: A, lookup: owners.owner_name, take: [a]}", "takes a list, not a column"),
        ("owner_id", "{column: A, source: export}", "is of the source 'export'; the systems are salesforce"),
        ("owner_id", "{column: A, source: salesforce, lookup: owners.x}", "is of a source and looked up"),
        ("amount", "{column: A, source: salesforce}", "is of a source and no text"),
        ("owner_id", "{constant: true}", "has the constant 'true', which is not text"),
        ("owner_id", "{constant: }", "has the constant empty, which is not text"),
        ("amount", "{constant: ten}", "has the constant 'ten', which is not a number"),
        ("amount", "{constant: true}", "has the constant 'true', which is not a number"),
        ("amount", "{constant: .inf}", "has the constant 'inf', which is not a number"),
        ("amount", "{constant: 1.0e+17}", "has the constant '1e+17', which is not a number"),
        ("is_deleted", "{constant: 0}", "has the constant '0', which is not true or false"),
        ("is_deleted", '{constant: "false"}', "has the constant 'false', which is not true or false"),
        ("close_date", "{constant: 1/2/2024}", "has the constant '1/2/2024', which is not a date"),
        (
            "close_date",
            "{constant: 2024-01-02 10:00:00}",
            "has the constant '2024-01-02 10:00:00', which is not a date",
        ),
        ("closed_at", "{constant: 5}", "has the constant '5', which is not a timestamp"),
        ("closed_at", "{constant: noon}", "has the constant 'noon', which is not a timestamp"),
    ],
)
def test_a_column_that_says_nothing_usable(tmp_path: Path, column: str, spec: str, problem: str) -> None:
    assert error(tmp_path, with_columns(f"{column}: {spec}\n")) == (
        f"{LABEL}: entities.opportunities.columns.{column} {problem}. {MEND}"
    )


def test_a_whole_number_that_is_none(tmp_path: Path) -> None:
    text = with_columns("employee_count: {constant: 12.5}\n", "accounts", "account_id: Id\n")
    assert error(tmp_path, text) == (
        f"{LABEL}: entities.accounts.columns.employee_count has the constant '12.5', which is not a whole number. "
        f"{MEND}"
    )


def test_several_columns_that_say_nothing_usable_are_in_one_message(tmp_path: Path) -> None:
    assert error(tmp_path, with_columns("owner_id:\namount: {constant: ten}\n")) == (
        f"{LABEL}: entities.opportunities.columns.owner_id is empty, not the name of a source column (quote the name "
        "if it is one); entities.opportunities.columns.amount has the constant 'ten', which is not a number. "
        f"{MEND}"
    )


def test_the_key_cannot_be_looked_up(tmp_path: Path) -> None:
    text = with_columns("", required="opportunity_id: {column: A, lookup: owners.owner_name}\nstage: S\n")
    assert error(tmp_path, text) == (
        f"{LABEL}: entities.opportunities.columns.opportunity_id cannot be looked up, for it is the key. {MEND}"
    )


def test_custom_columns_need_usable_names(tmp_path: Path) -> None:
    base = mapping_text("people:\n  file: a.csv\n  columns: {person_id: Id, created_at: C}\n  custom_columns: ")
    assert error(tmp_path, base + "{Lead Score: L}\n") == (
        f"{LABEL}: entities.people.custom_columns.Lead Score is not a column name. "
        "Use lower-case letters, digits and _, beginning with a letter."
    )
    assert error(tmp_path, base + "{status: L}\n") == (
        f"{LABEL}: entities.people.custom_columns.status is a column that people has already. "
        "Map it under entities.people.columns, or choose another name."
    )
    assert error(tmp_path, base + "[a]\n") == (
        f"{LABEL}: entities.people.custom_columns is a list. Write it as column: source column."
    )


# --- lookups ---


@pytest.mark.parametrize(
    ("lookup", "problem"),
    [
        (
            "deals.name",
            "but there is no entity deals. Look up one of the mapped entities: opportunities, people, stage_history.",
        ),
        (
            "accounts.account_name",
            "but the mapping has no accounts. Look up one of the mapped entities: opportunities, people, "
            "stage_history.",
        ),
        ("stage_history.stage", "but stage_history has no key. Look up an entity that has one."),
        (
            "people.email",
            "but entities.people maps no text column email. Map it, or look up one of person_id, nick.",
        ),
        (
            "people.created_at",
            "but entities.people maps no text column created_at. Map it, or look up one of person_id, nick.",
        ),
    ],
)
def test_a_lookup_that_leads_nowhere(tmp_path: Path, lookup: str, problem: str) -> None:
    columns = f"account_id: {{column: A, lookup: {lookup}}}\n"
    text = with_columns(columns) + indent(
        PEOPLE
        + "  custom_columns: {nick: Nick}\n"
        + "stage_history:\n  file: h.csv\n  columns:\n"
        + "    {entity: {constant: person}, entity_id: Id, stage: S, entered_at: E}\n",
        "  ",
    )
    assert error(tmp_path, text) == (f"{LABEL}: entities.opportunities.columns.account_id looks up {lookup}, {problem}")


# --- dimension attributes ---


def test_dimension_attributes_may_be_canonical_or_mapped_custom_columns(tmp_path: Path) -> None:
    mapping = load(
        tmp_path,
        mapping_text(
            "people:\n  file: a.csv\n  columns: {person_id: Id, created_at: C}\n  custom_columns: {channel: Ch}\n"
        ),
    )
    attributes = ["people.lead_source", "people.channel", "accounts.industry"]
    check_dimension_attributes(mapping, attributes)
    for attribute in attributes:
        entity, column = attribute.split(".")
        assert column in [known.name for known in ENTITIES[entity]] or column in mapping.custom_columns(entity)


@pytest.mark.parametrize(
    ("attribute", "entity", "hint"),
    [
        ("people.chanel", "people", " (did you mean 'people.channel'?)"),
        ("opportunities.channel", "opportunities", ""),
        ("owners.floor", "owners", ""),
    ],
)
def test_a_dimension_attribute_that_nothing_maps(tmp_path: Path, attribute: str, entity: str, hint: str) -> None:
    mapping = load(tmp_path, mapping_text(PEOPLE + "  custom_columns: {channel: Ch}\n"))
    with pytest.raises(ExportError) as caught:
        check_dimension_attributes(mapping, ["people.lead_source", attribute])
    assert str(caught.value) == (
        f"The dimension attribute '{attribute}' is no column that {LABEL} maps{hint}. "
        f"Map it under entities.{entity}.custom_columns, or mend the dimension."
    )


@pytest.mark.parametrize("attribute", ["lead_source", "persons.title", "people."])
def test_a_dimension_attribute_of_no_entity(tmp_path: Path, attribute: str) -> None:
    with pytest.raises(ExportError) as caught:
        check_dimension_attributes(load(tmp_path, mapping_text()), [attribute])
    assert str(caught.value) == (
        f"The dimension attribute '{attribute}' is not of the form entity.column. Name one of accounts, people, "
        "opportunities, owners, products and a column of it, for example people.lead_source."
    )


# --- sources ---

NATIVE_TOP = "dataset: acme\nsources: [salesforce]\n"


def test_a_native_source_needs_no_block_and_has_the_words_that_systems_write_for_no_value(tmp_path: Path) -> None:
    (native,) = load(tmp_path, NATIVE_TOP).natives
    assert (native.name, native.folder) == ("salesforce", tmp_path / "data" / "acme" / "salesforce")
    assert native.formats.null_words == NATIVE_NULL_WORDS
    assert {"", "null", "N/A", "-", "#N/A", "unknown", "TBD", "Select"} <= set(NATIVE_NULL_WORDS)
    assert (native.files, native.columns, native.stage_dates) == ({}, {}, {})


def test_a_block_of_a_native_source(tmp_path: Path) -> None:
    text = dedent("""\
        dataset: acme
        sources: [export, salesforce]
        null_words: [Pending]
        timezone: Europe/Berlin
        salesforce:
          folder: ../sf
          files: {lead: "leads/*.parquet"}
          date_formats: ["%d.%m.%Y"]
          columns: {lead: {persona: Persona__c}}
          stage_dates: {lead: {mql: MQL_Date__c}}
        entities:
        """) + indent(OPPORTUNITIES, "  ")
    mapping = load(tmp_path, text)
    (native,) = mapping.natives
    assert mapping.sources == ("export", "salesforce")
    assert native.folder == tmp_path / "data" / "sf"
    assert native.files == {"lead": "leads/*.parquet"}
    assert native.columns == {"lead": {"persona": "Persona__c"}}
    assert native.stage_dates == {"lead": {"mql": "MQL_Date__c"}}
    assert native.formats.null_words[-1] == "Pending"
    assert native.formats.null_words[:-1] == NATIVE_NULL_WORDS
    assert (native.formats.timezone, native.formats.date_formats) == ("Europe/Berlin", ("%d.%m.%Y",))
    assert mapping.entities["opportunities"][0].formats.null_words == ("", "Pending")


def test_words_of_a_native_source_replace_ours(tmp_path: Path) -> None:
    (native,) = load(tmp_path, NATIVE_TOP + "null_words: [Select]\nsalesforce: {null_words: [x]}\n").natives
    assert native.formats.null_words == ("", "x")


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("", "sources is missing. List what the dataset is read from, for example sources: [export]."),
        (
            "salesforce: {}\nentities: {}\n",
            "sources is missing. List what the dataset is read from, for example sources: [salesforce, export].",
        ),
        ("sources: salesforce\n", "sources is 'salesforce', not a list. Write it as [\"...\"]."),
        ("sources: []\n", "sources is empty. List each source once."),
        ("sources: [export, export]\n", "sources lists one twice. List each source once."),
        (
            "sources: [salesfroce]\n",
            "sources lists 'salesfroce', which is no source (did you mean 'salesforce'?). "
            "The sources are salesforce, export.",
        ),
        (
            "sources: [export]\nsalesforce: {}\n",
            "salesforce is given, but sources does not list salesforce. List it, or remove salesforce.",
        ),
        (
            "sources: [salesforce]\nentities: {}\n",
            "entities is given, but sources does not list export. List it, or remove entities.",
        ),
        ("sources: [salesforce]\nsalseforce: {}\n", "'salseforce' is not a known key. Did you mean 'salesforce'?"),
    ],
)
def test_sources_that_are_none(tmp_path: Path, text: str, problem: str) -> None:
    assert error(tmp_path, f"dataset: acme\n{text}") == f"{LABEL}: {problem}"


@pytest.mark.parametrize(
    ("block", "problem"),
    [
        ("x", "salesforce is 'x'. Give it keys such as folder, or leave it out."),
        (
            "{folders: x}",
            "salesforce.folders is not a known key (did you mean 'folder'?). "
            "A source has folder, files, postgres, encoding, timezone, null_words, date_formats, number_format, "
            "columns, stage_dates.",
        ),
        ("{postgres: sf}", "salesforce.postgres is 'sf'. Write it as {schema: name, dsn_env: VARIABLE}."),
        (
            "{postgres: {schema: sf}}",
            "salesforce.postgres is a mapping. Write it as {schema: name, dsn_env: VARIABLE}.",
        ),
        (
            "{folder: x, postgres: {schema: sf, dsn_env: SF}}",
            "salesforce has both a folder and postgres. Keep the one that it is read from.",
        ),
        (
            "{encoding: rot13}",
            "salesforce.encoding is 'rot13', which is not an encoding of text. "
            "Write utf-8, utf-16, windows-1252 or latin-1, for example.",
        ),
        ("{folder: 7}", "salesforce.folder is '7'. Give it the name of a folder."),
        (
            "{files: {leads: a.csv}}",
            "salesforce.files.leads is no table of salesforce (did you mean 'lead'?). "
            "The tables are lead, opportunity.",
        ),
        ("{files: [a]}", "salesforce.files is a list. Write it as table: ..."),
        ("{files: {lead: }}", "salesforce.files.lead is empty. Give it the name of a file or a glob."),
        (
            "{columns: {deal: {persona: P}}}",
            "salesforce.columns.deal is no table of salesforce. The tables are lead, opportunity.",
        ),
        ("{columns: {lead: P}}", "salesforce.columns.lead is 'P'. Write it as our name: their field."),
        (
            "{columns: {lead: {Persona: P}}}",
            "salesforce.columns.lead.Persona is not a name of ours. "
            "Use lower-case letters, digits and _, beginning with a letter.",
        ),
        (
            "{stage_dates: {lead: {mql: No}}}",
            "salesforce.stage_dates.lead.mql is 'false', not the name of a source column (quote the name if it is "
            "one). Write the name of a field of theirs.",
        ),
        ("{null_words: x}", "salesforce.null_words is 'x', not a list. Write it as [\"...\"]."),
    ],
)
def test_a_block_of_a_native_source_that_is_none(tmp_path: Path, block: str, problem: str) -> None:
    assert error(tmp_path, f"{NATIVE_TOP}salesforce: {block}\n") == f"{LABEL}: {problem}"


def test_a_dimension_may_read_what_a_native_source_maps(tmp_path: Path) -> None:
    text = f"{NATIVE_TOP}salesforce: {{columns: {{lead: {{channel: Ch__c, contact: Email}}}}}}\n"
    mapping = load(tmp_path, text)
    check_dimension_attributes(mapping, ["people.channel", "people.industry"])
    with pytest.raises(ExportError, match=r"people\.contact' holds personal data \(Email\)"):
        check_dimension_attributes(mapping, ["people.contact"])
    with pytest.raises(ExportError, match=r"did you mean 'people.channel'\?\). Map it under salesforce.columns, or"):
        check_dimension_attributes(mapping, ["people.chanel"])
    with pytest.raises(ExportError, match="no column that"):
        check_dimension_attributes(mapping, ["accounts.channel"])


# --- words in messages ---


def test_words_for_messages() -> None:
    assert quoted("a\n b") == "'a b'"
    assert quoted("x" * 61) == f"'{'x' * 60}...'"
    assert listed(["a", "b"]) == "a; b"
    assert listed(list("abcdefg"), ", ") == "a, b, c, d, e, and 2 more"
    assert nearest("STAGE", ["Stage", "State"]) == ["Stage"]


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=200))
def test_any_text_is_a_mapping_or_an_export_error(tmp_path_factory: pytest.TempPathFactory, text: str) -> None:
    folder = tmp_path_factory.mktemp("any")
    (folder / "mapping.yml").write_bytes(text.encode())
    with pytest.raises(ExportError, match=r"mapping\.yml"):  # no such text is a whole mapping
        load_mapping(folder, ".")


@pytest.mark.parametrize(
    ("column", "header", "named"),
    [("email", "Email", "email"), ("contact", "Full Name", "Full Name"), ("first_name", "Vorname", "first_name")],
)
def test_a_dimension_of_personal_data_is_refused(tmp_path: Path, column: str, header: str, named: str) -> None:
    mapped = "columns: {person_id: Id, created_at: C, email: Email}"
    custom = "" if column == "email" else f"  custom_columns: {{{column}: {header}}}\n"
    mapping = load(tmp_path, mapping_text(f"people:\n  file: a.csv\n  {mapped}\n{custom}"))
    with pytest.raises(ExportError) as error:
        check_dimension_attributes(mapping, [f"people.{column}"])
    assert str(error.value) == (
        f"The dimension attribute 'people.{column}' holds personal data ({named}), and segments are published. "
        "Choose an attribute that describes people without naming them."
    )


def test_the_documentation_has_every_column_of_every_entity() -> None:
    text = (Path(__file__).parents[3] / "docs" / "export.md").read_text(encoding="utf-8")
    tables = dict(section.split("\n", 1) for section in text.split("\n### ")[1:])
    documented = {
        entity: [tuple(cell.strip(" `") for cell in row.split("|")[1:4]) for row in table.splitlines() if "| `" in row]
        for entity, table in tables.items()
    }
    assert list(documented) == list(ENTITIES)
    for entity, columns in ENTITIES.items():
        marks = ["key" if column.is_key else "required" if column.is_required else "" for column in columns]
        assert [
            (name, kind, note.split(",")[0] if mark else mark)
            for (name, kind, note), mark in zip(documented[entity], marks, strict=True)
        ] == [(column.name, column.type, mark) for column, mark in zip(columns, marks, strict=True)]
