"""The world as the objects of a Salesforce Data Export, with API column names."""

from collections.abc import Callable, Iterator

import numpy as np
import pyarrow as pa

from segment_signals.simulation.deals import DEAL_STAGES, LOST, TYPES, WON
from segment_signals.simulation.draws import Ints, choices, counts, happens, integers
from segment_signals.simulation.leads import (
    CONVERSION,
    FAR,
    LEAD_STATUSES,
    LOSS,
    OPEN,
    SQL,
    QuirkCount,
    in_order,
)
from segment_signals.simulation.marketing import campaign_of, campaigns, is_campaign_member
from segment_signals.simulation.names import (
    FIRST_NAMES,
    LAST_NAMES,
    PERSONA_OF_TITLE,
    PERSONAS,
    PRODUCTS,
    PRODUCTS_BY_SIZE,
    TITLES,
    person_names,
)
from segment_signals.simulation.population import DAY, NEVER, region_of_country
from segment_signals.simulation.records import DEVELOPERS_PER_REGION, SELLERS_PER_REGION, USERS_PER_REGION
from segment_signals.simulation.tables import (
    Calendar,
    Column,
    Table,
    amounts,
    booleans,
    ids,
    join,
    labels,
    record_ids,
    table,
    whole,
)
from segment_signals.simulation.world import World

SELF_REPORTED = ("Search engine", "Colleague or friend", "Conference", "Podcast", "Social media", "Review site")
ROLES = ("Decision Maker", "Economic Buyer", "Evaluator", "Executive Sponsor", "Business User", "Technical Buyer")
ROLE_SHARES = (0.30, 0.20, 0.20, 0.10, 0.12, 0.08)
ALL_STAGES = (
    ("Prospecting", 10, "Pipeline", False, False),
    ("Qualification", 20, "Pipeline", False, False),
    ("Needs Analysis", 20, "Pipeline", False, False),
    ("Value Proposition", 50, "Pipeline", False, False),
    ("Id. Decision Makers", 60, "Pipeline", False, False),
    ("Perception Analysis", 70, "Pipeline", False, False),
    ("Proposal/Price Quote", 50, "BestCase", False, False),
    ("Negotiation/Review", 75, "Forecast", False, False),
    ("Closed Won", 100, "Closed", True, True),
    ("Closed Lost", 0, "Omitted", True, False),
)


