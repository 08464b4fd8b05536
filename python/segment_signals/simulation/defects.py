"""Planted data defects: what goes wrong in the files, and which records it hits.

A table takes its defects one after the other; a record that has one gets no other, so that each can be told from
the rest. Every table has random numbers of its own, whatever the order in which tables are written.
"""

import zlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from segment_signals.simulation.deals import WON
from segment_signals.simulation.draws import Bools, Ints, happens, integers
from segment_signals.simulation.files import STAMP_FORMATS
from segment_signals.simulation.leads import LEAD_STATUSES, MARKETING_QUALIFIED, SALES_QUALIFIED
from segment_signals.simulation.parameters import Defects
from segment_signals.simulation.population import DAY, NEVER
from segment_signals.simulation.records import numbers_text
from segment_signals.simulation.tables import Calendar, Column, Table, ids, plain, record_ids
from segment_signals.simulation.world import World

# Words that stand for nothing; some a reader knows, some it cannot know.
NULL_WORDS = ("N/A", "-", "null", "unknown", "Select", "TBD")
UNKNOWN_STATUSES = ("Nurture 2019", "Parked")
UNKNOWN_STAGES = ("Verbal Agreement", "Legal")
UNKNOWN_TYPES = ("Pilot", "Sonstiges")
UNKNOWN_CURRENCIES = ("XXX", "BTC")
OFFSETS = ((330, "+0530"), (-480, "-0800"), (120, "+0200"))  # minutes from UTC
FAR_DAY = "2099-12-31"
HUGE = 1_000_000.0
# Defects that add records of a person or a company that another record is of, too.
SAME_SUBJECT = ("duplicate_leads", "duplicate_accounts", "duplicate_contacts")
# Ids of records that do not exist: far beyond those that do.
NOWHERE = 10**9


@dataclass(frozen=True)
class Harm:
    """What one defect did to one table.

    `record_ids`: of the rows it hit (of the rows it added). `of_ids`: of what an added row is a copy of.
    `column` and `written`: what stands there now; None where several columns changed.
    """

    defect: str
    path: str
    rate: float
    of: str
    eligible: int
    record_ids: Column
    of_ids: Column | None = None
    column: str | None = None
    written: Column | None = None

    def __len__(self) -> int:
        return len(self.record_ids)


def damage(world: World, path: str, table: Table, file_format: str) -> tuple[Table, list[Harm]]:
    """The table with its planted defects, and what they hit. `file_format`: time zones differ in text only."""
    planted = world.parameters.defects
    makers = _MAKERS.get(path)
    encoded = path in planted.encodings and file_format == "csv"
    if planted == Defects() or (makers is None and not encoded):
        return table, []
    patient = _Patient(world, path, table, file_format)
    for make in makers or ():
        make(patient, planted)
    if encoded:
        patient.accents()
    return patient.table, patient.harm


def defect_counts(harm: list[Harm]) -> list[dict[str, Any]]:
    """Planted rate, eligible and realised number of every defect, by table."""
    return [
        {
            "defect": item.defect,
            "table": item.path,
            "of": item.of,
            "planted": item.rate,
            "eligible": item.eligible,
            "realised": len(item),
        }
        for item in sorted(harm, key=lambda item: (item.defect, item.path))
    ]


def defect_table(harm: list[Harm]) -> Table:
    """One row per record that a defect hit."""
    parts = []
    for item in sorted(harm, key=lambda item: (item.defect, item.path)):
        n = len(item)
        source, table = item.path.split("/")
        empty = pa.nulls(n, pa.string())
        parts.append(
            pa.table(
                {
                    "defect": pa.array([item.defect] * n, pa.string()),
                    "source": pa.array([source] * n, pa.string()),
                    "table_name": pa.array([table] * n, pa.string()),
                    "record_id": _text(item.record_ids),
                    "of_record_id": empty if item.of_ids is None else _text(item.of_ids),
                    "column_name": pa.array([item.column] * n, pa.string()),
                    "written": empty if item.written is None else _text(item.written),
                }
            )
        )
    return pa.concat_tables(parts)


def _text(column: Column) -> Column:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return plain(whole).cast(pa.string())


