"""The world as HubSpot's tables, in the shape in which Fivetran lands them."""

from collections.abc import Callable, Iterator

import numpy as np

from segment_signals.simulation.draws import Ints, choices, counts, happens
from segment_signals.simulation.leads import CONVERSION, FAR, LOSS, MQL, SQL, QuirkCount
from segment_signals.simulation.names import PERSONA_OF_TITLE, PERSONAS, TITLES, person_names
from segment_signals.simulation.population import DAY
from segment_signals.simulation.records import numbers_text
from segment_signals.simulation.tables import (
    Calendar,
    Table,
    booleans,
    ids,
    labels,
    table,
    whole,
)
from segment_signals.simulation.world import World

STAGES = ("lead", "marketingqualifiedlead", "salesqualifiedlead", "opportunity", "customer")
ANALYTICS_SOURCES = {
    "Web": "ORGANIC_SEARCH",
    "Paid Search": "PAID_SEARCH",
    "Trade Show": "OFFLINE",
    "Webinar": "EMAIL_MARKETING",
    "Partner": "REFERRALS",
    "Customer Referral": "REFERRALS",
}
SYNC_MINUTES = 2  # after what happens in Salesforce


class HubSpot:
    """Writes the tables; `stage_at` (n, 5) holds when each contact entered the lifecycle stages."""

    def __init__(self, world: World) -> None:
        self.world, self.records, self.parameters = world, world.records, world.parameters
        self.calendar = Calendar(self.parameters.first_day)
        self.rng = world.rng["hubspot"]
        self.end = self.parameters.window_days * DAY - 1
        self.who = world.records.hubspot_person
        self.synced = self.calendar.stamps(np.full(len(self.who), self.end))
        planted = self.parameters.quirks
        self.is_linked = ~happens(self.rng, planted.hubspot_link_missing, len(self.who))
        lead = self.records.lead[self.who]
        self._count(
            "hubspot_link_missing",
            planted.hubspot_link_missing,
            "HubSpot contacts with a Salesforce lead: their ids are missing, the address is the same",
            int((lead >= 0).sum()),
            int(((lead >= 0) & ~self.is_linked).sum()),
        )
        self.stage_at = self._stage_times()

    def _count(self, name: str, planted: float, of: str, eligible: int, realised: int) -> None:
        self.world.quirks[name] = QuirkCount(planted, of, eligible, realised)

    def _stage_times(self) -> Ints:
        """When each contact entered the lifecycle stages (n, 5): a little after Salesforce; FAR where never."""
        world, who = self.world, self.who
        at, deals = world.events.at[who], world.deals
        deal = world.deal_of[who]
        won = np.where(deals.is_won & (deals.closed_day < self.parameters.window_days), deals.closed_day, -1)
        # The last row of a won deal says when it was won.
        closed_at = world.history.at[world.history.last]
        won_at = np.where((deal >= 0) & (won[deal] >= 0), closed_at[deal] + SYNC_MINUTES, FAR)
        # A lead that joins a deal after it was won is a customer from its own conversion on.
        won_at = np.where(won_at < FAR, np.maximum(won_at, at[:, CONVERSION] + SYNC_MINUTES), FAR)
        times = np.stack(
            [
                world.population.created_at[who],
                np.where(world.events.is_skipped[who] | (at[:, MQL] == FAR), FAR, at[:, MQL] + SYNC_MINUTES),
                np.where(at[:, SQL] == FAR, FAR, at[:, SQL] + SYNC_MINUTES),
                np.where(at[:, CONVERSION] == FAR, FAR, at[:, CONVERSION] + SYNC_MINUTES),
                won_at,
            ],
            axis=1,
        )
        # Some syncs stopped: the contact stays where it was when it became an MQL.
        reached = times[:, 2] < FAR
        behind = reached & happens(self.rng, self.parameters.quirks.hubspot_stage_behind, len(who))
        times[behind, 2:] = FAR
        self.is_behind = behind
        self._count(
            "hubspot_stage_behind",
            self.parameters.quirks.hubspot_stage_behind,
            "HubSpot contacts of SQLs: their lifecycle stage stays at what it was before",
            int(reached.sum()),
            int(behind.sum()),
        )
        return np.where(times > self.end, FAR, times)

    def tables(self) -> Iterator[tuple[str, Callable[[], Table]]]:
        """Every table, by name, as a function that makes it; call them in this order."""
        yield "contact", self.contacts
        yield "company", self.companies
        yield "contact_property_history", self.property_history
        yield "contact_company", self.contact_companies
        yield "engagement", self.engagements
        yield "engagement_email", lambda: self.engagements_of("EMAIL")
        yield "engagement_meeting", lambda: self.engagements_of("MEETING")
        yield "engagement_contact", self.engagement_contacts

    def contacts(self) -> Table:
        """Contacts with their lifecycle stage and its dates."""
        world, records, who, at = self.world, self.records, self.who, self.stage_at
        n, population = len(who), world.population
        current = (at < FAR) * np.arange(len(STAGES))
        company = population.company[who]
        names = person_names(records.first_name[who], records.last_name[who])
        # Dates of the older properties only, for contacts from before the newer ones were there.
        from_month = min(self.parameters.quirks.hubspot_v2_from_month, self.parameters.months)
        from_day = self.parameters.month_start(from_month)
        is_old = population.created_day[who] < from_day
        linked = self.is_linked
        converted = linked & (records.contact[who] >= 0)
        sources = [level.name for level in self.parameters.lead_sources]
        of_source = sorted(set(ANALYTICS_SOURCES.values()))
        analytics = np.array([of_source.index(ANALYTICS_SOURCES.get(name, "OFFLINE")) for name in sources])
        last = np.where(at < FAR, at, -FAR).max(axis=1)
        is_unmapped = records.source_is_unmapped[who]
        source_labels = [*sources, self.parameters.quirks.unmapped_lead_source_label]
        columns = {
            "id": ids(records.hubspot_ids),
            "_fivetran_deleted": booleans(np.zeros(n, dtype=np.bool_)),
            "_fivetran_synced": self.synced,
            "property_email": records.email.take(who),
            "property_firstname": names[0],
            "property_lastname": names[1],
            "property_jobtitle": labels([title for title, _ in TITLES], records.title[who]),
            "property_hs_persona": labels(PERSONAS, np.array(PERSONA_OF_TITLE)[records.title[who]]),
            "property_associatedcompanyid": ids(records.hubspot_company_ids, records.hubspot_company[company]),
            "property_salesforceleadid": ids(records.lead_ids, np.where(linked, records.lead[who], -1)),
            "property_salesforcecontactid": ids(records.contact_ids, np.where(converted, records.contact[who], -1)),
            "property_salesforceaccountid": ids(records.account_ids, np.where(converted, records.account[company], -1)),
            "property_lifecyclestage": labels(STAGES, current.max(axis=1)),
            "property_hs_analytics_source": labels(of_source, analytics[population.source[who]]),
            "property_lead_source": labels(source_labels, np.where(is_unmapped, len(sources), population.source[who])),
            "property_motion": labels([level.name for level in self.parameters.motions], population.motion[who]),
            "property_country": labels([level.name for level in self.parameters.countries], population.country[who]),
            "property_industry": labels(
                [level.name for level in self.parameters.industries],
                population.industry[who],
                world.companies.industry_is_blank[company],
            ),
            "property_numemployees": whole(world.companies.employees(company, population.created_day[who])),
            "property_createdate": self.calendar.stamps(population.created_at[who]),
            "property_lastmodifieddate": self.calendar.stamps(last),
        }
        for index, stage in enumerate(STAGES):
            missing = at[:, index] == FAR
            columns[f"property_hs_v2_date_entered_{stage}"] = self.calendar.stamps(at[:, index], missing | is_old)
            columns[f"property_hs_lifecyclestage_{stage}_date"] = self.calendar.stamps(at[:, index], missing | ~is_old)
        return table(columns)

    def companies(self) -> Table:
        """Companies of the contacts; HubSpot makes them from the domains of their addresses."""
        records, companies = self.records, self.world.companies
        company, at = records.hubspot_company_company, records.hubspot_company_at
        n = len(company)
        account = records.account[company]
        known = (account >= 0) & ~happens(self.rng, self.parameters.quirks.hubspot_company_link_missing, n)
        self._count(
            "hubspot_company_link_missing",
            self.parameters.quirks.hubspot_company_link_missing,
            "HubSpot companies with a Salesforce account: its id is missing, the domain is the same",
            int((account >= 0).sum()),
            int(((account >= 0) & ~known).sum()),
        )
        employees = companies.employees(company, np.full(n, self.parameters.window_days - 1))
        return table(
            {
                "id": ids(records.hubspot_company_ids),
                "is_deleted": booleans(np.zeros(n, dtype=np.bool_)),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
                "property_name": records.company_name.take(company),
                "property_domain": records.domain.take(company),
                "property_industry": labels(
                    [level.name for level in self.parameters.industries],
                    companies.industry[company],
                    companies.industry_is_blank[company],
                ),
                "property_country": labels(
                    [level.name for level in self.parameters.countries], companies.country[company]
                ),
                "property_numberofemployees": whole(employees),
                "property_salesforceaccountid": ids(records.account_ids, np.where(known, account, -1)),
                "property_createdate": self.calendar.stamps(at),
                "property_hs_lastmodifieddate": self.calendar.stamps(at),
            }
        )

    def property_history(self) -> Table:
        """Every value that a contact's lifecycle stage had."""
        at = self.stage_at
        contact, stage = np.nonzero(at < FAR)
        when = at[contact, stage]
        order = np.lexsort((stage, when, contact))
        contact, stage, when = contact[order], stage[order], when[order]
        n = len(contact)
        return table(
            {
                "contact_id": ids(self.records.hubspot_ids, contact),
                "name": labels(("lifecyclestage",), np.zeros(n, dtype=np.int64)),
                "value": labels(STAGES, stage),
                "timestamp": self.calendar.stamps(when),
                "source": labels(("CONTACTS", "SALESFORCE"), (stage >= 2).astype(np.int64)),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
            }
        )

    def contact_companies(self) -> Table:
        """The company of each contact."""
        n = len(self.who)
        company = self.records.hubspot_company[self.world.population.company[self.who]]
        return table(
            {
                "contact_id": ids(self.records.hubspot_ids),
                "company_id": ids(self.records.hubspot_company_ids, company),
                "type_id": whole(np.ones(n, dtype=np.int64)),
                "_fivetran_synced": self.synced,
            }
        )

    def engagements(self) -> Table:
        """Mails and meetings of the contacts."""
        rng = self.rng
        number = counts(rng, self.parameters.volumes.engagements, len(self.who))
        contact = np.repeat(np.arange(len(self.who)), number)
        created = self.world.population.created_at[self.who][contact]
        losses = self.world.events.at[self.who, LOSS][contact]
        length = np.minimum(losses, self.end) - created
        at = created + np.floor(length * rng.random(len(contact)) ** 2).astype(np.int64)
        order = np.argsort(at, kind="stable")
        self._engaged, self._engaged_at = contact[order], at[order]
        self._kind = choices(rng, (0.75, 0.25), len(order))
        self._is_inbound = happens(rng, 0.3, len(order))
        self._engagement_ids = numbers_text(len(order), 30_000_000_001)
        return table(
            {
                "id": ids(self._engagement_ids),
                "type": labels(("EMAIL", "MEETING"), self._kind),
                "_fivetran_synced": self.calendar.stamps(np.full(len(order), self.end)),
            }
        )

    def engagements_of(self, kind: str) -> Table:
        """Details of the engagements of a kind."""
        where = np.flatnonzero(self._kind == ("EMAIL", "MEETING").index(kind))
        details = {
            "engagement_id": ids(self._engagement_ids, where),
            "_fivetran_deleted": booleans(np.zeros(len(where), dtype=np.bool_)),
            "_fivetran_synced": self.calendar.stamps(np.full(len(where), self.end)),
            "property_hs_timestamp": self.calendar.stamps(self._engaged_at[where]),
            "property_hs_createdate": self.calendar.stamps(self._engaged_at[where]),
        }
        if kind == "EMAIL":
            direction = self._is_inbound[where].astype(np.int64)
            details["property_hs_email_direction"] = labels(("EMAIL", "INCOMING_EMAIL"), direction)
        else:
            outcome = np.where(self._is_inbound[where], 1, 0)
            details["property_hs_meeting_outcome"] = labels(("COMPLETED", "NO_SHOW"), outcome)
        return table(details)

    def engagement_contacts(self) -> Table:
        """Which contact an engagement is with."""
        n = len(self._engaged)
        return table(
            {
                "engagement_id": ids(self._engagement_ids),
                "contact_id": ids(self.records.hubspot_ids, self._engaged),
                "engagement_type": labels(("EMAIL", "MEETING"), self._kind),
                "_fivetran_synced": self.calendar.stamps(np.full(n, self.end)),
            }
        )
