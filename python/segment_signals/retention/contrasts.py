"""The signals `retention_contrasts` and `retention_patterns`: who keeps its customers, beside who wins them."""

from collections.abc import Mapping

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL, CELL_FIELDS, EVIDENCE_FIELDS, codes, numbers, table, with_evidence
from segment_signals.statistics.contrasts import contrast, followed_rates
from segment_signals.statistics.multiplicity import two_level

METRIC = "logo_retention"
CONTRASTS_SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("metric", pa.string()),
        ("comparator", pa.string()),
        ("rate", pa.float64()),
        ("rest_rate", pa.float64()),
        ("difference", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("is_signal", pa.bool_()),
        ("comparator_n", pa.int64()),
        *EVIDENCE_FIELDS,
    ]
)
PATTERNS_SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("pattern", pa.string()),
        ("win_metric", pa.string()),
        ("win_period_start", pa.date32()),
        ("win_difference", pa.float64()),
        ("win_low", pa.float64()),
        ("win_high", pa.float64()),
        ("retention_metric", pa.string()),
        ("retention_difference", pa.float64()),
        ("retention_low", pa.float64()),
        ("retention_high", pa.float64()),
        *EVIDENCE_FIELDS,
    ]
)
WORSE = {"reportable": 0, "directional": 1, "suppressed": 2}
PATTERNS = {(1, -1): "wins_well_retains_badly", (-1, 1): "wins_badly_retains_well"}


def retention_contrasts(inputs: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]) -> pa.Table:
    """Logo retention over the trailing year of each segment against the customers of all others, by quarter.

    Newcombe's interval and Fisher's mid-p of customers; two-level error control over the dimensions of a quarter; a
    signal is also at least the practical floor.

    Args:
        inputs: the mart `revenue_retention_inputs`.
        thresholds: the seed `evidence_thresholds`.
        caveats: of reasons, the seed `evidence_reasons`.
    """
    facts = inputs.to_pandas()
    facts = facts[(facts["window_name"] == "trailing_year") & (facts["period_grain"] == "quarter")]
    total = facts[facts["dimension"] == "all"].set_index("period_start")
    cells = facts[(facts["dimension"] != "all") & ~facts["segment"].isin(["unknown", "unmapped"])].reset_index(
        drop=True
    )
    n, churned = numbers(cells, "opening_count"), numbers(cells, "churned_count")
    whole = total.reindex(cells["period_start"])
    rest_n = whole["opening_count"].to_numpy(dtype=np.float64) - n
    rest_churned = whole["churned_count"].to_numpy(dtype=np.float64) - churned
    own, rest = followed_rates(n - churned, n), followed_rates(rest_n - rest_churned, rest_n)
    found = contrast(own, rest)
    suppressed = cells["suppressed_reason"].where(
        cells["suppressed_reason"].notna() | (rest_n >= thresholds["minimum_n"]), "insufficient_sample"
    )
    hidden = suppressed.notna().to_numpy()
    directional = cells["directional_reason"].where(
        cells["directional_reason"].notna() | (np.fmin(n, rest_n) >= thresholds["reportable_n"]), "insufficient_sample"
    )
    cells = cells.assign(
        metric=METRIC,
        comparator="rest",
        rate=np.where(hidden, np.nan, own.rate),
        rest_rate=np.where(hidden, np.nan, rest.rate),
        difference=np.where(hidden, np.nan, found.difference),
        low=np.where(hidden, np.nan, found.low),
        high=np.where(hidden, np.nan, found.high),
        p_value=np.where(hidden, np.nan, found.p_value),
        comparator_n=rest_n,
        n=cells["opening_count"],
    )
    q_value = np.full(len(cells), np.nan)
    for _, rows in cells.groupby("period_start", sort=True):
        at = cells.index.get_indexer(rows.index)
        family = codes(rows, ["dimension"])
        q_value[at] = two_level(numbers(rows, "p_value"), family, thresholds["false_discovery_rate"]).q_value
    cells["q_value"] = q_value
    cells["is_signal"] = (q_value <= thresholds["false_discovery_rate"]) & (
        np.abs(numbers(cells, "difference")) >= thresholds["practical_floor_rate"]
    )
    cells["comparator_n"] = cells["comparator_n"].astype("Int64")
    return table(with_evidence(cells, suppressed, directional, caveats), CONTRASTS_SCHEMA)


