"""How good scores were: metrics with intervals, by group, for probabilities and for points alike.

Intervals are 95 %. Rows of a group (an account, or one lead at several score dates) are not independent, so variances
are between groups (sandwich); rates take Wilson's interval with the sample that such a variance is worth.
"""

import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats
from scipy.special import expit

from segment_signals.learning.leakage import rank_auc
from segment_signals.learning.training import log_losses
from segment_signals.statistics.arrays import Bools, Floats, Integers
from segment_signals.statistics.intervals import effective_sample, wilson_interval

Z = 1.959963984540054
BINS = 10
DRAWS = 400
STEPS = 30
TOP_SHARE = 0.1
# What a model estimated from some thousand rows misses beyond the chance of the test: a point of probability.
TOLERANCE = 0.01


@dataclass(frozen=True)
class Metric:
    """A metric with its 95 % interval; NaN where it has none. `n`: rows that it is of."""

    name: str
    value: float
    low: float
    high: float
    n: int


@dataclass(frozen=True)
class Bin:
    """A bin of equal mass: mean score, rate of what came, its interval, rows."""

    score: float
    rate: float
    low: float
    high: float
    n: int


def measure(
    score: Floats, label: Floats, group: Integers, bands: Mapping[str, float], is_probability: bool
) -> list[Metric]:
    """Metrics of scores beside what came.

    Args:
        score: shape (n,); a probability, or points that only order.
        label: 0 or 1, shape (n,).
        group: shape (n,).
        bands: name and lower bound of the bands from which on a record counts as called.
        is_probability: whether losses and calibration mean something.

    Returns:
        roc_auc, pr_auc, base_rate, lift_top_decile, false_positive_rate:<band>, false_negative_rate:<band>; of
        probabilities also log_loss, log_loss_skill, brier, brier_skill, calibration_in_the_large, ece, ece_noise,
        calibration_slope, calibration_intercept. What needs both outcomes is left out without them.
    """
    n = len(label)
    if n == 0:
        return []
    _, codes = np.unique(group, return_inverse=True)
    everyone = np.ones(n, dtype=bool)
    found = [_rate("base_rate", label > 0, everyone, codes)]
    has_both = 0 < label.sum() < n
    if has_both:
        found.extend([_auc(score, label, codes), _average_precision(score, label, codes), _lift(score, label, codes)])
    for band, bound in bands.items():
        called = score >= bound
        if (label == 0).any():
            found.append(_rate(f"false_positive_rate:{band}", called, label == 0, codes))
        if (label > 0).any():
            found.append(_rate(f"false_negative_rate:{band}", ~called, label > 0, codes))
    if is_probability:
        found.extend(_losses(score, label, codes))
        found.append(_in_the_large(score, label, codes))
        found.extend(_reliability(score, label, codes))
        if has_both:
            found.extend(_calibration_line(score, label, codes))
    return found


def calibration_bins(score: Floats, label: Floats, group: Integers, bins: int = BINS) -> list[Bin]:
    """Bins of equal mass for the calibration plot; equal scores stay together. Intervals are between groups."""
    found = []
    _, codes = np.unique(group, return_inverse=True)
    for rows in _bins(score, bins):
        here = np.zeros(len(label), dtype=bool)
        here[rows] = True
        rate = _rate("rate", label > 0, here, codes)
        found.append(Bin(float(score[rows].mean()), rate.value, rate.low, rate.high, len(rows)))
    return found


def gains(score: Floats, label: Floats, shares: Sequence[float]) -> list[tuple[float, float]]:
    """Share of the conversions among the best-scored share of the rows: pairs for the lift chart. Ties are shared."""
    order = np.argsort(-score, kind="stable")
    # Within equal scores nobody is first: each row counts as the mean of its ties.
    _, at, counts = np.unique(-score[order], return_inverse=True, return_counts=True)
    expected = (np.bincount(at, weights=label[order]) / counts)[at]
    reached = np.minimum(np.concatenate([[0.0], np.cumsum(expected)]) / max(label.sum(), 1), 1.0)
    return [(share, float(np.interp(share * len(label), np.arange(len(label) + 1), reached))) for share in shares]


