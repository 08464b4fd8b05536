"""Recurring revenue, retention and churn features of a few customers whose every movement is known by hand."""

from datetime import date
from decimal import Decimal

import pytest
from conftest import Build, dataset

ACCOUNTS = "id,industry,created\n" + "".join(
    f"{name},{industry},2024-01-01\n"
    for name, industry in [
        ("steady", "Tech"), ("grows", "Tech"), ("shrinks", "Bank"), ("leaves", "Bank"), ("returns", "Bank"),
        ("twice", "Tech"), ("refund", "Tech"), ("trial", "Bank"), ("moves", "Tech"), ("minus", "Bank"),
    ]
)  # fmt: skip
SUBSCRIPTIONS = """\
id,account,plan,interval,currency,quantity,mrr,trial,from,to,cancelled
s1,steady,Basic,year,USD,10,100,no,2024-01-10,,
s2,grows,Basic,month,USD,10,100,no,2024-01-10,,
s3,grows,Add-on,month,USD,5,50.10,no,2024-03-15,,
s4,shrinks,Pro,month,USD,20,200,no,2024-01-10,2024-03-10,2024-03-10
s5,shrinks,Basic,month,USD,12,120,no,2024-03-10,,
s6,leaves,Pro,year,USD,30,300,no,2024-01-10,2024-04-10,2024-02-20
s7,returns,Basic,month,USD,8,80,no,2024-01-10,2024-02-15,2024-02-15
s8,returns,Basic,month,USD,9,90,no,2024-04-05,,
s9,twice,Basic,month,USD,10,100,no,2024-01-10,,
s10,twice,Basic,month,USD,10,100,no,2024-02-10,,
s11,refund,Basic,month,USD,10,100,no,2024-01-10,,
s12,refund,Credit,month,USD,1,-40,no,2024-03-01,2024-03-31,
s13,trial,Trial,month,USD,5,0,yes,2024-01-10,2024-02-10,
s14,trial,Basic,month,USD,5,70,no,2024-02-10,,
s15,moves,Basic,month,USD,10,100,no,2024-01-10,2024-04-01,2024-04-01
s16,moves,Basic,month,EUR,10,100,no,2024-04-01,,
s17,minus,Basic,month,USD,-3,60,no,2024-01-10,,
s18,,Basic,month,USD,1,10,no,2024-01-10,,
s19,steady,Basic,month,USD,1,10,no,2024-05-10,2024-05-01,
"""
USAGE = "account,day,n\nsteady,2024-02-01,10\n,2024-02-01,10\nsteady,2024-02-02,-5\nnobody,2024-02-03,1\n"
LATER = "s20,steady,Basic,month,USD,1,10,no,2024-06-10,,\n"
LATER_USAGE = "steady,2024-06-20,500\n"
MAPPING = {
    "dimensions": {"industry": ["accounts.industry"]},
    "own_definitions": ["dimensions", "dimension_pairs", "segment_rules"],
    "as_of_date": date(2024, 5, 31),
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
                "plan": "plan",
                "billing_interval": "interval",
                "currency": "currency",
                "quantity": "quantity",
                "mrr_amount": "mrr",
                "is_trial": "trial",
                "started_date": "from",
                "ended_date": "to",
                "cancel_date": "cancelled",
            },
        },
        "product_usage": {
            "file": "usage.csv",
            "columns": {"account_id": "account", "usage_date": "day", "usage_count": "n"},
        },
    },
}
DEFINITIONS = {
    "definitions/dimensions.csv": "dimension,label,known_from_stage,rule_kind,valid_from,comment\n"
    "industry,Industry,lead,value,2000-01-01,\n",
    "definitions/dimension_pairs.csv": "dimension,within_dimension,valid_from,comment\n",
    "definitions/segment_rules.csv": "dimension,source_value,lower_bound,upper_bound,segment,valid_from,comment\n",
}
MODELS = ("revenue_retention", "retention_cohorts", "churn_features", "raw_observations")


