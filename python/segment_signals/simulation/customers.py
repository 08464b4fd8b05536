"""What happens after a deal is won: subscriptions, renewals, expansion, contraction, churn, usage."""

from dataclasses import dataclass, fields

import numpy as np

from segment_signals.simulation.deals import EXPANSION, RENEWAL, Deals, round_amount
from segment_signals.simulation.draws import Bools, Floats, Ints, happens, integers, normals, repeat_index
from segment_signals.simulation.names import PRODUCTS_BY_SIZE, SEAT_PRICES
from segment_signals.simulation.parameters import FollowUp, Parameters
from segment_signals.simulation.population import DAY, NEVER

MONTH, TERM = 30, 365
MAIN, DOWNGRADE, ADD_ON = 0, 1, 2
SUBSCRIPTION_KINDS = ("main", "downgrade", "add_on")


@dataclass(frozen=True)
class Customers:
    """Customers, one per won new business deal that started by the as-of date; days since the window's first.

    `deal`: position of the deal. `decided_day`: on which the customer decides to leave, `ended_day` on which the
    subscription ends therefore (both may lie beyond the window, or be NEVER). `declining_day`: from which the churn
    hazard is raised; usage starts to fall 60 days earlier. `hazard`, `declining_hazard`: per month, before and
    after that day.
    """

    deal: Ints
    company: Ints
    product: Ints
    currency: Ints
    is_annual: Bools
    start_day: Ints
    seats: Ints
    declining_day: Ints
    hazard: Floats
    declining_hazard: Floats
    decided_day: Ints
    ended_day: Ints
    contracted_day: Ints

    def __len__(self) -> int:
        return len(self.deal)


@dataclass(frozen=True)
class Subscriptions:
    """Subscriptions, one per position; `customer` is a position. A customer that shrinks gets a new, smaller one.

    `ended_day` NEVER: still running. `decided_day`: when the end was decided.
    """

    customer: Ints
    kind: Ints
    seats: Ints
    start_day: Ints
    ended_day: Ints
    decided_day: Ints

    def __len__(self) -> int:
        return len(self.customer)


