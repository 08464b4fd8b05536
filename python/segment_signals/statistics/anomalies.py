"""Anomalies: is the newest period out of line with the strictly earlier ones of its own series?

A point inside its own baseline cannot stand out: among T points none lies further than (T - 1) / sqrt(T) standard
deviations from their mean. So every predictive distribution here is that of a new period given the earlier ones, with
what is not known about the baseline in it.

- conversions: beta-binomial; the rate varies between periods by more than binomial chance, by a correlation pooled
  over the segments of a family (one segment has too few periods to know its own);
- counts: negative binomial with a pooled dispersion, Poisson where there is none;
- amounts: Student's t around the median of the logs, scaled by their median absolute deviation.

No trend and no season: a growing series is out of line with its past, and `drift` says so more gently. Compare like
with like: 30-day rates with earlier 30-day rates. The p-values of a period's family then go through
`multiplicity.benjamini_hochberg`.
"""

from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from segment_signals.statistics.arrays import Bools, Floats, Integers, floats, group_sum, ratio
from segment_signals.statistics.predictive import (
    BetaBinomial,
    LogStudent,
    NegativeBinomial,
    Predictive,
    two_sided_p_value,
)
from segment_signals.statistics.shrinkage import overdispersion

# The median absolute deviation of a normal sample times this estimates its standard deviation.
NORMAL_MAD = 1.4826022185056018
# The mean absolute deviation from the median times this does, where more than half the sample is one value.
NORMAL_MEAN_DEVIATION = np.sqrt(np.pi / 2)


@dataclass(frozen=True)
class Anomalies:
    """The newest period of k series; NaN where there is no newest value or too short a baseline.

    Attributes:
        observed, expected: shape (k,), in the unit of the series (a rate for conversions).
        expected_low, expected_high: shape (k,), what is not surprising at `alpha`, same unit.
        p_value: shape (k,), two-sided mid-p.
        direction: shape (k,), sign of observed - expected: -1, 0 or 1.
        power: shape (k,), probability of flagging the stated relative change of this period.
    """

    observed: Floats
    expected: Floats
    expected_low: Floats
    expected_high: Floats
    p_value: Floats
    direction: Floats
    power: Floats


@dataclass(frozen=True)
class Question:
    """What is asked of every series.

    Attributes:
        minimum_periods: earlier periods a baseline needs.
        alpha: 1 - coverage of the expected range.
        level: false discovery rate of the family.
        change: relative change whose probability of being flagged is the power; -0.6 is a fall by 60 %.
    """

    minimum_periods: int = 6
    alpha: float = 0.05
    level: float = 0.10
    change: float = -0.6


def rate_anomalies(
    converted_count: ArrayLike, entered_count: ArrayLike, family: Integers, question: Question | None = None
) -> Anomalies:
    """Anomalies of rates.

    Args:
        converted_count, entered_count: shape (k, T), oldest period first, the newest last. NaN or 0 entered where a
            period is missing. Rates of cohorts with open records come as effective counts (rate x sample, sample).
        family: shape (k,), codes 0 .. families - 1; overdispersion and power threshold belong to a family.
        question: what is asked.
    """
    asked = question or Question()
    converted, entered = _matrix(converted_count), _matrix(entered_count)
    distributions = _rate_predictive(converted, entered, family, asked.minimum_periods)
    newest = BetaBinomial(
        distributions.n[:, -1], distributions.mean[:, -1], distributions.correlation[:, -1]
    )
    n = newest.n
    rate = ratio(converted[:, -1], np.where(entered[:, -1] > 0, entered[:, -1], np.nan))
    found = _judge(newest, rate * n, family, asked)
    return Anomalies(
        observed=np.where(np.isnan(found.expected), np.nan, rate),
        expected=newest.mean,
        expected_low=ratio(found.expected_low, n),
        expected_high=ratio(found.expected_high, n),
        p_value=found.p_value,
        direction=found.direction,
        power=found.power,
    )