def stability(expected: Floats, actual: Floats, expected_n: int | None = None) -> list[Metric]:
    """Population stability index of scores against those learned from, and the index that chance alone would show.

    `expected_n`: rows that the expected scores stand for, where they are quantiles of more. 0.25 as a limit is a rule
    of thumb. By chance the index is about (1/n + 1/m) chi-squared with bins - 1 degrees.
    """
    if len(expected) == 0 or len(actual) == 0:
        return []
    edges = np.unique(np.quantile(expected, np.arange(1, BINS) / BINS))
    counts = [
        np.bincount(np.searchsorted(edges, scores, side="right"), minlength=len(edges) + 1)
        for scores in (expected, actual)
    ]
    # Half a record per bin: an empty bin is not infinitely far.
    first, second = ((count + 0.5) / (count.sum() + 0.5 * len(count)) for count in counts)
    value = float(((second - first) * np.log(second / first)).sum())
    scale = 1 / (expected_n or len(expected)) + 1 / len(actual)
    noise: Floats = np.asarray(stats.chi2.ppf(np.array([0.5, 0.025, 0.975]), max(len(edges), 1))) * scale
    return [
        Metric("psi", value, np.nan, np.nan, len(actual)),
        Metric("psi_noise", float(noise[0]), float(noise[1]), float(noise[2]), len(actual)),
    ]


def _rate(name: str, event: Bools, of: Bools, codes: Integers) -> Metric:
    rows = np.flatnonzero(of)
    rate = float(event[rows].mean())
    variance = _mean_variance(event[rows].astype(np.float64), codes[rows])
    sample = effective_sample([rate], [variance], [len(rows)], [len(rows)])
    limits = wilson_interval([rate], sample)
    return Metric(name, rate, float(limits.low[0]), float(limits.high[0]), len(rows))


def _mean_variance(values: Floats, codes: Integers) -> float:
    """Variance of a mean, between groups."""
    sums = np.bincount(codes, weights=values - values.mean())
    groups = len(np.unique(codes))
    return float((sums**2).sum() / len(values) ** 2 * groups / max(groups - 1, 1))


def _auc(score: Floats, label: Floats, codes: Integers) -> Metric:
    """AUC with the variance of DeLong (1988), of groups as by Obuchowski (1997), limits on the logit scale."""
    value = rank_auc(score, label)
    wins, losses = np.flatnonzero(label > 0), np.flatnonzero(label == 0)
    places = [_placements(score[wins], score[losses]), 1 - _placements(score[losses], score[wins])]
    parts = np.zeros(len(label))
    parts[wins] = (places[0] - value) / len(wins)
    parts[losses] = (places[1] - value) / len(losses)
    sums = np.bincount(codes, weights=parts)
    groups = max(int((np.bincount(codes) > 0).sum()), 2)
    error = np.sqrt((sums**2).sum() * groups / (groups - 1))
    inside = min(max(value, 1 / (2 * len(label))), 1 - 1 / (2 * len(label)))
    centre, width = np.log(inside / (1 - inside)), Z * error / (inside * (1 - inside))
    low, high = expit(np.array([centre - width, centre + width]))
    return Metric("roc_auc", value, min(float(low), value), max(float(high), value), len(label))


def _placements(of: Floats, among: Floats) -> Floats:
    """Share of the others below each score, ties count half."""
    ordered = np.sort(among)
    below = np.searchsorted(ordered, of, side="left")
    found: Floats = (below + np.searchsorted(ordered, of, side="right")) / (2 * len(among))
    return found


def _average_precision(score: Floats, label: Floats, codes: Integers) -> Metric:
    """Average precision; limits on the logit scale (Boyd, Eng and Page 2013), the variance between groups.

    The variance is that of the infinitesimal jackknife: what the value would change by if a row weighed more. It counts
    among the conversions at its score, and in the precision at every score that it reaches.
    """
    values, at = np.unique(-score, return_inverse=True)
    wins = np.bincount(at, weights=label, minlength=len(values))
    called = np.cumsum(np.bincount(at, minlength=len(values)))
    precision = np.cumsum(wins) / called
    value = float((wins / label.sum() * precision).sum())
    later = np.cumsum((wins / called)[::-1])[::-1], np.cumsum((wins * precision / called)[::-1])[::-1]
    parts = (label * (precision[at] - value) + label * later[0][at] - later[1][at]) / label.sum()
    groups = max(int((np.bincount(codes) > 0).sum()), 2)
    error = np.sqrt((np.bincount(codes, weights=parts) ** 2).sum() * groups / (groups - 1))
    inside = min(max(value, 1e-6), 1 - 1e-6)
    centre = np.log(inside / (1 - inside))
    width = Z * error / (inside * (1 - inside))
    low, high = expit(np.array([centre - width, centre + width]))
    return Metric("pr_auc", value, min(float(low), value), max(float(high), value), len(label))