def draw_customers(parameters: Parameters, deals: Deals, rng: np.random.Generator) -> Customers:
    """Customers of the won new business deals."""
    rates, end = parameters.customers, parameters.window_days
    won = np.flatnonzero(deals.is_won & (deals.closed_day < end))
    start_day = deals.closed_day[won] + integers(rng, 0, 10, len(won))
    won, start_day = won[start_day < end], start_day[start_day < end]
    n, months = len(won), parameters.months * 31 // MONTH + 2
    size = deals.size[won]
    table = np.array(PRODUCTS_BY_SIZE)
    product = table[np.minimum(size, len(table) - 1), integers(rng, 0, table.shape[1] - 1, n)]
    seats = np.maximum(1, np.round(deals.amount[won] / (12.0 * np.array(SEAT_PRICES)[product]))).astype(np.int64)
    is_annual = happens(rng, rates.annual_share, n)
    declines = happens(rng, rates.decline_share, n)
    declining_day = np.where(declines, start_day + integers(rng, 1, 18, n) * MONTH, NEVER)
    hazard = rates.churn_hazard * np.exp(rates.small_company_effect * (size == 0))
    declining_hazard = hazard * np.exp(rates.decline_effect)

    month_start = start_day[:, None] + MONTH * np.arange(months)
    monthly = np.where(month_start >= declining_day[:, None], declining_hazard[:, None], hazard[:, None])
    leaves = rng.random((n, months)) < 1.0 - np.exp(-monthly)
    month = np.where(leaves.any(axis=1), leaves.argmax(axis=1), NEVER)
    decided_day = np.where(month < NEVER, start_day + MONTH * (month + 1), NEVER)
    terms = -(-MONTH * (month + 1) // TERM)
    # Who does not decide to leave may still not sign the renewal.
    fails = is_annual[:, None] & (rng.random((n, months // 12 + 1)) >= parameters.renewal.win_rate)
    failed_terms = np.where(fails.any(axis=1), fails.argmax(axis=1) + 1, NEVER)
    terms = np.minimum(np.where(month < NEVER, terms, NEVER), failed_terms)
    ended_day = np.where(is_annual, np.where(terms < NEVER, start_day + TERM * terms, NEVER), decided_day)
    decided_day = np.where(is_annual & (terms == failed_terms) & (terms < NEVER), ended_day, decided_day)
    decided_day = np.minimum(decided_day, ended_day)

    shrinks = rng.random((n, months)) < 1.0 - np.exp(-rates.contraction_hazard)
    shrinks[:, 0] = False
    contracted = np.where(shrinks.any(axis=1), start_day + MONTH * shrinks.argmax(axis=1), NEVER)
    contracted = np.where((contracted < ended_day) & (contracted < end) & (seats > 1), contracted, NEVER)
    return Customers(
        deal=won,
        company=deals.company[won],
        product=product,
        currency=deals.currency[won],
        is_annual=is_annual,
        start_day=start_day,
        seats=seats,
        declining_day=declining_day,
        hazard=hazard,
        declining_hazard=declining_hazard,
        decided_day=decided_day,
        ended_day=ended_day,
        contracted_day=contracted,
    )


def follow_up_deals(
    parameters: Parameters, deals: Deals, customers: Customers, rng: np.random.Generator
) -> tuple[Deals, Ints]:
    """Renewal and expansion opportunities, and the customer (position) of each."""
    end, months = parameters.window_days, parameters.months * 31 // MONTH + 2
    found, owners = [], []
    for term in range(1, parameters.months // 12 + 2):
        term_end = customers.start_day + TERM * term
        created = term_end - 75 + integers(rng, 0, 15, len(customers))
        is_due = customers.is_annual & (created < end) & (customers.ended_day >= term_end)
        who = np.flatnonzero(is_due)
        renews = customers.ended_day[who] > term_end[who]
        found.append(
            _follow_ups(parameters, deals, customers, who, RENEWAL, parameters.renewal, created[who], renews, rng)
        )
        owners.append(who)
    grows = rng.random((len(customers), months)) < 1.0 - np.exp(-parameters.customers.expansion_hazard)
    grows[:, 0] = False
    created = np.where(grows.any(axis=1), customers.start_day + MONTH * grows.argmax(axis=1), NEVER)
    who = np.flatnonzero((created < end) & (created < customers.decided_day))
    wins = happens(rng, parameters.expansion.win_rate, len(who))
    found.append(
        _follow_ups(parameters, deals, customers, who, EXPANSION, parameters.expansion, created[who], wins, rng)
    )
    owners.append(who)
    joined = found[0]
    for more in found[1:]:
        joined = joined.join(more)
    return joined, np.concatenate(owners)


def _follow_ups(
    parameters: Parameters,
    deals: Deals,
    customers: Customers,
    who: Ints,
    kind: int,
    plan: FollowUp,
    created_day: Ints,
    is_won: Bools,
    rng: np.random.Generator,
) -> Deals:
    n = len(who)
    first = deals.take(customers.deal[who])
    days = np.floor(plan.median_days * np.exp(plan.sigma * normals(rng, n))).astype(np.int64)
    amount = round_amount(first.amount * (plan.amount_low + (plan.amount_high - plan.amount_low) * rng.random(n)))
    usd = amount * np.array([level.usd for level in parameters.currencies])[first.currency]
    limits = [tier.below_usd for tier in parameters.deal_tiers if tier.below_usd is not None]
    never = np.full(n, NEVER, dtype=np.int64)
    probability = np.full(n, plan.win_rate)
    if kind == RENEWAL:
        # At creation: whoever has not yet decided to leave stays over the rest of the term at the present hazard.
        declining = created_day >= customers.declining_day[who]
        hazard = np.where(declining, customers.declining_hazard[who], customers.hazard[who])
        stays = np.where(customers.decided_day[who] <= created_day, 0.0, np.exp(-hazard * 75.0 / MONTH))
        probability = probability * stays
    return Deals(
        kind=np.full(n, kind, dtype=np.int64),
        journey=first.journey,
        company=first.company,
        size=first.size,
        tier=np.searchsorted(np.array(limits, dtype=np.float64), usd, side="right").astype(np.int64),
        amount=amount,
        currency=first.currency,
        created_at=created_day * DAY + integers(rng, 8 * 60, 18 * 60, n),
        closed_day=created_day + days,
        is_won=is_won,
        reopened_day=never,
        lost_again_day=never,
        win_probability=probability,
        log_days=np.zeros(n),
        is_deleted=np.zeros(n, dtype=np.bool_),
    )


def draw_subscriptions(
    parameters: Parameters, customers: Customers, follow_ups: Deals, of_customer: Ints
) -> Subscriptions:
    """Subscriptions that started by the as-of date; ends that lie beyond it are not known yet."""
    end = parameters.window_days
    everybody = np.arange(len(customers), dtype=np.int64)
    shrinks = np.flatnonzero(customers.contracted_day < end)
    first_end = np.where(customers.contracted_day < end, customers.contracted_day, customers.ended_day)
    first_decided = np.where(customers.contracted_day < end, customers.contracted_day, customers.decided_day)
    won = np.flatnonzero((follow_ups.kind == EXPANSION) & follow_ups.is_won & (follow_ups.closed_day < end))
    added = of_customer[won]
    won, added = (part[follow_ups.closed_day[won] < customers.ended_day[added]] for part in (won, added))
    price = np.array(SEAT_PRICES)[customers.product[added]]
    more = np.maximum(1, np.round(follow_ups.amount[won] / (12.0 * price))).astype(np.int64)
    parts = (
        (everybody, MAIN, customers.seats, customers.start_day, first_end, first_decided),
        (
            shrinks,
            DOWNGRADE,
            np.maximum(1, (customers.seats[shrinks] * 6) // 10),
            customers.contracted_day[shrinks],
            customers.ended_day[shrinks],
            customers.decided_day[shrinks],
        ),
        (added, ADD_ON, more, follow_ups.closed_day[won], customers.ended_day[added], customers.decided_day[added]),
    )
    columns = [
        np.concatenate([np.broadcast_to(np.asarray(part[i]), part[0].shape) for part in parts]) for i in range(6)
    ]
    joined = Subscriptions(*(np.asarray(column, dtype=np.int64) for column in columns))
    order = np.lexsort((joined.kind, joined.customer, joined.start_day))
    taken = {field.name: getattr(joined, field.name)[order] for field in fields(joined)}
    for name in ("ended_day", "decided_day"):
        taken[name] = np.where(taken[name] < end, taken[name], NEVER)
    return Subscriptions(**taken)


@dataclass(frozen=True)
class Usage:
    """Usage of the product, one row per customer, feature and week (or several weeks)."""

    customer: Ints
    feature: Ints
    day: Ints
    count: Ints
    users: Ints


def draw_usage(parameters: Parameters, customers: Customers, rng: np.random.Generator) -> Usage:
    """Usage from the start of a customer to its end; it falls to a fifth within 90 days where it declines."""
    rates = parameters.customers
    every = 7 * rates.usage_every_weeks
    until = np.minimum(customers.ended_day, parameters.window_days)
    pairs_customer, pairs_feature = [], []
    for index, (_, share) in enumerate(rates.usage_features):
        uses = np.flatnonzero(happens(rng, share, len(customers)))
        pairs_customer.append(uses)
        pairs_feature.append(np.full(len(uses), index, dtype=np.int64))
    customer, feature = np.concatenate(pairs_customer), np.concatenate(pairs_feature)
    times = np.maximum(0, -(-(until[customer] - customers.start_day[customer]) // every))
    pair = repeat_index(times)
    ordinal = np.arange(len(pair)) - np.repeat(np.cumsum(times) - times, times)
    who, what = customer[pair], feature[pair]
    day = customers.start_day[who] + every * ordinal
    falls = np.clip((day - (customers.declining_day[who] - 60)) / 90.0, 0.0, 1.0)
    health = 1.0 - 0.8 * falls
    intensity = np.array([share for _, share in rates.usage_features])[what]
    noise = np.exp(0.25 * normals(rng, len(pair)))
    count = np.round(customers.seats[who] * 3.0 * rates.usage_every_weeks * intensity * health * noise)
    users = np.ceil(customers.seats[who] * 0.7 * health * np.minimum(noise, 1.2))
    return Usage(who, what, day, np.maximum(count, 0).astype(np.int64), users.astype(np.int64))
