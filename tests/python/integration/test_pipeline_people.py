"""Sellers as a dimension, one of them renamed in the middle of a quarter; deals that were closed and re-opened."""

from datetime import date
from decimal import Decimal

import pytest
from conftest import Build, dataset

# Ann was called Lee until May. The CRM keeps her id and has her name of today; X9 has left and is in no list.
OWNERS = """id,name
U1,Ann Roy
U2,Bo Li
"""
DEALS = """id,stage,amount,created,close_date,owner,reason
APRIL,Closed Won,1000,2025-04-01,2025-04-21,U1,
JUNE,Closed Lost,500,2025-05-20,2025-06-09,U1,Price
BO,Closed Won,3000,2025-04-01,2025-05-01,U2,
LEFT,Closed Lost,700,2025-04-01,2025-05-01,X9,Price
WONBACK,Closed Won,2000,2025-04-01,2025-06-10,U2,Timing
TAKEN,Closed Lost,900,2025-04-01,2025-06-05,U2,Timing
OPEN,Negotiation/Review,800,2025-04-01,2025-08-01,U2,Timing
"""
# Re-opened after a loss and won; re-opened after a win and lost; re-opened after a loss and open today.
HISTORY = """deal,stage,at
WONBACK,Prospecting,2025-04-01
WONBACK,Closed Lost,2025-04-20
WONBACK,Negotiation/Review,2025-05-05
WONBACK,Closed Won,2025-06-10
TAKEN,Prospecting,2025-04-01
TAKEN,Closed Won,2025-04-20
TAKEN,Negotiation/Review,2025-05-05
TAKEN,Closed Lost,2025-06-05
OPEN,Prospecting,2025-04-01
OPEN,Closed Lost,2025-04-20
OPEN,Negotiation/Review,2025-05-05
"""


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    columns = {"opportunity_id": "id", "stage": "stage", "amount": "amount", "created_at": "created"}
    return dataset(
        tmp_path_factory.mktemp("people"),
        {
            "as_of_date": "2025-06-30",
            "history_starts_on": "2024-01-01",
            "currency": "USD",
            "own_definitions": ["dimensions", "segment_rules", "dimension_pairs"],
            # As docs/export.md says it.
            "dimensions": {"owner": ["owners.owner_name"]},
            "stage_age_dimension": "none",
            "entities": {
                "owners": {"file": "owners.csv", "columns": {"owner_id": "id", "owner_name": "name"}},
                "opportunities": {
                    "file": "deals.csv",
                    "columns": {**columns, "close_date": "close_date", "owner_id": "owner", "loss_reason": "reason"},
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
        {
            "owners.csv": OWNERS,
            "deals.csv": DEALS,
            "history.csv": HISTORY,
            "definitions/dimensions.csv": "dimension,label,known_from_stage,rule_kind,valid_from,comment\n"
            "owner,Owner,opportunity,value,2000-01-01,name of the seller\n",
            "definitions/segment_rules.csv": "dimension,source_value,lower_bound,upper_bound,segment,valid_from,"
            "comment\n",
            "definitions/dimension_pairs.csv": "dimension,within_dimension,valid_from,comment\n",
        },
    ).build_models("velocity_facts", "win_loss_facts", "pipeline_movement_facts")


CLOSED = "period_grain = 'quarter' and period_start = '2025-04-01' and basis = 'closed'"


def test_a_seller_who_was_renamed_is_one_segment(built: Build) -> None:
    rows = built.rows(
        f"select segment, qualified_count, won_count from marts.velocity_facts where {CLOSED} and dimension = 'owner' "
        "order by 1"
    )
    # Both deals of Ann, from before and after; whose seller is in no list has none.
    assert rows == [("Ann Roy", 2, 1), ("Bo Li", 3, 2), ("unknown", 1, 0)]
    assert built.rows("select count(*) from core.journeys where owner = 'Ann Lee'") == [(0,)]


def test_a_reopened_deal_counts_once_with_its_last_outcome(built: Build) -> None:
    [(closed, won, amount, days)] = built.rows(
        f"select qualified_count, won_count, amount_sum, cycle_days_sum from marts.velocity_facts where {CLOSED} "
        "and dimension = 'all'"
    )
    # Won: 20, 30 and, from its first opening to its last win, 70 days. The deal that is open again closed in no period.
    assert (closed, won, amount, days) == (6, 3, 6000, 20 + 30 + 70)
    months = built.rows(
        "select period_start, qualified_count, won_count from marts.velocity_facts where period_grain = 'month' "
        "and basis = 'closed' and dimension = 'all' order by 1"
    )
    # Nothing of what was closed on 20 April and opened again.
    assert months == [(date(2025, 4, 1), 1, 1), (date(2025, 5, 1), 2, 1), (date(2025, 6, 1), 3, 1)]


def test_reasons_are_those_of_the_last_outcome(built: Build) -> None:
    rows = built.rows(
        "select period_start, outcome, sum(deal_count) from marts.win_loss_facts where period_grain = 'month' "
        "and dimension = 'all' and category in ('reason', 'missing_reason') group by all order by 1, 2"
    )
    # The deal that was won back is no loss of April, the one that was taken back no win of it.
    assert rows == [
        (date(2025, 4, 1), "won", 1),
        (date(2025, 5, 1), "lost", 1),
        (date(2025, 5, 1), "won", 1),
        (date(2025, 6, 1), "lost", 2),
        (date(2025, 6, 1), "won", 1),
    ]
    reasons = built.rows(
        "select outcome, category, deal_count from marts.win_loss_facts where period_grain = 'quarter' "
        "and dimension = 'all' and outcome = 'lost' order by 2"
    )
    # Price twice and Timing once: too few to stand alone, and none without.
    assert reasons == [("lost", "missing_reason", 0), ("lost", "reason", 3)]


def test_movement_tells_every_turn(built: Build) -> None:
    [row] = built.rows(
        "select created_amount, reopened_amount, won_amount, lost_amount, closing_amount from "
        "marts.pipeline_movement_facts where scope = 'open_pipeline' and period_grain = 'quarter' and dimension = 'all'"
        " and period_start = '2025-04-01'"
    )
    # Won: APRIL, BO, WONBACK, and TAKEN the first time; lost: JUNE, LEFT, TAKEN, and WONBACK and OPEN the first time.
    assert row == tuple(map(Decimal, (8900, 2000 + 900 + 800, 6900, 500 + 700 + 900 + 2000 + 800, 800)))