def _lift(score: Floats, label: Floats, codes: Integers) -> Metric:
    """Rate among the best tenth over the rate of all; the variance of the log of the ratio, between groups."""
    share = gains(score, label, [TOP_SHARE])[0][1]
    value = share / TOP_SHARE
    if share == 0:
        return Metric("lift_top_decile", 0.0, 0.0, np.nan, len(label))
    bound = np.quantile(score, 1 - TOP_SHARE)
    top = score >= bound
    parts = (top & (label > 0)) / max(label[top].sum(), 1) - label / label.sum()
    sums = np.bincount(codes, weights=parts)
    width = Z * np.sqrt((sums**2).sum())
    return Metric("lift_top_decile", value, value * float(np.exp(-width)), value * float(np.exp(width)), len(label))


def _losses(probability: Floats, label: Floats, codes: Integers) -> Iterator[Metric]:
    base = np.full(len(label), label.mean())
    for name, rows, constant in (
        ("log_loss", log_losses(probability, label), log_losses(base, label)),
        ("brier", (probability - label) ** 2, (base - label) ** 2),
    ):
        value = float(rows.mean())
        half = Z * float(np.sqrt(_mean_variance(rows, codes)))
        yield Metric(name, value, max(value - half, 0.0), value + half, len(label))
        if constant.mean() > 1e-12:
            ratio = value / float(constant.mean())
            half = Z * float(np.sqrt(_mean_variance((rows - ratio * constant) / constant.mean(), codes)))
            yield Metric(f"{name}_skill", 1 - ratio, 1 - ratio - half, 1 - ratio + half, len(label))


def _in_the_large(probability: Floats, label: Floats, codes: Integers) -> Metric:
    """Mean probability less the rate of what came: 0 where as many come as were said."""
    value = float((probability - label).mean())
    half = Z * float(np.sqrt(_mean_variance(probability - label, codes)))
    return Metric("calibration_in_the_large", value, value - half, value + half, len(label))


def came_true(metrics: Sequence[Metric]) -> tuple[bool, str] | None:
    """Whether probabilities came true, and the sentence that says so with its figures; None where nobody knows.

    They did where the interval of mean probability - rate comes within a point of 0, and the calibration error is at
    most a point above what chance shows of scores that come true (97.5 %).
    """
    of = {metric.name: metric for metric in metrics}
    if not {"base_rate", "calibration_in_the_large", "ece", "ece_noise"} <= set(of):
        return None
    large, error, noise, rate = (of[n] for n in ("calibration_in_the_large", "ece", "ece_noise", "base_rate"))
    is_true = large.low <= TOLERANCE and large.high >= -TOLERANCE and error.value <= noise.high + TOLERANCE
    sentence = (
        f"The probabilities {'came' if is_true else 'did not come'} true: their mean is {large.value + rate.value:.1%} "
        f"where {rate.value:.1%} converted (difference {large.value:+.1%}, 95 % interval {large.low:+.1%} to "
        f"{large.high:+.1%}); calibration error {error.value:.1%}, by chance up to {noise.high:.1%} ({large.n} rows)."
    )
    return is_true, sentence


