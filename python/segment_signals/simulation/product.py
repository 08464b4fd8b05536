"""The product's own files: who signed up, and what customers do with it."""

from collections.abc import Callable, Iterator

import numpy as np

from segment_signals.simulation.draws import happens
from segment_signals.simulation.leads import FAR, LOSS, MQL, QuirkCount
from segment_signals.simulation.population import DAY
from segment_signals.simulation.tables import Calendar, Table, ids, labels, table, whole
from segment_signals.simulation.world import World

STEPS = ("signup", "activated", "pql")


def product_tables(world: World) -> Iterator[tuple[str, Callable[[], Table]]]:
    """Every file, by name, as a function that makes it."""
    yield "signups", lambda: signup_table(world)
    yield "signup_stages", lambda: signup_stages_table(world)
    yield "usage", lambda: usage_table(world)


def signup_table(world: World) -> Table:
    """Product-led leads: the sign-up is what makes the lead."""
    records, rng, calendar = world.records, world.rng["product"], Calendar(world.parameters.first_day)
    who = records.signup_person
    n = len(who)
    missing = happens(rng, world.parameters.quirks.signup_link_missing, n)
    known = records.lead[who] >= 0
    world.quirks["signup_link_missing"] = QuirkCount(
        world.parameters.quirks.signup_link_missing,
        "sign-ups with a Salesforce lead: its id is missing, the address is the same",
        int(known.sum()),
        int((known & missing).sum()),
    )
    return table(
        {
            "user_id": ids(records.signup_ids),
            "email": records.email.take(who),
            "salesforce_lead_id": ids(records.lead_ids, np.where(missing, -1, records.lead[who])),
            "signed_up_at": calendar.stamps(world.population.created_at[who]),
        }
    )


def signup_stages_table(world: World) -> Table:
    """Steps of the product-led path: a product-qualified lead (PQL) is an MQL."""
    records, rng = world.records, world.rng["product"]
    who = records.signup_person
    n, end = len(who), world.parameters.window_days * DAY - 1
    created, at = world.population.created_at[who], world.events.at[who]
    pql_at = np.where(world.events.is_skipped[who], FAR, at[:, MQL])
    # Whoever becomes a PQL was active before; of the others some were.
    is_active = (pql_at < FAR) | happens(rng, 0.35, n)
    until = np.minimum(np.minimum(pql_at, at[:, LOSS]), np.minimum(created + 14 * DAY, end))
    active_at = created + np.floor((until - created) * rng.random(n)).astype(np.int64)
    times = np.stack([created, np.where(is_active, active_at, FAR), pql_at], axis=1)
    user, step = np.nonzero(times < FAR)
    return table(
        {
            "user_id": ids(records.signup_ids, user),
            "stage": labels(STEPS, step),
            "entered_at": Calendar(world.parameters.first_day).stamps(times[user, step]),
        }
    )


def usage_table(world: World) -> Table:
    """Usage by account (its Salesforce id), feature and week."""
    usage, customers, records = world.usage, world.customers, world.records
    names = [name for name, _ in world.parameters.customers.usage_features]
    account = records.account[customers.company[usage.customer]]
    order = np.lexsort((usage.day, usage.feature, account))
    return table(
        {
            "salesforce_account_id": ids(records.account_ids, account[order]),
            "feature": labels(names, usage.feature[order]),
            "week": Calendar(world.parameters.first_day).dates(usage.day[order]),
            "events": whole(usage.count[order]),
            "active_users": whole(usage.users[order]),
        }
    )
