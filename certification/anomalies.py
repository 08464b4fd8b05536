"""Anomalies: false alarms of steady companies, and what is found of planted shifts."""

from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa
from segment_signals.funnel.anomalies import anomalies
from segment_signals.statistics.arrays import Floats, Integers

from certification.engine import Warehouse, frame
from certification.rows import Dates, followed_counts, month_start
from certification.targets import Target, mean, share

TOPIC = "5. Anomalies and drift"
LEVEL = 0.10
# Mean leads a month of each region and team; every fourth lead has an opportunity of its own beside it.
REGIONS = (400.0, 300.0, 300.0, 200.0, 150.0, 40.0)
TEAMS = (0.35, 0.25, 0.2, 0.15, 0.05)
LEAD_RATE, DEAL_RATE = 0.25, 0.3
DEALS_PER_LEAD = 0.25
LOG_AMOUNT = (9.0, 0.9)
# Month and quarter in which planted shifts begin: six quarters of baseline.
SHIFT_AT = 18
# Expected flags of a month without an anomaly, under Benjamini-Hochberg at level q over many independent series: their
# number is k with probability (1 - q) (q k)^k exp(-q k) / k! (Finner and Roters 2002), of mean q / (1 - q)^2. That is
# more than the probability q of any flag, for flags come in groups.
EXPECTED_ALARMS = LEVEL / (1 - LEVEL) ** 2
LEADS, DEALS = ("lead", "mql"), ("opportunity", "won")


@dataclass(frozen=True)
class Company:
    """A company whose months differ by chance alone.

    Attributes:
        months: observed, the first on 2000-01-01.
        spread: standard deviation of log arrivals, logits of rates and log amounts between the months of a region and
            of a team; 0 leaves sampling noise.
        shift_at: month from which the planted shifts last; None: nothing is planted.
    """

    months: int
    spread: float
    shift_at: int | None = None


# Region 0: conversions fall by 60 %. 1: half as many leads. 2: deals 75 % smaller. 3: conversions fall by 8 % a month.
# 5: as region 0, with a tenth of the records.
FALL, HALVED, SMALLER, MONTHLY_FALL = 0.4, 0.5, 0.25, 0.92


def simulate(draws: np.random.Generator, company: Company, world: int) -> tuple[pa.Table, pa.Table]:
    """Rows of `marts.funnel_day_counts` and `marts.velocity_facts` of one company; its dimensions carry its number.

    Everybody is followed: who converts does so on day 10, the others are lost on day 40.
    """
    shape = (company.months, len(REGIONS), len(TEAMS))
    at = np.arange(company.months)
    since = np.zeros(company.months) if company.shift_at is None else np.maximum(at - company.shift_at + 1, 0.0)
    is_after = since > 0
    arrivals = np.multiply.outer(np.array(REGIONS), np.array(TEAMS)) * np.exp(_shocks(draws, shape, company.spread))
    arrivals[is_after, 1] *= HALVED
    leads = draws.poisson(arrivals)
    rate = _moved(LEAD_RATE, _shocks(draws, shape, company.spread))
    rate[is_after, 0] *= FALL
    rate[is_after, 5] *= FALL
    rate[:, 3] *= np.power(MONTHLY_FALL, since)[:, np.newaxis]
    qualified = draws.binomial(leads, rate)
    deals = draws.poisson(DEALS_PER_LEAD * np.multiply.outer(np.array(REGIONS), np.array(TEAMS)), shape)
    deal_rate = _moved(DEAL_RATE, _shocks(draws, shape, company.spread))
    advanced = draws.binomial(deals, deal_rate)
    # Deals that close in a month are others than those that open in it.
    closed = draws.poisson(DEALS_PER_LEAD * np.multiply.outer(np.array(REGIONS), np.array(TEAMS)), shape)
    won = draws.binomial(closed, deal_rate)
    log_mean = np.broadcast_to(LOG_AMOUNT[0] + _shocks(draws, shape, company.spread), shape).copy()
    log_mean[is_after, 2] += np.log(SMALLER)
    amounts = np.exp(np.repeat(log_mean.ravel(), won.ravel()) + LOG_AMOUNT[1] * draws.standard_normal(won.sum()))
    amount = np.bincount(np.repeat(np.arange(won.size), won.ravel()), weights=amounts, minlength=won.size).reshape(
        shape
    )
    counts, facts = [], []
    for grain, months in (("month", 1), ("quarter", 3)):
        for name, axes in (("all", (1, 2)), ("region", (2,)), ("team", (1,))):
            cell = (grain, f"{world:04d} {name}")
            several = (leads, qualified, deals, advanced, closed, won, amount)
            sums = [_periods(cells.sum(axis=axes), months) for cells in several]
            periods, segments = sums[0].shape
            starts = np.repeat(month_start("2000-01", months * np.arange(periods)), segments)
            numbers = np.tile(np.arange(segments), periods)
            of_leads, of_deals, of_closed = sums[:2], sums[2:4], sums[4:]
            for transition, entered_and_converted in ((LEADS, of_leads), (DEALS, of_deals)):
                whole = (values.ravel().astype(np.int64) for values in entered_and_converted)
                counts.append(followed_counts(cell, starts, numbers, transition, *whole))
            facts.append(_closed(cell, starts, numbers, *(values.ravel() for values in of_closed)))
    return pa.concat_tables(counts), pa.concat_tables(facts)