def world(folder: str, tmp_path_factory: pytest.TempPathFactory, subscriptions: str, usage: str) -> Build:
    files = {"accounts.csv": ACCOUNTS, "subscriptions.csv": subscriptions, "usage.csv": usage, **DEFINITIONS}
    return dataset(tmp_path_factory.mktemp(folder) / "by_hand", MAPPING, files)


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Files that hold what happened after the as-of date, too."""
    return world("later", tmp_path_factory, SUBSCRIPTIONS + LATER, USAGE + LATER_USAGE).build_models(*MODELS)


def months(build: Build, account: str) -> list[tuple[object, ...]]:
    return build.rows(
        "select month(month_start), new_amount, expansion_amount, contraction_amount, churn_amount, "
        "reactivation_amount, closing_mrr_amount from marts.customer_months "
        f"where account_id = '{account}' order by month_start"
    )


def amounts(*values: str) -> tuple[Decimal, ...]:
    return tuple(Decimal(value).quantize(Decimal("0.01")) for value in values)


@pytest.mark.parametrize(
    ("account", "expected"),
    [
        ("steady", {1: ("100", "0", "0", "0", "0", "100")}),
        ("grows", {3: ("0", "50.10", "0", "0", "0", "150.10")}),
        ("shrinks", {3: ("0", "0", "80", "0", "0", "120")}),
        ("leaves", {3: ("0", "0", "0", "0", "0", "300"), 4: ("0", "0", "0", "300", "0", "0")}),
        ("returns", {2: ("0", "0", "0", "80", "0", "0"), 4: ("0", "0", "0", "0", "90", "90")}),
        ("twice", {2: ("0", "100", "0", "0", "0", "200")}),
        # A refund is no recurring revenue, and takes none away.
        ("refund", {3: ("0", "0", "0", "0", "0", "100")}),
        # A trial is no customer: the first paid month is new.
        ("trial", {2: ("70", "0", "0", "0", "0", "70")}),
        # 100 EUR at the rate of the day it started: 110 USD.
        ("minus", {1: ("60", "0", "0", "0", "0", "60")}),
    ],
)
def test_movements_of_a_customer(build: Build, account: str, expected: dict[int, tuple[str, ...]]) -> None:
    found = {row[0]: row[1:] for row in months(build, account)}
    for month, values in expected.items():
        assert found[month] == amounts(*values)


def test_a_trial_is_in_no_month_before_it_pays(build: Build) -> None:
    assert min(row[0] for row in months(build, "trial")) == 2


def test_the_bridge_of_the_quarter_and_what_the_opening_kept(build: Build) -> None:
    """It opens with 100 + 150.10 + 120 + 300 + 200 + 100 + 70 + 100 + 60 = 1,200.10 a month."""
    (row,) = build.rows(
        "select opening_arr_amount, new_amount, expansion_amount, contraction_amount, churn_amount, "
        "reactivation_amount, closing_arr_amount, kept_arr_amount, cohort_arr_amount, is_unfinished "
        "from marts.revenue_retention_facts "
        "where dimension = 'all' and period_start = '2024-04-01' and period_grain = 'quarter'"
        " and window_name = 'period'"
    )
    rate = build.rows("select closing_mrr_amount from marts.customer_months where account_id = 'moves'")[-1][0]
    more = rate - 100
    assert row == (
        *amounts("14401.20", "0"),
        12 * more,
        *amounts("0", "3600", "1080"),
        Decimal("14401.20") + 12 * more - 3600 + 1080,
        *amounts("10801.20"),
        Decimal("10801.20") + 12 * more,
        True,
    )


def test_gross_retention_never_nets_across_customers_and_never_exceeds_one(build: Build) -> None:
    assert build.rows(
        "select count(*) from marts.revenue_retention_facts "
        "where kept_arr_amount > opening_arr_amount or kept_arr_amount > cohort_arr_amount"
    ) == [(0,)]
    gross = build.rows(
        "select sum(least(opening_arr_amount, closing_arr_amount)) filter (where opening_arr_amount > 0) "
        "from marts.retention_accounts where period_grain = 'month' and period_start = '2024-03-01' "
        "and window_name = 'period'"
    )
    told = build.rows(
        "select kept_arr_amount from marts.revenue_retention_facts where dimension = 'all' "
        "and period_grain = 'month' and period_start = '2024-03-01' and window_name = 'period'"
    )
    assert gross == told


def test_segments_add_up_to_the_total_by_opening_revenue(build: Build) -> None:
    """Retention of the total is that of its segments weighted by what they opened with, to the last cent."""
    rows = build.rows(
        """
        select
            sum(opening_arr_amount) filter (where dimension = 'all'),
            sum(opening_arr_amount) filter (where dimension = 'industry'),
            sum(kept_arr_amount) filter (where dimension = 'all'),
            sum(kept_arr_amount) filter (where dimension = 'industry'),
            sum(cohort_arr_amount) filter (where dimension = 'all'),
            sum(cohort_arr_amount) filter (where dimension = 'industry')
        from marts.revenue_retention_facts
        group by period_grain, period_start, window_name
        """
    )
    assert rows
    assert all(row[0::2] == row[1::2] for row in rows)


@pytest.mark.parametrize(
    ("check", "subject", "defects"),
    [
        ("overlapping_subscriptions", "subscriptions", 1),
        ("subscription_gaps", "subscriptions", 1),
        ("currency_changes", "subscriptions.currency", 1),
        ("negative_amounts", "subscriptions.mrr_amount", 1),
        ("negative_amounts", "subscriptions.quantity", 1),
        ("negative_amounts", "product_usage.usage_count", 1),
        ("missing_accounts", "subscriptions.account_id", 1),
        ("missing_accounts", "product_usage.account_id", 1),
        ("impossible_dates", "subscriptions.ended_date", 1),
        ("unknown_reference", "product_usage", 1),
    ],
)
def test_what_is_wrong_is_counted(build: Build, check: str, subject: str, defects: int) -> None:
    rows = build.rows(
        f"select defect_count from gates.raw_observations where check_name = '{check}' and subject = '{subject}'"
    )
    assert rows == [(defects,)]


def test_few_customers_are_told_by_their_number_alone(build: Build) -> None:
    rows = build.rows("select distinct evidence, evidence_reason, nrr, grr_low from signals.revenue_retention")
    assert rows == [("suppressed", "insufficient_sample", None, None)]


def test_one_month_of_history_has_no_opening_and_no_retention(build: Build) -> None:
    first = build.rows(
        "select opening_count, churned_count, new_count from marts.revenue_retention_facts "
        "where dimension = 'all' and period_grain = 'month' and period_start = '2024-01-01'"
    )
    assert first == [(0, 0, 9)]
    assert build.rows("select count(*) from marts.revenue_retention_facts where window_name = 'trailing_year'") == [
        (0,)
    ]


def test_survival_ends_with_the_first_month_without_revenue(build: Build) -> None:
    rows = build.rows(
        "select age_months, at_risk_count, event_count from marts.cohort_counts "
        "where dimension = 'all' and period_grain = 'all' order by age_months"
    )
    # Ten customers; one has only three more months. returns leaves after one month and counts once, leaves after three.
    assert rows == [(0, 10, 0), (1, 10, 1), (2, 9, 0), (3, 9, 1), (4, 7, 0)]


def test_notices_are_losses_that_nothing_replaces(build: Build) -> None:
    rows = build.rows("select account_id, notice_date, lost_mrr_amount from marts.churn_notices order by all")
    assert rows == [
        ("leaves", date(2024, 2, 20), Decimal("300.00")),
        ("returns", date(2024, 2, 15), Decimal("80.00")),
        ("shrinks", date(2024, 3, 10), Decimal("80.00")),
    ]


def test_whoever_has_given_notice_is_no_longer_at_risk(build: Build) -> None:
    rows = build.rows(
        "select landmark_date, outcome, has_given_notice from marts.churn_features "
        "where account_id = 'leaves' order by landmark_date"
    )
    assert rows == [
        (date(2024, 1, 31), 1, False),
        (date(2024, 2, 29), 0, True),
        (date(2024, 3, 31), None, True),
    ]
    days = build.rows(
        "select days_to_renewal from marts.churn_features where account_id = 'leaves' and landmark_date = '2024-01-31'"
    )
    assert days == [(345.0,)]  # 2025-01-10


@pytest.mark.long
def test_what_comes_after_the_as_of_date_moves_no_feature(
    build: Build, tmp_path_factory: pytest.TempPathFactory
) -> None:
    without = world("before", tmp_path_factory, SUBSCRIPTIONS, USAGE).build_models("churn_features")
    query = "select * from marts.churn_features order by account_id, landmark_date"
    assert build.rows(query) == without.rows(query)
