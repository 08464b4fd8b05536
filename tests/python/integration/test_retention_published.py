"""Retention of forty customers by hand, as it is published: exact values, notices, and what is not known."""

from datetime import date
from decimal import Decimal

import pytest
from conftest import Build, dataset

CUSTOMERS = [f"c{at:02d}" for at in range(40)]
OLD = [f"o{at:02d}" for at in range(25)]
OTHERS = ["half", "chain", "event", "back", "odd", "gap"]
SUBSCRIPTIONS = ["id,account,interval,currency,quantity,mrr,from,to,cancelled"]


def subscribe(account: str, mrr: str, start: str, end: str = "", cancelled: str = "") -> None:
    """Add a subscription by the month."""
    SUBSCRIPTIONS.append(f"s{len(SUBSCRIPTIONS)},{account},month,USD,1,{mrr},{start},{end},{cancelled}")


# The last quarter of 2024: two leave, one grows by 50, one shrinks by 50, of four nobody knows what they pay, the
# others stay. All pay 100 a month when it opens.
AFTER = {"c00": None, "c01": None, "c02": "150", "c03": "50", "c04": "", "c05": "", "c06": "", "c07": ""}
for customer in CUSTOMERS:
    subscribe(customer, "100", "2024-01-15", "2024-11-10" if customer in AFTER else "")
    if AFTER.get(customer) is not None:
        subscribe(customer, AFTER[customer] or "", "2024-11-10")
# Customers of two years before the history starts; all leave on one day.
for customer in OLD:
    subscribe(customer, "100", "2022-03-01", "2024-06-15")
# Two subscriptions end, one of half their amount starts, and ends.
subscribe("half", "100", "2024-01-15", "2024-05-10")
subscribe("half", "100", "2024-01-15", "2024-05-10")
subscribe("half", "100", "2024-05-10", "2024-08-10")
# Every month is a subscription of its own; the last one is not renewed.
subscribe("chain", "100", "2024-01-15", "2024-02-15")
subscribe("chain", "100", "2024-02-15", "2024-03-15")
subscribe("chain", "100", "2024-03-15", "2024-04-15")
# It says so on May 25th, and ends; it is told to be back and never left; it is told to have left, and stays for long.
subscribe("event", "100", "2024-01-15", "2024-06-20")
subscribe("back", "100", "2024-01-15", "2024-09-10")
subscribe("odd", "100", "2024-01-15", "2024-09-10")
# Its first end is told as the last day, so that a day lies between.
subscribe("gap", "100", "2024-01-15", "2024-05-10")
subscribe("gap", "100", "2024-05-11", "2024-09-10")
EVENTS = """\
id,account,day,returned
e1,event,2024-05-25,no
e2,back,2024-03-20,yes
e3,odd,2024-03-20,no
"""
# Paid late, known only from December 15th on; today's status says nothing of what was known then.
PAYMENTS = """\
id,account,status,amount,due,paid
p1,c10,paid,100,2024-11-01,2024-12-15
p2,c11,failed,100,2024-11-01,2024-12-15
p3,c10,paid,100,2024-12-28,
p4,c11,failed,100,2024-12-28,
p5,c12,failed,100,2024-11-01,2024-11-02
"""
TICKETS = "id,account,submitted,closed,escalated,csat\nt1,c10,2024-11-20T10:00:00Z,2024-12-05T10:00:00Z,yes,1\n"
SPEND = "channel,amount,day\n" + "paid,1000,2024-02-01\n" + "display,50,2024-02-01\n" * 20
MAPPING = {
    "dimensions": {"industry": ["accounts.industry"]},
    "own_definitions": ["dimensions", "dimension_pairs", "segment_rules", "spend_channels"],
    "as_of_date": date(2024, 12, 31),
    "history_starts_on": date(2024, 1, 1),
    "currency": "USD",
    "stage_age_dimension": "none",
    "entities": {
        "accounts": {
            "file": "accounts.csv",
            "columns": {"account_id": "id", "industry": "industry", "created_at": "created"},
        },
        "subscriptions": {
            "file": "subscriptions.csv",
            "columns": {
                "subscription_id": "id",
                "account_id": "account",
                "billing_interval": "interval",
                "currency": "currency",
                "quantity": "quantity",
                "mrr_amount": "mrr",
                "started_date": "from",
                "ended_date": "to",
                "cancel_date": "cancelled",
            },
        },
        "churn_events": {
            "file": "events.csv",
            "columns": {
                "churn_event_id": "id", "account_id": "account", "churn_date": "day", "is_reactivation": "returned",
            },
        },
        "payments": {
            "file": "payments.csv",
            "columns": {
                "payment_id": "id", "account_id": "account", "status": "status", "amount": "amount", "due_date": "due",
                "paid_date": "paid",
            },
        },
        "support_tickets": {
            "file": "tickets.csv",
            "columns": {
                "ticket_id": "id", "account_id": "account", "submitted_at": "submitted", "closed_at": "closed",
                "is_escalated": "escalated", "satisfaction_score": "csat",
            },
        },
        "campaign_spend": {
            "file": "spend.csv",
            "columns": {"channel": "channel", "spend_amount": "amount", "spend_date": "day"},
        },
    },
}  # fmt: skip
FILES = {
    "accounts.csv": "id,industry,created\n"
    + "".join(
        f"{name},{'Tech' if at % 2 else 'Bank'},2022-01-01\n" for at, name in enumerate([*CUSTOMERS, *OLD, *OTHERS])
    ),
    "subscriptions.csv": "\n".join(SUBSCRIPTIONS) + "\n",
    "events.csv": EVENTS,
    "payments.csv": PAYMENTS,
    "tickets.csv": TICKETS,
    "spend.csv": SPEND,
    "definitions/dimensions.csv": "dimension,label,known_from_stage,rule_kind,valid_from,comment\n"
    "industry,Industry,lead,value,2000-01-01,\n",
    "definitions/dimension_pairs.csv": "dimension,within_dimension,valid_from,comment\n",
    "definitions/segment_rules.csv": "dimension,source_value,lower_bound,upper_bound,segment,valid_from,comment\n",
    "definitions/spend_channels.csv": "channel,dimension,segment,valid_from,comment\n"
    "paid,industry,Tech,2000-01-01,\nfair,industry,Bank,2000-01-01,\n",
}
MODELS = ("revenue_retention", "retention_cohorts", "churn_features", "unit_economics", "unmapped_labels")


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return dataset(tmp_path_factory.mktemp("published") / "forty", MAPPING, FILES).build_models(*MODELS)


