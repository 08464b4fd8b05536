"""Simulated pages: one quarter of a company each, two years apart, so that no journey is on two pages."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import pairwise

import numpy as np
import pyarrow as pa
from numpy.typing import NDArray
from segment_signals.statistics.arrays import Floats, Integers

FIRST_YEAR = 1000
QUARTER_DAYS = 90

# Shares of the segments of each dimension. Where an effect is planted it is planted on the first two, which are equally
# large, once up and once down: so the rest of every other segment keeps the base rate, and the others are truly null.
SHARES: Mapping[str, tuple[float, ...]] = {
    "lead_source": (0.12, 0.12, 0.26, 0.20, 0.14, 0.10, 0.04, 0.02),
    "region": (0.15, 0.15, 0.35, 0.20, 0.10, 0.05),
    "industry": (0.10, 0.10, 0.20, 0.15, 0.12, 0.10, 0.08, 0.06, 0.04, 0.03, 0.01, 0.01),
    "company_size": (0.25, 0.25, 0.35, 0.15),
    "deal_size_tier": (0.4, 0.4, 0.2),
    "motion": (0.60, 0.30, 0.10),
    "product_series": (0.3, 0.3, 0.2, 0.15, 0.05),
    "team": (0.10, 0.10, 0.15, 0.12, 0.11, 0.10, 0.09, 0.08, 0.06, 0.04, 0.02, 0.01, 0.01, 0.01),
}
# The names that `segment_comparisons` contrasts with each other.
NAMED = {"lead_source": ("Trade show", "Customer referral"), "company_size": ("1 to 49", "1,000 and more")}
OF_ACCOUNTS = ("region", "industry", "company_size")

STAGES = ("lead", "mql", "sql", "opportunity", "won")
RATES = (0.5, 0.55, 0.8, 0.3)
# Log-normal times in a stage, whole days: medians and spreads as in the demo, the last two somewhat faster.
MEDIAN_DAYS = (9.0, 12.0, 9.0, 40.0)
LOG_DAYS_SPREAD = (1.1, 1.0, 0.9, 0.6)
# No stage takes longer, so that a journey ends before the next page begins.
LONGEST_DAYS = 150
LOG_AMOUNT = (9.5, 0.9)


@dataclass(frozen=True)
class Effect:
    """Added to a transition's probability (or to the log amount) in the first segment, taken off in the second."""

    dimension: str
    metric: str
    size: float


@dataclass(frozen=True)
class Design:
    """A page.

    Attributes:
        leads: that enter in the quarter and walk the whole funnel.
        deals: opportunities without a lead that are opened in the quarter.
        effects: planted, at most one dimension per transition, so that dimensions stay independent.
        deals_per_account: mean; 1 leaves every deal alone.
        correlation: of the outcomes of an account's deals.
        likeness: correlation of the log amounts, and of the log days until they are closed, of an account's deals.
    """

    leads: int = 3_000
    deals: int = 1_500
    effects: tuple[Effect, ...] = ()
    deals_per_account: float = 1
    correlation: float = 0
    likeness: float = 0

    def is_planted(self, dimension: str, segment: str, metric: str) -> bool:
        """Whether the segment truly differs from the rest."""
        touched = {
            effect.metric
            for effect in self.effects
            if effect.dimension == dimension and segment in names(dimension)[:2]
        }
        if metric == "lead_to_won_rate":
            return any(name.endswith("_rate") for name in touched)
        return metric in touched or (metric == "win_rate" and "opportunity_to_won_rate" in touched)


@dataclass(frozen=True)
class Journeys:
    """Journeys of many pages, arrays of one length; days count from 1970, NaT is no date."""

    page: Integers
    account: Integers
    segments: Mapping[str, Integers]
    dates: Mapping[str, NDArray[np.datetime64]] = field(repr=False)
    amount: Floats


def names(dimension: str) -> tuple[str, ...]:
    """Segments of a dimension."""
    named = NAMED.get(dimension, ("Segment 01", "Segment 02"))
    return (*named, *(f"Segment {number:02d}" for number in range(3, len(SHARES[dimension]) + 1)))


def quarter_start(page: Integers) -> NDArray[np.datetime64]:
    """First day of each page's quarter."""
    return (np.datetime64(f"{FIRST_YEAR}-01", "M") + 24 * page).astype("datetime64[D]")


