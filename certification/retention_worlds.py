"""Simulated customers whose hazard of notice is known: subscriptions and usage as core has them."""

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from segment_signals.statistics.arrays import Bools, Floats, Integers

from certification.engine import Warehouse

LAST_DAY = date(2025, 12, 31)
DAYS = 730
HORIZON = 60
WEEKS = 2
HAZARD = 0.015 / 30
"""A day, of a customer of mean size whose usage is as it always was."""
DECLINE_EFFECT = 1.8
"""On the log hazard, from 30 days after the usage fell on."""
RENEWAL_EFFECT = 1.0
"""On the log hazard, of annual customers in the 60 days before a term ends."""
SIZE_EFFECT = -0.5
ONSET = 1 / 900
"""A day: the rate at which usage falls, to a quarter, at once."""
MARTS = (
    "customer_months",
    "customer_segments",
    "retention_accounts",
    "revenue_retention_facts",
    "revenue_retention_inputs",
    "cohort_customers",
    "cohort_counts",
    "cohort_revenue",
    "retention_cohorts",
    "unit_economics_inputs",
    "customer_scorecard_facts",
    "customer_scorecards",
    "churn_notices",
    "churn_landmarks",
    "churn_usage",
    "churn_features",
)
CHURN = ("customer_months", "customer_segments", "churn_notices", "churn_landmarks", "churn_usage", "churn_features")


@dataclass(frozen=True)
class World:
    """Customers: arrays of shape (n,), days since the first of `DAYS`; `notice` may lie beyond them.

    survival: log survival by day without a fall of usage; `declined`: with it. Both of shape (n, DAYS + HORIZON + 1).
    """

    start: Integers
    notice: Integers
    onset: Integers
    is_annual: Bools
    seats: Floats
    plain: Floats
    declined: Floats
    subscriptions: pa.Table
    usage: pa.Table


def day(number: int) -> date:
    """The date of a day of the window."""
    return LAST_DAY - timedelta(days=DAYS - 1) + timedelta(days=int(number))


def world(customers: int, seed: int, rows_per_week: int = 1) -> World:
    """Draw a world of customers that started within it, with usage of every other week."""
    rng = np.random.default_rng(seed)
    n, length = customers, DAYS + HORIZON
    start = rng.integers(0, DAYS - 90, n)
    seats = np.round(np.exp(rng.normal(3.0, 0.8, n))) + 1
    is_annual = rng.random(n) < 0.5
    onset = start + 30 + np.floor(rng.exponential(1 / ONSET, n)).astype(np.int64)
    days = np.arange(length)
    age = days[None, :] - start[:, None]
    to_renewal = 365 - np.mod(age, 365)
    log = np.log(HAZARD) + SIZE_EFFECT * (np.log(seats) - 3.0)[:, None] * np.ones(length)
    log = log + RENEWAL_EFFECT * (is_annual[:, None] & (to_renewal <= 60))
    plain_hazard = np.where(age >= 0, np.exp(log), 0.0)
    declined_hazard = plain_hazard * np.where(days[None, :] >= onset[:, None] + 30, np.exp(DECLINE_EFFECT), 1.0)
    plain, declined = (
        np.concatenate([np.zeros((n, 1)), np.cumsum(h, axis=1)], axis=1) for h in (plain_hazard, declined_hazard)
    )
    target = rng.exponential(1.0, n)
    notice = np.where(declined[:, -1] > target, (declined <= target[:, None]).sum(axis=1) - 1, length + 1)
    # Whoever gives notice leaves a month later, or at the end of the term.
    left = 365 - np.mod(notice - start, 365)
    end = notice + np.where(is_annual, left, 30)
    return World(
        start,
        notice,
        onset,
        is_annual,
        seats,
        plain,
        declined,
        _subscriptions(start, notice, end, is_annual, seats),
        _usage(rng, start, np.minimum(end, DAYS), onset, seats, rows_per_week),
    )


def truth(drawn: World, customer: Integers, at: Integers) -> Floats:
    """P(notice within the horizon) of customers that have given none, given all that has happened by the day.

    Usage that has not fallen may fall within the 30 days after which it would still matter.
    """
    later = at + 1 + HORIZON
    fallen = drawn.onset[customer] <= at
    known = drawn.declined[customer, later] - drawn.declined[customer, at + 1]
    base = drawn.plain[customer, later] - drawn.plain[customer, at + 1]
    raised = base / HORIZON * (np.exp(DECLINE_EFFECT) - 1)
    stays = (1 - ONSET) ** (HORIZON - 30) * np.ones(len(at))
    for ahead in range(1, HORIZON - 30 + 1):
        stays = stays + ONSET * (1 - ONSET) ** (ahead - 1) * np.exp(-raised * (HORIZON - 30 - ahead + 1))
    return 1 - np.where(fallen, np.exp(-known), np.exp(-base) * stays)


def account_ids(n: int) -> list[str]:
    """Ids in the order of the customers."""
    return [f"a{at:07d}" for at in range(n)]


