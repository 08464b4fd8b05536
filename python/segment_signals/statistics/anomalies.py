"""Anomalies: newest periods out of line with the strictly earlier ones of their own series.

A point inside its own baseline cannot stand out: among T points none lies further than (T - 1) / sqrt(T) standard
deviations from their mean. So every predictive distribution here is that of a new period given the earlier ones, with
what is not known about the baseline in it.

- conversions: beta-binomial; the rate varies between periods by more than binomial chance, by a correlation pooled
  over the segments of a family (one segment has too few periods to know its own);
- counts: negative binomial with a pooled dispersion, Poisson where there is none;
- amounts: Student's t around the median of the logs, scaled by their median absolute deviation.

A dispersion pooled from few periods may be too small by luck: read as known, it would flag 10.6 % of single series with
six earlier periods at a level of 5 %. So deviates are referred to Student's t with the periods' degrees of freedom.

No trend and no season: a growing series is out of line with its past, and `drift` says so more gently. Compare like
with like: 30-day rates with earlier 30-day rates. The p-values of a period's family then go through
`multiplicity.benjamini_hochberg`.
"""

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import ArrayLike
from scipy import special

from segment_signals.statistics.arrays import Bools, Floats, Integers, floats, group_count, group_sum, ratio
from segment_signals.statistics.intervals import with_estimated_variance, without_estimated_variance
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
class Screening:
    """What every series is screened for.

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


STANDARD = Screening()


def rate_anomalies(
    converted_count: ArrayLike, entered_count: ArrayLike, family: Integers, screening: Screening = STANDARD
) -> Anomalies:
    """Anomalies of rates.

    Args:
        converted_count: shape (k, T), oldest period first, the newest last. Rates of cohorts with open records come as
            effective counts: rate x sample here, the sample below.
        entered_count: shape (k, T); NaN or 0 where a period is missing.
        family: shape (k,), codes 0 .. families - 1; overdispersion and power threshold belong to a family.
        screening: what is asked of every series.
    """
    rate, entered = _rates(converted_count, entered_count)
    correlation = _pooled_correlation(rate[:, :-1], entered[:, :-1], family)
    every = _rate_predictive(rate, entered, correlation[family], screening.minimum_periods)
    newest = BetaBinomial(every.n[:, -1], every.mean[:, -1], every.correlation[:, -1])
    found = _screen(newest, rate[:, -1] * newest.n, _rate_df(rate[:, :-1], entered[:, :-1], family), family, screening)
    return replace(
        found,
        observed=ratio(found.observed, newest.n),
        expected=ratio(found.expected, newest.n),
        expected_low=ratio(found.expected_low, newest.n),
        expected_high=ratio(found.expected_high, newest.n),
    )


def count_anomalies(
    count: ArrayLike, family: Integers, exposure: ArrayLike = 1.0, screening: Screening = STANDARD
) -> Anomalies:
    """Anomalies of counts.

    Args:
        count: shape (k, T), oldest period first, the newest last; NaN where a period is missing (a zero is a count).
        family: shape (k,), codes 0 .. families - 1.
        exposure: broadcast to (k, T), what the count is proportional to (days of the period); above 0.
        screening: what is asked of every series.
    """
    counts, exposures = _counts(count, exposure)
    dispersion = _pooled_dispersion(counts[:, :-1], exposures[:, :-1], family)
    every = _count_predictive(counts, exposures, dispersion[family], screening.minimum_periods)
    newest = NegativeBinomial(every.mean[:, -1], every.shape[:, -1])
    return _screen(newest, counts[:, -1], _count_df(counts[:, :-1], family), family, screening)


def amount_anomalies(amount: ArrayLike, family: Integers, screening: Screening = STANDARD) -> Anomalies:
    """Anomalies of amounts: the expected value is the median of the earlier ones.

    Args:
        amount: shape (k, T), oldest period first, the newest last; NaN, zero and negative amounts are left out.
        family: shape (k,), codes 0 .. families - 1.
        screening: what is asked of every series.
    """
    amounts = _amounts(amount)
    newest = _amount_predictive(amounts[:, :-1], screening.minimum_periods)
    return _screen(newest, amounts[:, -1], np.full(len(amounts), np.inf), family, screening)


def rate_residuals(
    converted_count: ArrayLike, entered_count: ArrayLike, family: Integers, minimum_periods: int = 6
) -> Floats:
    """How far each period is from what the strictly earlier ones predict, in standard normal deviates, shape (k, T).

    Arguments as in `rate_anomalies`. Where nothing changes they are independent of each other. NaN where there is no
    value or too short a baseline. The overdispersion is that of all periods.
    """
    rate, entered = _rates(converted_count, entered_count)
    correlation = _pooled_correlation(rate, entered, family)
    predictive = _rate_predictive(rate, entered, correlation[family], minimum_periods)
    return _deviates(predictive, rate * predictive.n, _rate_df(rate, entered, family))


def count_residuals(count: ArrayLike, family: Integers, exposure: ArrayLike = 1.0, minimum_periods: int = 6) -> Floats:
    """Residuals of counts, shape (k, T), as `rate_residuals`; arguments as in `count_anomalies`."""
    counts, exposures = _counts(count, exposure)
    dispersion = _pooled_dispersion(counts, exposures, family)
    predictive = _count_predictive(counts, exposures, dispersion[family], minimum_periods)
    return _deviates(predictive, counts, _count_df(counts, family))


def amount_residuals(amount: ArrayLike, minimum_periods: int = 6) -> Floats:
    """Residuals of amounts, shape (k, T), as `rate_residuals`; arguments as in `amount_anomalies`."""
    amounts = _amounts(amount)
    endless = np.full(len(amounts), np.inf)
    columns = [
        _deviates(_amount_predictive(amounts[:, :period], minimum_periods), amounts[:, period], endless)
        for period in range(amounts.shape[1])
    ]
    return np.stack(columns, axis=1)


def needs_roll_up(power: Floats, minimum_power: float = 0.5) -> Bools:
    """Whether a series is too thin for its periods, shape (k,): look at quarters instead of months.

    True also where no power is known, because there is no baseline.
    """
    return ~(power >= minimum_power)


def _rates(converted_count: ArrayLike, entered_count: ArrayLike) -> tuple[Floats, Floats]:
    """Rates and records, shape (k, T), both NaN where either is missing."""
    converted, entered = np.broadcast_arrays(
        np.atleast_2d(floats(converted_count)), np.atleast_2d(floats(entered_count))
    )
    rate = ratio(converted, np.where(entered > 0, entered, np.nan))
    return rate, np.where(np.isnan(rate), np.nan, entered)


def _counts(count: ArrayLike, exposure: ArrayLike) -> tuple[Floats, Floats]:
    """Counts and exposures, shape (k, T), both NaN where either is missing."""
    counts, exposures = np.broadcast_arrays(np.atleast_2d(floats(count)), floats(exposure))
    missing = np.isnan(counts) | ~(exposures > 0)
    return np.where(missing, np.nan, counts), np.where(missing, np.nan, exposures)


def _amounts(amount: ArrayLike) -> Floats:
    amounts = np.atleast_2d(floats(amount))
    return np.where(amounts > 0, amounts, np.nan)


def _sums_before(values: Floats) -> Floats:
    """Sums over the strictly earlier periods, shape (k, T); NaN counts as 0."""
    known = np.nan_to_num(values)
    return np.cumsum(known, axis=1) - known


def _pooled_correlation(rate: Floats, entered: Floats, family: Integers) -> Floats:
    """Overdispersion of the periods of a series around its mean, pooled over each family, shape (families,)."""
    k, periods = rate.shape
    return overdispersion(rate.ravel(), entered.ravel(), np.repeat(np.arange(k), periods), family)


def _pooled_df(values: Floats, weight: Floats, family: Integers) -> Floats:
    """Degrees of freedom of the overdispersion pooled over a family, for each of its series, shape (k,).

    A series of T periods gives T - 1, weighted as the moment estimator weighs the series (`weight`, shape (k,), the
    binomial or Poisson variance of a mean period): (sum w (T - 1))^2 / sum w^2 (T - 1), Satterthwaite 1946.
    """
    own = np.maximum((~np.isnan(values)).sum(axis=1) - 1, 0)
    share = np.nan_to_num(weight)
    families = group_count(family)
    pooled = ratio(group_sum(share * own, family, families) ** 2, group_sum(share**2 * own, family, families))
    return np.maximum(np.nan_to_num(pooled, nan=1.0), 1)[family]


def _rate_df(rate: Floats, entered: Floats, family: Integers) -> Floats:
    mean = ratio(np.nansum(rate * entered, axis=1), np.nansum(entered, axis=1))
    periods = (~np.isnan(rate)).sum(axis=1)
    return _pooled_df(rate, mean * (1 - mean) * ratio(np.nansum(entered, axis=1), periods), family)


def _count_df(count: Floats, family: Integers) -> Floats:
    return _pooled_df(count, ratio(np.nansum(count, axis=1), (~np.isnan(count)).sum(axis=1)), family)


def _rate_predictive(rate: Floats, entered: Floats, correlation: Floats, minimum_periods: int) -> BetaBinomial:
    """Conversions of each period given the strictly earlier ones, shape (k, T).

    The rate of a period scatters around the series' mean with the correlation rho; the mean is known from the earlier
    periods, each worth n / (1 + (n - 1) rho) independent records, and Jeffreys' prior (half a conversion among one
    record). With rho = 0 this is the posterior predictive distribution of a constant rate.
    """
    rho = correlation[:, np.newaxis]
    worth = ratio(entered, 1 + (entered - 1) * rho)
    sample = _sums_before(worth)
    mean = (_sums_before(worth * rate) + 0.5) / (sample + 1)
    enough = _sums_before(np.where(np.isnan(rate), 0.0, 1.0)) >= minimum_periods
    # Posterior variance of the mean: mean (1 - mean) / (sample + 2).
    whole = rho + (1 - rho) / (sample + 2)
    # An effective sample below one half still is a record.
    n = np.where(enough, np.maximum(np.rint(entered), 1), np.nan)
    return BetaBinomial(n=n, mean=mean, correlation=whole)


def _pooled_dispersion(count: Floats, exposure: Floats, family: Integers) -> Floats:
    """Excess dispersion phi of counts, variance = mean + phi mean^2, by moments, pooled over families, (families,).

    With C, E the sums of a series' counts c and exposures e, lambda = C / E, Q = sum of (e / E)^2 and
    S = sum of (c - lambda e)^2 / e:

        E S = lambda (T - 1) + phi lambda^2 E (1 - Q),    E (C / E)^2 = lambda^2 (1 + phi Q) + lambda / E

    Solved for phi without bias in either expectation; series are pooled with weights 1 / lambda, between those that
    are best without dispersion (1) and with much (1 / lambda^2). At least 0: never less than Poisson.
    """
    known = ~np.isnan(count)
    c, e = np.where(known, count, 0), np.where(known, exposure, 0)
    periods, total, whole = known.sum(axis=1), c.sum(axis=1), e.sum(axis=1)
    intensity = ratio(total, whole)
    concentration = ratio((e**2).sum(axis=1), whole**2)
    squares = np.nan_to_num(ratio((c - intensity[:, np.newaxis] * e) ** 2, e)).sum(axis=1)
    excess = squares - intensity * (periods - 1)
    square = intensity**2 - ratio(intensity, whole)
    spread = square * whole * (1 - concentration) - excess * concentration
    usable = (periods >= 2) & (total > 0)
    families = group_count(family)
    phi = ratio(
        group_sum(np.where(usable, ratio(excess, intensity), 0), family, families),
        group_sum(np.where(usable, ratio(spread, intensity), 0), family, families),
    )
    return np.maximum(np.nan_to_num(phi, nan=0.0), 0)


def _count_predictive(count: Floats, exposure: Floats, dispersion: Floats, minimum_periods: int) -> NegativeBinomial:
    """Counts of each period given the strictly earlier ones, shape (k, T).

    The Poisson mean of a period is the series' intensity times a Gamma factor of relative variance phi; the intensity
    is known from C earlier counts with relative variance 1 / (C + 1/2) + phi Q (Jeffreys' prior). With phi = 0 this is
    the posterior predictive distribution of a constant intensity.
    """
    phi = dispersion[:, np.newaxis]
    total, whole = _sums_before(count) + 0.5, _sums_before(exposure)
    concentration = ratio(_sums_before(exposure**2), whole**2)
    relative_variance = 1 / total + phi * concentration
    enough = _sums_before(np.where(np.isnan(count), 0.0, 1.0)) >= minimum_periods
    mean = np.where(enough, ratio(total, whole) * exposure, np.nan)
    return NegativeBinomial(mean=mean, shape=ratio(1, phi + (1 + phi) * relative_variance))


def _amount_predictive(earlier: Floats, minimum_periods: int) -> LogStudent:
    """The next amount given the earlier ones, shape (k,): median of the logs, scaled by their absolute deviations.

    The median of T normal values has variance pi / (2 T). Their median absolute deviation is biased downwards and
    scatters, so that (new - median) / scale is close to 1 + 3 T^-1.75 times Student's t with 0.77 floor(T / 2) + 0.3
    degrees of freedom: fitted to the 95th, 99th and 99.9th percentiles of simulated normal samples for T = 4 .. 60.
    Normal series are then flagged at 5 % and 1 % in 4.2 to 5.1 % and 0.8 to 1.0 % of the cases.
    """
    logs = np.log(np.where(np.isnan(earlier), 1, earlier))
    logs = np.where(np.isnan(earlier), np.nan, logs)
    count = (~np.isnan(logs)).sum(axis=1)
    enough = count >= max(minimum_periods, 4)
    size = np.where(enough, count, 4).astype(np.float64)
    median = _median(logs)
    deviation = np.abs(logs - median[:, np.newaxis])
    typical = NORMAL_MAD * _median(deviation)
    mean_deviation = NORMAL_MEAN_DEVIATION * np.nan_to_num(deviation).sum(axis=1) / size
    scale = np.where(typical > 0, typical, mean_deviation) * np.sqrt(1 + np.pi / (2 * size)) * (1 + 3 * size**-1.75)
    return LogStudent(
        location=np.where(enough, median, np.nan),
        # A series that never moved says nothing about how far it may.
        scale=np.where(enough & (scale > 1e-12), scale, np.nan),
        df=0.77 * np.floor(size / 2) + 0.3,
    )


def _median(values: Floats) -> Floats:
    """Medians of the rows, shape (k,), NaN left out; NaN for a row without a value."""
    ordered = np.sort(values, axis=1)  # NaN last
    count = (~np.isnan(values)).sum(axis=1)
    row = np.arange(len(values))
    if values.shape[1] == 0:
        return np.full(len(values), np.nan)
    low = ordered[row, np.maximum(count - 1, 0) // 2]
    high = ordered[row, np.minimum(count // 2, values.shape[1] - 1)]
    median: Floats = (low + high) / 2
    return median


def _screen(predictive: Predictive, observed: Floats, df: Floats, family: Integers, screening: Screening) -> Anomalies:
    """What the predictive distributions say about the observed values, all of shape (k,)."""
    p_value = with_estimated_variance(two_sided_p_value(predictive, observed), df)
    known = ~np.isnan(p_value)
    expected = np.where(known, predictive.expected, np.nan)
    low, high = predictive.expected_limits(without_estimated_variance(screening.alpha, df))
    # A lone anomaly among m series is flagged at level / m.
    families = group_count(family)
    tested = group_sum(known.astype(np.float64), family, families)[family]
    threshold = without_estimated_variance(screening.level / np.maximum(tested, 1), df)
    power = predictive.outside_probability(*predictive.expected_limits(threshold), screening.change)
    return Anomalies(
        observed=np.where(known, observed, np.nan),
        expected=expected,
        expected_low=np.where(known, low, np.nan),
        expected_high=np.where(known, high, np.nan),
        p_value=p_value,
        direction=np.sign(np.where(known, observed, np.nan) - expected),
        power=np.where(known, power, np.nan),
    )


def _deviates(predictive: Predictive, observed: Floats, df: Floats) -> Floats:
    """Standard normal deviates of observed values, shape (k, T) or (k,), within +-8; `df` of shape (k,)."""
    middle = predictive.mid_distribution(observed)
    p_value = with_estimated_variance(
        np.minimum(2 * np.minimum(middle, 1 - middle), 1), df if observed.ndim == 1 else df[:, np.newaxis]
    )
    known = ~np.isnan(p_value)
    size = special.ndtri(np.maximum(np.where(known, p_value, 1) / 2, special.ndtr(-8.0)))
    return np.where(known, np.where(middle < 0.5, size, -size), np.nan)
