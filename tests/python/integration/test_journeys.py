"""Journeys of a small Salesforce org, with every turn that a lead and a deal can take, by hand."""

from pathlib import Path
from typing import Any

import pytest
from conftest import Build, dataset


def rows(header: str, *lines: str) -> str:
    return "\n".join([header, *lines]) + "\n"


FILES = {
    # A1 grew from 40 to 900 people on 1 April 2025: leads of March belong to a small company.
    "salesforce/Account.csv": rows(
        "Id,Name,NumberOfEmployees,Industry,BillingCountry,CreatedDate",
        "001A1,Acme,900,Retail,France,2025-01-01T00:00:00.000Z",
        "001A2,Beta,30,Banking,Germany,2025-01-01T00:00:00.000Z",
    ),
    "salesforce/AccountHistory.csv": rows(
        "Id,AccountId,Field,OldValue,NewValue,CreatedDate",
        "h1,001A1,NumberOfEmployees,40,900,2025-04-01T12:00:00.000Z",
        # After the as-of date: it has not happened yet, and Beta still is a bank.
        "h2,001A2,Industry,Insurance,Banking,2026-02-01T12:00:00.000Z",
    ),
    "salesforce/Lead.csv": rows(
        "Id,Status,IsConverted,ConvertedDate,ConvertedAccountId,ConvertedOpportunityId,CreatedDate",
        "00Q1,Closed - Converted,true,2025-03-10,001A1,006O1,2025-03-01T00:00:00.000Z",
        "00Q2,Closed - Converted,true,2025-05-12,001A1,006O1,2025-05-05T00:00:00.000Z",
        "00Q3,Open - Not Contacted,false,,,,2025-03-01T00:00:00.000Z",
        "00Q4,Open - Not Contacted,false,,,,2025-03-01T00:00:00.000Z",
        "00Q5,Sales Qualified,false,,,,2025-03-01T00:00:00.000Z",
        "00Q6,Closed - Not Converted,false,,,,2025-03-01T00:00:00.000Z",
    ),
    "salesforce/LeadHistory.csv": rows(
        "Id,LeadId,Field,OldValue,NewValue,CreatedDate",
        "l1,00Q1,Status,Open - Not Contacted,Marketing Qualified,2025-03-04T00:00:00.000Z",
        # 3 went forward and back again; 4 was closed and taken up again; 5 never was an MQL.
        "l2,00Q3,Status,Open - Not Contacted,Marketing Qualified,2025-03-05T00:00:00.000Z",
        "l3,00Q3,Status,Marketing Qualified,Open - Not Contacted,2025-03-09T00:00:00.000Z",
        "l4,00Q4,Status,Open - Not Contacted,Closed - Not Converted,2025-03-06T00:00:00.000Z",
        "l5,00Q4,Status,Closed - Not Converted,Open - Not Contacted,2025-06-01T00:00:00.000Z",
        "l6,00Q5,Status,Open - Not Contacted,Sales Qualified,2025-03-08T00:00:00.000Z",
        "l7,00Q6,Status,Open - Not Contacted,Closed - Not Converted,2025-03-20T00:00:00.000Z",
    ),
    "salesforce/Opportunity.csv": rows(
        "Id,AccountId,StageName,Type,Amount,CurrencyIsoCode,Probability,IsClosed,IsWon,CloseDate,CreatedDate",
        "006O1,001A1,Closed Won,New Business,5000,USD,100,true,true,2025-06-01,2025-03-10T00:00:00.000Z",
        "006O2,001A2,Prospecting,New Business,7000,EUR,10,false,false,2026-03-01,2025-05-01T00:00:00.000Z",
        "006O3,001A2,Closed Won,Renewal,900,USD,100,true,true,2025-07-01,2025-06-01T00:00:00.000Z",
        "006O4,001A2,Negotiation/Review,New Business,800,USD,90,false,false,2026-01-20,2025-04-01T00:00:00.000Z",
        "006O5,001A2,Closed Lost,New Business,600,USD,0,true,false,2025-11-01,2025-04-01T00:00:00.000Z",
    ),
    "salesforce/OpportunityHistory.csv": rows(
        "Id,OpportunityId,StageName,Amount,CloseDate,Probability,CreatedDate",
        "o1,006O1,Prospecting,4000,2025-05-01,10,2025-03-10T00:00:00.000Z",
        "o2,006O1,Prospecting,5000,2025-06-01,10,2025-04-15T00:00:00.000Z",
        "o3,006O1,Closed Won,5000,2025-06-01,100,2025-06-01T00:00:00.000Z",
        "o4,006O2,Prospecting,7000,2026-03-01,10,2025-05-01T00:00:00.000Z",
        "o5,006O3,Closed Won,900,2025-07-01,100,2025-07-01T00:00:00.000Z",
        # Deal 4 was lost and opened again.
        "o6,006O4,Prospecting,800,2025-06-01,10,2025-04-01T00:00:00.000Z",
        "o7,006O4,Closed Lost,800,2025-06-01,0,2025-06-01T00:00:00.000Z",
        "o8,006O4,Negotiation/Review,800,2026-01-20,90,2025-09-01T00:00:00.000Z",
        # Deal 5 had no amount at first, was lost, opened again and lost for good.
        "o9,006O5,Prospecting,,2025-06-01,10,2025-04-01T00:00:00.000Z",
        "oA,006O5,Prospecting,600,2025-06-01,10,2025-04-20T00:00:00.000Z",
        "oB,006O5,Closed Lost,600,2025-06-01,0,2025-06-01T00:00:00.000Z",
        "oC,006O5,Negotiation/Review,600,2025-11-01,90,2025-09-01T00:00:00.000Z",
        "oD,006O5,Closed Lost,600,2025-11-01,0,2025-11-01T00:00:00.000Z",
    ),
    "salesforce/Product2.csv": rows("Id,Name", "01t1,Widget"),
}
DIMENSIONS = {
    "company_size": ["accounts.employee_count"],
    "industry": ["accounts.industry"],
    "deal_size_tier": ["opportunities.amount"],
}


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    folder: Path = tmp_path_factory.mktemp("journeys")
    definitions = {
        "definitions/dimensions.csv": rows(
            "dimension,label,known_from_stage,rule_kind,valid_from,comment",
            "company_size,Company size,lead,rules,2000-01-01,",
            "industry,Industry,lead,value,2000-01-01,",
            "deal_size_tier,Deal-size tier,opportunity,rules,2000-01-01,",
        )
    }
    mapping: dict[str, Any] = {
        "sources": ["salesforce"],
        "as_of_date": "2025-12-31",
        "own_definitions": ["dimensions"],
        "dimensions": DIMENSIONS,
    }
    return dataset(folder / "org", mapping, FILES | definitions).build_models(
        "journeys", "opportunity_history", "open_deal_snapshots"
    )