def simulate(draws: np.random.Generator, pages: int, design: Design) -> Journeys:
    """Journeys of independent pages of one design.

    Advancing and losing take equally long at every stage, so that days in stage and cycles differ nowhere, and a
    closed win rate is the probability of winning.
    """
    of_page = design.leads + design.deals
    total = pages * of_page
    page = np.repeat(np.arange(pages), of_page)
    starts_at = np.where(np.arange(total) % of_page < design.leads, 0, STAGES.index("opportunity"))
    accounts = max(int(of_page / design.deals_per_account), 1)
    account = page * accounts + (
        draws.integers(0, accounts, total) if design.deals_per_account > 1 else np.arange(total) % of_page
    )
    segments = {}
    for dimension, shares in SHARES.items():
        codes = _categories(draws, shares, pages * accounts if dimension in OF_ACCOUNTS else total)
        segments[dimension] = codes[account] if dimension in OF_ACCOUNTS else codes
    moved = {effect.metric: effect.size * _side(segments[effect.dimension]) for effect in design.effects}

    day = quarter_start(page) + draws.integers(0, QUARTER_DAYS, total)
    nothing = np.full(total, np.datetime64("NaT"), dtype="datetime64[D]")
    dates = {stage: nothing.copy() for stage in STAGES}
    lost = nothing.copy()
    active = np.ones(total, dtype=bool)
    for at, (stage, after) in enumerate(pairwise(STAGES)):
        here = active & (starts_at <= at)
        dates[stage][here] = day[here]
        probability = RATES[at] + moved.get(f"{stage}_to_{after}_rate", np.zeros(total))
        if after == "won" and design.correlation > 0:
            probability = probability - RATES[at]
            probability = probability + _of_accounts(draws, RATES[at], design.correlation, pages * accounts)[account]
        likeness = design.likeness if after == "won" else 0
        days = MEDIAN_DAYS[at] * np.exp(LOG_DAYS_SPREAD[at] * _alike(draws, account, likeness))
        days = np.minimum(days, LONGEST_DAYS)
        day = np.where(here, day + days.astype(np.int64), day)
        advances = draws.random(total) < probability
        lost[here & ~advances] = day[here & ~advances]
        active &= ~here | advances
    dates["won"][active] = day[active]
    dates["lost"] = lost
    amount = np.exp(
        LOG_AMOUNT[0]
        + moved.get("mean_deal_amount", np.zeros(total))
        + LOG_AMOUNT[1] * _alike(draws, account, design.likeness)
    )
    return Journeys(page, account, segments, dates, amount)


def journeys_table(journeys: Journeys) -> pa.Table:
    """The rows of `core.journeys`."""
    columns: dict[str, pa.Array] = {
        "journey_id": pa.array(np.arange(len(journeys.page))).cast(pa.string()),
        "account_id": pa.array(journeys.account).cast(pa.string()),
        "amount": pa.array(np.round(journeys.amount, 2)),
        "lost_date": pa.array(journeys.dates["lost"]),
    }
    always, never = np.ones(len(journeys.page), dtype=bool), np.zeros(len(journeys.page), dtype=bool)
    columns["is_primary"] = pa.array(always)
    columns["opportunity_type"] = _labels(never.astype(np.int64), ("new_business",))
    for stage in STAGES:
        columns[f"{stage}_date"] = pa.array(journeys.dates[stage])
        columns[f"is_{stage}_imputed"] = pa.array(never)
    for dimension, codes in journeys.segments.items():
        columns[dimension] = _labels(codes, names(dimension))
    return pa.table(columns)


def open_transitions_table(journeys: Journeys, days_after_quarter: int, horizon_days: int) -> pa.Table:
    """The rows of `marts.journey_transitions` as each page has them so many days after its quarter, some open."""
    as_of = quarter_start(journeys.page) + QUARTER_DAYS - 1 + days_after_quarter
    ends = [*pairwise(STAGES), (STAGES[0], STAGES[-1])]
    tables = []
    for stage, after in ends:
        entered, advanced, lost = (journeys.dates[name] for name in (stage, after, "lost"))
        is_in = ~np.isnat(entered) & (entered <= as_of)
        is_advanced = ~np.isnat(advanced) & (advanced <= as_of)
        is_lost = ~np.isnat(lost) & (lost <= as_of) & ~is_advanced
        # A loss at an earlier or later stage ends this transition, too, unless it was advanced before.
        end = np.where(is_advanced, advanced, np.where(is_lost, lost, as_of))
        outcome = np.where(is_advanced, 0, np.where(is_lost, 1, 2))[is_in]
        columns: dict[str, pa.Array] = {
            "journey_id": pa.array(np.flatnonzero(is_in)).cast(pa.string()),
            "account_id": pa.array(journeys.account[is_in]).cast(pa.string()),
            "from_stage": _labels(np.zeros(len(outcome), dtype=np.int64), (stage,)),
            "to_stage": _labels(np.zeros(len(outcome), dtype=np.int64), (after,)),
            "outcome": _labels(outcome, ("advanced", "lost", "open")),
            "outcome_days": pa.array((end - entered)[is_in].astype(np.int64)),
            "is_imputed": pa.array(np.zeros(len(outcome), dtype=bool)),
            "is_mature": pa.array((as_of - entered)[is_in].astype(np.int64) >= horizon_days),
            "entered_date": pa.array(entered[is_in]),
            "cohort_month": pa.array(entered[is_in].astype("datetime64[M]").astype("datetime64[D]")),
        }
        for dimension, codes in journeys.segments.items():
            columns[dimension] = _labels(codes[is_in], names(dimension))
        tables.append(pa.table(columns))
    return pa.concat_tables(tables)


def _categories(draws: np.random.Generator, shares: tuple[float, ...], size: int) -> Integers:
    return np.searchsorted(np.cumsum(shares)[:-1], draws.random(size), side="right").astype(np.int64)


def _side(codes: Integers) -> Floats:
    return np.where(codes == 0, 1.0, np.where(codes == 1, -1.0, 0.0))


def _of_accounts(draws: np.random.Generator, rate: float, correlation: float, accounts: int) -> Floats:
    precision = 1 / correlation - 1
    return draws.beta(rate * precision, (1 - rate) * precision, accounts)


def _alike(draws: np.random.Generator, account: Integers, correlation: float) -> Floats:
    """Standard normal numbers, one per record, correlated within accounts."""
    own = draws.standard_normal(len(account))
    if correlation == 0:
        return own
    of_account = draws.standard_normal(account.max() + 1)[account]
    return np.sqrt(correlation) * of_account + np.sqrt(1 - correlation) * own


def _labels(codes: Integers, labels: tuple[str, ...]) -> pa.Array:
    return pa.DictionaryArray.from_arrays(pa.array(codes.astype(np.int32)), pa.array(labels)).cast(pa.string())
