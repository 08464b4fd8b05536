"""What is true of a simulated world, before any defect: rates, journeys, customers, identities."""

import json
from collections.abc import Callable, Iterator
from dataclasses import asdict
from datetime import date, timedelta
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segment_signals.simulation.customers import SUBSCRIPTION_KINDS
from segment_signals.simulation.deals import LOST, TYPES
from segment_signals.simulation.defects import SAME_SUBJECT, Harm
from segment_signals.simulation.draws import Bools, Ints
from segment_signals.simulation.incidence import exact_rates, expected_entrants, true_incidence
from segment_signals.simulation.leads import CONVERSION, FAR, MQL, NOT_CONVERTED, OPEN, SQL
from segment_signals.simulation.names import PERSONA_OF_TITLE, PERSONAS, SEAT_PRICES
from segment_signals.simulation.parameters import (
    DIMENSIONS,
    END_TO_END,
    NO_EFFECT,
    TRANSITIONS,
    Level,
    Parameters,
    SizeBand,
)
from segment_signals.simulation.population import DAY, NEVER, Population
from segment_signals.simulation.stripe import Stripe
from segment_signals.simulation.tables import Calendar, Column, Table, amounts, booleans, ids, labels, table, whole
from segment_signals.simulation.world import World

HORIZON_DAYS = (30, 90, 180)
DEFINITION = (
    "incidence: probability of advancing within the horizon (calendar days since entry, at most the"
    " horizon) among those who enter the transition's first stage in the period and the window, by"
    " exact probabilities over the simulated population; quirks are not included. opportunity_to_won"
    " covers new business with a lead and outbound; lead_to_won covers leads by creation date."
)


def segments(parameters: Parameters, population: Population) -> list[tuple[str, str, Bools | None]]:
    """(dimension, segment, mask over the population) for the total and every level."""
    found: list[tuple[str, str, Bools | None]] = [("all", "all", None)]
    for dimension in DIMENSIONS:
        index = population.index(dimension, parameters)
        found += [(dimension, name, index == i) for i, name in enumerate(parameters.segment_names(dimension))]
    return found


def incidence_rows(parameters: Parameters, population: Population) -> list[dict[str, Any]]:
    """True incidences by transition, segment and period: the whole window ('all') and each quarter by its first day.

    Keys: transition, dimension, segment, period, expected_entrants (persons or outbound opportunities),
    incidence ({horizon: 0..1}). Industries come for the whole window only. Combinations that nobody can enter
    are left out.
    """
    quarters = parameters.quarter_edges()
    edges = sorted({*quarters, *parameters.shift_days})
    rates = exact_rates(parameters, population, edges, HORIZON_DAYS)
    periods: list[tuple[str, slice]] = [("all", slice(None))]
    for start, end in pairwise(quarters):
        first = (parameters.first_day + timedelta(days=start)).isoformat()
        periods.append((first, slice(edges.index(start), edges.index(end))))
    rows: list[dict[str, Any]] = []
    for transition in (*TRANSITIONS, END_TO_END):
        for dimension, segment, members in segments(parameters, population):
            for period, columns in periods[:1] if dimension == "industry" else periods:
                entrants = expected_entrants(rates, transition, members=members, periods=columns)
                if entrants == 0.0:
                    continue
                incidence = {
                    str(days): round(true_incidence(rates, transition, days, members=members, periods=columns), 6)
                    for days in HORIZON_DAYS
                }
                rows.append(
                    {
                        "transition": transition,
                        "dimension": dimension,
                        "segment": segment,
                        "period": period,
                        "expected_entrants": round(entrants, 2),
                        "incidence": incidence,
                    }
                )
    return rows


def simpson_reversals(rows: list[dict[str, Any]], minimum: float = 0.002) -> list[dict[str, Any]]:
    """Changes between consecutive quarters (at 90 days) where every segment moves against the total."""
    rate: dict[tuple[str, str], dict[str, dict[str, float]]] = {}
    for row in rows:
        if row["period"] != "all":
            by_period = rate.setdefault((row["transition"], row["dimension"]), {})
            by_period.setdefault(row["period"], {})[row["segment"]] = row["incidence"]["90"]
    found = []
    for (transition, dimension), by_period in sorted(rate.items()):
        periods = sorted(by_period)
        for before, after in pairwise(periods):
            totals = rate[transition, "all"]
            change = totals[after]["all"] - totals[before]["all"]
            moves = [by_period[after][s] - v for s, v in by_period[before].items() if s in by_period[after]]
            if dimension != "all" and len(moves) > 1 and all(move * np.sign(change) < -minimum for move in moves):
                found.append(
                    {
                        "transition": transition,
                        "dimension": dimension,
                        "period": after,
                        "total_change": round(change, 6),
                        "largest_opposite_change": round(float(max(moves, key=lambda move: abs(move))), 6),
                    }
                )
    return found