class _Patient:
    """A table that takes defects; `hit` marks the rows that have one."""

    def __init__(self, world: World, path: str, table: Table, file_format: str) -> None:
        self.world, self.path, self.table, self.file_format = world, path, table.combine_chunks(), file_format
        self.rng = _rng(world.seed, path)
        self.harm: list[Harm] = []
        self.hit = np.zeros(len(table), dtype=np.bool_)
        self.end = world.parameters.window_days * DAY - 1
        self.calendar = Calendar(world.parameters.first_day)

    def column(self, name: str) -> Column:
        """A column as one array."""
        column = self.table.column(name)
        return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()

    def is_true(self, name: str) -> Bools:
        """A column of booleans, null as false."""
        return np.asarray(self.column(name).fill_null(False).to_numpy(zero_copy_only=False), dtype=np.bool_)

    def is_filled(self, name: str) -> Bools:
        """Where a column has a value."""
        return np.asarray(self.column(name).is_valid().to_numpy(zero_copy_only=False), dtype=np.bool_)

    def minutes(self, name: str) -> Ints:
        """A column of stamps or dates as minutes since the window's first day; null as -1."""
        seconds = self.column(name).cast(pa.timestamp("s")).cast(pa.int64()).fill_null(-1)
        origin = pc.cast(self.calendar.stamps(np.zeros(1, dtype=np.int64)), pa.int64())[0].as_py()
        at: Ints = np.asarray(seconds.to_numpy(zero_copy_only=False), dtype=np.int64)
        return (at - int(origin)) // 60

    def id_column(self) -> Column:
        """The ids of the rows, or of what they belong to."""
        for name in ("Id", "id", "LeadId"):
            if name in self.table.column_names:
                return self.column(name)
        raise KeyError(f"{self.path} has no id. Give it one.")

    def choose(self, rate: float, eligible: Bools) -> tuple[Ints, int]:
        """Rows of the eligible ones that have no defect yet, and how many those were; they have one now."""
        free = eligible & ~self.hit
        rows = np.flatnonzero(free & happens(self.rng, rate, len(free)))
        self.hit[rows] = True
        return rows, int(free.sum())

    def replace(self, name: str, rows: Ints, values: Column) -> None:
        """Put values into rows of a column."""
        mask = np.zeros(len(self.table), dtype=np.bool_)
        mask[rows] = True
        column = self.column(name)
        kept = plain(column)
        order = np.argsort(rows, kind="stable")
        new = pc.replace_with_mask(kept, pa.array(mask), values.take(pa.array(order)).cast(kept.type))
        index = self.table.column_names.index(name)
        self.table = self.table.set_column(index, name, new)

    def note(
        self, defect: str, rate: float, of: str, eligible: int, rows: Ints, column: str | None, written: Column = None
    ) -> None:
        """Remember what was hit."""
        if rate > 0.0:
            found = self.id_column().take(pa.array(rows))
            self.harm.append(Harm(defect, self.path, rate, of, eligible, found, None, column, written))

    def append(self, defect: str, rate: float, of: str, eligible: int, rows: Table, originals: Ints) -> None:
        """Add rows that are copies of others."""
        if rate == 0.0:
            return
        before = self.id_column().take(pa.array(originals))
        columns = [name for name in ("Id", "id") if name in rows.column_names]
        self.harm.append(Harm(defect, self.path, rate, of, eligible, rows.column(columns[0]).combine_chunks(), before))
        plain_table = pa.table({name: plain(self.column(name)) for name in self.table.column_names})
        self.table = pa.concat_tables([plain_table, rows]).combine_chunks()
        self.hit = np.append(self.hit, np.ones(len(rows), dtype=np.bool_))

    def copies(self, rows: Ints) -> Table:
        """Copies of rows, every coded column as plain text."""
        return pa.table({name: plain(self.column(name)).take(pa.array(rows)) for name in self.table.column_names})

    def accents(self) -> None:
        """Letters beyond ASCII, so that the encoding of the file matters."""
        name = "Name" if "Name" in self.table.column_names else "page"
        text = pc.replace_substring(plain(self.column(name)), "e", "é")
        self.table = self.table.set_column(self.table.column_names.index(name), name, text)


def _rng(seed: int, name: str) -> np.random.Generator:
    return np.random.Generator(np.random.PCG64(np.random.SeedSequence([seed, zlib.crc32(name.encode())])))


def _words(words: tuple[str, ...], index: Ints) -> Column:
    return pa.array(list(words), pa.string()).take(pa.array(index))


# Defects of one table, by name of the parameter.