def retention_patterns(contrasts: pa.Table, retention: pa.Table, spine: list[str]) -> pa.Table:
    """Segments that win more often than the rest and keep fewer of their customers, or the reverse.

    Only where both halves are signals. The winning half is the newest quarter, not after the retention's, in which the
    step to the last stage was contrasted at all; the retention half is the year that ends with the quarter.

    Args:
        contrasts: the signal `segment_contrasts`.
        retention: the signal `retention_contrasts`.
        spine: stages in order.

    Returns:
        Table of `PATTERNS_SCHEMA`; n is the smaller one and evidence the worse one of the two halves. Of two
        segments that mirror each other the one that wins well and retains badly is told.
    """
    metric = f"{spine[-2]}_to_{spine[-1]}_rate"
    wins = contrasts.to_pandas()
    wins = wins[(wins["comparator"] == "rest") & (wins["metric"] == metric) & (wins["period_grain"] == "quarter")]
    wins = wins[wins["difference"].notna()]
    kept_all = retention.to_pandas()
    kept = kept_all[kept_all["is_signal"]]
    pairs = kept.merge(wins, on=["dimension", "segment"], suffixes=("_kept", "_win"))
    pairs = pairs[pairs["period_start_win"] <= pairs["period_start_kept"]]
    pairs = pairs.sort_values(["dimension", "segment", "period_start_kept", "period_start_win"], kind="stable")
    pairs = pairs.drop_duplicates(["dimension", "segment", "period_start_kept"], keep="last")
    pairs = pairs[pairs["is_signal_win"].astype(bool)]
    signs = zip(np.sign(pairs["difference_win"]), np.sign(pairs["difference_kept"]), strict=True)
    pairs = pairs.assign(pattern=[PATTERNS.get((int(win), int(stay))) for win, stay in signs])
    pairs = pairs[pairs["pattern"].notna()]
    # Where a dimension has two segments the one's pattern is the other's turned round: it is said once.
    two = kept_all.groupby(["dimension", "period_start"])["segment"].nunique().eq(2)
    is_one_of_two = pd.MultiIndex.from_frame(pairs[["dimension", "period_start_kept"]]).isin(two.index[two])
    is_mirrored = is_one_of_two & pairs["pattern"].eq(PATTERNS[-1, 1]).to_numpy()
    pairs = pairs[~is_mirrored | ~pairs.duplicated(["dimension", "period_start_kept"], keep=False)]
    rank_win, rank_kept = (pairs[f"evidence_{side}"].map(WORSE) for side in ("win", "kept"))
    weaker = (rank_win > rank_kept) | ((rank_win == rank_kept) & (pairs["n_win"] <= pairs["n_kept"]))
    cells = pd.DataFrame(
        {
            "period_grain": "quarter",
            "period_start": pairs["period_start_kept"],
            "dimension": pairs["dimension"],
            "segment": pairs["segment"],
            "pattern": pairs["pattern"],
            "win_metric": metric,
            "win_period_start": pairs["period_start_win"],
            **{f"win_{name}": pairs[f"{name}_win"] for name in ("difference", "low", "high")},
            "retention_metric": METRIC,
            **{f"retention_{name}": pairs[f"{name}_kept"] for name in ("difference", "low", "high")},
            "n": pairs["n_win"].where(pairs["n_win"] <= pairs["n_kept"], pairs["n_kept"]),
            **{
                name: pairs[f"{name}_win"].where(weaker, pairs[f"{name}_kept"])
                for name in ("evidence", "evidence_reason", "caveat")
            },
        },
        columns=PATTERNS_SCHEMA.names,
    ).sort_values(CELL)
    return table(cells, PATTERNS_SCHEMA)
