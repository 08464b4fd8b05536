"""Contrasts and patterns of whole pages."""

from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.compute as pc
from segment_signals.funnel.bottlenecks import segment_patterns
from segment_signals.funnel.contrasts import segment_contrasts
from segment_signals.statistics.arrays import Floats, floats

from certification.engine import Warehouse, frame
from certification.pages import (
    FIRST_YEAR,
    SHARES,
    Design,
    Effect,
    journeys_table,
    open_transitions_table,
    simulate,
)
from certification.targets import Target, mean, share

TOPIC = "3. Contrasts: whole pages"
PATTERN_TOPIC = "3. Patterns: good early, bad late and the reverse"
LEVEL = 0.05
FOLLOWED = "every record followed, rates, amounts and days"
# Without it a page that compares nothing would pass.
LEAST_POWER = 0.3
# Days after the quarter at which its pages are read: 55 % and 78 % of the records are mature. Earlier, with less than
# half, nothing is compared.
AGES = (50, 70)
PAGES_AT_ONCE = 50
# Pages start in January of every other year.
PAGE = f"period_grain = 'quarter' and month(period_start) = 1 and (year(period_start) - {FIRST_YEAR}) % 2 = 0"

NULL = Design()
PLANTED = Design(
    effects=(
        Effect("region", "lead_to_mql_rate", 0.08),
        Effect("industry", "mql_to_sql_rate", 0.15),
        Effect("lead_source", "opportunity_to_won_rate", 0.12),
        Effect("team", "mean_deal_amount", 0.6),
    )
)
GOOD_EARLY_BAD_LATE = Design(
    effects=(
        Effect("lead_source", "lead_to_mql_rate", 0.15),
        Effect("lead_source", "opportunity_to_won_rate", -0.15),
    )
)
ACCOUNTS = Design(leads=0, deals=2_400, deals_per_account=8, correlation=0.2)
ALIKE = replace(ACCOUNTS, likeness=0.5)
# By a dimension of accounts, whose segments have few of them, and by one in which an account's deals differ.
ACCOUNTS_PLANTED = {
    "segments of accounts": Effect("region", "opportunity_to_won_rate", 0.2),
    "segments across accounts": Effect("lead_source", "opportunity_to_won_rate", 0.12),
}
CLUSTERING = ("account_records", "other_account_records")


def page_inputs(
    warehouse: Warehouse, draws: np.random.Generator, pages: int, design: Design, days_after_quarter: int | None = None
) -> pa.Table:
    """The mart `contrast_inputs` of simulated pages.

    Args:
        warehouse: compiled project.
        draws: random numbers.
        pages: how many.
        design: of every page.
        days_after_quarter: as-of date of each page, with records open; None: everything was followed.
    """
    tables = []
    for first in range(0, pages, PAGES_AT_ONCE):
        journeys = simulate(draws, min(PAGES_AT_ONCE, pages - first), design)
        if days_after_quarter is None:
            warehouse.run("contrast_inputs", keep=PAGE, journeys=journeys_table(journeys))
        else:
            rows = open_transitions_table(journeys, days_after_quarter, warehouse.horizon_days)
            # The as-of date is before every page: none of them counts as followed.
            warehouse.run("contrast_inputs", keep=PAGE, as_of_date="0900-01-01", journey_transitions=rows)
        start = f"(period_start + to_years({2 * first}))::date as period_start"
        tables.append(warehouse.table(f"select * replace ({start}) from marts.contrast_inputs"))
    return pa.concat_tables(tables)