def _nulls_in(*names: str) -> Callable[[_Patient, Defects], None]:
    def make(patient: _Patient, planted: Defects) -> None:
        for name in names:
            eligible = patient.is_filled(name)
            rows, count = patient.choose(planted.disguised_null, eligible)
            written = _words(NULL_WORDS, integers(patient.rng, 0, len(NULL_WORDS) - 1, len(rows)))
            patient.replace(name, rows, written)
            patient.note("disguised_null", planted.disguised_null, f"rows with {name}", count, rows, name, written)

    return make


def _words_in(
    defect: str, column: str, words: tuple[str, ...], where: Callable[[_Patient], Bools], of: str
) -> Callable[[_Patient, Defects], None]:
    def make(patient: _Patient, planted: Defects) -> None:
        rate = float(getattr(planted, defect))
        rows, count = patient.choose(rate, where(patient))
        written = _words(words, integers(patient.rng, 0, len(words) - 1, len(rows)))
        patient.replace(column, rows, written)
        patient.note(defect, rate, of, count, rows, column, written)

    return make


def _no_such(defect: str, column: str, kind: str, of: str) -> Callable[[_Patient, Defects], None]:
    """References to records that do not exist."""

    def make(patient: _Patient, planted: Defects) -> None:
        rate = float(getattr(planted, defect))
        rows, count = patient.choose(rate, patient.is_filled(column) & _not_deleted(patient))
        # Who is hit is told by the record's own id, not by the reference that it lost.
        found = patient.id_column().take(pa.array(rows))
        if kind == "stripe":
            written = pa.array([f"cus_gone{i:06d}" for i in range(len(rows))], pa.string())
        else:
            written = ids(record_ids(kind, len(rows), start=NOWHERE))
        patient.replace(column, rows, written)
        if rate > 0.0:
            patient.harm.append(Harm(defect, patient.path, rate, of, count, found, None, column, written))

    return make


def _not_deleted(patient: _Patient) -> Bools:
    if "IsDeleted" not in patient.table.column_names:
        return np.ones(len(patient.table), dtype=np.bool_)
    return ~patient.is_true("IsDeleted")


def _duplicate_rows(patient: _Patient, planted: Defects) -> None:
    """The very same row again, as overlapping extracts have it."""
    rows, count = patient.choose(planted.duplicate_rows, _not_deleted(patient))
    patient.append("duplicate_rows", planted.duplicate_rows, "rows", count, patient.copies(rows), rows)


def _other_time_zone(patient: _Patient, planted: Defects) -> None:
    """The same moments, written with another offset; nothing is wrong with them, but text does not sort."""
    if patient.file_format != "csv":
        return
    rows, count = patient.choose(planted.other_time_zone, patient.is_filled("CreatedDate"))
    at = patient.minutes("CreatedDate")
    zone = integers(patient.rng, 0, len(OFFSETS) - 1, len(rows))
    written = pa.nulls(len(rows), pa.string())
    for index, (minutes, suffix) in enumerate(OFFSETS):
        local = patient.calendar.stamps(at[rows] + minutes)
        text = pc.strftime(local, format=f"%Y-%m-%dT%H:%M:%S.000{suffix}")
        written = pc.if_else(pa.array(zone == index), text, written)
    column = pc.strftime(patient.column("CreatedDate"), format=STAMP_FORMATS["salesforce"])
    index = patient.table.column_names.index("CreatedDate")
    patient.table = patient.table.set_column(index, "CreatedDate", column)
    patient.replace("CreatedDate", rows, written)
    patient.note("other_time_zone", planted.other_time_zone, "rows", count, rows, "CreatedDate", written)


def _duplicate_leads(patient: _Patient, planted: Defects) -> None:
    """The same person entered again some days later: another id, the address in capitals."""
    n = len(patient.table)
    created = patient.minutes("CreatedDate")
    again = created + integers(patient.rng, 1, 20, n) * DAY + integers(patient.rng, 0, 300, n)
    rows, count = patient.choose(planted.duplicate_leads, _not_deleted(patient) & (again <= patient.end))
    copies = patient.copies(rows)
    nothing = pa.nulls(len(rows), pa.string())
    fresh = {
        "Id": ids(record_ids("Lead", len(rows), start=n + 1)),
        "Email": pc.utf8_upper(copies.column("Email")),
        "Status": pa.array([LEAD_STATUSES[0]] * len(rows), pa.string()),
        "CreatedDate": patient.calendar.stamps(again[rows]),
        "LastModifiedDate": patient.calendar.stamps(again[rows]),
        "IsConverted": pa.array([False] * len(rows)),
        "ConvertedDate": nothing.cast(pa.date32()),
        "ConvertedAccountId": nothing,
        "ConvertedContactId": nothing,
        "ConvertedOpportunityId": nothing,
    }
    copies = _with(copies, fresh)
    of = "leads entered early enough to come again: added rows, the same person"
    patient.append("duplicate_leads", planted.duplicate_leads, of, count, copies, rows)


