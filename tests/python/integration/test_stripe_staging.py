"""Stripe tables as Fivetran lands them, through the reader and the staging views: by hand, and the public fixtures."""

from collections.abc import Mapping
from datetime import date
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conftest import Build, dataset

pytestmark = pytest.mark.long


CUSTOMERS = """\
id,_fivetran_synced,email,address_country,created,is_deleted,metadata,metadata_salesforce_account_id,metadata_crm_id
c1,2025-01-01 00:00:00,pay@Acme.com,FR,2023-01-01 10:00:00,false,{},001000000000001AAA,
c2,2025-01-01 00:00:00,,,2023-01-02 10:00:00,true,"{""hubspot_company_id"":""501"",""note"":""x""}",,
c3,2025-01-01 00:00:00,,,2023-01-03 10:00:00,false,,,001000000000002AAA
c4,2025-01-01 00:00:00,,,2023-01-04 10:00:00,false,{},,42
c5,2025-01-01 00:00:00,,,2023-01-05 10:00:00,false,"{""external_id"":""7""}",,ACC-9
c6,2025-01-01 00:00:00,,,2023-01-06 10:00:00,false,not JSON,,
"""
PRICES = """\
id,product_id,currency,nickname,type,billing_scheme,recurring_interval,recurring_interval_count,recurring_usage_type,\
unit_amount,transform_quantity_divide_by,transform_quantity_round
seat,p1,usd,Seats,recurring,per_unit,month,1,licensed,2999,,
addon,p2,usd,Add-on,recurring,per_unit,month,1,licensed,1000,,
yearly,p1,eur,Yearly,recurring,per_unit,year,1,licensed,120000,,
quarterly,p1,usd,Quarterly,recurring,per_unit,month,3,licensed,8000,,
weekly,p1,usd,,recurring,per_unit,week,1,licensed,1000,,
fortnightly,p1,usd,,recurring,per_unit,week,2,licensed,1000,,
daily,p1,usd,,recurring,per_unit,day,1,licensed,100,,
yen,p1,jpy,,recurring,per_unit,month,1,licensed,1200,,
dinar,p1,kwd,,recurring,per_unit,month,1,licensed,5000,,
metered,p3,usd,,recurring,per_unit,month,1,metered,7,,
tiered,p3,usd,,recurring,tiered,month,1,licensed,,,
pack_up,p1,usd,,recurring,per_unit,month,1,licensed,1000,10,up
pack_down,p1,usd,,recurring,per_unit,month,1,licensed,1000,10,down
setup,p4,usd,,one_time,per_unit,,,,50000,,
"""
PLANS = """\
id,product_id,currency,amount,billing_scheme,interval,interval_count,usage_type,nickname
old_plan,p1,usd,1500,per_unit,month,1,licensed,Old plan
half,p1,usd,60000,per_unit,month,6,licensed,
seat,p9,usd,1,per_unit,month,1,licensed,of the same name as a price
"""
ITEMS = """\
id,subscription_id,plan_id,quantity,_fivetran_deleted
i1,two_items,seat,3,false
i2,two_items,addon,1,false
i3,two_items,addon,9,true
i4,yearly,yearly,1,false
i5,quarterly,quarterly,1,false
i6,weekly,weekly,1,false
i7,fortnightly,fortnightly,1,false
i8,daily,daily,1,false
i9,yen,yen,2,false
i10,dinar,dinar,1,false
i11,metered,metered,,false
i12,mixed,metered,,false
i13,mixed,addon,2,false
i14,tiered,tiered,4,false
i15,half_known,seat,1,false
i16,half_known,nowhere,1,false
i17,pack_up,pack_up,25,false
i18,pack_down,pack_down,25,false
i19,with_setup,setup,1,false
i20,with_setup,addon,1,false
i21,half_year,half,1,false
i22,trial,addon,1,false
i23,paid_trial,addon,1,false
i24,left_in_trial,addon,1,false
i25,versions,addon,2,false
i26,leaving,addon,1,false
i27,left,addon,1,false
i28,left_at_once,addon,1,false
i29,planned_end,addon,1,false
"""
SUBSCRIPTION = "id,customer_id,status,created,start_date,plan_id,quantity,trial_end,current_period_end"
SUBSCRIPTIONS = f"""\
{SUBSCRIPTION},cancel_at_period_end,cancel_at,canceled_at,ended_at
two_items,c1,active,2024-01-01 09:00:00,2024-01-02 09:00:00,,,,2024-07-02 09:00:00,false,,,
yearly,c1,active,2024-01-01 09:00:00,,,,,,false,,,
quarterly,c1,active,2024-01-01 09:00:00,,,,,,false,,,
weekly,c1,active,2024-01-01 09:00:00,,,,,,false,,,
fortnightly,c1,active,2024-01-01 09:00:00,,,,,,false,,,
daily,c1,active,2024-01-01 09:00:00,,,,,,false,,,
yen,c1,active,2024-01-01 09:00:00,,,,,,false,,,
dinar,c1,active,2024-01-01 09:00:00,,,,,,false,,,
metered,c1,active,2024-01-01 09:00:00,,,,,,false,,,
mixed,c1,active,2024-01-01 09:00:00,,,,,,false,,,
tiered,c1,active,2024-01-01 09:00:00,,,,,,false,,,
half_known,c1,active,2024-01-01 09:00:00,,,,,,false,,,
pack_up,c1,active,2024-01-01 09:00:00,,,,,,false,,,
pack_down,c1,active,2024-01-01 09:00:00,,,,,,false,,,
with_setup,c1,active,2024-01-01 09:00:00,,,,,,false,,,
half_year,c1,active,2024-01-01 09:00:00,,,,,,false,,,
before_items,c1,active,2024-01-01 09:00:00,,old_plan,2,,,false,,,
no_price,c1,active,2024-01-01 09:00:00,,,,,,false,,,
trial,c1,trialing,2024-01-01 09:00:00,2024-01-02 09:00:00,,,2024-01-16 09:00:00,2024-01-16 09:00:00,false,,,
paid_trial,c1,active,2024-01-01 09:00:00,2024-01-02 09:00:00,,,2024-01-16 09:00:00,2024-07-16 09:00:00,false,,,
left_in_trial,c1,canceled,2024-01-01 09:00:00,2024-01-02 09:00:00,,,2024-01-16 09:00:00,,false,,\
2024-01-05 09:00:00,2024-01-05 09:00:00
leaving,c1,active,2024-01-01 09:00:00,,,,,2024-07-01 09:00:00,true,,2024-06-10 09:00:00,
left,c1,canceled,2024-01-01 09:00:00,,,,,2024-07-01 09:00:00,true,,2024-06-10 09:00:00,
left_at_once,c1,canceled,2024-01-01 09:00:00,,,,,2024-07-01 09:00:00,false,,2024-06-10 09:00:00,
planned_end,c1,active,2024-01-01 09:00:00,,,,,2024-07-01 09:00:00,false,2024-12-31 00:00:00,,
"""
VERSIONS = """\
id,customer_id,status,created,_fivetran_active,_fivetran_start
versions,c1,trialing,2024-02-01 09:00:00,false,2024-02-01 09:00:00
versions,c1,past_due,2024-02-01 09:00:00,true,2024-03-01 09:00:00
yearly,c9,canceled,2023-01-01 09:00:00,false,2024-03-01 09:00:00
"""
PRODUCTS = "id,name,is_deleted,updated\np1,Platform,false,2024-01-01 00:00:00\np2,Support,false,2024-01-01 00:00:00\n"