def test_a_notice_is_what_the_whole_account_loses(build: Build) -> None:
    """One subscription of 100 does not replace two of 100; a new one every month is no notice; events date a loss."""
    rows = build.rows(
        "select account_id, notice_date, notice_rule, lost_mrr_amount from marts.churn_notices "
        "where account_id in ('half', 'chain', 'event', 'back', 'odd') order by all"
    )
    assert rows == [
        ("back", date(2024, 9, 10), "subscription", Decimal("100.00")),
        ("chain", date(2024, 4, 15), "subscription", Decimal("100.00")),
        ("event", date(2024, 5, 25), "churn_event", Decimal("100.00")),
        ("half", date(2024, 5, 10), "subscription", Decimal("100.00")),
        ("half", date(2024, 5, 10), "subscription", Decimal("100.00")),
        ("half", date(2024, 8, 10), "subscription", Decimal("100.00")),
        ("odd", date(2024, 9, 10), "subscription", Decimal("100.00")),
    ]


@pytest.mark.parametrize(
    ("account", "month_end", "told"),
    [
        ("event", "2024-04-30", (1, False)),
        ("event", "2024-05-31", (0, True)),  # it has said so, and runs on to June 20th
        ("back", "2024-03-31", (0, False)),
        ("odd", "2024-03-31", (0, True)),
        ("odd", "2024-04-30", (0, False)),  # said six weeks ago, and nothing ended
        ("c00", "2024-09-30", (1, False)),
        ("c10", "2024-10-31", (None, False)),  # 60 days are over, but a loss might still be replaced
    ],
)
def test_labels_and_who_is_still_at_risk(build: Build, account: str, month_end: str, told: tuple[object, bool]) -> None:
    assert build.rows(
        "select outcome, has_given_notice from marts.churn_landmarks "
        f"where account_id = '{account}' and landmark_date = '{month_end}'"
    ) == [told]


