"""Deals that close on the day they open, are born closed, taken back, joined late, or have no entry date."""

from datetime import date

import pytest
from conftest import Build, dataset

DEALS = """id,stage,created,close_date
SAME,Closed Lost,2025-03-10T10:00:00Z,2025-03-10
BORN,Closed Won,2025-03-11T10:00:00Z,2025-03-11
BACK,Closed Lost,2025-03-01T10:00:00Z,2025-03-20
NONE,Closed Won,,2025-03-15
NONELOST,Closed Lost,,2025-03-15
"""

HISTORY = """deal,stage,at
BORN,Closed Won,2025-03-11T10:00:00Z
BACK,Prospecting,2025-03-01T10:00:00Z
BACK,Closed Won,2025-03-12T10:00:00Z
BACK,Closed Lost,2025-03-20T10:00:00Z
"""

LEADS = """id,created,deal
FIRST,2025-03-02T09:00:00Z,SAME
LATE,2025-03-25T09:00:00Z,SAME
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return dataset(
        tmp_path_factory.mktemp("edges"),
        {
            "as_of_date": "2025-03-31",
            "entities": {
                "people": {
                    "file": "leads.csv",
                    "columns": {"person_id": "id", "created_at": "created", "opportunity_id": "deal"},
                },
                "opportunities": {
                    "file": "deals.csv",
                    "columns": {
                        "opportunity_id": "id",
                        "stage": "stage",
                        "created_at": "created",
                        "close_date": "close_date",
                    },
                },
                "stage_history": {
                    "file": "history.csv",
                    "columns": {
                        "entity": {"constant": "opportunity"},
                        "entity_id": "deal",
                        "stage": "stage",
                        "entered_at": "at",
                    },
                },
            },
        },
        {"deals.csv": DEALS, "history.csv": HISTORY, "leads.csv": LEADS},
    ).build_models("journey_transitions")


def test_each_deal_has_its_outcome(built: Build) -> None:
    rows = built.rows(
        "select journey_id, opportunity_date, won_date, lost_date, is_recycled from core.journeys order by journey_id"
    )
    assert rows == [
        # Won on the 12th and set to lost on the 20th: the last state stands.
        ("BACK", date(2025, 3, 1), None, date(2025, 3, 20), True),
        # Its first history row is the win itself, at the moment of its creation.
        ("BORN", date(2025, 3, 11), date(2025, 3, 11), None, False),
        # A date without a time closes a deal that was created at ten o'clock of that day.
        ("FIRST", date(2025, 3, 10), None, date(2025, 3, 10), False),
        # A second lead attached to the deal after it was lost: no negative time.
        ("LATE", date(2025, 3, 25), None, date(2025, 3, 25), False),
        # Without an entry date neither outcome is in a cohort.
        ("NONE", None, None, None, False),
        ("NONELOST", None, None, None, False),
    ]


def test_a_deal_counts_once_and_only_with_an_entry_date(built: Build) -> None:
    rows = built.rows(
        "select journey_id, outcome, outcome_days from marts.journey_transitions where from_stage = 'opportunity' "
        "order by journey_id"
    )
    assert rows == [("BACK", "lost", 19), ("BORN", "advanced", 0), ("FIRST", "lost", 0)]
