"""The signal `lever_signals`: every lever beside its own past, the user's benchmarks and the thresholds in force."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import pandas as pd
import pyarrow as pa

from segment_signals.funnel.cells import CELL_FIELDS, EVIDENCE_FIELDS, codes, numbers, table, with_evidence
from segment_signals.pipeline.sentences import lever_sentence
from segment_signals.pipeline.velocity import SUMS, deal_sums
from segment_signals.statistics.arrays import Bools, Floats, ratio, root
from segment_signals.statistics.contrasts import contrast, followed_rates
from segment_signals.statistics.intervals import Moments, compare_geometric_means, t_p_value, t_quantile
from segment_signals.statistics.levers import (
    Overdispersion,
    compare_counts,
    count_overdispersion,
    mean_interval,
    mean_p_value,
    poisson_interval,
    poisson_p_value,
    rate_p_value,
)
from segment_signals.statistics.multiplicity import benjamini_hochberg
from segment_signals.statistics.velocity import DealSums, Velocity, estimate_velocity

SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("basis", pa.string()),
        ("signal", pa.string()),
        ("lever", pa.string()),
        ("comparator", pa.string()),
        ("currency", pa.string()),
        ("unit", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("reference_value", pa.float64()),
        ("threshold_value", pa.float64()),
        ("difference", pa.float64()),
        ("difference_low", pa.float64()),
        ("difference_high", pa.float64()),
        ("p_value", pa.float64()),
        ("q_value", pa.float64()),
        ("is_signal", pa.bool_()),
        ("text", pa.string()),
        *EVIDENCE_FIELDS,
    ]
)

MEASURES = [
    "value",
    "low",
    "high",
    "reference_value",
    "difference",
    "difference_low",
    "difference_high",
    "p_value",
]
CELL = ["period_grain", "period_start", "dimension", "segment", "basis"]
PAGE = "period_grain"
MEAN_LEVERS = {"mean_deal_amount": "amount", "mean_cycle_days": "cycle"}
TYPICAL_LEVERS = {"typical_deal_amount": "amount", "typical_cycle_days": "cycle"}
AMOUNT_LEVERS = ("mean_deal_amount", "typical_deal_amount", "pipeline_velocity")
DAYS_OF_A_MONTH = 365.25 / 12
Z = 1.959963984540054
CONFIDENCE = 0.95


@dataclass(frozen=True)
class Lever:
    """A lever of k cells: the newest period's value and, where there is enough of it, the past beside it.

    Attributes:
        name: of the lever.
        value, low, high: of the period, with its interval.
        n: records that the value rests on.
        past_n: records of the months before it.
        past: value of those months, on the scale of the period.
        change, change_low, change_high, p_value: against them, in the unit of the lever.
    """

    name: str
    value: Floats
    low: Floats
    high: Floats
    n: Floats
    past_n: Floats
    past: Floats
    change: Floats
    change_low: Floats
    change_high: Floats
    p_value: Floats


def lever_signals(
    inputs: pa.Table, references: pa.Table, thresholds: Mapping[str, float], caveats: Mapping[str, str]
) -> pa.Table:
    """Every lever of the newest complete period of each cell, against whatever there is to hold it against.

    History: the twelve months before the period, by a test of two samples. Benchmark: a fixed number of the user's.
    Both are under Benjamini and Hochberg's control over all rows of a grain, and a signal is also as large as the
    practical floor. Threshold: no test; a signal where the whole interval of the value, or of its change, lies beyond.

    Args:
        inputs: the mart `lever_inputs`, one row per cell, basis and kind.
        references: the mart `lever_references`.
        thresholds: the seed `evidence_thresholds`: minimum_n, reportable_n, minimum_wins, reportable_wins,
            minimum_outcome_n, maximum_relative_half_width, maximum_half_width, lever_minimum_months,
            false_discovery_rate, practical_floor_rate, practical_floor_relative.
        caveats: of the reasons, the seed `evidence_reasons`.

    Returns:
        Table of `SCHEMA`, one row per cell, lever and comparator. Rates differ in points (unit `difference`),
        everything else relative to the reference (unit `relative`).
    """
    cells = inputs.to_pandas()
    if cells.empty:
        return SCHEMA.empty_table()
    wanted = references.to_pandas()
    rows = pd.concat(
        [
            rows
            for kind, of_kind in cells.groupby("kind", sort=True)
            for lever in _levers(of_kind.reset_index(drop=True), str(kind), thresholds)
            for rows in _rows(of_kind.reset_index(drop=True), lever, wanted, thresholds)
        ],
        ignore_index=True,
    )
    rows = rows.sort_values([*CELL, "lever", "comparator", "signal"], ignore_index=True)
    rows = with_evidence(rows, rows["suppressed_reason"], rows["directional_reason"], caveats)
    short = (rows["evidence"] == "suppressed") & rows["is_short"].astype(bool)
    rows["caveat"] = rows["caveat"].mask(short, caveats["short_history"])
    closed = (rows["basis"] == "closed") & rows["caveat"].isna()
    rows["caveat"] = rows["caveat"].mask(closed, caveats["closed_deals_only"])
    rows.loc[rows["evidence"] == "suppressed", MEASURES] = np.nan
    rows["q_value"] = np.nan
    for _, page in rows.groupby(PAGE, sort=True):
        rows.loc[page.index, "q_value"] = benjamini_hochberg(numbers(page, "p_value"))
    rows["is_signal"] = _is_signal(rows, thresholds)
    rows["text"] = [
        None if row.evidence == "suppressed" else lever_sentence(row) for row in rows.itertuples(index=False)
    ]
    return table(rows, SCHEMA)


def _levers(cells: pd.DataFrame, kind: str, thresholds: Mapping[str, float]) -> list[Lever]:
    if kind == "count":
        return [_count(cells)]
    sums, past = deal_sums(cells), deal_sums(cells, "earlier_")
    means = [_mean(cells, name, prefix) for name, prefix in MEAN_LEVERS.items()]
    typical = [_typical(cells, name, prefix) for name, prefix in TYPICAL_LEVERS.items()]
    return [_win_rate(sums, past), *means, *typical, _velocity(cells, sums, past, thresholds["minimum_outcome_n"])]


def _count(cells: pd.DataFrame) -> Lever:
    n, past_n = numbers(cells, "qualified_count"), numbers(cells, "earlier_qualified_count")
    days, past_days = numbers(cells, "period_days"), numbers(cells, "earlier_days")
    limits = poisson_interval(n)
    past = ratio(past_n, past_days) * days
    periods, spread = _overdispersion(cells)
    compared = compare_counts(n, days, past_n, past_days, spread, periods)
    # A fall to few opportunities is judged by the many that were expected.
    return Lever(
        "qualified_count",
        n,
        limits.low,
        limits.high,
        np.fmax(n, np.round(past)),
        past_n,
        past,
        compared.estimate,
        compared.low,
        compared.high,
        compared.p_value,
    )


def _overdispersion(cells: pd.DataFrame) -> tuple[Floats, Overdispersion]:
    """Number of earlier periods of every cell, and how much the periods of its dimension differ beyond chance."""
    past_days = numbers(cells, "earlier_days")
    periods = np.round(past_days / DAYS_OF_A_MONTH / numbers(cells, "period_months"))
    family = codes(cells, ["period_grain", "basis", "dimension"])
    spread = count_overdispersion(
        numbers(cells, "earlier_qualified_count"),
        past_days,
        numbers(cells, "earlier_count_square_sum"),
        periods,
        family,
    )
    return periods, spread


def _win_rate(sums: DealSums, past: DealSums) -> Lever:
    first = followed_rates(sums.won_count, sums.qualified_count)
    second = followed_rates(past.won_count, past.qualified_count)
    limits, compared = first.interval(), contrast(first, second)
    return Lever(
        "win_rate",
        first.rate,
        limits.low,
        limits.high,
        sums.qualified_count,
        past.qualified_count,
        second.rate,
        compared.difference,
        compared.low,
        compared.high,
        compared.p_value,
    )


def _mean(cells: pd.DataFrame, name: str, prefix: str) -> Lever:
    """An arithmetic mean, for thresholds and benchmarks of its value: one giant deal would decide of its change."""
    own = _moments(cells, prefix, "" if prefix == "amount" else "_days")
    limits, unknown = mean_interval(own), np.full(len(cells), np.nan)
    return Lever(name, own.mean, limits.low, limits.high, own.n, *[unknown] * 6)


def _typical(cells: pd.DataFrame, name: str, prefix: str) -> Lever:
    """The geometric mean, of days plus one, beside that of the months before: value, past and change on one scale."""
    own, past = _log_moments(cells, prefix), _log_moments(cells, f"earlier_{prefix}")
    added = 0 if prefix == "amount" else 1
    error = root(ratio(own.variance, own.n))
    half = t_quantile(own.n - 1, CONFIDENCE) * np.where(error > 0, error, np.nan)
    compared = compare_geometric_means(own, past)
    return Lever(
        name,
        np.exp(own.mean) - added,
        np.exp(own.mean - half) - added,
        np.exp(own.mean + half) - added,
        own.n,
        past.n,
        np.exp(past.mean) - added,
        compared.estimate - 1,
        compared.low - 1,
        compared.high - 1,
        compared.p_value,
    )


def _moments(cells: pd.DataFrame, prefix: str, days: str) -> Moments:
    return Moments(
        numbers(cells, f"{prefix}_count"),
        numbers(cells, f"{prefix}{days}_sum"),
        numbers(cells, f"{prefix}{days}_square_sum"),
    )


def _log_moments(cells: pd.DataFrame, prefix: str) -> Moments:
    # Amounts of 0 have no logarithm, cycles are logarithms of days plus one.
    count = f"{prefix}_log_count" if prefix.endswith("amount") else f"{prefix}_count"
    return Moments(
        numbers(cells, count), numbers(cells, f"{prefix}_log_sum"), numbers(cells, f"{prefix}_log_square_sum")
    )


def _velocity(cells: pd.DataFrame, sums: DealSums, past: DealSums, fewest_wins: float) -> Lever:
    keys = ["period_grain", "basis"]
    columns = [*SUMS, *(f"earlier_{name}" for name in SUMS)]
    total = cells.loc[cells["dimension"] == "all", [*keys, *columns]]
    population = cells[keys].merge(total, how="left", on=keys, validate="many_to_one")
    own = estimate_velocity(sums, deal_sums(population), fewest_wins)
    whole = estimate_velocity(past, deal_sums(population, "earlier_"), fewest_wins)
    # The months before had more days: their opportunities are counted as if in a period of this one's length.
    scale = ratio(numbers(cells, "period_days"), numbers(cells, "earlier_days"))
    before = Velocity(whole.per_day * scale, whole.low * scale, whole.high * scale)
    periods, spread = _overdispersion(cells)
    quantile = t_quantile(np.where(spread.df > 0, spread.df, np.nan), CONFIDENCE)
    between = quantile**2 * spread.variance * (1 + ratio(1, np.maximum(periods, 1)))
    with np.errstate(divide="ignore", invalid="ignore"):
        change = np.log(own.per_day / before.per_day)
        below = np.sqrt(np.log(own.per_day / own.low) ** 2 + np.log(before.high / before.per_day) ** 2 + between)
        above = np.sqrt(np.log(own.high / own.per_day) ** 2 + np.log(before.per_day / before.low) ** 2 + between)
        # The half of the interval that points to no change is the one that decides.
        error = np.where(change > 0, below, above) / Z
        p_value = t_p_value(change / error, np.where(np.isfinite(change / error), np.inf, np.nan))
        return Lever(
            "pipeline_velocity",
            own.per_day,
            own.low,
            own.high,
            sums.qualified_count,
            past.qualified_count,
            before.per_day,
            np.exp(change) - 1,
            np.exp(change - below) - 1,
            np.exp(change + above) - 1,
            p_value,
        )


def _rows(
    cells: pd.DataFrame, lever: Lever, references: pd.DataFrame, thresholds: Mapping[str, float]
) -> list[pd.DataFrame]:
    """Rows of one lever: against its history, every benchmark of its cells, every threshold of its basis."""
    is_rate = lever.name == "win_rate"
    months = numbers(cells, "earlier_days") / DAYS_OF_A_MONTH
    # Half a month of slack: months differ in length.
    is_short = (months < thresholds["lever_minimum_months"] - 0.5) | (lever.past_n < thresholds["minimum_n"])
    unknown = np.isnan(lever.value) | np.isnan(lever.low) | np.isnan(lever.high)
    base = cells[CELL].assign(
        lever=lever.name,
        label=None,
        statistic="change",
        comparison=None,
        currency=cells["currency"] if lever.name in AMOUNT_LEVERS else None,
        unit="difference" if is_rate else "relative",
        value=lever.value,
        low=lever.low,
        high=lever.high,
        threshold_value=np.nan,
        p_value=np.nan,
        n=pd.Series(np.nan_to_num(lever.n)).round().astype("int64"),
        suppressed_reason=_suppressed_reason(cells, lever, unknown, thresholds),
        directional_reason=_directional_reason(cells, lever, thresholds),
    )
    history = base.assign(
        comparator="history",
        signal=f"{lever.name}_change",
        reference_value=lever.past,
        difference=lever.change,
        difference_low=lever.change_low,
        difference_high=lever.change_high,
        p_value=lever.p_value,
        is_short=is_short,
    )
    untold = np.isnan(lever.p_value) | np.isnan(lever.change) | np.isnan(lever.change_low + lever.change_high)
    history = _held_back(_held_back(history, is_short, "insufficient_sample"), untold, "not_applicable")
    made = [] if lever.name in MEAN_LEVERS else [history]
    months_of = numbers(cells, "period_months")
    of_lever = references[references["lever"] == lever.name]
    for reference in of_lever.to_dict("records"):
        at = cells["basis"] == reference["basis"]
        if reference["comparator"] == "benchmark":
            at &= (cells["dimension"] == reference["dimension"]) & (cells["segment"] == reference["segment"])
        elif reference["applies_to"] == "total":
            at &= cells["dimension"] == "all"
        labelled = {
            "comparator": reference["comparator"],
            "signal": reference["signal"],
            "label": reference["label"],
            "statistic": reference["statistic"],
            "comparison": reference["comparison"],
        }
        if reference["statistic"] == "change":
            rows = history.assign(**labelled, threshold_value=reference["reference_value"], p_value=np.nan)
        else:
            fixed = reference["reference_value"] * (months_of if lever.name == "qualified_count" else 1.0)
            rows = base.assign(
                **labelled,
                reference_value=fixed,
                threshold_value=reference["reference_value"] if reference["comparator"] == "threshold" else np.nan,
                difference=_difference(lever.value, fixed, is_rate),
                difference_low=_difference(lever.low, fixed, is_rate),
                difference_high=_difference(lever.high, fixed, is_rate),
                is_short=False,
            )
            if reference["comparator"] == "benchmark":
                rows["p_value"] = _fixed_p_value(cells, lever, rows["reference_value"].to_numpy(np.float64))
        made.append(rows[at.to_numpy()])
    return [rows for rows in made if len(rows)]


def _difference(value: Floats, reference: Floats | float, is_rate: bool) -> Floats:
    return value - reference if is_rate else ratio(value, reference) - 1


def _fixed_p_value(cells: pd.DataFrame, lever: Lever, reference: Floats) -> Floats:
    """Two-sided p-values that a lever is a fixed number, each by the test that belongs to its interval."""
    if lever.name == "qualified_count":
        return poisson_p_value(lever.value, reference)
    if lever.name == "win_rate":
        return rate_p_value(lever.value, lever.n, reference)
    if lever.name in MEAN_LEVERS:
        prefix = MEAN_LEVERS[lever.name]
        return mean_p_value(_moments(cells, prefix, "" if prefix == "amount" else "_days"), reference)
    with np.errstate(divide="ignore", invalid="ignore"):
        distance = np.log(lever.value / reference)
        side = np.where(distance > 0, np.log(lever.value / lever.low), np.log(lever.high / lever.value))
        z = distance / side * Z
        return t_p_value(z, np.where(np.isfinite(z), np.inf, np.nan))


def _suppressed_reason(
    cells: pd.DataFrame, lever: Lever, unknown: Bools, thresholds: Mapping[str, float]
) -> "pd.Series[str]":
    reason = pd.Series(None, index=cells.index, dtype=object)
    reason = reason.mask(unknown, "not_applicable")
    reason = reason.mask(cells["is_missing_by_outcome"].astype(bool), "incomplete_data")
    if lever.name == "pipeline_velocity":
        reason = reason.mask(_expected_wins(cells) < thresholds["minimum_wins"], "insufficient_sample")
    return reason.mask(lever.n < thresholds["minimum_n"], "insufficient_sample")


def _directional_reason(cells: pd.DataFrame, lever: Lever, thresholds: Mapping[str, float]) -> "pd.Series[str]":
    reason = pd.Series(None, index=cells.index, dtype=object)
    if lever.name == "win_rate":
        reason = reason.mask(lever.high - lever.low > 2 * thresholds["maximum_half_width"], "wide_interval")
    elif lever.name == "pipeline_velocity":
        with np.errstate(divide="ignore", invalid="ignore"):
            is_wide = lever.high / lever.low > thresholds["maximum_velocity_span"]
        reason = reason.mask(is_wide, "wide_interval")
        return reason.mask(_expected_wins(cells) < thresholds["reportable_wins"], "insufficient_sample")
    else:
        width = 2 * thresholds["maximum_relative_half_width"] * lever.value
        reason = reason.mask(lever.high - lever.low > width, "wide_interval")
    return reason.mask(lever.n < thresholds["reportable_n"], "insufficient_sample")


def _expected_wins(cells: pd.DataFrame) -> Floats:
    """Wins to be expected at the population's rate of the months before, or else at that of the period itself."""
    keys = ["period_grain", "basis"]
    total = cells[cells["dimension"] == "all"]
    own = ratio(numbers(total, "won_count"), numbers(total, "qualified_count"))
    past = ratio(numbers(total, "earlier_won_count"), numbers(total, "earlier_qualified_count"))
    rate = total[keys].assign(rate=np.where(np.isnan(past), own, past))
    merged = cells[keys].merge(rate, how="left", on=keys, validate="many_to_one")
    return numbers(cells, "qualified_count") * numbers(merged, "rate")