def journey(built: Build, key: str, columns: str) -> tuple[Any, ...]:
    [row] = built.rows(f"select {columns} from core.journeys where journey_id = 'salesforce:{key}'")
    return row


DATES = ", ".join(f"{stage}_date::varchar" for stage in ("lead", "mql", "sql", "opportunity", "won", "lost"))


def test_every_record_is_in_one_journey(built: Build) -> None:
    assert built.rows("select journey_id from core.journeys order by 1") == [
        ("salesforce:006O2",),
        ("salesforce:006O3",),
        ("salesforce:006O4",),
        ("salesforce:006O5",),
        *((f"salesforce:00Q{number}",) for number in range(1, 7)),
    ]


def test_a_lead_that_becomes_a_deal(built: Build) -> None:
    assert journey(built, "00Q1", DATES) == ("2025-03-01", "2025-03-04", "2025-03-10", "2025-03-10", "2025-06-01", None)


def test_two_leads_share_a_deal_and_the_earliest_carries_it(built: Build) -> None:
    flags = "is_primary, has_several_leads, is_without_lead"
    assert journey(built, "00Q1", flags) == (True, True, False)
    assert journey(built, "00Q2", flags) == (False, True, False)
    # The second lead joins the open deal on its own last day as a lead.
    assert journey(built, "00Q2", "opportunity_date::varchar") == ("2025-05-12",)


def test_a_deal_without_a_lead(built: Build) -> None:
    assert journey(built, "006O2", "is_without_lead, person_id, has_skipped_stage") == (True, None, False)
    assert journey(built, "006O2", DATES) == (None, None, None, "2025-05-01", None, None)


def test_a_lead_that_went_back_keeps_its_first_entry(built: Build) -> None:
    assert journey(built, "00Q3", "has_moved_back, is_recycled, mql_date::varchar") == (True, False, "2025-03-05")
    assert journey(built, "00Q1", "has_moved_back, is_recycled") == (False, False)


def test_a_lead_taken_up_again_is_open_and_recycled(built: Build) -> None:
    assert journey(built, "00Q4", "is_recycled, lost_date") == (True, None)
    assert journey(built, "00Q6", "is_recycled, lost_date::varchar") == (False, "2025-03-20")


