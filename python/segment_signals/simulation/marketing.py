"""Marketing files: touches that no CRM holds, what the campaigns cost, and what people say made them come."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segment_signals.simulation.draws import Bools, Floats, Ints, happens
from segment_signals.simulation.leads import CONVERSION
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import DAY
from segment_signals.simulation.tables import (
    Calendar,
    Table,
    amounts,
    ids,
    labels,
    numbered_ids,
    record_ids,
    table,
)
from segment_signals.simulation.touches import PAGES, TOUCH_TYPES, Touches
from segment_signals.simulation.world import World

REFERENCE_LEADS_PER_MONTH = 500.0  # that the planted monthly spend belongs to
MEMBER_CHANNELS = ("event", "webinar")


@dataclass(frozen=True)
class Campaigns:
    """Campaigns: one per channel and quarter, quarter by quarter; those before the window belong to its first."""

    name: list[str]
    channel: Ints
    start_day: Ints
    end_day: Ints
    cost: Floats
    quarter_starts: Ints
    channels: int


def campaigns(parameters: Parameters) -> Campaigns:
    """The campaigns of a world, in USD."""
    starts = [parameters.month_start(month) for month in range(0, parameters.months, 3)]
    ends = [*(start - 1 for start in starts[1:]), parameters.window_days - 1]
    months = [min(3, parameters.months - 3 * i) for i in range(len(starts))]
    size = parameters.leads / parameters.months / REFERENCE_LEADS_PER_MONTH
    n = len(parameters.channels)
    spend = np.array([channel.monthly_spend_usd for channel in parameters.channels])
    return Campaigns(
        name=[
            f"{channel.name.replace('_', ' ').capitalize()} {i + 1}"
            for i in range(len(starts))
            for channel in parameters.channels
        ],
        channel=np.tile(np.arange(n), len(starts)),
        start_day=np.repeat(np.array(starts), n),
        end_day=np.repeat(np.array(ends), n),
        cost=np.asarray(np.round(np.outer(np.array(months), spend * size).ravel()), dtype=np.float64),
        quarter_starts=np.array(starts),
        channels=n,
    )


def campaign_of(plan: Campaigns, channel: Ints, at: Ints) -> Ints:
    """The campaign of a channel that ran at a minute."""
    quarter = np.clip(np.searchsorted(plan.quarter_starts, at // DAY, side="right") - 1, 0, None)
    return quarter * plan.channels + channel


def is_campaign_member(parameters: Parameters, touches: Touches) -> Bools:
    """Touches that a CRM holds as campaign members: events and webinars."""
    names = [channel.name for channel in parameters.channels]
    wanted = [names.index(name) for name in MEMBER_CHANNELS if name in names]
    return np.isin(touches.channel, wanted)


def marketing_tables(world: World) -> Iterator[tuple[str, Callable[[], Table]]]:
    """Every file, by name, as a function that makes it."""
    yield "touches", lambda: touch_table(world)
    yield "campaign_spend", lambda: spend_table(world)
    yield "self_reported", lambda: self_reported_table(world)


def touch_table(world: World) -> Table:
    """Touches without those that are campaign members in Salesforce; the person is known by the e-mail address."""
    touches, records, calendar = world.touches, world.records, Calendar(world.parameters.first_day)
    who = touches.person
    is_contact = (records.contact[who] >= 0) & (touches.at >= world.events.at[who, CONVERSION])
    is_member = is_campaign_member(world.parameters, touches) & (is_contact | (records.lead[who] >= 0))
    where = np.flatnonzero(~is_member)
    plan = campaigns(world.parameters)
    channel, at, who = touches.channel[where], touches.at[where], who[where]
    # Visits between have no campaign.
    campaign = np.where(touches.phase[where] == 3, -1, campaign_of(plan, channel, at))
    # Sent from the CRM's side, mostly: its id, and the address where it has none.
    lead = records.lead[who]
    return table(
        {
            "touch_id": ids(numbered_ids("t", len(where), digits=5)),
            "salesforce_lead_id": ids(records.lead_ids, lead),
            "email": records.email.take(pa.array(np.where(lead < 0, who, 0), mask=lead >= 0)),
            "campaign_id": ids(record_ids("Campaign", len(plan.channel)), campaign),
            "channel": labels([item.name for item in world.parameters.channels], channel),
            "touch_type": labels(TOUCH_TYPES, touches.kind[where]),
            "page": labels(PAGES, touches.page[where]),
            "occurred_at": calendar.stamps(at),
        }
    )


def spend_table(world: World) -> Table:
    """What each campaign cost, month by month."""
    parameters = world.parameters
    plan = campaigns(parameters)
    months = np.arange(parameters.months)
    channel = np.tile(np.arange(plan.channels), len(months))
    month = np.repeat(months, plan.channels)
    starts = np.array([parameters.month_start(int(m)) for m in months])
    size = parameters.leads / parameters.months / REFERENCE_LEADS_PER_MONTH
    spend = np.array([item.monthly_spend_usd for item in parameters.channels])[channel] * size
    return table(
        {
            "spend_date": Calendar(parameters.first_day).dates(starts[month]),
            "campaign_id": ids(record_ids("Campaign", len(plan.channel)), (month // 3) * plan.channels + channel),
            "channel": labels([item.name for item in parameters.channels], channel),
            "currency": labels(("USD",), np.zeros(len(channel), dtype=np.int64)),
            "spend": amounts(np.round(spend)),
        }
    )


def self_reported_table(world: World) -> Table:
    """Answers to 'How did you hear about us?' on the sign-up form of the product."""
    records, rng = world.records, world.rng["touches"]
    who = records.signup_person
    who = who[happens(rng, world.parameters.quirks.self_reported, len(who))]
    answers = ("Search engine", "Colleague or friend", "Conference", "Podcast", "Social media", "Review site")
    answer = np.floor(rng.random(len(who)) * len(answers)).astype(np.int64)
    return table(
        {
            "email": records.email.take(who),
            "answer": labels(answers, answer),
            "answered_at": Calendar(world.parameters.first_day).stamps(world.population.created_at[who]),
        }
    )
