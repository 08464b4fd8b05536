"""Journeys, dates and rates of a dozen records, every expected number worked out by hand in the comments."""

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
from conftest import Build, dataset

LEADS = """id,source,country,industry,employees,status,created,converted_at,opportunity
L1,Web,Germany,Software,10,Closed - Converted,2025-01-06T09:00:00Z,2025-01-20,O1
L2,Partner,Germany,Software,10,Closed - Converted,2025-01-08T09:00:00Z,2025-01-20,O1
L3,Web,Japan,Retail,60,Marketing Qualified,2025-01-10T23:30:00Z,,
L4,Web,Japan,Retail,60,Closed - Not Converted,2025-01-31T23:30:00Z,,
L5,Fax,Atlantis,,,Marketing Qualified,2025-02-03T09:00:00Z,,
L6,Web,Japan,Retail,60,Open - Not Contacted,2025-07-05T09:00:00Z,,
L8,Web,Germany,Software,10,Closed - Converted,2025-01-25T09:00:00Z,2025-01-30,O1
L7,Web,Japan,Retail,60,Open - Not Contacted,2025-06-25T09:00:00Z,,
"""

LEAD_HISTORY = """lead,field,new,at
L1,Status,Marketing Qualified,2025-01-10T10:00:00Z
L1,Status,Sales Qualified,2025-01-15T10:00:00Z
L1,Owner,Ann,2025-01-15T11:00:00Z
L2,Status,Sales Qualified,2025-01-18T10:00:00Z
L3,Status,Closed - Not Converted,2025-01-20T10:00:00Z
L3,Status,Marketing Qualified,2025-02-09T10:00:00Z
L4,Status,Marketing Qualified,2025-02-01T10:00:00Z
L4,Status,Closed - Not Converted,2025-02-01T12:00:00Z
L5,Status,Marketing Qualified,2025-02-05T10:00:00Z
"""

OPPORTUNITIES = """id,person,account,stage,type,amount,currency,created,close_date,deleted
O1,,A1,Closed Won,New Business,1000,EUR,2025-01-20,2025-03-01,false
O2,,A2,Prospecting,New Business,500,USD,2025-02-01,2025-12-24,false
O3,,A1,Closed Won,Renewal,800,USD,2025-03-05,2025-03-06,false
O4,,A2,Closed Lost,New Business,700,XXX,2025-02-10,2025-02-05,false
O5,L5,A9,Closed Won,New Business,900,USD,2025-02-10,2025-08-01,false
O6,,A2,Closed Won,New Business,900,USD,2025-02-10,2025-02-20,true
O7,,A2,Dreaming,Barter,900,USD,2025-02-10,,false
"""

OPPORTUNITY_HISTORY = """opportunity,stage,at
O1,Prospecting,2025-01-20T08:00:00Z
O1,Prospecting,2025-01-20T08:00:00Z
O1,Prospecting,2025-01-27T08:00:00Z
O1,Closed Lost,2025-02-01T08:00:00Z
O1,Qualification,2025-02-10T08:00:00Z
O1,Closed Won,2025-02-28T08:00:00Z
"""