FILES = {
    "stripe/customer.csv": CUSTOMERS,
    "stripe/price.csv": PRICES,
    "stripe/plan.csv": PLANS,
    "stripe/subscription_item.csv": ITEMS,
    "stripe/subscription.csv": SUBSCRIPTIONS,
    "stripe/subscription_history.csv": VERSIONS,
    "stripe/product.csv": PRODUCTS,
}


def staged(folder: Path, mapping: Mapping[str, Any], files: Mapping[str, str]) -> Build:
    """Land a dataset, and build and test its staging views."""
    built = dataset(folder, {"sources": ["stripe"], **mapping}, files)
    done = built.dbt("build", "--select", "staging.stripe")
    assert done.returncode == 0, done.stdout + done.stderr
    return built


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    return staged(tmp_path_factory.mktemp("stripe") / "by_hand", {}, FILES)


def subscription(build: Build, name: str, columns: str) -> tuple[Any, ...]:
    """Columns of one staged subscription."""
    sql = f"select {columns} from staging.stg_stripe__subscriptions where subscription_id = 'stripe:{name}'"
    (row,) = build.rows(sql)
    return row


@pytest.mark.parametrize(
    ("name", "mrr", "currency", "interval"),
    [
        ("two_items", "99.97", "USD", "month"),  # 3 x 29.99 + 10
        ("yearly", "100.00", "EUR", "year"),  # 1200 / 12
        ("quarterly", "26.67", "USD", "quarter"),  # 80 / 3
        ("half_year", "100.00", "USD", "half_year"),  # 600 / 6
        ("weekly", "43.33", "USD", "week"),  # 10 x 52 / 12
        ("fortnightly", "21.67", "USD", "2 weeks"),  # 10 x 26 / 12
        ("daily", "30.42", "USD", "day"),  # 1 x 365 / 12
        ("yen", "2400.00", "JPY", "month"),  # no smaller unit: 2 x 1200
        ("dinar", "5.00", "KWD", "month"),  # a thousand of the smaller unit
        ("metered", None, "USD", "month"),  # all of it by use
        ("mixed", "20.00", "USD", "month"),  # 2 x 10; what is by use is no part of it
        ("tiered", None, "USD", "month"),  # the amount is in the tiers
        ("half_known", None, "USD", "month"),  # the price of one item is missing: 29.99 would be too low
        ("pack_up", "30.00", "USD", "month"),  # 25 in packs of 10 are 3 packs
        ("pack_down", "20.00", "USD", "month"),  # or 2
        ("with_setup", "10.00", "USD", "month"),  # a one-time price does not recur
        ("before_items", "30.00", "USD", "month"),  # 2 x 15 of the plan on the subscription itself
        ("no_price", None, None, None),
        ("versions", "20.00", "USD", "month"),
    ],
)
def test_monthly_recurring_revenue(
    build: Build, name: str, mrr: str | None, currency: str | None, interval: str | None
) -> None:
    assert subscription(build, name, "mrr_amount, currency, billing_interval") == (
        Decimal(mrr) if mrr else None,
        currency,
        interval,
    )