def _duplicate_accounts(patient: _Patient, planted: Defects) -> None:
    """The same company entered again: another id, another spelling of the name, the same website."""
    n = len(patient.table)
    created = patient.minutes("CreatedDate")
    again = created + integers(patient.rng, 1, 60, n) * DAY
    rows, count = patient.choose(planted.duplicate_accounts, _not_deleted(patient) & (again <= patient.end))
    copies = patient.copies(rows)
    name = pc.binary_join_element_wise(copies.column("Name"), pa.scalar("Inc."), " ")
    stamps = patient.calendar.stamps(again[rows])
    fresh = {
        "Id": ids(record_ids("Account", len(rows), start=n + 1)),
        "Name": name,
        "Type": pa.array(["Prospect"] * len(rows), pa.string()),
        "CreatedDate": stamps,
        "LastModifiedDate": stamps,
    }
    of = "accounts entered early enough to come again: added rows, the same company"
    patient.append("duplicate_accounts", planted.duplicate_accounts, of, count, _with(copies, fresh), rows)


def _duplicate_contacts(patient: _Patient, planted: Defects) -> None:
    """The same person in HubSpot again: another id, the same address, without Salesforce's ids."""
    n = len(patient.table)
    created = patient.minutes("property_createdate")
    again = created + integers(patient.rng, 1, 20, n) * DAY
    rows, count = patient.choose(planted.duplicate_contacts, again <= patient.end)
    copies = patient.copies(rows)
    stamps = patient.calendar.stamps(again[rows])
    fresh: dict[str, Column] = {
        "id": ids(numbers_text(len(rows), 10_000_000_001 + n)),
        "property_email": pc.utf8_upper(copies.column("property_email")),
        "property_lifecyclestage": pa.array(["lead"] * len(rows), pa.string()),
        "property_createdate": stamps,
        "property_lastmodifieddate": stamps,
    }
    for name in copies.column_names:
        if name.startswith("property_salesforce") or "date_entered" in name or name.endswith("_date"):
            fresh[name] = pa.nulls(len(rows), copies.column(name).type)
    fresh["property_hs_v2_date_entered_lead"] = stamps
    of = "contacts made early enough to come again: added rows, the same person"
    patient.append("duplicate_contacts", planted.duplicate_contacts, of, count, _with(copies, fresh), rows)


def _with(table: Table, columns: dict[str, Column]) -> Table:
    for name, column in columns.items():
        index = table.column_names.index(name)
        table = table.set_column(index, name, column.cast(table.column(name).type))
    return table


def _converted_before_create(patient: _Patient, planted: Defects) -> None:
    rows, count = patient.choose(planted.converted_before_create, patient.is_true("IsConverted"))
    day = patient.minutes("CreatedDate")[rows] // DAY - integers(patient.rng, 5, 60, len(rows))
    written = patient.calendar.dates(day)
    patient.replace("ConvertedDate", rows, written)
    patient.note(
        "converted_before_create",
        planted.converted_before_create,
        "converted leads",
        count,
        rows,
        "ConvertedDate",
        written,
    )


def _future_leads(patient: _Patient, planted: Defects) -> None:
    """Leads created after the as-of date; their history stays where it was."""
    eligible = ~patient.is_true("IsConverted") & _not_deleted(patient)
    rows, count = patient.choose(planted.future_created, eligible)
    written = patient.calendar.stamps(patient.end + integers(patient.rng, 30, 400, len(rows)) * DAY)
    patient.replace("CreatedDate", rows, written)
    of = "leads that were not converted"
    patient.note("future_created", planted.future_created, of, count, rows, "CreatedDate", written)


@dataclass(frozen=True)
class _DealPlan:
    """What goes wrong with opportunities in several tables at once, by opportunity; 0 where nothing does."""

    close_shift: Ints  # days by which the closing comes before the creation
    future_shift: Ints  # days by which everything lies in the future
    closed_count: int
    open_count: int