def judged(warehouse: Warehouse, inputs: pa.Table, design: Design) -> pd.DataFrame:
    """The contrasts of pages, with `page`, `is_selected` (before the practical floor) and `is_planted`."""
    cells = frame(segment_contrasts(inputs, warehouse.thresholds, warehouse.caveats))
    keys = cells[["dimension", "segment", "comparator", "metric"]].drop_duplicates()
    planted = [
        design.is_planted(dimension, segment, metric)
        or (comparator != "rest" and design.is_planted(dimension, comparator, metric))
        for dimension, segment, comparator, metric in keys.itertuples(index=False)
    ]
    cells = cells.merge(keys.assign(is_planted=planted), on=list(keys.columns))
    return cells.assign(
        page=cells["period_start"].map({start: at for at, start in enumerate(sorted(set(cells["period_start"])))}),
        is_selected=cells["q_value"] <= LEVEL,
    )


def any_claim(cells: pd.DataFrame, claim: str) -> Floats:
    """Whether each page claims anything, shape (pages,)."""
    return floats(cells.groupby("page")[claim].any())


def false_share(cells: pd.DataFrame, claim: str) -> Floats:
    """Share of each page's claims that are false, 0 where it claims nothing, shape (pages,)."""
    claims = cells.groupby("page")[claim].sum()
    false = cells[~cells["is_planted"]].groupby("page")[claim].sum().reindex(claims.index, fill_value=0)
    return floats(false / claims.clip(lower=1))


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Error rates of whole pages, and what they find.

    Args:
        warehouse: compiled project.
        scale: of the numbers of pages.
    """
    draws = np.random.default_rng(20260103)
    pages = round(300 * scale)
    null = _read(warehouse, draws, (round(500 * scale), pages), NULL)
    planted = _read(warehouse, draws, (pages, pages), PLANTED)
    return [
        *(target for kind, cells in null.items() for target in _null_targets(cells, kind)),
        *(target for kind, cells in planted.items() for target in _planted_targets(cells, kind)),
        *_power_targets(planted[FOLLOWED], ""),
        *_power_targets(planted[_aged(AGES[-1])], f", {AGES[-1]} days after the quarter"),
        *_account_targets(warehouse, draws, pages),
        *_alike_targets(warehouse, np.random.default_rng(20260106), pages),
        *_pattern_targets(warehouse, draws, null[FOLLOWED], round(100 * scale)),
    ]


def _aged(days: int) -> str:
    return f"{days} days after the quarter, rates with open records"


def _read(
    warehouse: Warehouse, draws: np.random.Generator, pages: tuple[int, int], design: Design
) -> dict[str, pd.DataFrame]:
    """Contrasts of a design by kind: so many pages of which everything was followed, so many at each age."""
    cells = {FOLLOWED: judged(warehouse, page_inputs(warehouse, draws, pages[0], design), design)}
    for days in AGES:
        cells[_aged(days)] = judged(warehouse, page_inputs(warehouse, draws, pages[1], design, days), design)
    return cells


def _null_targets(cells: pd.DataFrame, kind: str) -> list[Target]:
    return [
        Target(
            TOPIC,
            f"no segment differs ({kind}): pages that claim anything",
            share(any_claim(cells, "is_signal")),
            upper=LEVEL,
            slack=2,
        )
    ]


def _planted_targets(cells: pd.DataFrame, kind: str) -> list[Target]:
    null_share = 1 - 2 * len(PLANTED.effects) / sum(len(shares) for shares in SHARES.values())
    return [
        Target(
            TOPIC,
            f"{100 * null_share:.0f} % of the segments are null ({kind}): share of a page's claims that are false",
            mean(false_share(cells, "is_signal")),
            upper=LEVEL,
            slack=2,
        )
    ]


def _power_targets(cells: pd.DataFrame, when: str, effects: tuple[Effect, ...] = PLANTED.effects) -> list[Target]:
    found = []
    for effect in effects:
        of_rest = cells[(cells["metric"] == effect.metric) & (cells["dimension"] == effect.dimension)]
        of_rest = of_rest[of_rest["is_planted"] & (of_rest["comparator"] == "rest") & of_rest["q_value"].notna()]
        is_rate = effect.metric.endswith("_rate")
        if of_rest.empty and not is_rate:
            continue
        size = f"{100 * effect.size:.0f} points" if is_rate else f"{100 * np.expm1(effect.size):.0f} %"
        what = f"power{when}: {effect.metric} of a segment of some {of_rest['n'].median():.0f} records {size} off"
        lower = LEAST_POWER if effect.metric == "lead_to_mql_rate" else None
        found.append(Target(TOPIC, what, share(of_rest["is_signal"]), lower, slack=2))
    return found


def _account_targets(warehouse: Warehouse, draws: np.random.Generator, pages: int) -> list[Target]:
    inputs = page_inputs(warehouse, draws, pages, ACCOUNTS)
    of_deals = inputs.filter(pc.equal(inputs["metric"], "opportunity_to_won_rate"))
    plain = of_deals
    for name in CLUSTERING:
        at = plain.schema.get_field_index(name)
        plain = plain.set_column(at, name, pa.nulls(plain.num_rows, pa.float64()))
    design = f"{ACCOUNTS.deals_per_account:.0f} deals an account, correlation {ACCOUNTS.correlation:g}"
    rows = [
        (
            f"deals of an account win together ({design}), opportunity to won: pages with a claim",
            of_deals,
            LEVEL,
        ),
        ("the same if deals were taken for independent", plain, None),
        ("the same, whole pages with closed win rates, amounts and days", inputs, LEVEL),
    ]
    return [
        Target(TOPIC, what, share(any_claim(judged(warehouse, cells, ACCOUNTS), "is_signal")), upper=upper, slack=2)
        for what, cells, upper in rows
    ]


def _alike_targets(warehouse: Warehouse, draws: np.random.Generator, pages: int) -> list[Target]:
    alike = judged(warehouse, page_inputs(warehouse, draws, pages, ALIKE), ALIKE)
    what = f"the same, and amounts and days of an account are alike (correlation {ALIKE.likeness:g}), whole pages"
    found = [Target(TOPIC, what, share(any_claim(alike, "is_signal")), upper=LEVEL, slack=2)]
    for where, effect in ACCOUNTS_PLANTED.items():
        design = replace(ACCOUNTS, effects=(effect,))
        planted = judged(warehouse, page_inputs(warehouse, draws, round(pages / 3), design), design)
        found += _power_targets(
            planted, f" ({ACCOUNTS.deals_per_account:.0f} deals an account, {where})", design.effects
        )
    return found


def _pattern_targets(warehouse: Warehouse, draws: np.random.Generator, null: pd.DataFrame, pages: int) -> list[Target]:
    of_null = _pages_with_pattern(warehouse, null)
    planted = judged(warehouse, page_inputs(warehouse, draws, pages, GOOD_EARLY_BAD_LATE), GOOD_EARLY_BAD_LATE)
    found = _pages_with_pattern(warehouse, planted, "Trade show", "high_early_low_late")
    reverse = _pages_with_pattern(warehouse, planted, "Customer referral", "low_early_high_late")
    size = "15 points up early and down late, some 360 leads and 260 deals"
    return [
        Target(PATTERN_TOPIC, "no segment differs: pages that claim a pattern", share(of_null), upper=LEVEL, slack=2),
        Target(PATTERN_TOPIC, f"planted ({size}): found", share(found), lower=0.9, slack=2),
        Target(PATTERN_TOPIC, "planted, the reverse: found", share(reverse), lower=0.9, slack=2),
    ]


def _pages_with_pattern(
    warehouse: Warehouse, cells: pd.DataFrame, segment: str | None = None, pattern: str | None = None
) -> Floats:
    """Whether each page claims a pattern (of a segment), shape (pages,)."""
    contrasts = pa.Table.from_pandas(cells, preserve_index=False)
    patterns = frame(segment_patterns(contrasts, warehouse.spine))
    if segment is not None:
        patterns = patterns[(patterns["segment"] == segment) & (patterns["pattern"] == pattern)]
    starts = cells["period_start"].drop_duplicates()
    return floats(starts.isin(set(patterns["period_start"])))
