"""Movement of the pipeline: ten deals by hand, and two hundred against a ledger that is kept day by day."""

import random
from collections import defaultdict
from dataclasses import dataclass
from datetime import date, timedelta
from decimal import Decimal
from typing import Any

import numpy as np
import pytest
from conftest import Build, dataset
from statsmodels.duration.survfunc import CumIncidenceRight, SurvfuncRight

AS_OF = date(2025, 6, 30)
FLOWS = ("opening", "created", "reopened", "pulled_in", "pushed_out", "up", "down", "won", "lost", "closing")

# id, type, stage, amount, created, close date, reason
DEALS = """A,New Business,Closed Won,1300,2025-02-10,2025-05-10,
B,New Business,Prospecting,400,2025-03-05,2025-06-20,
C,New Business,Closed Lost,320,2025-04-15,2025-06-02,Price
D,New Business,Closed Won,700,2025-05-07,2025-05-07,
E,New Business,Closed Won,600,2025-05-01,2025-06-15,
F,New Business,Prospecting,,2025-06-01,2025-06-30,
G,New Business,Prospecting,-50,2025-06-03,2025-07-15,
H,Renewal,Prospecting,800,2025-06-05,2025-06-20,
I,New Business,Closed Lost,90,2025-06-10,2025-06-01,price
J,New Business,Closed Lost,1000,2025-04-01,2025-06-10,
"""

# deal, stage, amount, close date, moment
HISTORY = """A,Prospecting,1000,2025-03-31,2025-02-10T09:00:00Z
A,Qualification,1200,2025-05-15,2025-03-20T09:00:00Z
A,Prospecting,1200,2025-05-15,2025-04-01T09:00:00Z
A,Closed Won,1300,2025-05-10,2025-05-10T09:00:00Z
B,Prospecting,500,2025-04-30,2025-03-05T09:00:00Z
B,Closed Lost,500,2025-04-10,2025-04-10T09:00:00Z
B,Prospecting,400,2025-06-20,2025-05-20T09:00:00Z
C,Prospecting,300,2025-08-01,2025-04-15T10:00:00Z
C,Prospecting,350,2025-08-01,2025-04-15T15:00:00Z
C,Prospecting,350,2025-05-28,2025-05-05T09:00:00Z
C,Prospecting,320,2025-05-28,2025-05-12T09:00:00Z
C,Closed Lost,320,2025-06-02,2025-06-02T09:00:00Z
D,Closed Won,700,2025-05-07,2025-05-07T09:00:00Z
E,Prospecting,600,2025-09-30,2025-05-01T09:00:00Z
E,Closed Won,600,2025-06-15,2025-06-15T09:00:00Z
F,Prospecting,,2025-06-30,2025-06-01T09:00:00Z
G,Prospecting,-50,2025-07-15,2025-06-03T09:00:00Z
H,Prospecting,800,2025-06-10,2025-06-05T09:00:00Z
H,Prospecting,800,2025-06-20,2025-06-08T09:00:00Z
J,Prospecting,1000,2025-06-30,2025-04-01T09:00:00Z
J,Closed Won,1000,2025-05-20,2025-05-20T09:00:00Z
J,Closed Lost,1000,2025-06-10,2025-06-10T09:00:00Z
"""