def _deal_plan(world: World) -> _DealPlan:
    """The same at every call: the tables of opportunities must agree."""
    planted, deals, rng = world.parameters.defects, world.deals, _rng(world.seed, "deals")
    n = len(deals)
    closed = (deals.closed_day < world.parameters.window_days) & ~deals.is_deleted & (deals.reopened_day == NEVER)
    is_open = (deals.closed_day >= world.parameters.window_days) & ~deals.is_deleted
    is_early = closed & happens(rng, planted.close_before_create, n)
    is_late = is_open & happens(rng, planted.future_created, n)
    return _DealPlan(
        close_shift=np.where(is_early, integers(rng, 1, 90, n), 0),
        future_shift=np.where(is_late, world.parameters.window_days + integers(rng, 30, 400, n), 0),
        closed_count=int(closed.sum()),
        open_count=int(is_open.sum()),
    )


def _deal_dates(patient: _Patient, planted: Defects) -> None:
    plan, deals = _deal_plan(patient.world), patient.world.deals
    rows = np.flatnonzero(plan.close_shift)
    patient.hit[rows] = True
    written = patient.calendar.dates(deals.created_at[rows] // DAY - plan.close_shift[rows])
    patient.replace("CloseDate", rows, written)
    patient.note(
        "close_before_create",
        planted.close_before_create,
        "closed opportunities (deleted and re-opened ones aside)",
        plan.closed_count,
        rows,
        "CloseDate",
        written,
    )
    rows = np.flatnonzero(plan.future_shift)
    patient.hit[rows] = True
    written = patient.calendar.stamps(deals.created_at[rows] + plan.future_shift[rows] * DAY)
    patient.replace("CreatedDate", rows, written)
    changed = patient.minutes("LastModifiedDate")[rows] + plan.future_shift[rows] * DAY
    patient.replace("LastModifiedDate", rows, patient.calendar.stamps(changed))
    patient.note(
        "future_created",
        planted.future_created,
        "open opportunities (deleted ones aside)",
        plan.open_count,
        rows,
        "CreatedDate",
        written,
    )


def _deal_history_dates(patient: _Patient, planted: Defects) -> None:
    """The history of what `_deal_dates` does to opportunities."""
    plan, history, deals = _deal_plan(patient.world), patient.world.history, patient.world.deals
    closing = (history.stage >= WON) & history.stage_changed
    rows = np.flatnonzero(closing & (plan.close_shift[history.deal] > 0))
    deal = history.deal[rows]
    day = deals.created_at[deal] // DAY - plan.close_shift[deal]
    patient.hit[rows] = True
    written = patient.calendar.stamps(day * DAY + 10 * 60)
    patient.replace("CreatedDate", rows, written)
    patient.replace("CloseDate", rows, patient.calendar.dates(day))
    of = "closings of those opportunities"
    patient.note("close_before_create", planted.close_before_create, of, len(rows), rows, "CreatedDate", written)
    rows = np.flatnonzero(plan.future_shift[history.deal])
    patient.hit[rows] = True
    written = patient.calendar.stamps(history.at[rows] + plan.future_shift[history.deal[rows]] * DAY)
    patient.replace("CreatedDate", rows, written)
    of = "history of those opportunities"
    patient.note("future_created", planted.future_created, of, len(rows), rows, "CreatedDate", written)


def _amounts(patient: _Patient, planted: Defects) -> None:
    amount = np.asarray(patient.column("Amount").to_numpy(zero_copy_only=False), dtype=np.float64)
    for defect, factor in (("negative_amount", -1.0), ("huge_amount", HUGE)):
        rate = float(getattr(planted, defect))
        rows, count = patient.choose(rate, _not_deleted(patient))
        written = pa.array(amount[rows] * factor)
        patient.replace("Amount", rows, written)
        patient.note(defect, rate, "opportunities without another defect", count, rows, "Amount", written)


def _currency_case(patient: _Patient, planted: Defects) -> None:
    rows, count = patient.choose(planted.currency_case, _not_deleted(patient))
    written = pc.utf8_lower(plain(patient.column("CurrencyIsoCode")).take(pa.array(rows)))
    patient.replace("CurrencyIsoCode", rows, written)
    of = "opportunities without another defect: lower case, still known"
    patient.note("currency_case", planted.currency_case, of, count, rows, "CurrencyIsoCode", written)


def _far_close_date(patient: _Patient, planted: Defects) -> None:
    rows, count = patient.choose(planted.far_close_date, ~patient.is_true("IsClosed") & _not_deleted(patient))
    written = pa.array([FAR_DAY] * len(rows), pa.string()).cast(pa.date32())
    patient.replace("CloseDate", rows, written)
    of = "open opportunities without another defect"
    patient.note("far_close_date", planted.far_close_date, of, count, rows, "CloseDate", written)


def _history_out_of_order(patient: _Patient, planted: Defects) -> None:
    """The stamps of becoming an MQL and an SQL changed places; both rows are told."""
    new, lead = plain(patient.column("NewValue")), plain(patient.column("LeadId"))
    is_mql = np.asarray(pc.equal(new, LEAD_STATUSES[MARKETING_QUALIFIED]).to_numpy(zero_copy_only=False))
    is_sql = np.asarray(pc.equal(new, LEAD_STATUSES[SALES_QUALIFIED]).to_numpy(zero_copy_only=False))
    same = np.asarray(pc.equal(lead.slice(0, len(lead) - 1), lead.slice(1)).to_numpy(zero_copy_only=False))
    pair = np.append(is_mql[:-1] & is_sql[1:] & same, False)
    at = patient.minutes("CreatedDate")
    pair[:-1] &= at[:-1] // DAY < at[1:] // DAY
    free = pair & ~patient.hit & ~np.append(patient.hit[1:], True)
    first = np.flatnonzero(free & happens(patient.rng, planted.history_out_of_order, len(pair)))
    rows = np.concatenate([first, first + 1])
    patient.hit[rows] = True
    written = patient.calendar.stamps(np.concatenate([at[first + 1], at[first]]))
    patient.replace("CreatedDate", rows, written)
    of = "steps from MQL to SQL on different days; two rows each"
    patient.note(
        "history_out_of_order", planted.history_out_of_order, of, 2 * int(free.sum()), rows, "CreatedDate", written
    )


def _open_deals(patient: _Patient) -> Bools:
    return ~patient.is_true("IsClosed") & _not_deleted(patient)


def _open_leads(patient: _Patient) -> Bools:
    return ~patient.is_true("IsConverted") & _not_deleted(patient)


Maker = Callable[[_Patient, Defects], None]
# What befalls each table, in this order.
_MAKERS: dict[str, tuple[Maker, ...]] = {
    "salesforce/Account": (
        _nulls_in("Industry", "BillingCountry"),
        _duplicate_accounts,
        _duplicate_rows,
    ),
    "salesforce/Contact": (_duplicate_rows,),
    "salesforce/Lead": (
        _future_leads,
        _converted_before_create,
        _words_in("unknown_status", "Status", UNKNOWN_STATUSES, _open_leads, "leads that were not converted"),
        _no_such("owner_gone", "OwnerId", "User", "leads without another defect"),
        _nulls_in("Industry", "Country", "LeadSource"),
        _duplicate_leads,
        _duplicate_rows,
    ),
    "salesforce/LeadHistory": (
        _history_out_of_order,
        _no_such("orphan_lead_history", "LeadId", "Lead", "rows"),
        _other_time_zone,
    ),
    "salesforce/Opportunity": (
        _deal_dates,
        _far_close_date,
        _no_such("orphan_account", "AccountId", "Account", "opportunities with an account"),
        _no_such("owner_gone", "OwnerId", "User", "opportunities without another defect"),
        _amounts,
        _words_in("unknown_currency", "CurrencyIsoCode", UNKNOWN_CURRENCIES, _not_deleted, "opportunities"),
        _currency_case,
        _words_in("unknown_stage", "StageName", UNKNOWN_STAGES, _open_deals, "open opportunities"),
        _words_in("unknown_type", "Type", UNKNOWN_TYPES, _not_deleted, "opportunities"),
        _duplicate_rows,
    ),
    "salesforce/OpportunityHistory": (_deal_history_dates, _other_time_zone),
    "salesforce/Task": (_no_such("orphan_activity", "WhoId", "Lead", "tasks with a person"), _duplicate_rows),
    "hubspot/contact": (_nulls_in("property_industry", "property_country"), _duplicate_contacts),
    "stripe/subscription": (_no_such("orphan_subscription", "customer_id", "stripe", "subscriptions"),),
}