def _dates(days: Integers, is_known: Bools | None = None) -> pa.Array:
    first = np.datetime64(day(0), "D")
    return pa.array(first + days.astype("timedelta64[D]"), mask=None if is_known is None else ~is_known)


def _subscriptions(start: Integers, notice: Integers, end: Integers, is_annual: Bools, seats: Floats) -> pa.Table:
    n = len(start)
    return pa.table(
        {
            "source": pa.repeat("simulated", n),
            "subscription_id": pa.array(account_ids(n)),
            "account_id": pa.array(account_ids(n)),
            "mrr_amount": pa.array(30.0 * seats).cast(pa.decimal128(18, 2)),
            "quantity": pa.array(seats),
            "source_currency": pa.repeat("USD", n),
            "billing_interval": pa.array(np.where(is_annual, "year", "month")),
            "is_trial": pa.array(np.zeros(n, dtype=bool)),
            "is_disqualified": pa.array(np.zeros(n, dtype=bool)),
            "is_ended_before_started": pa.array(np.zeros(n, dtype=bool)),
            "started_date": _dates(start),
            "ended_date": _dates(end, end < DAYS),
            "cancel_date": _dates(notice, notice < DAYS),
        }
    )


def _usage(
    rng: np.random.Generator, start: Integers, end: Integers, onset: Integers, seats: Floats, rows_per_week: int
) -> pa.Table:
    every = 7 * WEEKS
    times = np.maximum(-(-(end - start) // every), 0)
    who = np.repeat(np.arange(len(start)), times)
    ordinal = np.arange(len(who)) - np.repeat(np.cumsum(times) - times, times)
    when = start[who] + every * ordinal
    level = np.where(when >= onset[who], 0.25, 1.0)
    count = np.round(6 * seats[who] * level * np.exp(0.25 * rng.standard_normal(len(who))))
    users = np.ceil(0.7 * seats[who] * level)
    rows = np.repeat(np.arange(len(who)), rows_per_week)
    n = len(rows)
    ids = np.array(account_ids(len(start)))
    return pa.table(
        {
            "account_id": pa.array(ids[who[rows]]),
            "usage_count": pa.array(count[rows] / rows_per_week),
            "active_user_count": pa.array(users[rows].astype(np.int32)),
            "usage_date": _dates(when[rows]),
            **{
                name: pa.array(np.zeros(n, dtype=bool))
                for name in (
                    "is_disqualified",
                    "is_negative_count",
                    "is_before_subscription",
                    "is_after_subscription",
                    "is_missing_account",
                )
            },
        }
    )


EMPTY = {
    "support_tickets": "account_id varchar, submitted_at timestamp, closed_at timestamp, is_escalated boolean, "
    "satisfaction_score double, "
    "is_disqualified boolean, is_before_account boolean",
    "survey_responses": "account_id varchar, responded_date date, score double, is_disqualified boolean, "
    "is_out_of_scale boolean",
    "payments": "account_id varchar, due_date date, paid_date date, status varchar, source_amount decimal(18, 2), "
    "is_disqualified boolean, is_refund boolean",
    "accounts": "account_id varchar, account_number integer",
    "activities": "unknown_account_id varchar, account_number integer, occurred_date date, is_disqualified boolean, "
    "is_completed boolean",
    "churn_events": "account_id varchar, churn_date date, is_reactivation boolean, is_disqualified boolean, "
    "is_missing_account boolean",
    "campaign_spend": "channel varchar, spend_amount decimal(18, 2), spend_date date, is_disqualified boolean, "
    "is_negative_amount boolean",
    "segment_memberships": "dimension varchar, attribute varchar, entity_number integer, segment varchar, "
    "valid_from date, valid_to date",
}


def build(warehouse: Warehouse, drawn: World, models: Iterable[str], as_of: date = LAST_DAY) -> None:
    """The project's compiled marts over the world, in the order of `models`; earlier ones are replaced."""
    run = warehouse.connection.execute
    warehouse.run(as_of_date=as_of.isoformat())
    if "journey_id" in [row[0] for row in warehouse.connection.sql("describe core.journeys").fetchall()]:
        run("alter table core.journeys add column if not exists segment varchar")
    for name, columns in EMPTY.items():
        run(f"create or replace table core.{name} ({columns})")
    for name, rows in (("subscriptions", drawn.subscriptions), ("product_usage", drawn.usage)):
        warehouse.connection.register("world_rows", rows)
        run(f"create or replace table core.{name} as select * from world_rows")
        warehouse.connection.unregister("world_rows")
    run(f"update core.subscriptions set ended_date = null where ended_date > date '{as_of}'")
    run(f"update core.subscriptions set cancel_date = null where cancel_date > date '{as_of}'")
    run(f"delete from core.subscriptions where started_date > date '{as_of}'")
    run(f"delete from core.product_usage where usage_date > date '{as_of}'")
    for name in models:
        model = warehouse.models[name]
        run(f"create or replace table {model.relation} as {model.sql}")