def _shocks(draws: np.random.Generator, shape: tuple[int, int, int], spread: float) -> Floats:
    """Normal shocks of every region's and every team's month, shape (months, regions, teams)."""
    months, regions, teams = shape
    of_regions = draws.standard_normal((months, regions, 1))
    shocks: Floats = spread * (of_regions + draws.standard_normal((months, 1, teams))) / np.sqrt(2)
    return shocks


def _moved(rate: float, logit: Floats) -> Floats:
    odds = rate / (1 - rate) * np.exp(logit)
    return odds / (1 + odds)


def _periods(cells: Floats, months: int) -> Floats:
    """Sums over so many months, shape (periods, segments); a total has one segment."""
    of_month = cells.reshape(len(cells), -1)
    sums: Floats = of_month.reshape(len(cells) // months, months, -1).sum(axis=1)
    return sums


def _closed(
    cell: tuple[str, str], starts: Dates, numbers: Integers, closed: Floats, won: Floats, amount: Floats
) -> pa.Table:
    """Rows of `marts.velocity_facts` of the deals closed in a period."""
    rows = len(numbers)
    return pa.table(
        {
            "period_grain": pa.repeat(cell[0], rows),
            "period_start": pa.array(starts),
            "dimension": pa.repeat(cell[1], rows),
            "segment": pa.array(numbers).cast(pa.string()),
            "basis": pa.repeat("closed", rows),
            "qualified_count": pa.array(closed.astype(np.int64)),
            "won_count": pa.array(won.astype(np.int64)),
            "amount_count": pa.array(won.astype(np.int64)),
            "amount_sum": pa.array(amount),
        }
    ).filter(pa.array(closed > 0))


def screened(warehouse: Warehouse, draws: np.random.Generator, company: Company, worlds: int) -> pd.DataFrame:
    """The signal `anomalies` of independent companies, with `world`, `name` of the dimension and `age` of the period.

    The age counts periods since 2000, so that a shift's delay is the age less the month of the shift.
    """
    simulated = [simulate(draws, company, world) for world in range(worlds)]
    warehouse.run(
        "anomaly_inputs",
        funnel_day_counts=pa.concat_tables(counts for counts, _ in simulated),
        velocity_facts=pa.concat_tables(facts for _, facts in simulated),
    )
    found = []
    for world in range(worlds):
        # A company is judged alone: the control is over all series of a period.
        inputs = warehouse.table(f"select * from marts.anomaly_inputs where dimension like '{world:04d} %'")
        found.append(frame(anomalies(inputs, warehouse.thresholds, warehouse.caveats)).assign(world=world))
    cells = pd.concat(found, ignore_index=True)
    start = pd.to_datetime(cells["period_start"])
    months = (start.dt.year - 2000) * 12 + start.dt.month - 1
    return cells.assign(name=cells["dimension"].str.slice(5), age=months)


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """False alarms with and without overdispersion, and what is found of planted shifts.

    Args:
        warehouse: compiled project.
        scale: of the numbers of companies.
    """
    draws = np.random.default_rng(20260105)
    targets = []
    for spread, kind in ((0.0, "sampling noise alone"), (0.2, "months that differ by 20 % more than by chance")):
        cells = screened(warehouse, draws, Company(18, spread), round(100 * scale))
        targets += _null_targets(cells[cells["q_value"].notna()], kind)
    return [*targets, *_shift_targets(screened(warehouse, draws, Company(24, 0.1, SHIFT_AT), round(60 * scale)))]


def _null_targets(cells: pd.DataFrame, kind: str) -> list[Target]:
    """Shares of months with any alarm, and alarms per 1,000 series-months; companies are the replicates."""
    months = cells[cells["period_grain"] == "month"]
    by_month = months.groupby(["world", "age"])
    tested = by_month.size()
    nominal = 1000 * EXPECTED_ALARMS * len(tested) / tested.sum()
    alarms = months.groupby("world")["is_flagged"].sum() * 1000 / months.groupby("world").size()
    of_month = by_month[["is_flagged", "is_drifting"]].any().groupby("world").mean()
    about = f"about {tested.median():.0f} series a month"
    steady = f"steady companies, {kind}"
    targets = [
        Target(TOPIC, f"{steady}: months with a false alarm ({about})", mean(of_month["is_flagged"]), None, LEVEL, 2),
        Target(TOPIC, f"{steady}: false alarms per 1,000 series-months", mean(alarms), None, nominal, 2, ".2f"),
    ]
    for ending, words in (("rate", "rates"), ("count", "counts"), ("amount", "amounts")):
        of_kind = months[months["metric"].str.endswith(f"_{ending}")]
        found = mean(of_kind.groupby("world")["is_flagged"].mean() * 1000)
        targets.append(Target(TOPIC, f"of these, per 1,000 of {words}", found, form=".2f"))
    drifting = f"{steady}: months with a series that is called drifting"
    return [*targets, Target(TOPIC, drifting, mean(of_month["is_drifting"]), None, LEVEL, 2)]


def _shift_targets(cells: pd.DataFrame) -> list[Target]:
    """How often, and how soon, shifts are found that set in at SHIFT_AT in four regions of each company."""
    regions = cells[cells["name"] == "region"]
    targets = []
    for region, metric, what, lower in (
        (0, "lead_to_mql_rate", f"a conversion falls by 60 % ({REGIONS[0]:.0f} records a month)", 0.9),
        (1, "lead_count", f"a count halves ({REGIONS[1]:.0f} a month)", 0.8),
        (2, "won_amount", f"deals are 75 % smaller ({REGIONS[2] * DEALS_PER_LEAD * DEAL_RATE:.0f} wins a month)", None),
    ):
        months = _series(regions, "month", region, metric)
        targets += _found(f"{what}, for good", months, "is_flagged", 3, lower)
    drifting = _series(regions, "month", 3, "lead_to_mql_rate")
    what = f"a conversion falls by 8 % a month ({REGIONS[3]:.0f} records)"
    targets += _found(what, drifting, "is_drifting", 6, None)
    thin = f"a conversion falls by 60 % ({REGIONS[5]:.0f} records a month)"
    for grain in ("month", "quarter"):
        first = _series(regions, grain, 5, "lead_to_mql_rate")
        first = first[first["age"] == SHIFT_AT]
        shown = first[first["q_value"].notna()]
        if grain == "month":
            targets.append(Target(TOPIC, f"{thin}: left to its quarter as too thin", share(first["q_value"].isna())))
        targets.append(Target(TOPIC, f"{thin}: flagged in the first {grain}, where shown", share(shown["is_flagged"])))
        targets.append(Target(TOPIC, f"power printed beside it, {grain}", mean(shown["power"])))
    return targets


def _series(regions: pd.DataFrame, grain: str, region: int, metric: str) -> pd.DataFrame:
    is_series = (regions["segment"] == str(region)) & (regions["metric"] == metric)
    return regions[is_series & (regions["period_grain"] == grain)]


def _found(what: str, months: pd.DataFrame, flag: str, within: int, lower: float | None) -> list[Target]:
    """Found within so many months, and the delay; companies are the replicates."""
    after = months[months["age"] >= SHIFT_AT]
    worlds = sorted(set(months["world"]))
    first = after[after[flag]].groupby("world")["age"].min().reindex(worlds) - SHIFT_AT + 1
    return [
        Target(TOPIC, f"{what}: found in the first month", share(first == 1)),
        Target(TOPIC, f"{what}: found within {within} months", share(first <= within), lower=lower, slack=2),
        Target(TOPIC, "months until it is found, of those found within six", mean(first), form=".1f"),
    ]