def _reliability(probability: Floats, label: Floats, codes: Integers) -> list[Metric]:
    """Expected calibration error in bins of equal mass, and the errors that a perfectly calibrated score would show.

    Each bin varies as its probabilities say, times what its rows repeat of each other (the design effect of groups);
    bins that share groups vary together.
    """
    bins = _bins(probability, BINS)
    sizes = np.array([len(rows) for rows in bins], dtype=np.float64)
    expected = np.array([probability[rows].mean() for rows in bins])
    seen = np.array([label[rows].mean() for rows in bins])
    spread = np.array([np.sqrt((probability[rows] * (1 - probability[rows])).sum()) / len(rows) for rows in bins])
    share = sizes / sizes.sum()
    value = float((share * np.abs(expected - seen)).sum())
    rng = np.random.Generator(np.random.PCG64(20260101))
    root = _group_root(probability, label, codes, bins) * spread[:, None]
    drawn = np.abs(rng.standard_normal((DRAWS, len(bins))) @ root.T) @ share
    low, middle, high = (float(limit) for limit in np.quantile(drawn, [0.025, 0.5, 0.975]))
    n = len(label)
    # Around the error that was seen, the bins' rates vary as much as they would by chance.
    around = np.abs((expected - seen) + rng.standard_normal((DRAWS, len(bins))) @ root.T) @ share
    limits = [float(limit) for limit in np.quantile(around, [0.025, 0.975])]
    return [
        Metric("ece", value, min(limits[0], value), max(limits[1], value), n),
        Metric("ece_noise", middle, low, high, n),
    ]


def _group_root(probability: Floats, label: Floats, codes: Integers, bins: Sequence[Integers]) -> Floats:
    """Root (bins, bins) of the covariance of the bins' errors, beside the variances that independent rows have."""
    sums = np.zeros((int(codes.max()) + 1, len(bins)))
    alone = np.zeros(len(bins))
    for at, rows in enumerate(bins):
        residual = label[rows] - probability[rows]
        residual = residual - residual.mean()
        sums[:, at] = np.bincount(codes[rows], weights=residual, minlength=len(sums))
        alone[at] = (residual**2).sum()
    scale = np.sqrt(np.where(alone > 0, alone, 1.0))
    covariance = sums.T @ sums / scale / scale[:, None]
    # A bin without any outcome shows nothing of its groups: it varies as independent rows do.
    covariance[np.diag_indices(len(bins))] = np.where(alone > 0, np.diag(covariance), 1.0)
    values, vectors = np.linalg.eigh(covariance)
    # The symmetric root: the signs of eigenvectors, which each library chooses for itself, do not change it.
    found: Floats = (vectors * np.sqrt(np.maximum(values, 0.0))) @ vectors.T
    return found


def _calibration_line(probability: Floats, label: Floats, codes: Integers) -> list[Metric]:
    """Slope and intercept of outcomes on the log-odds of the scores (Cox 1958); 1 and 0 where they come true.

    Errors are between groups. The intercept is the one with the slope free. Nothing where all scores are equal.
    """
    p = np.clip(probability, 1e-6, 1 - 1e-6)
    log_odds = np.log(p / (1 - p))
    if np.ptp(log_odds) < 1e-9:
        return []
    matrix = np.stack([np.ones(len(label)), log_odds], axis=1)
    beta = np.array([0.0, 1.0])
    information = np.eye(2)
    for _ in range(STEPS):
        fitted = expit(matrix @ beta)
        information = (matrix * (fitted * (1 - fitted))[:, None]).T @ matrix + 1e-9 * np.eye(2)
        step = np.linalg.solve(information, matrix.T @ (label - fitted))
        beta = beta + step * min(1.0, 2.0 / max(float(np.abs(step).max()), 1e-12))
        if float(np.abs(step).max()) < 1e-10:
            break
    residual = label - expit(matrix @ beta)
    sums = np.stack([np.bincount(codes, weights=matrix[:, at] * residual) for at in (0, 1)], axis=1)
    meat = sums.T @ sums
    inverse = np.linalg.inv(information)
    errors: Floats = np.sqrt(np.diag(inverse @ meat @ inverse))
    return [
        Metric(name, float(value), float(value - Z * error), float(value + Z * error), len(label))
        for name, value, error in (
            ("calibration_slope", beta[1], errors[1]),
            ("calibration_intercept", beta[0], errors[0]),
        )
    ]


def _bins(score: Floats, bins: int) -> list[Integers]:
    order = np.argsort(score, kind="stable")
    ordered = score[order]
    edges = np.searchsorted(ordered, ordered[np.arange(1, bins) * len(ordered) // bins], side="left")
    edges = np.unique(np.concatenate([[0], edges, [len(ordered)]]))
    return [order[low:high] for low, high in itertools.pairwise(edges) if high > low]
