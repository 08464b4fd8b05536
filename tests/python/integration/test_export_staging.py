"""What an export brings beside accounts, people and deals, through the reader and the staging views."""

from datetime import date, datetime
from decimal import Decimal

import pytest
from conftest import Build, dataset

FILES = {
    "deals.csv": "id,stage,account,owner\nd1,Won,001000000000001AAA,o1\n",
    "companies.csv": "id,site,crm\na1,https://www.Acme.com/x,001000000000001AAA\n",
    "people.csv": "id,created,email\np1,2024-01-01,Ann@Acme.com\n",
    "calls.csv": "id,type,way,who,at\n,Phone call,Inbound,p1,2024-01-02 10:00:00\nx,Visit,up,p1,2024-01-03 10:00:00\n",
    "touches.csv": "who,page,at\np1,/pricing,2024-01-04 10:00:00\n",
    "subscriptions.csv": "id,account,mrr,currency,from\ns1,a1,10.5,eur,2024-02-01\n",
    "spend.csv": "channel,amount,currency,day\npaid,99.9,usd,2024-02-02\n",
    "usage.csv": "account,feature,n,day\na1,export,3,2024-02-03\n",
    "tickets.csv": "id,account,prio,csat,esc,at\n,a1,High,4.5,yes,2024-02-04 10:00:00\n",
    "nps.csv": "account,score,day\na1,9,2024-02-05\n",
    "bills.csv": "account,status,amount,currency,due\na1,Failed,10.5,eur,2024-02-06\n",
    "churned.csv": "account,why,again,back,day\na1,Pricing,no,1.5,2024-02-07\n",
    "states.csv": "id,stage,amount,at\nd1,Open,5,2024-01-05 10:00:00\nd1,Open,5,2024-01-05 10:00:00\n",
    "changes.csv": "kind,id,column,before,after,at\nAccount,a1,Industry,Tech,Bank,2024-01-06 10:00:00\n",
}
MAPPING = {
    "sources": ["salesforce", "export"],
    "salesforce": {"folder": "salesforce"},
    "dimensions": {"industry": ["accounts.industry"]},
    "entities": {
        "opportunities": {
            "file": "deals.csv",
            "columns": {
                "opportunity_id": "id",
                "stage": "stage",
                "account_id": {"column": "account", "source": "salesforce"},
                "owner_id": "owner",
            },
        },
        "accounts": {
            "file": "companies.csv",
            "columns": {
                "account_id": "id",
                "website": "site",
                "crm_account_id": {"column": "crm", "source": "salesforce"},
            },
        },
        "people": {
            "file": "people.csv",
            "columns": {"person_id": "id", "created_at": "created", "email": "email"},
        },
        "activities": {
            "file": "calls.csv",
            "columns": {
                "activity_id": "id",
                "activity_type": "type",
                "direction": "way",
                "person_id": "who",
                "occurred_at": "at",
            },
        },
        "touches": {"file": "touches.csv", "columns": {"person_id": "who", "page": "page", "occurred_at": "at"}},
        "subscriptions": {
            "file": "subscriptions.csv",
            "columns": {
                "subscription_id": "id",
                "account_id": "account",
                "mrr_amount": "mrr",
                "currency": "currency",
                "started_date": "from",
            },
        },
        "campaign_spend": {
            "file": "spend.csv",
            "columns": {"channel": "channel", "spend_amount": "amount", "currency": "currency", "spend_date": "day"},
        },
        "product_usage": {
            "file": "usage.csv",
            "columns": {"account_id": "account", "feature": "feature", "usage_count": "n", "usage_date": "day"},
        },
        "support_tickets": {
            "file": "tickets.csv",
            "columns": {
                "ticket_id": "id",
                "account_id": "account",
                "priority": "prio",
                "satisfaction_score": "csat",
                "is_escalated": "esc",
                "submitted_at": "at",
            },
        },
        "survey_responses": {
            "file": "nps.csv",
            "columns": {"account_id": "account", "score": "score", "responded_date": "day"},
        },
        "payments": {
            "file": "bills.csv",
            "columns": {
                "account_id": "account",
                "status": "status",
                "amount": "amount",
                "currency": "currency",
                "due_date": "due",
            },
        },
        "churn_events": {
            "file": "churned.csv",
            "columns": {
                "account_id": "account",
                "reason": "why",
                "is_reactivation": "again",
                "refund_amount": "back",
                "churn_date": "day",
            },
        },
        "opportunity_history": {
            "file": "states.csv",
            "columns": {"opportunity_id": "id", "stage": "stage", "amount": "amount", "changed_at": "at"},
        },
        "attribute_history": {
            "file": "changes.csv",
            "columns": {
                "entity": "kind",
                "entity_id": "id",
                "column_name": "column",
                "old_value": "before",
                "new_value": "after",
                "changed_at": "at",
            },
        },
    },
}


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    account = "Id,Name\n001000000000001AAA,Acme\n"
    built = dataset(
        tmp_path_factory.mktemp("export") / "by_hand", MAPPING, {**FILES, "salesforce/Account.csv": account}
    )
    done = built.dbt("build", "--select", "staging")
    assert done.returncode == 0, done.stdout + done.stderr
    return built


