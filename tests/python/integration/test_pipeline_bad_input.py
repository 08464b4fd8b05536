"""Pipelines that leave something out, or have one deal too many: a reason or a flag, never a number that is none."""

from datetime import date, timedelta

import pytest
from conftest import Build, dataset

pytestmark = pytest.mark.long


MARTS = ["+pipeline_movement", "+pipeline_stage_map", "+stalled_deals", "+win_loss", "+win_loss_patterns"]
AS_OF = date(2025, 6, 30)


def build(folder: Build) -> Build:
    done = folder.dbt("build", "--indirect-selection", "cautious", "--select", *MARTS)
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.fixture(scope="module")
def bare(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Forty deals, all won on the day they were opened: no amounts, no losses, no history; two sources of leads."""
    days = [date(2025, 4, 1) + timedelta(at) for at in range(40)]
    rows = [f"D{at},Closed Won,{day},{day},{'Web' if at % 2 else 'Trade Show'}" for at, day in enumerate(days)]
    return build(
        dataset(
            tmp_path_factory.mktemp("bare"),
            {
                "as_of_date": str(AS_OF),
                "history_starts_on": "2024-01-01",  # closed deals are complete from a horizon later on
                "sources": ["export"],
                "entities": {
                    "opportunities": {
                        "file": "deals.csv",
                        "columns": {
                            "opportunity_id": "id",
                            "stage": "stage",
                            "created_at": "created",
                            "close_date": "closed",
                            "lead_source": "source",
                        },
                    }
                },
            },
            {"deals.csv": "\n".join(["id,stage,created,closed,source", *rows]) + "\n"},
        )
    )


@pytest.fixture(scope="module")
def odd(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Thirty deals of which one is giant, in a stage that was renamed in May, with owners whose ids are their names."""
    rows, history, calls = [], [], []
    for at in range(30):
        created = date(2025, 4, 1) + timedelta(at)
        amount = 1_000_000_000 if at == 0 else 100
        if at < 20:
            # Twenty are won after 40 days in the stage, of which the last starts on 20 April.
            closed = created + timedelta(40)
            rows.append(f"D{at},Closed Won,{amount},{created},{closed},Ann Lee,A{at}")
            history += [f"D{at},Discovery,{created}", f"D{at},Closed Won,{closed}"]
        else:
            label = "Exploration" if at >= 25 else "discovery "
            rows.append(f"D{at},{label},{amount},{created},2025-06-{at},Ann Lee,A{at}")
            history.append(f"D{at},Discovery,{created}")
            if at >= 25:
                history.append(f"D{at},Exploration,2025-05-15")
            calls.append(f"C{at},D{at},,{'2025-06-20' if at % 2 else '2025-05-20'},true")
    # A call that was not made, and one with the account that names no deal.
    calls += ["X1,D20,,2025-06-25,false", "X2,,A22,2025-06-25,true"]
    return build(
        dataset(
            tmp_path_factory.mktemp("odd"),
            {
                "as_of_date": str(AS_OF),
                "sources": ["export"],
                "currency": "USD",
                "own_definitions": ["stage_map"],
                "entities": {
                    "opportunities": {
                        "file": "deals.csv",
                        "columns": {
                            "opportunity_id": "id",
                            "stage": "stage",
                            "amount": "amount",
                            "created_at": "created",
                            "close_date": "close_date",
                            "owner_id": "owner",
                            "account_id": "account",
                        },
                    },
                    "accounts": {"file": "deals.csv", "columns": {"account_id": "account"}},
                    "owners": {"file": "owners.csv", "columns": {"owner_id": "name", "owner_name": "name"}},
                    "stage_history": {
                        "file": "history.csv",
                        "columns": {
                            "entity": {"constant": "opportunity"},
                            "entity_id": "deal",
                            "stage": "stage",
                            "entered_at": "at",
                        },
                    },
                    "activities": {
                        "file": "calls.csv",
                        "columns": {
                            "activity_id": "id",
                            "activity_type": {"constant": "call"},
                            "opportunity_id": "deal",
                            "account_id": "account",
                            "occurred_at": "at",
                            "is_completed": "done",
                        },
                    },
                },
            },
            {
                "deals.csv": "\n".join(["id,stage,amount,created,close_date,owner,account", *rows]) + "\n",
                "history.csv": "\n".join(["deal,stage,at", *history]) + "\n",
                "owners.csv": "name\nAnn Lee\n",
                "calls.csv": "\n".join(["id,deal,account,at,done", *calls]) + "\n",
                "definitions/stage_map.csv": "entity,source_label,stage,valid_from,comment\n"
                "opportunity,Discovery,opportunity,2000-01-01,\nopportunity,Exploration,opportunity,2000-01-01,\n"
                "opportunity,Closed Won,won,2000-01-01,\nopportunity,Closed Lost,lost,2000-01-01,\n",
            },
        )
    )


def test_without_amounts_the_movement_says_so(bare: Build) -> None:
    rows = bare.rows(
        "select distinct evidence, evidence_reason, caveat, closing_amount from marts.pipeline_movement "
        "where scope = 'open_pipeline' and period_grain = 'quarter' and segment = 'all'"
    )
    assert rows == [("suppressed", "incomplete_data", "Too many deals of the period have no amount", None)]
    counts = bare.rows(
        "select created_count, won_count, closing_count from marts.pipeline_movement "
        "where scope = 'open_pipeline' and period_grain = 'quarter' and segment = 'all'"
    )
    assert counts == [(40, 40, 0)]


def test_without_history_no_plan_is_known(bare: Build) -> None:
    rows = bare.rows(
        "select distinct evidence, evidence_reason, caveat, closing_amount, closing_count, n "
        "from marts.pipeline_movement where scope = 'closing_in_period'"
    )
    assert rows == [
        ("suppressed", "not_applicable", "No history tells which close date was planned when", None, None, 0)
    ]


def test_without_losses_nothing_is_compared(bare: Build) -> None:
    assert bare.rows("select distinct outcome from marts.win_loss_facts") == []
    rows = bare.rows(
        "select attribute, attribute_value, n, rest_n, evidence, evidence_reason, caveat, win_rate, difference, "
        "is_signal from signals.win_loss_patterns"
    )
    held = ("suppressed", "incomplete_data", "No lost deal is recorded: the win rate of closed deals is not known")
    assert rows == [("lead_source", "Trade show", 20, 20, *held, None, None, False)]


def test_deals_that_never_were_in_a_stage_are_in_no_stage_map(bare: Build) -> None:
    rows = bare.rows(
        "select stage, outcome, outcome_rate from marts.pipeline_stage_map where segment = 'all' "
        "and period_grain = 'quarter' and horizon_days = 90 order by outcome"
    )
    # Opened and won on one day: the day of creation is all that is known of their stage.
    assert rows == [("Opportunity", "advanced", 1.0), ("Opportunity", "lost", 0.0), ("Opportunity", "went_back", 0.0)]


def test_one_giant_deal_makes_the_amounts_directional(odd: Build) -> None:
    rows = odd.rows(
        "select evidence, evidence_reason, caveat, round(largest_deal_share, 3) from marts.pipeline_movement "
        "where scope = 'open_pipeline' and period_grain = 'quarter' and segment = 'all' and dimension = 'all'"
    )
    assert rows == [("directional", "insufficient_sample", "One deal holds most of the amount", 1.0)]


def test_a_renamed_stage_follows_the_one_it_replaced(odd: Build) -> None:
    rows = odd.rows("select label, stage, order_rule from core.pipeline_stages order by stage_order")
    assert rows == [
        ("Discovery", "opportunity", "observed"),
        ("Exploration", "opportunity", "observed"),
        ("Closed Won", "won", "observed"),
    ]


def test_what_has_come_to_a_stop(odd: Build) -> None:
    rows = odd.rows(
        "select opportunity_id, owner_id, stage, age_in_stage_days, age_limit_days, age_limit_n, is_beyond_stage_age, "
        "is_close_date_past, is_inactive, is_close_date_pushed, is_missing_roles, flag_count from marts.stalled_deals "
        "where opportunity_id in ('D20', 'D21', 'D22', 'D25', 'D29') order by 1"
    )
    assert rows == [
        # From 21 April to 30 June: 9 days of April, 31 of May, 30 of June. The call of 25 June was not made; the last
        # one was 41 days ago.
        ("D20", None, "Discovery", 70, 40, 20, True, True, True, None, None, 3),
        ("D21", None, "Discovery", 69, 40, 20, True, True, False, None, None, 2),
        # A call with its account.
        ("D22", None, "Discovery", 68, 40, 20, True, True, False, None, None, 2),
        # Nobody has won from the new label yet: no limit.
        ("D25", None, "Exploration", 46, None, None, None, True, False, None, None, 1),
        ("D29", None, "Exploration", 46, None, None, None, True, False, None, None, 1),
    ]