def test_a_subscription_is_called_by_its_largest_item(build: Build) -> None:
    """A price goes before the older plan of the same id."""
    columns = "account_id, product_id, plan, quantity, status"
    assert subscription(build, "two_items", columns) == ("stripe:c1", "stripe:p1", "Seats", 4.0, "active")


@pytest.mark.parametrize(
    ("name", "is_trial", "started", "ended", "cancelled", "renewed"),
    [
        ("two_items", False, date(2024, 1, 2), None, None, date(2024, 7, 2)),
        ("trial", True, date(2024, 1, 2), None, None, date(2024, 1, 16)),
        ("paid_trial", False, date(2024, 1, 16), None, None, date(2024, 7, 16)),
        ("left_in_trial", True, date(2024, 1, 2), date(2024, 1, 5), date(2024, 1, 5), None),
        ("leaving", False, date(2024, 1, 1), None, date(2024, 6, 10), None),
        ("left", False, date(2024, 1, 1), date(2024, 7, 1), date(2024, 6, 10), None),
        ("left_at_once", False, date(2024, 1, 1), date(2024, 6, 10), date(2024, 6, 10), None),
        ("planned_end", False, date(2024, 1, 1), None, None, None),
    ],
)
def test_dates_of_a_subscription(
    build: Build,
    name: str,
    is_trial: bool,
    started: date,
    ended: date | None,
    cancelled: date | None,
    renewed: date | None,
) -> None:
    columns = "is_trial, started_date, ended_date, cancel_date, renewal_date"
    assert subscription(build, name, columns) == (is_trial, started, ended, cancelled, renewed)


def test_of_versions_the_active_one_counts(build: Build) -> None:
    """And the table of current subscriptions goes before old versions beside it."""
    assert subscription(build, "versions", "status, is_trial") == ("past_due", False)
    assert subscription(build, "yearly", "account_id, status") == ("stripe:c1", "active")
    assert build.rows("select count(*) from staging.stg_stripe__subscriptions") == [(26,)]


def test_customers_are_accounts(build: Build) -> None:
    """An id of a CRM is told by its name, or else by its form; JSON that is none is no error."""
    columns = "account_id, crm_account_id, domain, country, is_deleted"
    assert build.rows(f"select {columns} from staging.stg_stripe__accounts order by 1") == [
        ("stripe:c1", "salesforce:001000000000001", "acme.com", "FR", False),
        ("stripe:c2", "hubspot:501", None, None, True),
        ("stripe:c3", "salesforce:001000000000002", None, None, False),
        ("stripe:c4", "hubspot:42", None, None, False),
        ("stripe:c5", "ACC-9", None, None, False),
        ("stripe:c6", None, None, None, False),
    ]


def test_products(build: Build) -> None:
    assert build.rows("select product_id, product_name from staging.stg_stripe__products order by 1") == [
        ("stripe:p1", "Platform"),
        ("stripe:p2", "Support"),
    ]


def test_fivetran_seeds_stage_without_hand_edits(shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / "fivetran_stripe_seeds"
    tables = ["customer", "subscription", "subscription_history", "subscription_item", "price", "plan", "product"]
    files = {table: f"{table}_data.csv" for table in tables}
    seeds = staged(tmp_path / "seeds", {"stripe": {"folder": str(folder), "files": files}}, {})
    assert [
        seeds.rows(f"select count(*) from staging.stg_stripe__{view}")[0][0]
        for view in ("accounts", "subscriptions", "products")
    ] == [12, 2, 10]
    # plans zb1 and ab2: 1,500.00 USD a month, once and twice; both ended on the last day of their trial
    columns = "subscription_id, mrr_amount, currency, is_trial, ended_date"
    assert seeds.rows(f"select {columns} from staging.stg_stripe__subscriptions order by 1") == [
        ("stripe:sdgfs4536", Decimal("1500.00"), "USD", True, date(2021, 2, 19)),
        ("stripe:sfjytkyu876", Decimal("3000.00"), "USD", True, date(2021, 2, 19)),
    ]