def test_references_to_salesforce_are_the_keys_that_its_views_make(build: Build) -> None:
    """An id of 18 characters in the export meets the key of 15 that Salesforce's account has."""
    key = build.rows("select account_id from staging.stg_salesforce__accounts")
    assert key == [("salesforce:001000000000001",)]
    assert build.rows("select account_id from staging.stg_export__opportunities") == key
    assert build.rows("select crm_account_id from staging.stg_export__accounts") == key
    assert build.rows("select owner_id from staging.stg_export__opportunities") == [("o1",)]


def test_records_in_the_common_shape(build: Build) -> None:
    assert build.rows("select domain, is_deleted, duplicate_count from staging.stg_export__accounts") == [
        ("acme.com", False, 0)
    ]
    assert build.rows("select is_lead, email_hash, email_domain from staging.stg_export__people") == [
        (True, None, "acme.com")
    ]


def test_activities_are_of_known_types_and_have_a_key(build: Build) -> None:
    columns = "activity_type, direction, is_completed, occurred_at"
    assert build.rows(f"select {columns} from staging.stg_export__activities order by occurred_at") == [
        ("call", "inbound", True, datetime(2024, 1, 2, 10)),
        ("other", None, True, datetime(2024, 1, 3, 10)),
    ]
    assert build.rows("select activity_id from staging.stg_export__activities order by occurred_at") == [
        ("calls.csv:1",),
        ("x",),
    ]
    assert build.rows("select touch_id, page from staging.stg_export__touches") == [("touches.csv:1", "/pricing")]


def test_money_and_usage(build: Build) -> None:
    assert build.rows("select mrr_amount, currency, is_trial, started_date from staging.stg_export__subscriptions") == [
        (Decimal("10.50"), "EUR", False, date(2024, 2, 1))
    ]
    assert build.rows("select spend_amount, currency, spend_date from staging.stg_export__campaign_spend") == [
        (Decimal("99.90"), "USD", date(2024, 2, 2))
    ]
    assert build.rows("select account_id, usage_count from staging.stg_export__product_usage") == [("a1", 3.0)]


def test_what_customers_say_and_do(build: Build) -> None:
    assert build.rows(
        "select ticket_id, account_id, priority, satisfaction_score, is_escalated, submitted_at "
        "from staging.stg_export__support_tickets"
    ) == [("tickets.csv:1", "a1", "high", 4.5, True, datetime(2024, 2, 4, 10))]
    assert build.rows("select response_id, score, responded_date from staging.stg_export__survey_responses") == [
        ("nps.csv:1", 9.0, date(2024, 2, 5))
    ]
    assert build.rows("select status, currency, amount, due_date from staging.stg_export__payments") == [
        ("failed", "EUR", Decimal("10.50"), date(2024, 2, 6))
    ]
    assert build.rows("select reason, is_reactivation, refund_amount from staging.stg_export__churn_events") == [
        ("pricing", False, Decimal("1.50"))
    ]


def test_history(build: Build) -> None:
    """A state that comes twice at the same moment is one; entities and columns go by our names."""
    assert build.rows(
        "select source_stage, source_amount, changed_at from staging.stg_export__opportunity_history"
    ) == [("Open", Decimal("5.00"), datetime(2024, 1, 5, 10))]
    columns = "entity, entity_id, column_name, old_value, new_value"
    assert build.rows(f"select {columns} from staging.stg_export__attribute_history") == [
        ("accounts", "a1", "industry", "Tech", "Bank")
    ]
