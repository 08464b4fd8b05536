"""Write a simulated world as the objects of a Salesforce Data Export.

One frame of text per object, with API column names.
"""

from dataclasses import dataclass

import numpy as np
import pandas as pd

from segment_signals.simulation.deals import (
    DEAL_STAGES,
    LOST,
    NEW_BUSINESS,
    WON,
    Deals,
)
from segment_signals.simulation.draws import Bools, Ints, choices, happens, integers
from segment_signals.simulation.lead_events import (
    LEAD_STATUSES,
    OPEN,
)
from segment_signals.simulation.names import (
    FIRST_NAMES,
    LAST_NAMES,
    PRODUCTS,
    PRODUCTS_BY_SIZE,
    TITLES,
    company_names,
    person_names,
)
from segment_signals.simulation.parameters import Parameters
from segment_signals.simulation.population import (
    Companies,
    Population,
    region_of_country,
)
from segment_signals.simulation.salesforce_format import (
    PREFIXES,
    Calendar,
    Texts,
    amounts,
    blank_where,
    booleans,
    record_ids,
)

SELLERS_PER_REGION = 6  # three per segment
DEVELOPERS_PER_REGION = 3
# Accounts of outbound opportunities are entered up to this many days before the opportunity.
ACCOUNT_LEAD_IN_DAYS = 40


@dataclass(frozen=True)
class QuirkCount:
    """How often a quirk was planted and came out: `eligible` of what could have it, `realised` of them do.

    `planted` is a rate of the eligible, or a count where `eligible` is None.
    """

    planted: float
    of: str
    eligible: int | None
    realised: int


