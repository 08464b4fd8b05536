"""Rows of `model_quality` from scores beside what came."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa

from segment_signals.learning import quality
from segment_signals.learning.encoding import MISSING
from segment_signals.learning.examples import CATEGORY, Categories, Columns, Feature
from segment_signals.learning.quality import Metric
from segment_signals.statistics.arrays import Bools, Floats, Integers
from segment_signals.statistics.intervals import wilson_interval

QUALITY_SCHEMA = pa.schema(
    [
        ("model_version", pa.string()),
        ("model_name", pa.string()),
        ("split", pa.string()),
        ("dimension", pa.string()),
        ("segment", pa.string()),
        ("metric", pa.string()),
        ("value", pa.float64()),
        ("low", pa.float64()),
        ("high", pa.float64()),
        ("n", pa.int64()),
    ]
)
ALL = "all"
# Segments of a dimension that are told apart: the largest.
MOST_SEGMENTS = 12
SHARES = tuple(round(0.1 * step, 1) for step in range(1, 11))
# What is told of a segment: enough to see whom a score serves badly.
SEGMENT_METRICS = (
    *("base_rate", "roc_auc", "log_loss", "brier", "ece", "ece_noise", "calibration_slope", "calibration_in_the_large"),
)


@dataclass(frozen=True)
class Judged:
    """Scores beside what came, n rows: of one model and split, with the group and the segments of each row."""

    version: str | None
    name: str
    split: str
    score: Floats
    label: Floats
    group: Integers
    bands: Mapping[str, float]
    is_probability: bool


Row = dict[str, object]


def quality_row(of: Judged, dimension: str, segment: str, metric: Metric, minimum: int) -> Row:
    """A row of the table; below the minimum sample n stays and the values are null."""
    shown = metric.n >= minimum
    value, low, high = (
        float(number) if shown and np.isfinite(number) else None for number in (metric.value, metric.low, metric.high)
    )
    return {
        "model_version": of.version,
        "model_name": of.name,
        "split": of.split,
        "dimension": dimension,
        "segment": segment,
        "metric": metric.name,
        "value": value,
        "low": low,
        "high": high,
        "n": metric.n,
    }


def band_bounds(of: str, bands: Sequence[tuple[str, str, float]]) -> dict[str, float]:
    """Bands with a bound that not every score reaches, highest first."""
    own = sorted(((bound, band) for name, band, bound in bands if name == of), reverse=True)
    return {band: bound for bound, band in own if bound > 0}


def whole_rows(of: Judged, minimum: int) -> Iterator[Row]:
    """Rows of all records together: metrics, captured shares for the lift chart, bins for the calibration plot."""
    for metric in quality.measure(of.score, of.label, of.group, of.bands, of.is_probability):
        yield quality_row(of, ALL, ALL, metric, minimum)
    if len(of.label) < minimum:
        return
    for share, captured in quality.gains(of.score, of.label, SHARES):
        # By chance a share of the records holds this share of the outcomes, and the limits are Wilson's of them.
        limits = wilson_interval([captured], [max(of.label.sum(), 1)])
        found = Metric(
            f"captured_share:{share:.1f}", captured, float(limits.low[0]), float(limits.high[0]), len(of.label)
        )
        yield quality_row(of, ALL, ALL, found, minimum)
    if of.is_probability:
        for at, part in enumerate(quality.calibration_bins(of.score, of.label, of.group), start=1):
            seen = Metric(f"calibration_observed:{at:02d}", part.rate, part.low, part.high, part.n)
            said = Metric(f"calibration_expected:{at:02d}", part.score, np.nan, np.nan, part.n)
            yield quality_row(of, ALL, ALL, said, minimum)
            yield quality_row(of, ALL, ALL, seen, minimum)


def segment_rows(of: Judged, dimension: str, segment: Sequence[str], minimum: int) -> Iterator[Row]:
    """Rows of the largest segments; `segment`: name of each record's."""
    names, codes, counts = np.unique(
        np.array(segment, dtype=object).astype(str), return_inverse=True, return_counts=True
    )
    for at in sorted(range(len(names)), key=lambda at: (-counts[at], names[at]))[:MOST_SEGMENTS]:
        here: Bools = codes == at
        if counts[at] < minimum:
            yield quality_row(
                of, dimension, str(names[at]), Metric("base_rate", np.nan, np.nan, np.nan, int(counts[at])), minimum
            )
            continue
        for metric in quality.measure(of.score[here], of.label[here], of.group[here], of.bands, of.is_probability):
            if metric.name in SEGMENT_METRICS or ":" in metric.name:
                yield quality_row(of, dimension, str(names[at]), metric, minimum)


def category_rows(of: Judged, features: Sequence[Feature], columns: Columns, minimum: int) -> Iterator[Row]:
    """Rows of each level of each category; `columns`: of the rows that are judged."""
    for feature in features:
        column = columns[feature.name]
        if feature.kind == CATEGORY and isinstance(column, Categories) and 1 < len(column.levels) <= 50:
            names = [*column.levels, MISSING]
            yield from segment_rows(of, feature.name, [names[code] for code in column.codes], minimum)