def test_features_are_what_was_known_on_the_day(build: Build) -> None:
    """Two customers whose payments differ in today's status alone; a ticket that is closed after the month end."""
    rows = build.rows(
        "select account_id, landmark_date, late_payment_count, ticket_count, escalated_count, satisfaction_score "
        "from marts.churn_features where account_id in ('c10', 'c11', 'c12') and landmark_date > '2024-10-31' "
        "order by all"
    )
    assert rows == [
        ("c10", date(2024, 11, 30), 1, 1, 0, None),
        ("c10", date(2024, 12, 31), 0, 1, 1, 1),
        ("c11", date(2024, 11, 30), 1, 0, 0, None),
        ("c11", date(2024, 12, 31), 0, 0, 0, None),
        ("c12", date(2024, 11, 30), 0, 0, 0, None),
        ("c12", date(2024, 12, 31), 0, 0, 0, None),
    ]


def test_what_is_published_of_the_last_quarter(build: Build) -> None:
    """36 of 40 are known at both ends: 34 of them are left, with 32 x 100 + 150 + 50; growth pays for no loss.

    The four whose amount is unknown at the end are no churn: they are counted, and make the cell directional.
    """
    ((counts, amounts, rates, evidence),) = build.rows(
        """
        select
            (n, churned_count, excluded_count, closing_count),
            (opening_arr_amount, expansion_amount, contraction_amount, churn_amount, closing_arr_amount),
            (grr, nrr, logo_retention),
            (evidence, evidence_reason)
        from signals.revenue_retention
        where dimension = 'all' and period_grain = 'quarter' and period_start = '2024-10-01' and window_name = 'period'
        """
    )
    assert counts == (36, 2, 4, 34)
    assert [str(amount) for amount in amounts] == ["43200.00", "600.00", "600.00", "2400.00", "40800.00"]
    assert rates == pytest.approx((3350 / 3600, 34 / 36, 34 / 36))
    assert evidence == ("directional", "incomplete_data")


def test_an_unknown_amount_ends_no_survival(build: Build) -> None:
    rows = build.rows(
        "select account_id, churned_month from marts.cohort_customers where account_id in ('c00', 'c04') order by all"
    )
    assert rows == [("c00", 10), ("c04", None)]


def test_the_bridge_goes_on_where_an_amount_is_unknown(build: Build) -> None:
    """What a window leaves out at its end is left out, or known again, when the next one opens: nothing vanishes."""
    rows = build.rows(
        "select period_start, closing_arr_amount + excluded_closing_arr_amount, "
        "opening_arr_amount + excluded_opening_arr_amount from marts.revenue_retention_facts "
        "where dimension = 'all' and period_grain = 'month' and window_name = 'period' "
        "and period_start >= '2024-11-01' order by period_start"
    )
    assert rows == [
        (date(2024, 11, 1), Decimal("40800.00"), Decimal("48000.00")),
        (date(2024, 12, 1), Decimal("40800.00"), Decimal("40800.00")),
    ]


def test_customers_from_before_the_history_are_in_no_curve_of_all(build: Build) -> None:
    """Only of those who stayed is it known: 25 of March 2022 would survive 27 months for certain."""
    ((size, oldest),) = build.rows(
        "select max(customer_count), max(age_months) from marts.retention_cohorts "
        "where dimension = 'all' and period_grain = 'all'"
    )
    assert (size, oldest) == (46, 11)
    assert build.rows(
        "select distinct evidence_reason from marts.retention_cohorts "
        "where dimension = 'all' and period_grain = 'quarter' and period_start < '2024-01-01'"
    ) == [("left_truncated",)]


def test_revenue_of_cohorts_is_judged_by_those_followed(build: Build) -> None:
    rows = build.rows(
        "select n, followed_count, evidence from marts.retention_cohorts "
        "where dimension = 'all' and period_grain = 'all' and age_months = 11"
    )
    assert rows == [(42, 42, "directional")]


def test_spend_without_a_segment_is_named_and_none_is_nought(build: Build) -> None:
    assert build.rows("select kind, label, record_count from core.unmapped_labels where kind = 'spend channel'") == [
        ("spend channel", "display", 20)
    ]
    rows = build.rows(
        "select segment, spend_amount from marts.unit_economics_inputs "
        "where period_start = '2024-01-01' order by segment"
    )
    assert rows == [("Bank", Decimal("0.00")), ("Tech", Decimal("1000.00")), ("all", Decimal("2000.00"))]


def test_a_gap_of_one_day_is_told(build: Build) -> None:
    assert build.rows("select account_id from core.subscriptions where is_after_one_day") == [("gap",)]