def test_a_skipped_stage_is_reached_with_the_next_one(built: Build) -> None:
    assert journey(built, "00Q5", "has_skipped_stage, is_mql_imputed, mql_date::varchar, sql_date::varchar") == (
        True,
        True,
        "2025-03-08",
        "2025-03-08",
    )
    assert journey(built, "00Q3", "has_skipped_stage, is_mql_imputed") == (False, False)


def test_a_deal_that_was_opened_again(built: Build) -> None:
    assert journey(built, "006O4", "is_reopened, is_recycled, lost_date") == (True, True, None)
    assert journey(built, "006O2", "is_reopened") == (False,)
    # One that was lost again was reopened none the less.
    assert journey(built, "006O5", "is_reopened, lost_date::varchar") == (True, "2025-11-01")


def test_a_snapshot_ends_with_the_next_outcome_and_not_with_the_last(built: Build) -> None:
    # Both deals were lost on 1 June, 32 days after the end of April; today one is open, the other was lost again.
    assert built.rows(
        "select opportunity_id, snapshot_date::varchar, outcome, exit_week from marts.open_deal_snapshots "
        "where opportunity_id in ('salesforce:006O4', 'salesforce:006O5') "
        "and snapshot_date in ('2025-04-30', '2025-06-30', '2025-09-30', '2025-12-31') order by 1, 2"
    ) == [
        ("salesforce:006O4", "2025-04-30", "lost", 5),
        ("salesforce:006O4", "2025-09-30", "open", 53),
        ("salesforce:006O4", "2025-12-31", "open", 53),
        ("salesforce:006O5", "2025-04-30", "lost", 5),
        ("salesforce:006O5", "2025-09-30", "lost", 5),
    ]


def test_an_amount_that_came_later_was_none_before(built: Build) -> None:
    assert journey(built, "006O5", "deal_size_tier") == ("unknown",)
    assert built.rows(
        "select source_value, valid_from::varchar from core.segment_memberships "
        "inner join core.opportunities on entity_number = opportunity_number "
        "where dimension = 'deal_size_tier' and opportunity_id = 'salesforce:006O5' order by valid_from"
    ) == [("600.00", "2025-04-20")]
    # A deal that had its amount from the start has it from ever on.
    assert journey(built, "006O4", "deal_size_tier") == ("Under 15,000",)


def test_renewals_are_told_apart(built: Build) -> None:
    assert journey(built, "006O3", "opportunity_type") == ("renewal",)


def test_segments_are_those_of_the_day(built: Build) -> None:
    # Lead 1 came before Acme grew, lead 2 after it.
    assert journey(built, "00Q1", "company_size") == ("1 to 49",)
    assert journey(built, "00Q2", "company_size") == ("250 to 999",)
    assert journey(built, "006O2", "industry") == ("Insurance",)
    assert built.rows(
        "select source_value, segment, is_as_was, valid_from::varchar, valid_to::varchar from core.segment_memberships "
        "inner join core.accounts on entity_number = account_number "
        "where dimension = 'company_size' and account_id = 'salesforce:001A1' order by valid_from"
    ) == [
        ("40", "1 to 49", True, "0001-01-01", "2025-04-01"),
        ("900", "250 to 999", True, "2025-04-01", "9999-12-31"),
    ]


def test_the_history_of_a_deal_is_as_it_was(built: Build) -> None:
    # 4,000 on a planned 1 May, then 5,000 and pushed to 1 June; in dollars as they are.
    assert built.rows(
        "select stage, history.amount::double, previous_amount::double, history.close_date::varchar, "
        "previous_close_date::varchar, changed_at::date::varchar from core.opportunity_history as history "
        "inner join core.opportunities using (opportunity_number) where opportunity_id = 'salesforce:006O1' "
        "order by change_number"
    ) == [
        ("opportunity", 4000.0, None, "2025-05-01", None, "2025-03-10"),
        ("opportunity", 5000.0, 4000.0, "2025-06-01", "2025-05-01", "2025-04-15"),
        ("won", 5000.0, 5000.0, "2025-06-01", "2025-06-01", "2025-06-01"),
    ]


def test_amounts_are_in_one_currency_and_probabilities_are_shares(built: Build) -> None:
    assert built.rows("select opportunity_id, amount::double, probability from core.opportunities order by 1") == [
        ("salesforce:006O1", 5000.0, 1.0),
        ("salesforce:006O2", 7700.0, 0.1),
        ("salesforce:006O3", 900.0, 1.0),
        ("salesforce:006O4", 800.0, 0.9),
        ("salesforce:006O5", 600.0, 0.0),
    ]
