"""One company, one person, one deal across Salesforce, HubSpot and Stripe: which records are the same, and why."""

from pathlib import Path

import pytest
from conftest import Build, dataset

STAMP = "2025-03-01T09:00:00.000Z"

FILES = {
    # A2 has the domain of A1; A4 was merged into A3; A5 has a domain of its own and a free one is no domain.
    "salesforce/Account.csv": "Id,Name,Website,Industry,NumberOfEmployees,MasterRecordId,IsDeleted,CreatedDate\n"
    f"001A1,Acme,https://www.acme.com,,120,,false,{STAMP}\n"
    "001A2,Acme Inc,acme.com/de,Retail,,,false,2025-03-02T09:00:00.000Z\n"
    f"001A3,Beta,beta.io,Banking,30,,false,{STAMP}\n"
    f"001A4,Beta old,,,,001A3,true,{STAMP}\n"
    f"001A5,Solo,gmail.com,,,,false,{STAMP}\n",
    "salesforce/Contact.csv": "Id,AccountId,Email,CreatedDate\n"
    "003C1,001A1,ann@acme.com,2025-03-10T09:00:00.000Z\n"
    "003C2,001A2,never.a.lead@acme.com,2025-03-10T09:00:00.000Z\n",
    # L1 became C1; L2 is Ann again, by her address; L4 became C1 too; L5 shares nothing.
    "salesforce/Lead.csv": "Id,Email,Status,Country,LeadSource,IsConverted,ConvertedDate,ConvertedContactId,"
    "ConvertedAccountId,ConvertedOpportunityId,CreatedDate\n"
    f"00QL1,Ann@Acme.com,Closed - Converted,,,true,2025-03-10,003C1,001A1,006O1,{STAMP}\n"
    "00QL2, ann@acme.com ,Open - Not Contacted,France,Web,false,,,,,2025-03-20T09:00:00.000Z\n"
    "00QL3,bob@beta.io,Open - Not Contacted,Germany,,false,,,,,2025-03-03T09:00:00.000Z\n"
    "00QL4,,Closed - Converted,,,true,2025-03-12,003C1,001A1,,2025-03-04T09:00:00.000Z\n"
    "00QL5,eve@gmail.com,Open - Not Contacted,,,false,,,,,2025-03-05T09:00:00.000Z\n",
    "salesforce/Opportunity.csv": "Id,AccountId,StageName,Amount,IsClosed,IsWon,CloseDate,CreatedDate\n"
    "006O1,001A2,Closed Won,1000,true,true,2025-04-10,2025-03-10T09:00:00.000Z\n",
    "salesforce/OpportunityHistory.csv": "Id,OpportunityId,StageName,Amount,CloseDate,Probability,CreatedDate\n"
    "h1,006O1,Prospecting,800,2025-04-01,10,2025-03-10T09:00:00.000Z\n"
    "h2,006O1,Closed Won,1000,2025-04-10,100,2025-04-10T09:00:00.000Z\n",
    # HubSpot has the same deal, half as large, and changes it in between; and one that it alone knows, in no currency.
    "hubspot/deal.csv": "id,property_salesforceopportunityid,property_amount,property_deal_currency_code,"
    "property_dealstage,property_closedate,property_createdate,_fivetran_synced\n"
    f"301,006O1,500,USD,appointmentscheduled,2025-06-01T09:00:00Z,2025-03-11T09:00:00Z,{STAMP}\n"
    f"302,,700,,appointmentscheduled,2025-06-01T09:00:00Z,2025-03-11T09:00:00Z,{STAMP}\n",
    "hubspot/deal_property_history.csv": "deal_id,name,value,timestamp\n"
    "301,amount,400,2025-03-20T09:00:00Z\n301,amount,500,2025-03-25T09:00:00Z\n"
    "302,amount,600,2025-03-20T09:00:00Z\n302,amount,700,2025-03-25T09:00:00Z\n",
    # 101 names the lead of Salesforce, 103 has Ann's address, 104 is known to nobody else.
    "hubspot/contact.csv": "id,property_email,property_salesforceleadid,property_lifecyclestage,property_country,"
    "property_createdate,property_hs_v2_date_entered_marketingqualifiedlead,_fivetran_synced\n"
    f"101,,00QL3,marketingqualifiedlead,Austria,2025-02-20T09:00:00Z,2025-03-05T09:00:00Z,{STAMP}\n"
    f"103,ANN@acme.com,,marketingqualifiedlead,Spain,2025-02-25T09:00:00Z,2025-03-02T09:00:00Z,{STAMP}\n"
    f"104,zoe@zeta.org,,subscriber,Spain,2025-02-25T09:00:00Z,,{STAMP}\n",
    "hubspot/company.csv": "id,property_domain,property_salesforceaccountid,property_industry,property_createdate,"
    "_fivetran_synced\n"
    f"201,beta.io,,SOFTWARE,2025-01-01T09:00:00Z,{STAMP}\n"
    f"202,,001A1,SOFTWARE,2025-01-01T09:00:00Z,{STAMP}\n"
    f"203,zeta.org,,SOFTWARE,2025-01-01T09:00:00Z,{STAMP}\n",
    "stripe/customer.csv": "id,email,metadata_salesforce_account_id,created,_fivetran_synced\n"
    f"cus_1,,001A1,2025-04-11T09:00:00Z,{STAMP}\n"
    f"cus_2,pay@beta.io,,2025-04-11T09:00:00Z,{STAMP}\n"
    f"cus_3,someone@gmail.com,,2025-04-11T09:00:00Z,{STAMP}\n",
    "stripe/subscription.csv": "id,customer_id,status,created,_fivetran_synced\n"
    f"sub_1,cus_1,active,2025-04-11T09:00:00Z,{STAMP}\n",
}
MAPPING = {"sources": ["salesforce", "hubspot", "stripe"], "as_of_date": "2025-05-01"}