def null_segments(parameters: Parameters) -> list[dict[str, str]]:
    """Segments without an effect on any rate or time; those the scenario names, checked, come with is_named."""
    levels: dict[str, tuple[Level | SizeBand, ...]] = {
        "lead_source": parameters.source_levels,
        "region": parameters.regions,
        "industry": parameters.industries,
        "company_size": parameters.sizes,
        "motion": parameters.motions,
    }
    found = []
    for dimension, of in levels.items():
        for level in of:
            shifted = any(shift.dimension == dimension and shift.segment == level.name for shift in parameters.shifts)
            if level.effects == NO_EFFECT and level.slower == NO_EFFECT and not shifted:
                found.append({"dimension": dimension, "segment": level.name})
    return found


def summary(world: World, row_counts: dict[str, int], defects: list[dict[str, Any]]) -> dict[str, Any]:
    """Everything planted and realised, ready for JSON."""
    parameters = world.parameters
    known = len(world.population) <= parameters.truth_limit
    rows = incidence_rows(parameters, world.population) if known else []
    return {
        "scenario": parameters.name,
        "seed": world.seed,
        "as_of_date": parameters.as_of_date.isoformat(),
        "definition": DEFINITION,
        "planted_effects": list(parameters.planted_effects),
        "row_counts": row_counts,
        "quirks": {name: asdict(count) for name, count in sorted(world.quirks.items())},
        "defects": defects,
        "channel_effects": {channel.name: channel.effect for channel in parameters.channels},
        "shifts": [{**asdict(shift), "from_date": _month(parameters, shift.from_month)} for shift in parameters.shifts],
        "mix_changes": [
            {**asdict(change), "from_date": _month(parameters, change.from_month)} for change in parameters.mix_changes
        ],
        "simpson_reversals": simpson_reversals(rows),
        "null_segments": null_segments(parameters),
        "parameters": asdict(parameters),
        "true_incidence": rows,
    }


def _month(parameters: Parameters, month: int) -> str:
    return (parameters.first_day + timedelta(days=parameters.month_start(month))).isoformat()


def json_bytes(content: dict[str, Any]) -> bytes:
    """JSON with one line per incidence, so that a change shows as the lines that changed; LF, UTF-8."""
    body = dict(content)
    rows = [json.dumps(row) for row in body.pop("true_incidence")]
    text = json.dumps(body, indent=1, default=_iso, ensure_ascii=False)
    return (text[:-2] + ',\n "true_incidence": [\n  ' + ",\n  ".join(rows) + "\n ]\n}\n").encode("utf-8")


def _iso(value: object) -> str:
    if isinstance(value, date):
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be written as JSON. Give it as text or a number.")