# What is not named is 0.
BY_HAND = {
    ("open_pipeline", "month", date(2025, 2, 1)): {"created": 1000, "closing": 1000},
    # B comes in; A is raised.
    ("open_pipeline", "month", date(2025, 3, 1)): {"opening": 1000, "created": 500, "up": 200, "closing": 1700},
    # C at the end of its first day, and J come in; B is lost.
    ("open_pipeline", "month", date(2025, 4, 1)): {"opening": 1700, "created": 1350, "lost": 500, "closing": 2550},
    # D and E come in, B comes back, A is raised as it is won, C falls by 30; A, D and J are won.
    ("open_pipeline", "month", date(2025, 5, 1)): {
        "opening": 2550, "created": 1300, "reopened": 400, "up": 100, "down": 30, "won": 3000, "closing": 1320,
    },
    # F has no amount and G a negative one: both count as deals. I was closed before it was created; J's win is taken
    # back.
    ("open_pipeline", "month", date(2025, 6, 1)): {
        "opening": 1320, "created": 90, "reopened": 1000, "won": 600, "lost": 1410, "closing": 400,
    },
    ("open_pipeline", "quarter", date(2025, 1, 1)): {"created": 1500, "up": 200, "closing": 1700},
    ("open_pipeline", "quarter", date(2025, 4, 1)): {
        "opening": 1700, "created": 2740, "reopened": 1400, "up": 100, "down": 30, "won": 3600, "lost": 1910,
        "closing": 400,
    },
    # A was planned for March, then for May.
    ("closing_in_period", "month", date(2025, 3, 1)): {"opening": 1000, "pushed_out": 1000},
    ("closing_in_period", "month", date(2025, 4, 1)): {"opening": 500, "lost": 500},
    # C is pulled in from August, and still open when May ends; J is won before the month it was planned for.
    ("closing_in_period", "month", date(2025, 5, 1)): {
        "opening": 1200, "created": 700, "pulled_in": 1350, "up": 100, "down": 30, "won": 3000, "closing": 320,
    },
    # C is lost later than it was planned to close: that is of no month's plan. E was planned for September.
    ("closing_in_period", "month", date(2025, 6, 1)): {
        "opening": 400, "reopened": 1000, "pulled_in": 600, "won": 600, "lost": 1000, "closing": 400,
    },
    ("closing_in_period", "quarter", date(2025, 1, 1)): {"created": 1000, "pushed_out": 1000},
    ("closing_in_period", "quarter", date(2025, 4, 1)): {
        "opening": 1700, "created": 1700, "reopened": 1400, "pulled_in": 950, "up": 100, "down": 30, "won": 3600,
        "lost": 1820, "closing": 400,
    },
}  # fmt: skip


@dataclass(frozen=True)
class Change:
    day: date
    stage: str
    amount: Decimal | None
    plan: date


def random_deals(count: int) -> dict[str, list[Change]]:
    """Deals that grow, shrink, slip, close, come back and lose their amount, at most one change a day."""
    rng = random.Random(20260101)
    deals = {}
    for at in range(count):
        day = date(2025, 1, 1) + timedelta(rng.randrange(160))
        amount: Decimal | None = Decimal(rng.randrange(1, 900_000)) / 100
        plan, stage = day + timedelta(rng.randrange(5, 90)), "Prospecting"
        changes = [Change(day, stage, amount, plan)]
        while (day := day + timedelta(rng.randrange(1, 40))) <= AS_OF:
            closed = stage.startswith("Closed")
            if closed and rng.random() < 0.7:
                break
            stage = rng.choice(
                ["Prospecting", "Qualification"]
                if closed
                else ["Prospecting", "Qualification", "Prospecting", "Closed Won", "Closed Lost"]
            )
            if rng.random() < 0.4:
                amount = None if rng.random() < 0.1 else Decimal(rng.randrange(1, 900_000)) / 100
            if stage.startswith("Closed"):
                plan = day
            elif rng.random() < 0.5:
                plan = day + timedelta(rng.randrange(-5, 90))
            changes.append(Change(day, stage, amount, plan))
        deals[f"R{at}"] = changes
    return deals


RANDOM = random_deals(200)