ACCOUNTS = """id,industry,employees,country
A1,Software,10,Germany
A2,Retail,60,Japan
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return dataset(
        tmp_path_factory.mktemp("hand"),
        {
            "as_of_date": "2025-06-30",
            "reporting_timezone": "Europe/Berlin",
            "fiscal_year_start_month": 2,
            "entities": {
                "people": {
                    "file": "leads.csv",
                    "columns": {
                        "person_id": "id",
                        "lead_source": "source",
                        "country": "country",
                        "industry": "industry",
                        "employee_count": "employees",
                        "status": "status",
                        "created_at": "created",
                        "converted_at": "converted_at",
                        "opportunity_id": "opportunity",
                    },
                },
                "opportunities": {
                    "file": "opportunities.csv",
                    "columns": {
                        "opportunity_id": "id",
                        "account_id": "account",
                        "person_id": "person",
                        "stage": "stage",
                        "opportunity_type": "type",
                        "amount": "amount",
                        "currency": "currency",
                        "created_at": "created",
                        "close_date": "close_date",
                        "is_deleted": "deleted",
                    },
                },
                "accounts": {
                    "file": "accounts.csv",
                    "columns": {
                        "account_id": "id",
                        "industry": "industry",
                        "employee_count": "employees",
                        "country": "country",
                    },
                },
                "stage_history": [
                    {
                        "file": "lead_history.csv",
                        "where": {"field": "Status"},
                        "columns": {
                            "entity": {"constant": "person"},
                            "entity_id": "lead",
                            "stage": "new",
                            "entered_at": "at",
                        },
                    },
                    {
                        "file": "opportunity_history.csv",
                        "columns": {
                            "entity": {"constant": "opportunity"},
                            "entity_id": "opportunity",
                            "stage": "stage",
                            "entered_at": "at",
                        },
                    },
                ],
            },
        },
        {
            "leads.csv": LEADS,
            "lead_history.csv": LEAD_HISTORY,
            "opportunities.csv": OPPORTUNITIES,
            "opportunity_history.csv": OPPORTUNITY_HISTORY,
            "accounts.csv": ACCOUNTS,
        },
    ).build()


def journey(built: Build, journey_id: str, *columns: str) -> tuple[object, ...]:
    (row,) = built.rows(f"select {', '.join(columns)} from core.journeys where journey_id = '{journey_id}'")
    return row


DATES = ("lead_date", "mql_date", "sql_date", "opportunity_date", "won_date", "lost_date")


def test_a_won_journey_has_one_date_per_stage(built: Build) -> None:
    # The deal was lost on 1 February, taken up again and won on 28 February by its history, not on its close date.
    assert journey(built, "L1", *DATES) == (
        date(2025, 1, 6),
        date(2025, 1, 10),
        date(2025, 1, 15),
        date(2025, 1, 20),
        date(2025, 2, 28),
        None,
    )
    assert journey(built, "L1", "is_primary", "is_recycled", "is_mql_imputed", "is_won_imputed") == (
        True,
        True,
        False,
        False,
    )


def test_a_skipped_stage_is_reached_with_the_next_one(built: Build) -> None:
    # L2 never was an MQL: reached on the SQL day. It shares the deal of L1, which came first and carries it.
    assert journey(built, "L2", *DATES) == (
        date(2025, 1, 8),
        date(2025, 1, 18),
        date(2025, 1, 18),
        date(2025, 1, 20),
        date(2025, 2, 28),
        None,
    )
    assert journey(built, "L2", "is_primary", "is_mql_imputed", "is_sql_imputed") == (False, True, False)


def test_a_lead_that_joins_an_open_deal_keeps_its_own_dates(built: Build) -> None:
    # L8 came five days after the deal of L1 was opened and was converted on 30 January: it reaches the deal then.
    assert journey(built, "L8", *DATES, "is_primary") == (
        date(2025, 1, 25),
        date(2025, 1, 30),
        date(2025, 1, 30),
        date(2025, 1, 30),
        date(2025, 2, 28),
        None,
        False,
    )


def test_the_same_stage_again_is_the_same_visit(built: Build) -> None:
    # Prospecting comes three times in the history of O1, lost and re-opened make the other visits.
    assert built.rows(
        "select visits.source_stage, visits.entered_date, visits.exited_date from core.stage_visits as visits "
        "inner join core.opportunities on visits.entity_number = opportunities.opportunity_number "
        "where opportunities.opportunity_id = 'O1' order by visits.visit_number"
    ) == [
        ("Prospecting", date(2025, 1, 20), date(2025, 2, 1)),
        ("Closed Lost", date(2025, 2, 1), date(2025, 2, 10)),
        ("Qualification", date(2025, 2, 10), date(2025, 2, 28)),
        ("Closed Won", date(2025, 2, 28), None),
    ]


def test_days_are_days_of_the_reporting_timezone(built: Build) -> None:
    # 23:30 UTC is 00:30 of the next day in Berlin: L3 is of 11 January, L4 of 1 February, the day it was closed.
    assert journey(built, "L3", "lead_date", "mql_date", "lost_date", "is_recycled") == (
        date(2025, 1, 11),
        date(2025, 2, 9),
        None,
        True,
    )
    assert journey(built, "L4", "lead_date", "mql_date", "lost_date", "is_recycled") == (
        date(2025, 2, 1),
        date(2025, 2, 1),
        date(2025, 2, 1),
        False,
    )


def test_records_after_the_as_of_date_do_not_exist(built: Build) -> None:
    assert built.rows("select journey_id from core.journeys order by 1") == [
        ("L1",),
        ("L2",),
        ("L3",),
        ("L4",),
        ("L5",),
        ("L7",),
        ("L8",),
        ("O2",),
        ("O3",),
        ("O4",),
    ]
    assert built.rows("select person_id from core.people where is_created_after_as_of") == [("L6",)]


def test_opportunity_defects_are_flags(built: Build) -> None:
    flags = {
        name: {row[0] for row in built.rows(f"select opportunity_id from core.opportunities where is_{name}")}
        for name in (
            "deleted",
            "unmapped_stage",
            "unmapped_type",
            "unknown_account",
            "unknown_currency",
            "closed_before_created",
            "closed_in_future",
            "disqualified",
        )
    }
    assert flags == {
        "deleted": {"O6"},
        "unmapped_stage": {"O7"},
        "unmapped_type": {"O7"},
        "unknown_account": {"O5"},
        "unknown_currency": {"O4"},
        "closed_before_created": {"O4"},
        "closed_in_future": {"O5"},
        "disqualified": {"O6", "O7"},
    }


def test_amounts_are_in_the_reporting_currency(built: Build) -> None:
    # 1,000 EUR at 1.10 USD; a currency without a rate has no amount.
    assert dict(built.rows("select opportunity_id, amount from core.opportunities")) == {
        "O1": Decimal("1100.00"),
        "O2": Decimal("500.00"),
        "O3": Decimal("800.00"),
        "O4": None,
        "O5": Decimal("900.00"),
        "O6": Decimal("900.00"),
        "O7": Decimal("900.00"),
    }


def test_a_planned_close_date_closes_nothing(built: Build) -> None:
    # O2 is open; O5, which names its lead L5, is closed a month after the as-of date: on that date it was open.
    assert journey(built, "O2", "opportunity_date", "won_date", "lost_date") == (date(2025, 2, 1), None, None)
    assert journey(built, "L5", "opportunity_date", "won_date", "lost_date") == (
        date(2025, 2, 10),
        None,
        None,
    )


def test_segments(built: Build) -> None:
    columns = ("lead_source", "region", "industry", "company_size", "deal_size_tier")
    assert journey(built, "L1", *columns) == ("Website", "Europe", "Software", "1 to 49", "Under 15,000")
    # Fax and Atlantis match no rule, and the industry is blank; L3 has no opportunity that would have a tier.
    assert journey(built, "L5", *columns) == ("unmapped", "unmapped", "unknown", "unknown", "Under 15,000")
    assert journey(built, "L3", *columns) == ("Website", "Asia Pacific", "Retail", "50 to 249", None)
    # No lead: region, industry and size come from the account.
    assert journey(built, "O2", *columns) == (
        "unknown",
        "Asia Pacific",
        "Retail",
        "50 to 249",
        "Under 15,000",
    )


def test_days_between_stages(built: Build) -> None:
    transitions = {
        (row[0], row[1], row[2]): row[3:]
        for row in built.rows(
            "select journey_id, from_stage, to_stage, outcome, outcome_days, is_imputed from marts.journey_transitions"
        )
    }
    assert transitions["L1", "lead", "mql"] == ("advanced", 4, False)  # 6 to 10 January
    assert transitions["L1", "mql", "sql"] == ("advanced", 5, False)  # 10 to 15 January
    assert transitions["L1", "sql", "opportunity"] == ("advanced", 5, False)  # 15 to 20 January
    assert transitions["L1", "opportunity", "won"] == ("advanced", 39, False)  # 20 January to 28 February
    assert transitions["L1", "lead", "won"] == ("advanced", 53, False)  # 6 January to 28 February
    assert transitions["L2", "lead", "mql"] == (
        "advanced",
        10,
        True,
    )  # 8 to 18 January, through the next stage
    assert transitions["L2", "mql", "sql"] == ("advanced", 0, True)
    assert transitions["L3", "mql", "sql"] == ("open", 141, False)  # 9 February to 30 June
    assert transitions["L4", "lead", "mql"] == ("advanced", 0, False)  # advancing wins the tie with closing
    assert transitions["L4", "mql", "sql"] == ("lost", 0, False)
    assert transitions["L5", "lead", "mql"] == ("advanced", 2, False)  # 3 to 5 February
    assert transitions["O2", "opportunity", "won"] == ("open", 149, False)  # 1 February to 30 June
    # The deal of L1 and L2 counts once; the renewal O3 is no new business; O4 closed before it was created.
    deals = {key[0] for key in transitions if key[1:] == ("opportunity", "won")}
    assert deals == {"L1", "O2", "O4", "L5"}


def test_funnel_counts_of_the_fiscal_quarter(built: Build) -> None:
    # The fiscal year starts in February: November to January and February to April are quarters.
    counts = {
        row[:3]: row[3:]
        for row in built.rows(
            """
            select period_start, from_stage, to_stage, entered_count, converted_count, lost_count, open_count
            from marts.funnel_conversion
            where dimension = 'all' and period_grain = 'quarter' and horizon_days = 30
            """
        )
    }
    november, february = date(2024, 11, 1), date(2025, 2, 1)
    assert counts[november, "lead", "mql"] == (4, 4, 0, 0)  # L1, L2, L8, L3 (29 days after 11 January)
    assert counts[february, "lead", "mql"] == (2, 2, 0, 0)  # L4, L5
    assert counts[november, "opportunity", "won"] == (1, 0, 0, 1)  # L1 needed 39 days
    assert counts[february, "opportunity", "won"] == (3, 0, 1, 2)  # O4 lost, O2 and O5 open
    assert all(
        row == ("suppressed", None)
        for row in built.rows("select evidence, conversion_rate from marts.funnel_conversion where n > 0")
    )


def test_a_deal_closed_before_it_was_created_takes_no_negative_time(built: Build) -> None:
    assert built.rows("select min(outcome_days) >= 0 from marts.journey_transitions") == [(True,)]
    # O4 was created on 10 February and says that it closed on the 5th: lost on the 10th, left out of durations.
    assert journey(built, "O4", "opportunity_date", "lost_date", "is_opportunity_imputed") == (
        date(2025, 2, 10),
        date(2025, 2, 10),
        True,
    )


def test_the_gates_name_every_defect(built: Build) -> None:
    details = {
        row[:2]: row[2:]
        for row in built.rows("select subject, check_name, defect_count, detail from gates.gate_results")
    }
    assert details["opportunities.stage", "stage_coverage"] == (
        1,
        "1 of 7 opportunities are in a stage that stage_map does not have (Dreaming: 1)",
    )
    assert details["opportunities.account_id", "unknown_reference"] == (
        1,
        "1 of 7 opportunities name an account that is not in the accounts (A9: 1)",
    )
    assert details["opportunities.currency", "currency_coverage"] == (
        1,
        "1 of 7 opportunities have an amount in no named currency, or in one without an exchange rate (XXX: 1)",
    )
    assert details["people", "disqualified_rows"][0] == 1
    assert details["lead_source", "segment_coverage"][0] == 1


def test_a_release_is_published(built: Build) -> None:
    assert Path(built.releases, "current", "review.html").is_file()