class Salesforce:
    """Writes the objects; holds what they share: owners, campaigns, the label of each lead's source."""

    def __init__(self, world: World) -> None:
        self.world, self.records = world, world.records
        self.parameters = world.parameters
        self.calendar = Calendar(self.parameters.first_day)
        self.end = self.parameters.window_days * DAY - 1
        self.rng = world.rng["salesforce"]
        self.user_ids = record_ids("User", USERS_PER_REGION * len(self.parameters.regions))
        self.product_ids = record_ids("Product2", len(PRODUCTS))
        self.campaigns = campaigns(self.parameters)
        self.campaign_ids = record_ids("Campaign", len(self.campaigns.channel))
        deals, owners = world.deals, world.rng["owners"]
        region = region_of_country(self.parameters)[world.companies.country[deals.company]]
        seller = np.where(deals.size >= 2, 4, 1) + integers(owners, 0, SELLERS_PER_REGION // 2 - 1, len(deals))
        self.deal_owner = region * USERS_PER_REGION + seller
        sources = [level.name for level in self.parameters.source_levels]
        self.source_labels = [*sources, self.parameters.quirks.unmapped_lead_source_label]
        self.source = np.where(self.records.source_is_unmapped, len(sources), world.population.source)
        # The campaign of the touch that made the lead, where it came by a campaign.
        touches = world.touches
        first = is_campaign_member(self.parameters, touches) & (touches.phase == 0)
        self.first_campaign = np.full(len(world.population), -1, dtype=np.int64)
        self.first_campaign[touches.person[first]] = campaign_of(self.campaigns, touches.channel, touches.at)[first]

    def tables(self) -> Iterator[tuple[str, Callable[[], Table]]]:
        """Every object, by name, as a function that makes it; call them in this order."""
        yield "User", self.users
        yield "Product2", self.products
        yield "OpportunityStage", self.stages
        yield "Campaign", self.campaign_table
        yield "CampaignMember", self.campaign_members
        yield "Account", self.accounts
        yield "AccountHistory", self.account_history
        yield "Contact", self.contacts
        yield "Lead", self.leads
        yield "LeadHistory", self.lead_history
        yield "Opportunity", self.opportunities
        yield "OpportunityHistory", self.opportunity_history
        yield "OpportunityFieldHistory", self.opportunity_field_history
        yield "OpportunityContactRole", self.contact_roles
        yield "Task", self.tasks
        yield "Event", self.events

    def _count(self, name: str, planted: float, of: str, eligible: int | None, realised: int) -> None:
        self.world.quirks[name] = QuirkCount(planted, of, eligible, realised)

    def users(self) -> Table:
        """One manager, six sellers and three development representatives per region."""
        count = len(self.user_ids)
        place, region = np.arange(count) % USERS_PER_REGION, np.arange(count) // USERS_PER_REGION
        team = np.where(place == 0, 0, np.where(place <= 3, 1, np.where(place <= SELLERS_PER_REGION, 2, 3)))
        # The first names and last names of a shuffled list: no two sellers share either.
        first = np.argsort(self.rng.random(len(FIRST_NAMES)), kind="stable")[np.arange(count) % len(FIRST_NAMES)]
        last = np.argsort(self.rng.random(len(LAST_NAMES)), kind="stable")[np.arange(count) % len(LAST_NAMES)]
        names = person_names(first, last)
        # The last development representative of every other region has left.
        has_left = np.arange(count) % (2 * USERS_PER_REGION) == USERS_PER_REGION - 1
        return table(
            {
                "Id": ids(self.user_ids),
                "Name": join(names[0], " ", names[1]),
                "IsActive": booleans(~has_left),
                "ManagerId": ids(self.user_ids, np.where(place == 0, -1, region * USERS_PER_REGION)),
                "Team__c": labels(("Management", "Commercial", "Enterprise", "Sales Development"), team),
                "Region__c": labels([level.name for level in self.parameters.regions], region),
            }
        )

    def products(self) -> Table:
        """The product list."""
        return table(
            {
                "Id": ids(self.product_ids),
                "Name": pa.array([name for name, _, _ in PRODUCTS]),
                "Family": pa.array([family for _, family, _ in PRODUCTS]),
                "List_Price__c": amounts(np.array([float(price) for _, _, price in PRODUCTS])),
            }
        )

    def stages(self) -> Table:
        """The standard picklist of opportunity stages."""
        columns = list(zip(*ALL_STAGES, strict=True))
        return table(
            {
                "Id": ids(record_ids("OpportunityStage", len(ALL_STAGES))),
                "MasterLabel": pa.array(columns[0]),
                "ApiName": pa.array(columns[0]),
                "SortOrder": whole(np.arange(1, len(ALL_STAGES) + 1)),
                "DefaultProbability": whole(np.array(columns[1])),
                "ForecastCategory": pa.array(columns[2]),
                "IsActive": booleans(np.ones(len(ALL_STAGES), dtype=np.bool_)),
                "IsClosed": booleans(np.array(columns[3])),
                "IsWon": booleans(np.array(columns[4])),
            }
        )

    def campaign_table(self) -> Table:
        """One campaign per channel and quarter."""
        plan = self.campaigns
        names = [channel.name for channel in self.parameters.channels]
        return table(
            {
                "Id": ids(self.campaign_ids),
                "IsDeleted": booleans(np.zeros(len(plan.channel), dtype=np.bool_)),
                "Name": pa.array(plan.name),
                "Type": labels(names, plan.channel),
                "BudgetedCost": amounts(plan.cost * 1.05),
                "ActualCost": amounts(plan.cost),
                "StartDate": self.calendar.dates(plan.start_day),
                "EndDate": self.calendar.dates(plan.end_day),
                "CreatedDate": self.calendar.stamps(plan.start_day * DAY + 9 * 60),
            }
        )

    def campaign_members(self) -> Table:
        """Touches by events and webinars of whoever Salesforce knows; a contact's after the conversion."""
        touches, records = self.world.touches, self.records
        who = touches.person
        is_contact = (records.contact[who] >= 0) & (touches.at >= self.world.events.at[who, CONVERSION])
        member = is_campaign_member(self.parameters, touches) & (is_contact | (records.lead[who] >= 0))
        where = np.flatnonzero(member)
        who, at, is_contact = who[where], touches.at[where], is_contact[where]
        # Whoever was met before being a lead is entered with the lead.
        entered = np.maximum(at, self.world.population.created_at[who])
        responded = happens(self.rng, 0.8, len(where)) | (touches.phase[where] == 0)
        return table(
            {
                "Id": ids(record_ids("CampaignMember", len(where))),
                "IsDeleted": booleans(np.zeros(len(where), dtype=np.bool_)),
                "CampaignId": ids(self.campaign_ids, campaign_of(self.campaigns, touches.channel[where], at)),
                "LeadId": ids(records.lead_ids, np.where(is_contact, -1, records.lead[who])),
                "ContactId": ids(records.contact_ids, np.where(is_contact, records.contact[who], -1)),
                "Status": labels(("Sent", "Responded"), responded.astype(np.int64)),
                "HasResponded": booleans(responded),
                "FirstRespondedDate": self.calendar.dates(at // DAY, ~responded),
                "CreatedDate": self.calendar.stamps(entered),
            }
        )

    def accounts(self) -> Table:
        """Accounts of companies with an opportunity, in their present state, and deleted copies."""
        records, companies, parameters = self.records, self.world.companies, self.parameters
        company, at, deals = records.account_company, records.account_at, self.world.deals
        n = len(company)
        first_deal = np.full(len(companies), -1, dtype=np.int64)
        # Deals are sorted by creation within their kind, and the first kind comes first.
        first_deal[deals.company[::-1]] = np.arange(len(deals))[::-1]
        won = deals.is_won & (deals.closed_day < parameters.window_days)
        won_day = np.full(len(companies), -1, dtype=np.int64)
        np.maximum.at(won_day, deals.company[won], deals.closed_day[won])
        changed_day = companies.changed_day[company]
        is_customer = won_day[company] >= 0
        # The customer flag is set by a nightly job, after every change of the day.
        changed = np.where(is_customer, won_day[company] * DAY + DAY - 10, at)
        known = (changed_day < parameters.window_days) & (changed_day * DAY > at)
        changed = np.where(known, np.maximum(changed, changed_day * DAY + 12 * 60), changed)
        employees = companies.employees(company, np.full(n, parameters.window_days - 1))
        revenue = np.round(employees * (60_000.0 + 190_000.0 * self.rng.random(n)) / 10_000.0) * 10_000.0
        is_blank = companies.industry_is_blank[company]
        self._count(
            "industry_blank",
            parameters.quirks.industry_blank,
            "accounts (deleted ones aside); their leads are blank too",
            n,
            int(is_blank.sum()),
        )
        self._count(
            "employees_changed",
            parameters.quirks.employees_changed,
            "companies; of the accounts among them AccountHistory tells",
            len(companies),
            int((companies.changed_day < NEVER).sum()),
        )
        wanted = parameters.quirks.deleted_accounts
        copied = np.sort(integers(self.rng, 0, n - 1, wanted if n else 0))
        rows = np.concatenate([np.arange(n), copied])
        is_copy = np.arange(len(rows)) >= n
        self._count("deleted_accounts", wanted, "duplicates that were deleted, a count", None, len(copied))
        of = company[rows]
        return table(
            {
                "Id": ids(record_ids("Account", len(rows))),
                "IsDeleted": booleans(is_copy),
                "Name": join(records.company_name.take(of), labels(("", " (duplicate)"), is_copy.astype(np.int64))),
                "Type": labels(("Prospect", "Customer"), (is_customer[rows] & ~is_copy).astype(np.int64)),
                "Industry": labels(
                    [level.name for level in parameters.industries], companies.industry[of], is_blank[rows]
                ),
                "NumberOfEmployees": whole(employees[rows]),
                "AnnualRevenue": amounts(revenue[rows]),
                "BillingCountry": labels([level.name for level in parameters.countries], companies.country[of]),
                "Website": join("https://www.", records.domain.take(of)),
                "OwnerId": ids(self.user_ids, self.deal_owner[first_deal[of]]),
                "CreatedDate": self.calendar.stamps(at[rows]),
                "LastModifiedDate": self.calendar.stamps(np.where(is_copy, at[rows], changed[rows])),
            }
        )

    def account_history(self) -> Table:
        """Changes of the number of employees of accounts that were there already."""
        records, companies = self.records, self.world.companies
        company = records.account_company
        day = companies.changed_day[company]
        where = np.flatnonzero((day < self.parameters.window_days) & (day * DAY > records.account_at))
        where = where[np.argsort(day[where], kind="stable")]
        of, at = company[where], day[where] * DAY + 12 * 60
        return table(
            {
                "Id": ids(record_ids("AccountHistory", len(where))),
                "AccountId": ids(records.account_ids, where),
                "Field": labels(("NumberOfEmployees",), np.zeros(len(where), dtype=np.int64)),
                "OldValue": whole(companies.first_employees[of]).cast(pa.string()),
                "NewValue": whole(companies.last_employees[of]).cast(pa.string()),
                "CreatedDate": self.calendar.stamps(at),
            }
        )

    def contacts(self) -> Table:
        """Contacts that converted leads became, and those of outbound opportunities."""
        records, world = self.records, self.world
        who = records.contact_person
        names = person_names(records.first_name[who], records.last_name[who])
        at = world.events.at[who, CONVERSION]
        deal = world.deal_of[who]
        return table(
            {
                "Id": ids(records.contact_ids),
                "IsDeleted": booleans(np.zeros(len(who), dtype=np.bool_)),
                "AccountId": ids(records.account_ids, records.account[world.population.company[who]]),
                "FirstName": names[0],
                "LastName": names[1],
                "Email": records.email.take(who),
                **self._person_columns(who, country="MailingCountry"),
                "OwnerId": ids(self.user_ids, self.deal_owner[deal]),
                "CreatedDate": self.calendar.stamps(at),
                "LastModifiedDate": self.calendar.stamps(at),
            }
        )

    def _person_columns(self, who: Ints, country: str) -> dict[str, Column]:
        records, population = self.records, self.world.population
        return {
            "Title": labels([title for title, _ in TITLES], records.title[who]),
            "LeadSource": labels(self.source_labels, self.source[who]),
            country: labels([level.name for level in self.parameters.countries], population.country[who]),
            "Persona__c": labels(PERSONAS, np.array(PERSONA_OF_TITLE)[records.title[who]]),
            "Motion__c": labels([level.name for level in self.parameters.motions], population.motion[who]),
        }

    def leads(self) -> Table:
        """Leads in their present state, and deleted copies."""
        world, records, parameters = self.world, self.records, self.parameters
        n = len(records.lead_person)
        wanted = parameters.quirks.deleted_leads
        copied = np.sort(integers(self.rng, 0, n - 1, wanted if n else 0))
        self._count("deleted_leads", wanted, "duplicates that were deleted, a count", None, len(copied))
        rows = np.concatenate([np.arange(n), copied])
        is_copy = np.arange(len(rows)) >= n
        who = records.lead_person[rows]
        at, changes = world.events.at, world.events.changes
        status, changed = np.full(len(at), OPEN, dtype=np.int64), world.population.created_at.copy()
        last = changes.last
        status[changes.record[last]], changed[changes.record[last]] = changes.value[last], changes.at[last]
        owner_changed, owner_at, _ = self._owner_changes()
        changed = np.where(owner_changed, np.maximum(changed, owner_at), changed)
        created = world.population.created_at[who] + np.where(is_copy, 30, 0)
        is_converted = (at[who, CONVERSION] < FAR) & ~is_copy
        deal = np.where(is_converted, world.deal_of[who], -1)
        company = world.population.company[who]
        names = person_names(records.first_name[who], records.last_name[who])
        # Sales asks for these four in the conversation that makes the lead an SQL.
        asked = (at[who, SQL] < FAR) & ~is_copy
        bant = {
            name: booleans(happens(self.rng, share, len(rows)), ~asked)
            for name, share in (
                ("Budget_Confirmed__c", 0.55),
                ("Authority__c", 0.65),
                ("Need__c", 0.85),
                ("Timeline__c", 0.45),
            )
        }
        answers = happens(self.rng, parameters.quirks.self_reported, len(rows))
        answer = choices(self.rng, (0.30, 0.24, 0.16, 0.10, 0.12, 0.08), len(rows))
        person = self._person_columns(who, country="Country")
        return table(
            {
                "Id": ids(record_ids("Lead", len(rows))),
                "IsDeleted": booleans(is_copy),
                "FirstName": names[0],
                "LastName": names[1],
                "Company": records.company_name.take(company),
                "Email": records.email.take(who),
                **person,
                "How_did_you_hear__c": labels(SELF_REPORTED, answer, ~answers),
                "Status": labels(LEAD_STATUSES, np.where(is_copy, OPEN, status[who])),
                "Industry": labels(
                    [level.name for level in parameters.industries],
                    world.companies.industry[company],
                    world.companies.industry_is_blank[company],
                ),
                "NumberOfEmployees": whole(world.companies.employees(company, world.population.created_day[who])),
                **bant,
                "OwnerId": ids(self.user_ids, records.lead_owner[who]),
                "CreatedDate": self.calendar.stamps(created),
                "LastModifiedDate": self.calendar.stamps(np.where(is_copy, created + 60, changed[who])),
                "IsConverted": booleans(is_converted),
                "ConvertedDate": self.calendar.dates(at[who, CONVERSION] // DAY, ~is_converted),
                "ConvertedAccountId": ids(records.account_ids, np.where(is_converted, records.account[company], -1)),
                "ConvertedContactId": ids(records.contact_ids, np.where(is_converted, records.contact[who], -1)),
                "ConvertedOpportunityId": ids(records.opportunity_ids, deal),
            }
        )

    def _owner_changes(self) -> tuple[np.ndarray, Ints, Ints]:
        """Who changed hands in the first days, when, and the owner before; the same at every call."""
        if not hasattr(self, "_owners"):
            rng, world = self.world.rng["owners"], self.world
            n = len(world.population)
            owner = self.records.lead_owner
            region = owner // USERS_PER_REGION
            previous = region * USERS_PER_REGION + 1 + SELLERS_PER_REGION
            previous = previous + integers(rng, 0, DEVELOPERS_PER_REGION - 1, n)
            at = (world.population.created_day + integers(rng, 0, 3, n)) * DAY + 23 * 60 + integers(rng, 0, 50, n)
            # A drawn owner who is the present one would be no change; the rate is raised for these.
            rate = self.parameters.quirks.lead_owner_changed / (1.0 - 1.0 / DEVELOPERS_PER_REGION)
            could = (self.records.lead >= 0) & (world.events.at[:, CONVERSION] > at + DAY) & (at <= self.end)
            changes = could & happens(rng, rate, n) & (previous != owner)
            self._count(
                "lead_owner_changed",
                self.parameters.quirks.lead_owner_changed,
                "leads that did not convert in their first days",
                int(could.sum()),
                int(changes.sum()),
            )
            self._owners = changes, at, previous
        return self._owners

    def lead_history(self) -> Table:
        """Changes of status and owner; Salesforce writes no row for the status at creation."""
        changes, records = self.world.events.changes, self.records
        is_first = np.append(True, changes.record[1:] != changes.record[:-1])[: len(changes)]
        before = np.where(is_first, OPEN, np.append(OPEN, changes.value[:-1])[: len(changes)])
        owner_changed, owner_at, previous = self._owner_changes()
        moved = np.flatnonzero(owner_changed)
        known = records.lead[changes.record] >= 0
        lead = np.concatenate([records.lead[changes.record[known]], records.lead[moved]])
        at = np.concatenate([changes.at[known], owner_at[moved]])
        order = in_order(lead, at)
        is_owner = np.concatenate([np.zeros(int(known.sum()), dtype=np.bool_), np.ones(len(moved), dtype=np.bool_)])
        # One picklist for statuses and owners: statuses first.
        names = [*LEAD_STATUSES, *(user.decode() for user in self.user_ids)]
        shift = len(LEAD_STATUSES)
        old = np.concatenate([before[known], shift + previous[moved]])[order]
        new = np.concatenate([changes.value[known], shift + records.lead_owner[moved]])[order]
        return table(
            {
                "Id": ids(record_ids("LeadHistory", len(order))),
                "LeadId": ids(records.lead_ids, lead[order]),
                "Field": labels(("Status", "Owner"), is_owner[order].astype(np.int64)),
                "OldValue": labels(names, old),
                "NewValue": labels(names, new),
                "CreatedDate": self.calendar.stamps(at[order]),
            }
        )

    def opportunities(self) -> Table:
        """Opportunities in their present state: the last row of their history."""
        world, parameters, rng, records = self.world, self.parameters, self.rng, self.records
        deals, history = world.deals, world.history
        n, last = len(deals), history.last
        stage = history.stage[last]
        no_account = happens(rng, parameters.quirks.opportunity_without_account, n) & (deals.kind == 0)
        no_account &= ~deals.is_deleted
        self._count(
            "opportunity_without_account",
            parameters.quirks.opportunity_without_account,
            "new business opportunities",
            int(((deals.kind == 0) & ~deals.is_deleted).sum()),
            int(no_account.sum()),
        )
        self._count(
            "opportunity_without_lead",
            parameters.outbound_per_lead,
            "leads: so many outbound opportunities",
            parameters.leads,
            int((~world.population.has_lead[deals.journey] & (deals.kind == 0) & ~deals.is_deleted).sum()),
        )
        copies = int(deals.is_deleted.sum())
        planted = parameters.quirks.deleted_opportunities
        self._count("deleted_opportunities", planted, "duplicates that were deleted, a count", None, copies)
        is_lost = stage == LOST
        no_reason = happens(rng, parameters.quirks.loss_reason_blank, n)
        self._count(
            "loss_reason_blank",
            parameters.quirks.loss_reason_blank,
            "lost opportunities",
            int(is_lost.sum()),
            int((is_lost & no_reason).sum()),
        )
        reason = choices(rng, list(parameters.loss_reasons.values()), n)
        competes = happens(rng, 0.35, n) | (
            np.array([name == "Competitor" for name in parameters.loss_reasons])[reason] & is_lost
        )
        competitor = choices(rng, list(parameters.competitors.values()), n)
        table_of_size = np.array(PRODUCTS_BY_SIZE)
        product = table_of_size[
            np.minimum(deals.size, len(table_of_size) - 1), integers(rng, 0, table_of_size.shape[1] - 1, n)
        ]
        product[world.customers.deal] = world.customers.product
        follow_up = np.arange(n)[deals.kind > 0]
        product[follow_up] = world.customers.product[world.customer_of_deal]
        campaign = np.where(deals.kind == 0, self.first_campaign[deals.journey], -1)
        is_new = deals.kind == 0
        return table(
            {
                "Id": ids(records.opportunity_ids),
                "IsDeleted": booleans(deals.is_deleted),
                "AccountId": ids(records.account_ids, np.where(no_account, -1, records.account[deals.company])),
                "Name": join(records.company_name.take(deals.company), labels(("", " renewal", " add-on"), deals.kind)),
                "StageName": labels([row[0] for row in DEAL_STAGES], stage),
                "Type": labels(TYPES, deals.kind),
                "LeadSource": labels(self.source_labels, self.source[deals.journey], ~is_new),
                "Amount": amounts(history.amount[last]),
                "CurrencyIsoCode": labels([level.code for level in parameters.currencies], deals.currency),
                "Probability": whole(np.array([row[1] for row in DEAL_STAGES])[stage]),
                "CloseDate": self.calendar.dates(history.close_day[last]),
                "IsClosed": booleans(stage >= WON),
                "IsWon": booleans(stage == WON),
                "ForecastCategory": labels([row[2] for row in DEAL_STAGES], stage),
                "CampaignId": ids(self.campaign_ids, campaign),
                "Loss_Reason__c": labels(list(parameters.loss_reasons), reason, ~is_lost | no_reason),
                "Competitor__c": labels(list(parameters.competitors), competitor, ~competes),
                "Product__c": ids(self.product_ids, product),
                "OwnerId": ids(self.user_ids, self.deal_owner),
                "CreatedDate": self.calendar.stamps(deals.created_at),
                "LastModifiedDate": self.calendar.stamps(history.at[last]),
            }
        )

    def opportunity_history(self) -> Table:
        """A row for the creation and for every change of stage, amount or planned close date."""
        history = self.world.history
        return table(
            {
                "Id": ids(record_ids("OpportunityHistory", len(history.deal))),
                "OpportunityId": ids(self.records.opportunity_ids, history.deal),
                "StageName": labels([row[0] for row in DEAL_STAGES], history.stage),
                "Amount": amounts(history.amount),
                "CloseDate": self.calendar.dates(history.close_day),
                "Probability": whole(np.array([row[1] for row in DEAL_STAGES])[history.stage]),
                "ForecastCategory": labels([row[2] for row in DEAL_STAGES], history.stage),
                "CreatedDate": self.calendar.stamps(history.at),
            }
        )

    def opportunity_field_history(self) -> Table:
        """Changes of the amount, the one field that is tracked."""
        history = self.world.history
        where = np.flatnonzero(history.amount_changed)
        return table(
            {
                "Id": ids(record_ids("OpportunityFieldHistory", len(where))),
                "OpportunityId": ids(self.records.opportunity_ids, history.deal[where]),
                "Field": labels(("Amount",), np.zeros(len(where), dtype=np.int64)),
                "OldValue": whole(history.before_amount[where].astype(np.int64)).cast(pa.string()),
                "NewValue": whole(history.amount[where].astype(np.int64)).cast(pa.string()),
                "CreatedDate": self.calendar.stamps(history.at[where]),
            }
        )

    def contact_roles(self) -> Table:
        """Who takes part in the purchase: the first contact as the primary one, and leads that joined."""
        world, records = self.world, self.records
        deals = world.deals
        own = np.flatnonzero(~deals.is_deleted)
        kept = own[~happens(self.rng, self.parameters.quirks.contact_role_missing, len(own))]
        self._count(
            "contact_role_missing",
            self.parameters.quirks.contact_role_missing,
            "opportunities (deleted ones aside): nobody entered who buys",
            len(own),
            len(own) - len(kept),
        )
        joined = np.flatnonzero(world.joins >= 0)
        deal = np.concatenate([kept, world.deal_of[joined]])
        who = np.concatenate([deals.journey[kept], joined])
        at = np.maximum(deals.created_at[deal], world.events.at[who, CONVERSION])
        return table(
            {
                "Id": ids(record_ids("OpportunityContactRole", len(deal))),
                "IsDeleted": booleans(np.zeros(len(deal), dtype=np.bool_)),
                "OpportunityId": ids(records.opportunity_ids, deal),
                "ContactId": ids(records.contact_ids, records.contact[who]),
                "Role": labels(ROLES, choices(self.rng, ROLE_SHARES, len(deal))),
                "IsPrimary": booleans(np.arange(len(deal)) < len(kept)),
                "CreatedDate": self.calendar.stamps(at),
            }
        )

    def tasks(self) -> Table:
        """Calls, mails and to-dos with leads (with the contact, once there is one) and on opportunities."""
        rng, records, world = self.world.rng["activities"], self.records, self.world
        volumes, at_ = self.parameters.volumes, world.events.at
        number = counts(rng, volumes.lead_tasks, len(records.lead_person))
        who = np.repeat(records.lead_person, number)
        until = np.minimum(np.minimum(at_[who, CONVERSION], at_[who, LOSS]), self.end)
        created = world.population.created_at[who]
        at = created + np.floor((until - created) * rng.random(len(who)) ** 2).astype(np.int64)
        deal_who, deal, deal_at = self._on_deals(rng, volumes.opportunity_tasks)
        who, at = np.concatenate([who, deal_who]), np.concatenate([at, deal_at])
        deal = np.concatenate([np.full(len(who) - len(deal), -1, dtype=np.int64), deal])
        order = np.argsort(at, kind="stable")
        who, at, deal = who[order], at[order], deal[order]
        done = happens(rng, 0.9, len(at))
        subtype = choices(rng, (0.45, 0.40, 0.15), len(at))
        on_deal = deal >= 0
        owner = np.where(on_deal, self.deal_owner[deal], records.lead_owner[who])
        return table(
            {
                "Id": ids(record_ids("Task", len(at))),
                "IsDeleted": booleans(np.zeros(len(at), dtype=np.bool_)),
                "WhoId": self._who(who),
                "WhatId": ids(records.opportunity_ids, deal),
                "AccountId": ids(
                    records.account_ids, np.where(on_deal, records.account[world.population.company[who]], -1)
                ),
                "OwnerId": ids(self.user_ids, owner),
                "TaskSubtype": labels(("Call", "Email", "Task"), subtype),
                "Status": labels(("Not Started", "Completed"), done.astype(np.int64)),
                "IsClosed": booleans(done),
                "ActivityDate": self.calendar.dates(at // DAY),
                "CompletedDateTime": self.calendar.stamps(at, ~done),
                "CreatedDate": self.calendar.stamps(at),
            }
        )

    def events(self) -> Table:
        """Meetings on opportunities."""
        rng, records, world = self.world.rng["activities"], self.records, self.world
        who, deal, at = self._on_deals(rng, self.parameters.volumes.opportunity_events)
        order = np.argsort(at, kind="stable")
        who, deal, at = who[order], deal[order], at[order]
        return table(
            {
                "Id": ids(record_ids("Event", len(at))),
                "IsDeleted": booleans(np.zeros(len(at), dtype=np.bool_)),
                "WhoId": self._who(who),
                "WhatId": ids(records.opportunity_ids, deal),
                "AccountId": ids(records.account_ids, records.account[world.population.company[who]]),
                "OwnerId": ids(self.user_ids, self.deal_owner[deal]),
                "Type": labels(("Meeting", "Demo"), choices(rng, (0.7, 0.3), len(at))),
                "ActivityDate": self.calendar.dates(at // DAY),
                "StartDateTime": self.calendar.stamps(at),
                "CreatedDate": self.calendar.stamps(at),
            }
        )

    def _on_deals(self, rng: np.random.Generator, mean: float) -> tuple[Ints, Ints, Ints]:
        """Activities on opportunities, from their creation until they close: person, opportunity, minute."""
        deals = self.world.deals
        number = np.where(deals.is_deleted, 0, counts(rng, mean, len(deals)))
        deal = np.repeat(np.arange(len(deals)), number)
        until = np.minimum(np.where(deals.closed_day < NEVER, deals.closed_day * DAY, FAR), self.end)
        length = np.maximum(until - deals.created_at, 0)[deal]
        at = deals.created_at[deal] + np.floor(length * rng.random(len(deal))).astype(np.int64)
        return deals.journey[deal], deal, at

    def _who(self, who: Ints) -> Column:
        """The lead, or the contact that it became: Salesforce moves activities with the conversion."""
        lead, contact = self.records.lead[who], self.records.contact[who]
        both = np.concatenate([self.records.lead_ids, self.records.contact_ids])
        return ids(both, np.where(contact >= 0, len(self.records.lead_ids) + contact, lead))