def period(day: date, grain: str) -> date:
    return date(day.year, day.month if grain == "month" else (day.month - 1) // 3 * 3 + 1, 1)


def ledger(deals: dict[str, list[Change]]) -> dict[tuple[str, str, date], dict[str, Decimal]]:
    """The movement as a book-keeper would write it down, comparing every evening with the evening before."""
    books: dict[tuple[str, str, date], dict[str, Decimal]] = defaultdict(lambda: dict.fromkeys(FLOWS, Decimal(0)))
    for changes in deals.values():
        for grain in ("month", "quarter"):
            _enter(books, changes, grain)
    return {cell: flows for cell, flows in books.items() if any(flows.values())}


def _enter(books: dict[Any, dict[str, Decimal]], changes: list[Change], grain: str) -> None:
    by_day = {change.day: change for change in changes}
    yesterday: Change | None = None
    day = changes[0].day
    while day <= AS_OF:
        today = by_day.get(day, yesterday)
        assert today is not None
        start = period(day, grain)
        was_open = yesterday is not None and not yesterday.stage.startswith("Closed")
        is_open = not today.stage.startswith("Closed")
        now = today.amount or Decimal(0)
        before = (yesterday.amount or Decimal(0)) if yesterday else Decimal(0)
        everything, planned = books["open_pipeline", grain, start], books["closing_in_period", grain, start]
        if day == start and was_open and yesterday is not None:
            everything["opening"] += before
            if period(yesterday.plan, grain) == start:
                planned["opening"] += before
        if is_open and not was_open:
            name = "created" if yesterday is None else "reopened"
            everything[name] += now
            if period(today.plan, grain) == start:
                planned[name] += now
        elif was_open and yesterday is not None:
            plan = today.plan if is_open else yesterday.plan
            was_in, is_in = period(yesterday.plan, grain) == start, period(plan, grain) == start
            for book, applies in ((everything, True), (planned, was_in and is_in)):
                if applies:
                    book["up" if now > before else "down"] += abs(now - before)
            won = today.stage == "Closed Won"
            if was_in and not is_in:
                planned["pushed_out"] += before
            if not was_in and (is_in or won):
                planned["pulled_in"] += now
            if not is_open:
                name = "won" if won else "lost"
                everything[name] += now
                if is_in or won:
                    planned[name] += now
        if is_open and (day == AS_OF or period(day + timedelta(1), grain) != start):
            everything["closing"] += now
            if period(today.plan, grain) == start:
                planned["closing"] += now
        yesterday, day = today, day + timedelta(1)


def deal_rows() -> str:
    rows = ["id,type,stage,amount,created,close_date,reason,source"]
    rows += [f"{row},Hand" for row in DEALS.splitlines()]
    for deal, changes in RANDOM.items():
        last = changes[-1]
        amount = "" if last.amount is None else last.amount
        rows.append(f"{deal},New Business,{last.stage},{amount},{changes[0].day},{last.plan},,Random")
    return "\n".join(rows) + "\n"


def history_rows() -> str:
    rows = ["deal,stage,amount,close_date,at", *HISTORY.splitlines()]
    for deal, changes in RANDOM.items():
        rows += [
            f"{deal},{one.stage},{'' if one.amount is None else one.amount},{one.plan},{one.day}T09:00:00Z"
            for one in changes
        ]
    return "\n".join(rows) + "\n"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Build:
    build = dataset(
        tmp_path_factory.mktemp("movement"),
        {
            "as_of_date": str(AS_OF),
            "sources": ["export"],
            "currency": "USD",
            "dimensions": {"lead_source": ["opportunities.lead_source"]},
            "own_definitions": ["dimensions", "segment_rules"],
            "entities": {
                "opportunities": {
                    "file": "deals.csv",
                    "columns": {
                        "opportunity_id": "id",
                        "opportunity_type": "type",
                        "stage": "stage",
                        "amount": "amount",
                        "created_at": "created",
                        "close_date": "close_date",
                        "loss_reason": "reason",
                        "lead_source": "source",
                    },
                },
                "stage_history": {
                    "file": "history.csv",
                    "columns": {
                        "entity": {"constant": "opportunity"},
                        "entity_id": "deal",
                        "stage": "stage",
                        "entered_at": "at",
                    },
                },
                "opportunity_history": {
                    "file": "history.csv",
                    "columns": {
                        "opportunity_id": "deal",
                        "stage": "stage",
                        "amount": "amount",
                        "close_date": "close_date",
                        "changed_at": "at",
                    },
                },
            },
        },
        {
            "deals.csv": deal_rows(),
            "history.csv": history_rows(),
            "definitions/dimensions.csv": "dimension,label,known_from_stage,rule_kind,valid_from,comment\n"
            "lead_source,Lead source,opportunity,value,2000-01-01,\n",
            "definitions/segment_rules.csv": "dimension,source_value,lower_bound,upper_bound,segment,valid_from,"
            "comment\nlead_source,Hand,,,Hand,2000-01-01,\n",
        },
    )
    done = build.dbt(
        "build", "--indirect-selection", "cautious", "--select", "+pipeline_movement", "+pipeline_stage_map",
        "+stalled_deals", "+win_loss", "+win_loss_patterns",
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return build


def movement(built: Build, segment: str) -> dict[tuple[str, str, date], dict[str, Decimal]]:
    columns = ", ".join(f"{flow}_amount" for flow in FLOWS)
    rows = built.rows(
        f"select scope, period_grain, period_start, {columns} from marts.pipeline_movement_facts "
        f"where segment = '{segment}'"
    )
    return {row[:3]: dict(zip(FLOWS, row[3:], strict=True)) for row in rows if any(row[3:])}


def test_by_hand(built: Build) -> None:
    expected = {cell: dict.fromkeys(FLOWS, Decimal(0)) | flows for cell, flows in BY_HAND.items()}
    assert movement(built, "Hand") == expected


def test_against_the_ledger(built: Build) -> None:
    expected = ledger(RANDOM)
    assert len(expected) >= 14
    assert movement(built, "Random") == expected


def test_every_cell_adds_up_and_goes_on(built: Build) -> None:
    rows = built.rows(
        "select count(*) from marts.pipeline_movement_facts where opening_amount + created_amount + reopened_amount "
        "+ pulled_in_amount + up_amount - down_amount - pushed_out_amount - won_amount - lost_amount <> closing_amount"
    )
    assert rows == [(0,)]
    both = built.rows(
        "select sum(won_amount) filter (where scope = 'open_pipeline') = sum(won_amount) "
        "filter (where scope = 'closing_in_period') from marts.pipeline_movement_facts where segment = 'all'"
    )
    assert both == [(True,)]


def test_deals_without_a_usable_amount_are_counted(built: Build) -> None:
    rows = built.rows(
        "select created_count, missing_amount_count from marts.pipeline_movement_facts "
        "where segment = 'Hand' and scope = 'open_pipeline' and period_grain = 'month' and period_start = '2025-06-01'"
    )
    assert rows == [(3, 2)]


def test_a_few_deals_are_counted_but_not_summed(built: Build) -> None:
    rows = built.rows(
        "select distinct evidence, evidence_reason, closing_amount, n > 0 from marts.pipeline_movement "
        "where segment = 'Hand'"
    )
    assert rows == [("suppressed", "insufficient_sample", None, True)]


def test_states_at_the_ends_of_months(built: Build) -> None:
    rows = built.rows(
        "select opportunity_id, state_date, amount, close_date from marts.pipeline_states "
        "where opportunity_id in ('A', 'C') order by 1, 2"
    )
    assert rows == [
        ("A", date(2025, 2, 28), Decimal(1000), date(2025, 3, 31)),
        ("A", date(2025, 3, 31), Decimal(1200), date(2025, 5, 15)),
        ("A", date(2025, 4, 30), Decimal(1200), date(2025, 5, 15)),
        ("C", date(2025, 4, 30), Decimal(350), date(2025, 8, 1)),
        ("C", date(2025, 5, 31), Decimal(320), date(2025, 5, 28)),
    ]


def test_visits_to_stages(built: Build) -> None:
    rows = built.rows(
        "select opportunity_id, stage_key, outcome, date_diff('day', entered_date, left_date) "
        "from marts.pipeline_stage_visits where opportunity_id in ('A', 'B', 'C', 'E', 'F') order by 1, 2"
    )
    assert rows == [
        # 18 days of February and 20 of March; its second visit is not counted again.
        ("A", "prospecting", "advanced", 38),
        # Back after 11 days of March and one of April.
        ("A", "qualification", "went_back", 12),
        ("B", "prospecting", "lost", 36),
        ("C", "prospecting", "lost", 48),
        ("E", "prospecting", "advanced", 45),
        ("F", "prospecting", "open", None),
    ]


def visits(built: Build) -> dict[tuple[str, date, str], tuple[np.ndarray, np.ndarray]]:
    """Days and status (0 open, 1 advanced, 2 lost, 3 went back) of the visits of each cell of the total."""
    rows = built.rows(
        "select period_grain, period_start, label, outcome_days, open_count, advanced_count, lost_count, back_count "
        "from marts.pipeline_stage_day_counts inner join core.pipeline_stages using (stage_key) where segment = 'all'"
    )
    cells: dict[tuple[str, date, str], list[tuple[int, int]]] = defaultdict(list)
    for *cell, days, opened, advanced, lost, back in rows:
        for status, count in enumerate((opened, advanced, lost, back)):
            cells[tuple(cell)] += [(days, status)] * count
    return {cell: (np.array([d for d, _ in pairs]), np.array([s for _, s in pairs])) for cell, pairs in cells.items()}


def test_stage_to_stage_rates_equal_statsmodels(built: Build) -> None:
    cells = visits(built)
    rows = built.rows(
        "select period_grain, period_start, stage, outcome, horizon_days, outcome_rate, n "
        "from marts.pipeline_stage_map where segment = 'all' and outcome_rate is not null"
    )
    assert len(rows) >= 30
    for *cell, outcome, horizon, rate, n in rows:
        days, status = cells[tuple(cell)]
        assert len(days) == n
        # The library leaves out events of the day 0: a day later changes no order.
        curves = CumIncidenceRight(days + 1, status)
        at = np.searchsorted(curves.times, horizon + 1, side="right") - 1
        event, present = {"advanced": 1, "lost": 2, "went_back": 3}[outcome], sorted(set(status) - {0})
        expected = curves.cinc[present.index(event)][at] if event in present and at >= 0 else 0
        assert rate == pytest.approx(expected, abs=1e-9)


def test_outcomes_never_exceed_one_together(built: Build) -> None:
    rows = built.rows(
        "select max(total) from (select sum(outcome_rate) as total from marts.pipeline_stage_map "
        "group by period_grain, period_start, segment, stage, horizon_days)"
    )
    assert 0.3 < rows[0][0] <= 1 + 1e-9


def test_median_time_in_stage_equals_statsmodels(built: Build) -> None:
    cells = visits(built)
    rows = built.rows(
        "select distinct period_grain, period_start, stage, median_stage_days, median_stage_days_low, "
        "median_stage_days_high from marts.pipeline_stage_map where segment = 'all' and evidence <> 'suppressed'"
    )
    assert len(rows) >= 6
    for *cell, median, low, high in rows:
        days, status = cells[tuple(cell)]
        curve = SurvfuncRight(days, status > 0)
        first = days[status > 0]
        assert median == min(day for day in first if curve.surv_prob[curve.surv_times == day][0] <= 0.5 + 1e-12)
        expected_low, expected_high = curve.quantile_ci(0.5)
        assert (low, np.inf if high is None else high) == (expected_low, expected_high)


def test_open_deals(built: Build) -> None:
    rows = built.rows(
        "select opportunity_id, opportunity_type, amount, close_date, age_in_stage_days, push_count, "
        "is_close_date_pushed, is_close_date_past, is_inactive, is_missing_roles "
        "from marts.stalled_deals where length(opportunity_id) = 1 order by 1"
    )
    assert rows == [
        # In its stage from 20 May to 30 June; June 20 is later than what was planned before, and has passed.
        ("B", "new_business", Decimal(400), date(2025, 6, 20), 41, 1, True, True, None, None),
        ("F", "new_business", None, date(2025, 6, 30), 29, 0, False, False, None, None),
        ("G", "new_business", None, date(2025, 7, 15), 27, 0, False, False, None, None),
        # No spelling of the type keeps a renewal out of the list, only out of new business.
        ("H", "renewal", Decimal(800), date(2025, 6, 20), 25, 1, True, True, None, None),
    ]


def test_reasons_that_differ_by_case_are_one(built: Build) -> None:
    rows = built.rows(
        "select distinct category, reason from marts.win_loss_facts where outcome = 'lost' and segment = 'Hand' "
        "order by 1"
    )
    # Two deals name a price: too few to stand alone.
    assert rows == [("missing_reason", "not recorded"), ("reason", "Other")]


def test_of_two_values_one_is_told_against_the_other(built: Build) -> None:
    closed = built.rows(
        "select date_trunc('quarter', coalesce(won_date, lost_date))::date as quarter, list_sort(list(distinct "
        "lead_source)) from core.journeys where opportunity_type = 'new_business' and quarter is not null group by 1"
    )
    told = built.rows(
        "select period_start, attribute_value, rest_value, n, rest_n from marts.pattern_inputs "
        "where attribute = 'lead_source' order by 1, 2"
    )
    # In the quarters that have both sources one row each: Hand against Random, never the other way round as well.
    expected = {quarter: ("Hand", "Random") if len(names) == 2 else (names[0], None) for quarter, names in closed}
    assert {quarter: tuple(names) for quarter, *names, _, _ in told} == expected
    assert len(told) == len(expected)
    assert ("Hand", "Random") in expected.values()
    assert all((rest is None) == (rest_n == 0) for _, _, rest, _, rest_n in told)
    pushed = built.rows(
        "select distinct attribute_value, rest_value from marts.pattern_inputs where attribute = 'close_date_pushed' "
        "and rest_n > 0"
    )
    assert pushed == [("pushed", "not pushed")]