def stage_days(world: World) -> tuple[Ints, Ints]:
    """Days (n, 5) on which journeys reached the stages, and of their end (n,), by the as-of date; NEVER where not.

    A stage that was skipped is reached with the next one. A lead that joined another one's deal reaches the
    opportunity with its own conversion. The end is the last one where it was not taken back.
    """
    at, deals, history = world.events.at, world.deals, world.history
    n = len(world.population)
    minutes = np.full((n, 5), FAR, dtype=np.int64)
    minutes[:, 0] = np.where(world.population.has_lead, world.population.created_at, FAR)
    minutes[:, 1] = np.where(world.events.is_skipped, at[:, SQL], at[:, MQL])
    minutes[:, 2] = at[:, SQL]
    minutes[:, 3] = at[:, CONVERSION]
    deal = world.deal_of
    is_won = (deals.is_won & (deals.closed_day < world.parameters.window_days))[deal] & (deal >= 0)
    won_day = np.where(is_won, np.maximum(deals.closed_day[deal], at[:, CONVERSION] // DAY), NEVER)
    days = np.minimum(minutes // DAY, NEVER)
    days[:, 4] = won_day

    changes = world.events.changes
    status, status_at = np.full(n, OPEN, dtype=np.int64), np.full(n, 0, dtype=np.int64)
    last = changes.last
    status[changes.record[last]], status_at[changes.record[last]] = changes.value[last], changes.at[last]
    lost = np.where(status == NOT_CONVERTED, status_at // DAY, NEVER)
    end = history.last
    lost_deal = np.where(history.stage[end] == LOST, history.at[end] // DAY, NEVER)
    of_deal = np.maximum(lost_deal[deal], np.where(at[:, CONVERSION] < FAR, at[:, CONVERSION] // DAY, 0))
    lost = np.where((deal >= 0) & (lost_deal[deal] < NEVER), of_deal, lost)
    return days, np.where((deal >= 0) & (lost_deal[deal] == NEVER), NEVER, lost)


class Truth:
    """Writes the tables of what is true."""

    def __init__(self, world: World, harm: list[Harm]) -> None:
        self.harm = harm
        self.world, self.parameters, self.records = world, world.parameters, world.records
        self.calendar = Calendar(self.parameters.first_day)

    def tables(self) -> Iterator[tuple[str, Callable[[], Table]]]:
        """Every table, by name, as a function that makes it."""
        yield "journeys", self.journeys
        yield "opportunities", self.opportunities
        yield "customers", self.customers
        yield "subscriptions", self.subscriptions
        yield "people", self.people
        yield "companies", self.companies

    def journeys(self) -> Table:
        """One row per entrant: a lead, or an opportunity without one.

        Probabilities are of advancing from a stage at some time; medians are of the days until then.
        """
        world, parameters, records = self.world, self.parameters, self.records
        population, outcomes = world.population, world.journeys
        n = len(population)
        days, lost = stage_days(world)
        columns: dict[str, Any] = {
            "journey": whole(np.arange(n)),
            "company": whole(population.company),
            "lead_id": ids(records.lead_ids, records.lead),
            "contact_id": ids(records.contact_ids, records.contact),
            "hubspot_contact_id": ids(records.hubspot_ids, records.hubspot),
            "user_id": ids(records.signup_ids, records.signup),
            "opportunity_id": ids(records.opportunity_ids, world.deal_of),
            "is_primary": booleans(world.joins < 0),
        }
        for dimension in DIMENSIONS:
            names = parameters.segment_names(dimension)
            columns[dimension] = labels(names, population.index(dimension, parameters))
        columns["country"] = labels([level.name for level in parameters.countries], population.country)
        columns["persona"] = labels(PERSONAS, np.array(PERSONA_OF_TITLE)[records.title])
        columns["deal_tier"] = labels([tier.name for tier in parameters.deal_tiers], outcomes.tier)
        columns["is_industry_blank"] = booleans(world.companies.industry_is_blank[population.company])
        columns["is_source_unmapped"] = booleans(records.source_is_unmapped)
        columns["is_mql_skipped"] = booleans(world.events.is_skipped)
        columns["is_stepped_back"] = booleans(world.events.is_stepped_back)
        columns["is_recycled"] = booleans(world.events.is_recycled)
        for index, name in enumerate(("lead", "mql", "sql", "opportunity", "won")):
            columns[f"{name}_date"] = self.calendar.dates(days[:, index], days[:, index] == NEVER)
        columns["lost_date"] = self.calendar.dates(lost, lost == NEVER)
        lead = ~population.has_lead
        for step, transition in enumerate(TRANSITIONS):
            plan = parameters.transitions[step]
            nobody = lead if step < 3 else None
            columns[f"{transition}_probability"] = _rounded(outcomes.probability[:, step], nobody)
            median = plan.advance_median_days * np.exp(outcomes.log_days[:, step])
            columns[f"{transition}_median_days"] = _rounded(median, nobody)
        columns["lead_conversion_probability"] = _rounded(outcomes.probability[:, :3].prod(axis=1), lead)
        columns["win_probability"] = _rounded(outcomes.probability[:, 3], None)
        columns["will_convert"] = booleans(outcomes.entered_day[:, 3] < NEVER)
        # A lead that joined a deal wins or loses with it.
        wins = np.where(world.deal_of >= 0, world.deals.is_won[world.deal_of], outcomes.entered_day[:, 4] < NEVER)
        columns["will_win"] = booleans(wins)
        return table(columns)

    def opportunities(self) -> Table:
        """One row per opportunity with its true win probability."""
        deals, parameters = self.world.deals, self.parameters
        closed = np.where(deals.closed_day < parameters.window_days, deals.closed_day, NEVER)
        usd = np.array([level.usd for level in parameters.currencies])[deals.currency]
        customer = np.full(len(deals), -1, dtype=np.int64)
        customer[np.flatnonzero(deals.kind > 0)] = self.world.customer_of_deal
        return table(
            {
                "opportunity_id": ids(self.records.opportunity_ids),
                "journey": whole(deals.journey, deals.kind > 0),
                "company": whole(deals.company),
                "customer": whole(customer, customer < 0),
                "type": labels(TYPES, deals.kind),
                "first_amount": amounts(deals.amount),
                "first_amount_usd": amounts(deals.amount * usd),
                "win_probability": _rounded(deals.win_probability, None),
                "will_win": booleans(deals.is_won),
                "is_reopened": booleans(deals.reopened_day < parameters.window_days),
                "is_deleted": booleans(deals.is_deleted),
                "created_date": self.calendar.dates(deals.created_at // DAY),
                "closed_date": self.calendar.dates(closed, closed == NEVER),
            }
        )

    def customers(self) -> Table:
        """One row per customer (a won new business deal): hazards of churn per month of 30 days, and what came."""
        world, customers = self.world, self.world.customers
        last = self.parameters.window_days - 1
        declining = customers.declining_day <= last
        never = customers.ended_day >= NEVER
        return table(
            {
                "customer": whole(np.arange(len(customers))),
                "opportunity_id": ids(self.records.opportunity_ids, customers.deal),
                "account_id": ids(self.records.account_ids, self.records.account[customers.company]),
                "company": whole(customers.company),
                "is_annual": booleans(customers.is_annual),
                "seats": whole(customers.seats),
                "mrr_amount": amounts(customers.seats * np.array(SEAT_PRICES, dtype=np.float64)[customers.product]),
                "currency": labels([level.code for level in self.parameters.currencies], customers.currency),
                "start_date": self.calendar.dates(customers.start_day),
                "churn_hazard": _rounded(customers.hazard, None),
                "declining_churn_hazard": _rounded(customers.declining_hazard, None),
                "declining_from_date": self.calendar.dates(customers.declining_day, customers.declining_day >= NEVER),
                "is_declining": booleans(declining),
                "present_churn_hazard": _rounded(
                    np.where(declining, customers.declining_hazard, customers.hazard), customers.ended_day <= last
                ),
                "will_end_date": self.calendar.dates(customers.ended_day, never),
                "has_ended": booleans(world.customers.ended_day <= last),
            }
        )

    def subscriptions(self) -> Table:
        """One row per subscription: whose, of which kind, how much a month."""
        world, subscriptions = self.world, self.world.subscriptions
        who = subscriptions.customer
        price = np.array(SEAT_PRICES, dtype=np.float64)[world.customers.product[who]]
        return table(
            {
                "subscription_id": ids(Stripe(world).subscription_ids),
                "customer": whole(who),
                "kind": labels(SUBSCRIPTION_KINDS, subscriptions.kind),
                "mrr_amount": amounts(subscriptions.seats * price),
                "start_date": self.calendar.dates(subscriptions.start_day),
                "ended_date": self.calendar.dates(subscriptions.ended_day, subscriptions.ended_day >= NEVER),
            }
        )

    def people(self) -> Table:
        """Identities: which record of which system is which person (`person` is the journey's number)."""
        records = self.records
        return _identities(
            "person",
            (
                ("salesforce", "lead", records.lead_ids, records.lead_person),
                ("salesforce", "contact", records.contact_ids, records.contact_person),
                ("hubspot", "contact", records.hubspot_ids, records.hubspot_person),
                ("export", "signup", records.signup_ids, records.signup_person),
            ),
            self.harm,
        )

    def companies(self) -> Table:
        """Identities: which record of which system is which company."""
        records, stripe = self.records, Stripe(self.world)
        customer_company = self.world.customers.company[stripe.first_customer]
        return _identities(
            "company",
            (
                ("salesforce", "account", records.account_ids, records.account_company),
                ("hubspot", "company", records.hubspot_company_ids, records.hubspot_company_company),
                ("stripe", "customer", stripe.customer_ids, customer_company),
            ),
            self.harm,
        )


def _identities(subject: str, parts: tuple[tuple[str, str, Any, Ints], ...], harm: list[Harm]) -> Table:
    """Records by subject: those of the world, and those that defects added."""
    tables = []
    for source, kind, record_ids, of in parts:
        known = ids(record_ids).cast(pa.string())
        tables.append(_identity_table(source, kind, known, subject, whole(of)))
        paths = (f"{source}/{kind}", f"{source}/{kind.capitalize()}")
        for item in harm:
            if item.path in paths and item.defect in SAME_SUBJECT and item.of_ids is not None:
                # A copy may be of a deleted copy, which is nobody's record.
                position = pc.index_in(item.of_ids.cast(pa.string()), known)
                tables.append(
                    _identity_table(source, kind, item.record_ids.cast(pa.string()), subject, whole(of).take(position))
                )
    return pa.concat_tables(tables)


def _identity_table(source: str, kind: str, record_ids: Column, subject: str, of: Column) -> Table:
    return pa.table(
        {
            "source": pa.array([source] * len(of), pa.string()),
            "record_type": pa.array([kind] * len(of), pa.string()),
            "record_id": record_ids,
            subject: of,
        }
    )


def _rounded(values: Any, is_null: Bools | None) -> Any:
    return pa.array(np.round(values, 6), pa.float64(), mask=is_null)
