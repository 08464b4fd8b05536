"""Which records the systems hold of people and companies, and what identifies them."""

from dataclasses import dataclass

import numpy as np

from segment_signals.simulation.deals import Deals
from segment_signals.simulation.draws import Bools, Ints, choices, happens, integers
from segment_signals.simulation.leads import CONVERSION, FAR, LOSS, SQL, LeadEvents, QuirkCount
from segment_signals.simulation.names import (
    FIRST_NAMES,
    LAST_NAMES,
    TITLES,
    company_names,
    mail_addresses,
)
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import DAY, NEVER, Companies, Population, region_of_country
from segment_signals.simulation.tables import Ids, Text, numbered_ids, record_ids

SELLERS_PER_REGION = 6  # three per team
DEVELOPERS_PER_REGION = 3
USERS_PER_REGION = 1 + SELLERS_PER_REGION + DEVELOPERS_PER_REGION
# Accounts of outbound opportunities are entered up to this many days before the opportunity.
ACCOUNT_LEAD_IN_DAYS = 40


@dataclass(frozen=True)
class Records:
    """Persons are positions in the population, companies positions in the companies; -1 stands for no record.

    `lead`, `contact` (of Salesforce), `hubspot`, `signup` (n,): number of the person's record in each system.
    `account`, `hubspot_company` (companies,): of the company's. `*_at`: minutes of creation, by record.
    """

    first_name: Ints
    last_name: Ints
    title: Ints
    email: Text
    company_name: Text
    domain: Text
    source_is_unmapped: Bools
    lead: Ints
    lead_person: Ints
    contact: Ints
    contact_person: Ints
    account: Ints
    account_company: Ints
    account_at: Ints
    hubspot: Ints
    hubspot_person: Ints
    hubspot_company: Ints
    hubspot_company_company: Ints
    hubspot_company_at: Ints
    signup: Ints
    signup_person: Ints
    lead_owner: Ints
    lead_ids: Ids
    contact_ids: Ids
    account_ids: Ids
    opportunity_ids: Ids
    hubspot_ids: Ids
    hubspot_company_ids: Ids
    signup_ids: Ids


def draw_records(
    parameters: Parameters,
    companies: Companies,
    population: Population,
    events: LeadEvents,
    deals: Deals,
    rng: dict[str, np.random.Generator],
    quirks: dict[str, QuirkCount],
) -> Records:
    """Names, addresses and records of everybody."""
    n, planted = len(population), parameters.quirks
    people = rng["people"]
    first_name = integers(people, 0, len(FIRST_NAMES) - 1, n)
    last_name = integers(people, 0, len(LAST_NAMES) - 1, n)
    company_name, domain = company_names(people, len(companies))
    has_lead = population.has_lead

    in_hubspot = has_lead & happens(rng["hubspot"], planted.in_hubspot, n)
    # Marketing hands over late: some of the leads that are still open and not yet SQL are in HubSpot alone.
    open_early = in_hubspot & (events.at[:, SQL] == FAR) & (events.at[:, LOSS] == FAR)
    hubspot_only = open_early & happens(rng["hubspot"], planted.hubspot_only, n)
    quirks["in_hubspot"] = QuirkCount(planted.in_hubspot, "leads", int(has_lead.sum()), int(in_hubspot.sum()))
    quirks["hubspot_only"] = QuirkCount(
        planted.hubspot_only,
        "leads in HubSpot that are open and no SQL yet: not handed over to Salesforce",
        int(open_early.sum()),
        int(hubspot_only.sum()),
    )
    lead, lead_person = _numbered(has_lead & ~hubspot_only)
    contact, contact_person = _numbered(events.at[:, CONVERSION] < FAR)
    hubspot, hubspot_person = _numbered(in_hubspot)
    names = [level.name for level in parameters.motions]
    tries = has_lead & (population.motion == names.index("product_led") if "product_led" in names else False)
    signup, signup_person = _numbered(tries)

    # An outbound account is entered some days before its opportunity, any other with the conversion.
    outbound = (deals.kind == 0) & ~has_lead[deals.journey] & ~deals.is_deleted
    early = np.where(outbound, integers(rng["salesforce"], 3, ACCOUNT_LEAD_IN_DAYS, len(deals)) * DAY, 0)
    account, account_company, account_at = _first(len(companies), deals.company, deals.created_at - early)
    in_company = population.company[hubspot_person]
    hubspot_company, of_company, company_at = _first(
        len(companies), in_company, population.created_at[hubspot_person] + 1
    )

    is_unmapped = has_lead & happens(rng["salesforce"], planted.unmapped_lead_source, n)
    quirks["unmapped_lead_source"] = QuirkCount(
        planted.unmapped_lead_source, "leads", int(has_lead.sum()), int(is_unmapped.sum())
    )
    region = region_of_country(parameters)[population.country]
    developer = 1 + SELLERS_PER_REGION + integers(rng["owners"], 0, DEVELOPERS_PER_REGION - 1, n)
    return Records(
        first_name=first_name,
        last_name=last_name,
        title=choices(people, [share for _, share in TITLES], n),
        email=mail_addresses(first_name, last_name, population.company, domain),
        company_name=company_name,
        domain=domain,
        source_is_unmapped=is_unmapped,
        lead=lead,
        lead_person=lead_person,
        contact=contact,
        contact_person=contact_person,
        account=account,
        account_company=account_company,
        account_at=account_at,
        hubspot=hubspot,
        hubspot_person=hubspot_person,
        hubspot_company=hubspot_company,
        hubspot_company_company=of_company,
        hubspot_company_at=company_at,
        signup=signup,
        signup_person=signup_person,
        lead_owner=region * USERS_PER_REGION + developer,
        lead_ids=record_ids("Lead", len(lead_person)),
        contact_ids=record_ids("Contact", len(contact_person)),
        account_ids=record_ids("Account", len(account_company)),
        opportunity_ids=record_ids("Opportunity", len(deals)),
        hubspot_ids=numbers_text(len(hubspot_person), 10_000_000_001),
        hubspot_company_ids=numbers_text(len(of_company), 20_000_000_001),
        signup_ids=numbered_ids("usr_", len(signup_person)),
    )


def numbers_text(count: int, first: int) -> Ids:
    """Running numbers as text of equal length, as HubSpot's ids are."""
    width = len(str(first + count))
    number = np.arange(first, first + count, dtype=np.int64)
    body = np.empty((count, width), dtype=np.uint8)
    for place in range(width):
        body[:, width - 1 - place] = ord("0") + number % 10
        number = number // 10
    return np.ascontiguousarray(body).view(f"S{width}").ravel()


def _numbered(has_record: Bools) -> tuple[Ints, Ints]:
    """Running number of everybody's record, -1 without one, and who each record is of."""
    number = np.where(has_record, np.cumsum(has_record) - 1, -1)
    return number.astype(np.int64), np.flatnonzero(has_record)


def _first(count: int, of: Ints, at: Ints) -> tuple[Ints, Ints, Ints]:
    """Records that come with the first of several events: number by subject, subject by record, minute by record."""
    first_at = np.full(count, NEVER * DAY, dtype=np.int64)
    np.minimum.at(first_at, of, at)
    subject = np.flatnonzero(first_at < NEVER * DAY)
    subject = subject[np.argsort(first_at[subject], kind="stable")]
    number = np.full(count, -1, dtype=np.int64)
    number[subject] = np.arange(len(subject))
    return number, subject, first_at[subject]
