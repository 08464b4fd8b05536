"""Contrasts and patterns of whole pages."""

from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pandas as pd
import pyarrow as pa

from certification.engine import Warehouse
from certification.pages import (
    FIRST_YEAR,
    RATES,
    SHARES,
    Design,
    Effect,
    journeys_table,
    open_transitions_table,
    simulate,
)
from certification.targets import Target, mean, share
from segment_signals.funnel.bottlenecks import segment_patterns
from segment_signals.funnel.contrasts import segment_contrasts
from segment_signals.statistics.arrays import Floats

TOPIC = "3. Contrasts: whole pages"
PATTERN_TOPIC = "3. Patterns: good early, bad late and the reverse"
LEVEL = 0.05
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
UNCLUSTERED = ("cluster_count", "rest_cluster_count")


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
            rows = open_transitions_table(journeys, days_after_quarter)
            # The as-of date is before every page: none of them counts as followed.
            warehouse.run("contrast_inputs", keep=PAGE, as_of_date="0900-01-01", journey_transitions=rows)
        found = warehouse.table(
            f"select * replace ((period_start + to_years({2 * first}))::date as period_start) from marts.contrast_inputs"
        )
        tables.append(found)
    return pa.concat_tables(tables)


def judged(warehouse: Warehouse, inputs: pa.Table, design: Design) -> pd.DataFrame:
    """The contrasts of pages, with `page`, `is_selected` (before the practical floor) and `is_planted`."""
    cells = segment_contrasts(inputs, warehouse.thresholds).to_pandas()
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
    return cells.groupby("page")[claim].any().to_numpy(dtype=np.float64)


def false_share(cells: pd.DataFrame, claim: str) -> Floats:
    """Share of each page's claims that are false, 0 where it claims nothing, shape (pages,)."""
    claims = cells.groupby("page")[claim].sum()
    false = cells[~cells["is_planted"]].groupby("page")[claim].sum().reindex(claims.index, fill_value=0)
    return (false / claims.clip(lower=1)).to_numpy(dtype=np.float64)
