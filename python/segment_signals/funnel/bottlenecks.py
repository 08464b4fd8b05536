"""The signals `funnel_bottlenecks` and `segment_patterns`: where a segment loses against the rest of the population."""

from itertools import pairwise

import numpy as np
import pyarrow as pa

from segment_signals.funnel.cells import CELL, CELL_FIELDS, EVIDENCE_FIELDS, numbers, table

BOTTLENECK_SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("from_stage", pa.string()),
        ("to_stage", pa.string()),
        ("converted_difference", pa.float64()),
        ("converted_low", pa.float64()),
        ("converted_high", pa.float64()),
        ("won_difference", pa.float64()),
        ("conversion_rank", pa.int64()),
        ("stage_days_difference", pa.float64()),
        ("stage_days_low", pa.float64()),
        ("stage_days_high", pa.float64()),
        ("stage_days_rank", pa.int64()),
        ("is_signal", pa.bool_()),
        ("is_stage_days_signal", pa.bool_()),
        ("stage_days_n", pa.int64()),
        ("stage_days_evidence", pa.string()),
        ("stage_days_evidence_reason", pa.string()),
        ("stage_days_caveat", pa.string()),
        *EVIDENCE_FIELDS,
    ]
)

PATTERN_SCHEMA = pa.schema(
    [
        *CELL_FIELDS,
        ("pattern", pa.string()),
        ("early_metric", pa.string()),
        ("early_difference", pa.float64()),
        ("early_low", pa.float64()),
        ("early_high", pa.float64()),
        ("late_metric", pa.string()),
        ("late_difference", pa.float64()),
        ("late_low", pa.float64()),
        ("late_high", pa.float64()),
        *EVIDENCE_FIELDS,
    ]
)

OF_CONTRAST = ["difference", "low", "high", "is_signal", "n", "evidence", "evidence_reason", "caveat"]


def funnel_bottlenecks(inputs: pa.Table, contrasts: pa.Table) -> pa.Table:
    """What each transition cost a segment, in conversions and in days, against the rest at the same horizon.

    Both halves are contrasts of the page, with their error control, interval and evidence, in the unit of the loss:

    - converted_difference = n x (rate - rate of the rest): conversions more or fewer than the rest's rate would have
      given. won_difference carries it on to wins at the population's later rates.
    - stage_days_difference = typical days of the rest x relative difference: days more or fewer in the stage, of those
      that left it in the period; typical is the geometric mean of days plus one. Its columns are named stage_days.

    Rank 1 is the transition that cost most: fewest conversions carried to wins, most days.

    Args:
        inputs: the mart `bottleneck_inputs`, one row per cell and transition.
        contrasts: the signal `segment_contrasts`.

    Returns:
        Table of `BOTTLENECK_SCHEMA`, one row per cell and transition; each half is suppressed where its contrast is.
    """
    of_rest = contrasts.to_pandas()
    of_rest = of_rest[of_rest["comparator"] == "rest"][[*CELL, "metric", *OF_CONTRAST]]
    of_days = of_rest.rename(columns={"metric": "stage_days_metric"}).rename(
        columns={name: f"days_{name}" for name in OF_CONTRAST}
    )
    cells = (
        inputs.to_pandas()
        .merge(of_rest, on=[*CELL, "metric"], validate="one_to_one")
        .merge(of_days, on=[*CELL, "stage_days_metric"], how="left", validate="many_to_one")
    )
    n, typical_days = numbers(cells, "n"), numbers(cells, "rest_days_plus_one")
    cells = cells.assign(
        converted_difference=n * numbers(cells, "difference"),
        converted_low=n * numbers(cells, "low"),
        converted_high=n * numbers(cells, "high"),
        won_difference=n * numbers(cells, "difference") * numbers(cells, "onward_rate"),
        stage_days_difference=typical_days * numbers(cells, "days_difference"),
        stage_days_low=typical_days * numbers(cells, "days_low"),
        stage_days_high=typical_days * numbers(cells, "days_high"),
        is_stage_days_signal=cells["days_is_signal"].astype("boolean").fillna(False),
        stage_days_n=cells["days_n"].astype("Int64"),
        **{f"stage_days_{name}": cells[f"days_{name}"] for name in ("evidence", "evidence_reason", "caveat")},
    )
    cells["conversion_rank"] = cells.groupby(CELL)["won_difference"].rank(method="first").astype("Int64")
    cells["stage_days_rank"] = (
        cells.groupby(CELL)["stage_days_difference"].rank(method="first", ascending=False).astype("Int64")
    )
    return table(cells, BOTTLENECK_SCHEMA)


def segment_patterns(contrasts: pa.Table, spine: list[str]) -> pa.Table:
    """Segments whose early and late conversion point in opposite directions, each only where both halves are signals.

    `high_early_low_late`: above the rest at an early transition and below it at a later one, and the reverse. The
    earliest and the latest such pair of transitions of a cell is taken.

    Args:
        contrasts: the signal `segment_contrasts`.
        spine: stages in order.

    Returns:
        Table of `PATTERN_SCHEMA`, one row per cell with a pattern; n and evidence are those of the weaker half.
    """
    order = {f"{stage}_to_{after}_rate": at for at, (stage, after) in enumerate(pairwise(spine))}
    signals = contrasts.to_pandas()
    signals = signals[(signals["comparator"] == "rest") & signals["is_signal"] & signals["metric"].isin(order)]
    signals = signals.assign(transition_order=signals["metric"].map(order))
    pairs = signals.merge(signals, on=CELL, suffixes=("_early", "_late"))
    pairs = pairs[
        (pairs["transition_order_early"] < pairs["transition_order_late"])
        & (np.sign(pairs["difference_early"]) != np.sign(pairs["difference_late"]))
    ]
    pairs = pairs.sort_values(
        [*CELL, "transition_order_early", "transition_order_late"], ascending=[True] * 5 + [False]
    )
    pairs = pairs.drop_duplicates(CELL)
    weaker = pairs["n_early"] <= pairs["n_late"]
    cells = pairs[CELL].assign(
        pattern=np.where(pairs["difference_early"] > 0, "high_early_low_late", "low_early_high_late"),
        **{
            f"{half}_{name}": pairs[f"{name}_{half}"]
            for half in ("early", "late")
            for name in ("metric", "difference", "low", "high")
        },
        **{
            name: pairs[f"{name}_early"].where(weaker, pairs[f"{name}_late"])
            for name in ("n", "evidence", "evidence_reason", "caveat")
        },
    )
    return table(cells, PATTERN_SCHEMA)