class ExportWriter:
    """Writes all objects; holds what they share: names, owners, the source label written for each entrant.

    `quirks` is filled while writing.
    """

    def __init__(
        self,
        parameters: Parameters,
        companies: Companies,
        population: Population,
        name_rng: np.random.Generator,
        owner_rng: np.random.Generator,
        quirk_rng: np.random.Generator,
        quirks: dict[str, QuirkCount],
    ) -> None:
        self.parameters, self.companies, self.population = parameters, companies, population
        self.name_rng, self.owner_rng, self.quirk_rng, self.quirks = name_rng, owner_rng, quirk_rng, quirks
        self.as_of = parameters.window_days - 1
        self.calendar = Calendar(parameters.first_day, -ACCOUNT_LEAD_IN_DAYS, parameters.window_days + 2_000)
        names, self.domains = company_names(name_rng, parameters.companies)
        self.company_name = np.array(names)
        planted = parameters.quirks
        n = len(population)
        labels = np.array([level.name for level in parameters.source_levels])[population.source]
        is_unmapped = population.has_lead & happens(quirk_rng, planted.unmapped_lead_source, n)
        self.source_label = np.where(is_unmapped, planted.unmapped_lead_source_label, labels)
        quirks["unmapped_lead_source"] = QuirkCount(
            planted.unmapped_lead_source, "leads", int(population.has_lead.sum()), int(is_unmapped.sum())
        )
        industry = np.array([level.name for level in parameters.industries])[companies.industry]
        self.industry = blank_where(companies.industry_is_blank, industry)
        self.country = np.array([level.name for level in parameters.countries])
        self.region = region_of_country(parameters)
        self.users = self._users()

    def _users(self) -> pd.DataFrame:
        """One manager, six sellers and three development representatives per region."""
        rows: list[tuple[str, str, str]] = []
        for region in self.parameters.regions:
            rows.append(("Management", "", region.name))
            rows += [("Commercial", "", region.name)] * 3 + [("Enterprise", "", region.name)] * 3
            rows += [("Sales Development", "", region.name)] * DEVELOPERS_PER_REGION
        count = len(rows)
        # The first names and last names of a shuffled list: no two sellers share either.
        first = np.argsort(self.name_rng.random(len(FIRST_NAMES)), kind="stable")[:count]
        last = np.argsort(self.name_rng.random(len(LAST_NAMES)), kind="stable")[:count]
        names = [f"{FIRST_NAMES[i]} {LAST_NAMES[j]}" for i, j in zip(first, last, strict=True)]
        users = pd.DataFrame(rows, columns=["Team__c", "Manager__c", "Region__c"])
        users.insert(0, "Id", record_ids(PREFIXES["User"], count))
        users.insert(1, "Name", names)
        manager = users[users["Team__c"] == "Management"].set_index("Region__c")["Name"]
        is_manager = users["Team__c"] == "Management"
        users["Manager__c"] = users["Region__c"].map(manager).where(~is_manager, "")
        # The last development representative of every other region has left.
        per_region = 1 + SELLERS_PER_REGION + DEVELOPERS_PER_REGION
        has_left = np.arange(count) % (2 * per_region) == per_region - 1
        users.insert(2, "IsActive", booleans(~has_left))
        return users

    def _owner(self, region: Ints, first: Ints | int, count: int) -> Texts:
        """Ids of owners drawn among `count` consecutive users of the region, from offset `first`."""
        per_region = 1 + SELLERS_PER_REGION + DEVELOPERS_PER_REGION
        index = region * per_region + first + integers(self.owner_rng, 0, count - 1, len(region))
        return np.asarray(self.users["Id"].to_numpy(dtype="U18")[index])

    def write(
        self,
        deals: Deals,
        history: pd.DataFrame,
        lead_rows: pd.DataFrame,
        opportunity_day: Ints,
        first_of: dict[int, int],
    ) -> dict[str, pd.DataFrame]:
        """All objects, by name."""
        calendar, n = self.calendar, len(deals)
        deal_ids = record_ids(PREFIXES["Opportunity"], n)
        row_stamp = calendar.stamps(history["day"].to_numpy(), history["minute"].to_numpy())
        last = history.drop_duplicates("deal", keep="last")
        size = self.companies.size[deals.company]
        deal_owner = self._owner(
            self.region[self.companies.country[deals.company]],
            np.where(size >= 2, 4, 1),
            SELLERS_PER_REGION // 2,
        )

        accounts, account_of = self._accounts(deals, deal_owner)
        opportunities = self._opportunities(
            deals, deal_ids, deal_owner, account_of, last, row_stamp[last.index.to_numpy()]
        )
        labels = np.array([stage[0] for stage in DEAL_STAGES])
        forecast = np.array([stage[2] for stage in DEAL_STAGES])
        stage = history["stage"].to_numpy()
        opportunity_history = pd.DataFrame(
            {
                "Id": record_ids(PREFIXES["OpportunityHistory"], len(history)),
                "OpportunityId": deal_ids[history["deal"].to_numpy()],
                "StageName": labels[stage],
                "Amount": amounts(history["amount"].to_numpy()),
                "CloseDate": calendar.dates(history["close_day"].to_numpy()),
                "Probability": np.array([stage[1] for stage in DEAL_STAGES])[stage],
                "ForecastCategory": forecast[stage],
                "CreatedDate": row_stamp,
            }
        )
        deal_of_lead = np.full(len(self.population), -1, dtype=np.int64)
        born = np.flatnonzero(deals.lead >= 0)
        deal_of_lead[deals.lead[born]] = born
        for second, first in first_of.items():
            deal_of_lead[second] = deal_of_lead[first]
        leads, lead_history = self._leads(lead_rows, opportunity_day, deal_of_lead, deal_ids, account_of)
        products = pd.DataFrame(
            {
                "Id": record_ids(PREFIXES["Product2"], len(PRODUCTS)),
                "Name": [name for name, _, _ in PRODUCTS],
                "Family": [family for _, family, _ in PRODUCTS],
                "List_Price__c": [f"{price:.2f}" for _, _, price in PRODUCTS],
            }
        )
        return {
            "Account": accounts,
            "Lead": leads,
            "LeadHistory": lead_history,
            "Opportunity": opportunities,
            "OpportunityHistory": opportunity_history,
            "User": self.users,
            "Product2": products,
        }

    def _accounts(self, deals: Deals, deal_owner: Texts) -> tuple[pd.DataFrame, Texts]:
        """Accounts of companies with an opportunity, and the account id of every company ('' without one)."""
        companies, rng = self.companies, self.quirk_rng
        # An outbound account is entered some days before its opportunity, any other with the conversion.
        lead_in = np.where((deals.lead < 0) & (deals.kind == 0), integers(rng, 3, ACCOUNT_LEAD_IN_DAYS, len(deals)), 0)
        frame = pd.DataFrame(
            {
                "company": deals.company,
                "day": deals.created_day - np.where(deals.is_deleted, 0, lead_in),
                "minute": deals.created_minute,
                "owner": deal_owner,
                "won_day": np.where(deals.is_won & (deals.closed_day <= self.as_of), deals.closed_day, -1),
            }
        )
        won_day = frame.groupby("company")["won_day"].max()
        frame = frame.sort_values(["day", "minute", "company"], kind="stable").drop_duplicates("company")
        company, day, minute = (frame[name].to_numpy() for name in ("company", "day", "minute"))
        customer_day = won_day.loc[company].to_numpy()
        count = len(company)
        # The customer flag is set by a nightly job, after every change of the day.
        changed_day = np.where(customer_day >= 0, customer_day, day)
        changed_minute = np.where(customer_day >= 0, 24 * 60 - 10, minute)
        revenue = companies.employees[company] * (60_000.0 + 190_000.0 * rng.random(count))
        accounts = pd.DataFrame(
            {
                "Id": record_ids(PREFIXES["Account"], count),
                "IsDeleted": "false",
                "Name": self.company_name[company],
                "Type": np.where(customer_day >= 0, "Customer", "Prospect"),
                "Industry": self.industry[company],
                "NumberOfEmployees": companies.employees[company].astype("U"),
                "AnnualRevenue": (np.round(revenue / 10_000.0) * 10_000.0).astype(np.int64).astype("U"),
                "BillingCountry": self.country[companies.country[company]],
                "OwnerId": frame["owner"].to_numpy(dtype="U18"),
                "CreatedDate": self.calendar.stamps(day, minute),
                "LastModifiedDate": self.calendar.stamps(changed_day, changed_minute),
            }
        )
        self.quirks["industry_blank"] = QuirkCount(
            self.parameters.quirks.industry_blank,
            "accounts (deleted ones aside); their leads are blank too",
            count,
            int(companies.industry_is_blank[company].sum()),
        )
        account_of = np.full(self.parameters.companies, "", dtype="U18")
        account_of[company] = accounts["Id"].to_numpy(dtype="U18")

        wanted = self.parameters.quirks.deleted_accounts
        deleted = accounts.iloc[np.sort(integers(rng, 0, count - 1, wanted))].copy()
        deleted["Id"] = record_ids(PREFIXES["Account"], wanted, start=count + 1)
        deleted["IsDeleted"] = "true"
        deleted["Name"] = deleted["Name"] + " (duplicate)"
        deleted["Type"] = "Prospect"
        deleted["LastModifiedDate"] = deleted["CreatedDate"]
        self.quirks["deleted_accounts"] = QuirkCount(
            wanted, "duplicates that were deleted, a count", None, len(deleted)
        )
        return pd.concat([accounts, deleted], ignore_index=True), account_of

    def _opportunities(
        self, deals: Deals, ids: Texts, owner: Texts, account_of: Texts, last: pd.DataFrame, changed: Texts
    ) -> pd.DataFrame:
        """Opportunities in their current state: the last row of their history."""
        parameters, rng, n = self.parameters, self.quirk_rng, len(deals)
        stage = last["stage"].to_numpy()
        types = np.array([NEW_BUSINESS, *(plan.type for plan in parameters.follow_ups)])
        product = np.array(PRODUCTS_BY_SIZE)[self.companies.size[deals.company], integers(self.owner_rng, 0, 3, n)]
        name = np.char.add(
            np.char.add(self.company_name[deals.company], " - "),
            np.array([item[0] for item in PRODUCTS])[product],
        )
        is_new = (deals.kind == 0) & ~deals.is_deleted
        without_account = is_new & happens(rng, parameters.quirks.opportunity_without_account, n)
        self.quirks["opportunity_without_account"] = QuirkCount(
            parameters.quirks.opportunity_without_account,
            "new business opportunities",
            int(is_new.sum()),
            int(without_account.sum()),
        )
        planted_label = np.array([level.name for level in parameters.source_levels])[deals.source]
        label = np.where(deals.lead >= 0, self.source_label[deals.lead], planted_label)
        reason = np.array([name for name, _ in parameters.loss_reasons])[
            choices(rng, [share for _, share in parameters.loss_reasons], n)
        ]
        is_lost = stage == LOST
        no_reason = happens(rng, parameters.quirks.loss_reason_blank, n)
        self.quirks["loss_reason_blank"] = QuirkCount(
            parameters.quirks.loss_reason_blank,
            "lost opportunities",
            int(is_lost.sum()),
            int((is_lost & no_reason).sum()),
        )
        for index, currency in enumerate(parameters.currencies[1:], start=1):
            planted = sum(
                share * level.share
                for name_, share in currency.share_by_country
                for level in parameters.countries
                if level.name == name_
            )
            self.quirks["currency_" + currency.code.lower()] = QuirkCount(
                round(planted, 6), "opportunities", n, int((deals.currency == index).sum())
            )
        return pd.DataFrame(
            {
                "Id": ids,
                "IsDeleted": booleans(deals.is_deleted),
                "AccountId": blank_where(without_account, account_of[deals.company]),
                "Name": name,
                "StageName": np.array([row[0] for row in DEAL_STAGES])[stage],
                "Type": types[deals.kind],
                "LeadSource": blank_where(deals.kind > 0, label),
                "Amount": amounts(last["amount"].to_numpy()),
                "CurrencyIsoCode": np.array([level.code for level in parameters.currencies])[deals.currency],
                "Probability": np.array([row[1] for row in DEAL_STAGES])[stage],
                "CloseDate": self.calendar.dates(last["close_day"].to_numpy()),
                "IsClosed": booleans(stage >= WON),
                "IsWon": booleans(stage == WON),
                "ForecastCategory": np.array([row[2] for row in DEAL_STAGES])[stage],
                "Loss_Reason__c": blank_where(~is_lost | no_reason, reason),
                "OwnerId": owner,
                "Product__c": record_ids(PREFIXES["Product2"], len(PRODUCTS))[product],
                "CreatedDate": self.calendar.stamps(deals.created_day, deals.created_minute),
                "LastModifiedDate": changed,
            }
        )

    def _leads(
        self,
        rows: pd.DataFrame,
        opportunity_day: Ints,
        deal_of_lead: Ints,
        deal_ids: Texts,
        account_of: Texts,
    ) -> tuple[pd.DataFrame, pd.DataFrame]:
        """Leads in their current state, and LeadHistory."""
        parameters, calendar = self.parameters, self.calendar
        population = self.population.take(self.population.has_lead)
        n = len(population)
        ids = record_ids(PREFIXES["Lead"], n)
        region = self.region[population.country]
        owner = self._owner(region, 1 + SELLERS_PER_REGION, DEVELOPERS_PER_REGION)
        is_converted = opportunity_day[:n] <= self.as_of

        rows, is_changed, previous_owner = self._with_owner_changes(rows, opportunity_day[:n], region, owner)
        lead = rows["lead"].to_numpy()
        stamp = calendar.stamps(rows["day"].to_numpy(), rows["minute"].to_numpy())
        status_rows = rows[rows["status"] >= 0]
        before = status_rows.groupby("lead")["status"].shift(fill_value=OPEN).reindex(rows.index, fill_value=-1)
        statuses = np.array(LEAD_STATUSES)
        is_status = rows["status"].to_numpy() >= 0
        lead_history = pd.DataFrame(
            {
                "Id": record_ids(PREFIXES["LeadHistory"], len(rows)),
                "LeadId": ids[lead],
                "CreatedDate": stamp,
                "Field": np.where(is_status, "Status", "Owner"),
                "OldValue": np.where(is_status, statuses[before.to_numpy()], previous_owner[lead]),
                "NewValue": np.where(is_status, statuses[rows["status"].to_numpy()], owner[lead]),
            }
        )
        current = status_rows.drop_duplicates("lead", keep="last").set_index("lead")["status"]
        status = current.reindex(np.arange(n), fill_value=OPEN).to_numpy()
        created = calendar.stamps(population.created_day, population.created_minute)
        changed = pd.Series(stamp, index=lead).groupby(level=0).last().reindex(np.arange(n))
        first, last = person_names(
            integers(self.name_rng, 0, len(FIRST_NAMES) - 1, n),
            integers(self.name_rng, 0, len(LAST_NAMES) - 1, n),
        )
        email = [
            f"{f[0].lower()}.{x.lower()}@{self.domains[c]}"
            for f, x, c in zip(first, last, population.company.tolist(), strict=True)
        ]
        title = choices(self.name_rng, [share for _, share in TITLES], n)
        company = population.company
        leads = pd.DataFrame(
            {
                "Id": ids,
                "IsDeleted": "false",
                "FirstName": first,
                "LastName": last,
                "Company": self.company_name[company],
                "Title": np.array([name for name, _ in TITLES])[title],
                "Email": email,
                "LeadSource": self.source_label[:n],
                "Status": statuses[status],
                "Industry": self.industry[company],
                "NumberOfEmployees": self.companies.employees[company].astype("U"),
                "Country": self.country[population.country],
                "OwnerId": owner,
                "CreatedDate": created,
                "LastModifiedDate": np.where(changed.isna(), created, changed.fillna("").to_numpy(dtype="U28")),
                "IsConverted": booleans(is_converted),
                "ConvertedDate": blank_where(
                    ~is_converted, calendar.dates(np.where(is_converted, opportunity_day[:n], 0))
                ),
                "ConvertedAccountId": blank_where(~is_converted, account_of[company]),
                "ConvertedOpportunityId": blank_where(~is_converted, deal_ids[deal_of_lead[:n]]),
            }
        )
        self.quirks["lead_owner_changed"] = QuirkCount(
            parameters.quirks.lead_owner_changed,
            "leads that did not convert in their first days",
            int((opportunity_day[:n] > population.created_day + 4).sum()),
            int(is_changed.sum()),
        )
        return pd.concat([leads, self._deleted_leads(leads, population)], ignore_index=True), lead_history

    def _with_owner_changes(
        self, rows: pd.DataFrame, opportunity_day: Ints, region: Ints, owner: Texts
    ) -> tuple[pd.DataFrame, Bools, Texts]:
        """Status rows and owner changes (status -1) by lead and time, who changed, and the owner before."""
        rng, n = self.owner_rng, len(region)
        created = self.population.created_day[:n]
        previous = self._owner(region, 1 + SELLERS_PER_REGION, DEVELOPERS_PER_REGION)
        day = created + integers(rng, 0, 3, n)
        # A drawn owner who is the present one would be no change; the rate is raised for these.
        rate = self.parameters.quirks.lead_owner_changed / (1.0 - 1.0 / DEVELOPERS_PER_REGION)
        is_changed = happens(rng, rate, n) & (previous != owner)
        is_changed &= (opportunity_day > created + 4) & (day <= self.as_of)
        where = np.flatnonzero(is_changed)
        minute = 23 * 60 + integers(rng, 0, 50, n)
        changes = pd.DataFrame({"lead": where, "day": day[where], "minute": minute[where], "status": -1})
        merged = pd.concat([rows, changes], ignore_index=True)
        return (
            merged.sort_values(["lead", "day", "minute"], kind="stable", ignore_index=True),
            is_changed,
            previous,
        )

    def _deleted_leads(self, leads: pd.DataFrame, population: Population) -> pd.DataFrame:
        """Copies of some leads, entered later on the same day and deleted: open, without history."""
        wanted, n = self.parameters.quirks.deleted_leads, len(leads)
        chosen = np.sort(integers(self.quirk_rng, 0, n - 1, wanted))
        copies = leads.iloc[chosen].copy()
        copies["Id"] = record_ids(PREFIXES["Lead"], wanted, start=n + 1)
        copies["IsDeleted"] = "true"
        copies["Status"] = LEAD_STATUSES[OPEN]
        copies["CreatedDate"] = self.calendar.stamps(
            population.created_day[chosen], population.created_minute[chosen] + 30
        )
        copies["LastModifiedDate"] = self.calendar.stamps(
            population.created_day[chosen], population.created_minute[chosen] + 90
        )
        copies["IsConverted"] = "false"
        copies[["ConvertedDate", "ConvertedAccountId", "ConvertedOpportunityId"]] = ""
        self.quirks["deleted_leads"] = QuirkCount(wanted, "duplicates that were deleted, a count", None, len(copies))
        return copies