def build(folder: Path, monkeypatch: pytest.MonkeyPatch, key: str) -> Build:
    monkeypatch.setenv("SEGMENT_SIGNALS_EMAIL_KEY", key)
    return dataset(folder, MAPPING, FILES).build_models("journeys", "opportunity_history")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    with pytest.MonkeyPatch.context() as patch:
        return build(tmp_path_factory.mktemp("identity") / "keyed", patch, "k3y-0f-th1s-test")


def links(built: Build, singular: str) -> dict[str, tuple[str, str]]:
    return {
        source: (target, rule)
        for source, target, rule in built.rows(
            f"select source_{singular}_id, {singular}_id, match_rule from core.{singular}_links"
        )
    }


def test_companies(built: Build) -> None:
    assert links(built, "account") == {
        "salesforce:001A1": ("salesforce:001A1", "own_record"),
        "salesforce:001A2": ("salesforce:001A1", "domain"),
        "salesforce:001A3": ("salesforce:001A3", "own_record"),
        "salesforce:001A4": ("salesforce:001A3", "merged_record"),
        "salesforce:001A5": ("salesforce:001A5", "own_record"),
        "hubspot:201": ("salesforce:001A3", "domain"),
        "hubspot:202": ("salesforce:001A1", "cross_system_id"),
        "hubspot:203": ("hubspot:203", "own_record"),
        "stripe:cus_1": ("salesforce:001A1", "cross_system_id"),
        "stripe:cus_2": ("salesforce:001A3", "domain"),
        "stripe:cus_3": ("stripe:cus_3", "own_record"),
    }


def test_people(built: Build) -> None:
    assert links(built, "person") == {
        "salesforce:00QL1": ("salesforce:00QL1", "own_record"),
        "salesforce:00QL2": ("salesforce:00QL1", "email_hash"),
        "salesforce:00QL4": ("salesforce:00QL1", "conversion"),
        "salesforce:003C1": ("salesforce:00QL1", "conversion"),
        "hubspot:103": ("salesforce:00QL1", "email_hash"),
        "salesforce:00QL3": ("salesforce:00QL3", "own_record"),
        "hubspot:101": ("salesforce:00QL3", "cross_system_id"),
        "salesforce:00QL5": ("salesforce:00QL5", "own_record"),
        "salesforce:003C2": ("salesforce:003C2", "own_record"),
        "hubspot:104": ("hubspot:104", "own_record"),
    }