def _held_back(rows: pd.DataFrame, where: Bools, reason: str) -> pd.DataFrame:
    stands = rows["suppressed_reason"].notna().to_numpy() | ~where
    return rows.assign(suppressed_reason=rows["suppressed_reason"].where(stands, reason))


def _is_signal(rows: pd.DataFrame, thresholds: Mapping[str, float]) -> Bools:
    """Told apart under the page's control and large enough; or, for thresholds, wholly beyond."""
    floor = np.where(
        rows["unit"] == "difference", thresholds["practical_floor_rate"], thresholds["practical_floor_relative"]
    )
    tested = (numbers(rows, "q_value") <= thresholds["false_discovery_rate"]) & (
        np.abs(numbers(rows, "difference")) >= floor
    )
    of_change = (rows["statistic"] == "change").to_numpy()
    low = np.where(of_change, numbers(rows, "difference_low"), numbers(rows, "low"))
    high = np.where(of_change, numbers(rows, "difference_high"), numbers(rows, "high"))
    limit = np.where(of_change, numbers(rows, "threshold_value"), numbers(rows, "reference_value"))
    comparison = rows["comparison"].to_numpy(dtype=object)
    beyond = (
        ((comparison == "below") & (high < limit))
        | ((comparison == "above") & (low > limit))
        | ((comparison == "within") & (low > -limit) & (high < limit))
    )
    is_threshold = (rows["comparator"] == "threshold").to_numpy()
    # What nobody filled in is no segment of the market.
    is_segment = ~rows["segment"].isin(["unknown", "unmapped"]).to_numpy()
    return np.asarray(np.where(is_threshold, beyond, tested) & is_segment, dtype=np.bool_)
