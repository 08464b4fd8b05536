"""Subscriptions as Stripe's tables, in the shape in which Fivetran lands them."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from segment_signals.simulation.customers import TERM
from segment_signals.simulation.draws import happens
from segment_signals.simulation.leads import QuirkCount
from segment_signals.simulation.names import PRODUCTS, SEAT_PRICES
from segment_signals.simulation.population import DAY, NEVER
from segment_signals.simulation.tables import (
    Calendar,
    Table,
    booleans,
    ids,
    join,
    labels,
    numbered_ids,
    table,
    whole,
)
from segment_signals.simulation.world import World

MONTH_DAYS = 30


class Stripe:
    """Writes the tables; a customer of Stripe is a company."""

    def __init__(self, world: World) -> None:
        self.world, self.parameters = world, world.parameters
        self.calendar = Calendar(self.parameters.first_day)
        self.end = self.parameters.window_days * DAY - 1
        self.currencies = [level.code.lower() for level in self.parameters.currencies]
        customers = world.customers
        order = np.argsort(customers.start_day, kind="stable")
        _, first = np.unique(customers.company[order], return_index=True)
        self.first_customer = order[np.sort(first)]  # of every company, by start
        self.number_of_company = np.full(len(world.companies), -1, dtype=np.int64)
        self.number_of_company[customers.company[self.first_customer]] = np.arange(len(self.first_customer))
        self.customer_ids = numbered_ids("cus_", len(self.first_customer))
        self.subscription_ids = numbered_ids("sub_", len(world.subscriptions))
        # Prices: product by product, of each currency by the month and by the year.
        self.product_ids = numbered_ids("prod_", len(PRODUCTS), digits=4)
        self.price_ids = numbered_ids("price_", len(PRODUCTS) * len(self.currencies) * 2, digits=4)

    def tables(self) -> Iterator[tuple[str, Callable[[], Table]]]:
        """Every table, by name, as a function that makes it; call them in this order."""
        yield "customer", self.customers
        yield "subscription", self.subscriptions
        yield "subscription_item", self.items
        yield "price", self.prices
        yield "product", self.products

    def customers(self) -> Table:
        """Companies that subscribed; most carry the id of their Salesforce account in the metadata."""
        world, records = self.world, self.world.records
        company = world.customers.company[self.first_customer]
        n = len(company)
        missing = happens(world.rng["stripe"], self.parameters.quirks.stripe_link_missing, n)
        world.quirks["stripe_link_missing"] = QuirkCount(
            self.parameters.quirks.stripe_link_missing,
            "Stripe customers: no Salesforce id in the metadata, the address has the company's domain",
            n,
            int(missing.sum()),
        )
        start = world.customers.start_day[self.first_customer]
        return table(
            {
                "id": ids(self.customer_ids),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
                "created": self.calendar.stamps(start * DAY + 9 * 60),
                "email": join("billing@", records.domain.take(company)),
                "name": records.company_name.take(company),
                "currency": labels(self.currencies, world.customers.currency[self.first_customer]),
                "is_deleted": booleans(np.zeros(n, dtype=np.bool_)),
                "livemode": booleans(np.ones(n, dtype=np.bool_)),
                "metadata_salesforce_account_id": ids(
                    records.account_ids, np.where(missing, -1, records.account[company])
                ),
            }
        )

    def subscriptions(self) -> Table:
        """Subscriptions in their present state."""
        world, subscriptions = self.world, self.world.subscriptions
        who, n = subscriptions.customer, len(subscriptions)
        has_ended = subscriptions.ended_day < NEVER
        is_cancelled = subscriptions.decided_day < NEVER
        is_leaving = is_cancelled & ~has_ended
        length = np.where(world.customers.is_annual[who], TERM, MONTH_DAYS)
        until = np.where(has_ended, subscriptions.ended_day, self.parameters.window_days - 1)
        periods = np.maximum(0, until - subscriptions.start_day - has_ended) // length
        period_start = subscriptions.start_day + periods * length
        decided = np.minimum(subscriptions.decided_day, subscriptions.ended_day)
        return table(
            {
                "id": ids(self.subscription_ids),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
                "customer_id": ids(self.customer_ids, self.number_of_company[world.customers.company[who]]),
                "status": labels(("active", "canceled"), has_ended.astype(np.int64)),
                "created": self.calendar.stamps(subscriptions.start_day * DAY + 9 * 60 + 5),
                "start_date": self.calendar.stamps(subscriptions.start_day * DAY + 9 * 60 + 5),
                "current_period_start": self.calendar.stamps(period_start * DAY + 9 * 60 + 5),
                "current_period_end": self.calendar.stamps((period_start + length) * DAY + 9 * 60 + 5),
                "cancel_at_period_end": booleans(is_leaving),
                "canceled_at": self.calendar.stamps(decided * DAY + 10 * 60, ~is_cancelled),
                "ended_at": self.calendar.stamps(subscriptions.ended_day * DAY + 10 * 60, ~has_ended),
                "livemode": booleans(np.ones(n, dtype=np.bool_)),
            }
        )

    def items(self) -> Table:
        """The one price of each subscription, and how many seats."""
        world, subscriptions = self.world, self.world.subscriptions
        who, n = subscriptions.customer, len(subscriptions)
        customers = world.customers
        price = (customers.product[who] * len(self.currencies) + customers.currency[who]) * 2
        return table(
            {
                "id": ids(numbered_ids("si_", n)),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
                "subscription_id": ids(self.subscription_ids),
                "plan_id": ids(self.price_ids, price + customers.is_annual[who]),
                "quantity": whole(subscriptions.seats),
                "created": self.calendar.stamps(subscriptions.start_day * DAY + 9 * 60 + 5),
            }
        )

    def prices(self) -> Table:
        """Prices of a seat, in cents."""
        n = len(self.price_ids)
        product, rest = np.divmod(np.arange(n), len(self.currencies) * 2)
        currency, is_annual = np.divmod(rest, 2)
        names = [name for name, _, _ in PRODUCTS]
        return table(
            {
                "id": ids(self.price_ids),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
                "active": booleans(np.ones(n, dtype=np.bool_)),
                "billing_scheme": labels(("per_unit",), np.zeros(n, dtype=np.int64)),
                "currency": labels(self.currencies, currency),
                "nickname": join(labels(names, product), labels((" monthly", " yearly"), is_annual)),
                "product_id": ids(self.product_ids, product),
                "recurring_interval": labels(("month", "year"), is_annual),
                "recurring_interval_count": whole(np.ones(n, dtype=np.int64)),
                "recurring_usage_type": labels(("licensed",), np.zeros(n, dtype=np.int64)),
                "type": labels(("recurring",), np.zeros(n, dtype=np.int64)),
                "unit_amount": whole(np.array(SEAT_PRICES)[product] * 100 * np.where(is_annual == 1, 12, 1)),
            }
        )

    def products(self) -> Table:
        """The products that are billed."""
        n = len(self.product_ids)
        return table(
            {
                "id": ids(self.product_ids),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
                "active": booleans(np.ones(n, dtype=np.bool_)),
                "name": pa.array([name for name, _, _ in PRODUCTS]),
                "type": labels(("service",), np.zeros(n, dtype=np.int64)),
            }
        )