def test_attributes_are_the_first_filled_ones_in_the_order_of_the_sources(built: Build) -> None:
    # A1 has no industry: A2's comes before HubSpot's; nobody but HubSpot has one for Zeta.
    assert built.rows("select account_id, industry, employee_count, record_count from core.accounts order by 1") == [
        ("hubspot:203", "SOFTWARE", None, 1),
        ("salesforce:001A1", "Retail", 120, 4),
        ("salesforce:001A3", "Banking", 30, 4),
        ("salesforce:001A5", None, None, 1),
        ("stripe:cus_3", None, None, 1),
    ]
    assert built.rows("select country, lead_source, record_count from core.people where person_id like '%L1'") == [
        ("France", "Web", 5)
    ]


def test_a_lead_without_an_account_has_the_one_of_its_domain(built: Build) -> None:
    assert built.rows("select person_id, account_id, account_match_rule from core.people order by 1") == [
        ("hubspot:104", "hubspot:203", "email_domain"),
        ("salesforce:003C2", "salesforce:001A1", "named"),
        ("salesforce:00QL1", "salesforce:001A1", "named"),
        ("salesforce:00QL3", "salesforce:001A3", "email_domain"),
        ("salesforce:00QL5", None, None),
    ]


def test_journeys_have_the_dates_of_both_systems(built: Build) -> None:
    # Marketing called Ann and Bob qualified; a contact that was never a lead and a newsletter reader start no journey.
    assert built.rows(
        "select journey_id, lead_date::varchar, mql_date::varchar, sql_date::varchar, opportunity_date::varchar, "
        "won_date::varchar from core.journeys order by 1"
    ) == [
        ("hubspot:302", None, None, None, "2025-03-11", None),
        ("salesforce:00QL1", "2025-03-01", "2025-03-02", "2025-03-10", "2025-03-10", "2025-04-10"),
        ("salesforce:00QL3", "2025-03-03", "2025-03-05", None, None, None),
        ("salesforce:00QL5", "2025-03-05", None, None, None, None),
    ]


def test_the_history_of_a_deal_is_that_of_the_record_believed_first(built: Build) -> None:
    assert links(built, "opportunity") == {
        "salesforce:006O1": ("salesforce:006O1", "own_record"),
        "hubspot:301": ("salesforce:006O1", "cross_system_id"),
        "hubspot:302": ("hubspot:302", "own_record"),
    }
    # 400 and 500 of HubSpot are not between 800 and 1,000; a deal of HubSpot alone keeps its own changes.
    assert built.rows(
        "select opportunity_id, source, history.amount::double, previous_amount::double "
        "from core.opportunity_history as history inner join core.opportunities using (opportunity_number) "
        "order by 1, change_number"
    ) == [
        ("hubspot:302", "hubspot", None, None),
        ("hubspot:302", "hubspot", None, None),
        ("salesforce:006O1", "salesforce", 800.0, None),
        ("salesforce:006O1", "salesforce", 1000.0, 800.0),
    ]


def test_an_amount_of_which_nobody_says_the_currency_is_flagged(built: Build) -> None:
    assert built.rows(
        "select opportunity_id, source_amount::double, amount::double, source_currency, is_unknown_currency, "
        "is_missing_amount from core.opportunities order by 1"
    ) == [
        ("hubspot:302", 700.0, None, None, True, False),
        ("salesforce:006O1", 1000.0, 1000.0, "USD", False, False),
    ]


def test_no_address_is_in_the_build_file_or_in_the_artifacts(built: Build) -> None:
    for path in [built.database, *(built.folder / "target").rglob("*.json"), *(built.folder / "logs").rglob("*.log*")]:
        content = path.read_bytes().lower()
        assert b"ann@acme.com" not in content, path
        assert b"k3y-0f-th1s-test" not in content, path


def test_without_a_key_no_address_is_matched(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    unkeyed = links(build(tmp_path / "unkeyed", monkeypatch, ""), "person")
    assert unkeyed["hubspot:103"] == ("hubspot:103", "own_record")
    assert unkeyed["salesforce:00QL2"] == ("salesforce:00QL2", "own_record")
    assert unkeyed["salesforce:00QL4"] == ("salesforce:00QL1", "conversion")
