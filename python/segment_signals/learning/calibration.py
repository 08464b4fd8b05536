"""Calibration: from a model's log-odds to log-odds that come true, learned on a later slice."""

import itertools
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import expit

from segment_signals.learning.regression import rounded
from segment_signals.learning.splits import fold_of
from segment_signals.statistics.arrays import Floats, Integers, floats

STEPS = 50
FOLDS = 5
CHI_SQUARED = 5.991464547107979  # 95 % quantile, two degrees of freedom
# Rows of a step of the isotonic curve before neighbours are pooled: fewer would follow noise.
STEP_ROWS = 50
MAXIMUM_STEPS = 40


@dataclass(frozen=True)
class Calibration:
    """A monotone map of log-odds: `identity`, a line (`sigmoid`), lines between points (`isotonic`), flat outside."""

    kind: str
    at: Floats
    to: Floats

    def apply(self, log_odds: Floats) -> Floats:
        """Calibrated log-odds, shape (n,)."""
        if self.kind == "identity":
            return log_odds
        if self.kind == "sigmoid":
            line: Floats = self.to[0] + self.to[1] * log_odds
            return line
        return np.interp(log_odds, self.at, self.to)

    def to_json(self) -> dict[str, Any]:
        """Plain data."""
        return {"kind": self.kind, "at": rounded(self.at), "to": rounded(self.to)}

    @classmethod
    def from_json(cls, content: Mapping[str, Any]) -> "Calibration":
        """The map of `to_json`."""
        return cls(content["kind"], floats(content["at"]), floats(content["to"]))


def fit_calibration(log_odds: Floats, label: Floats, group: Integers, isotonic_rows: int) -> Calibration:
    """The map that fits later rows: a line below `isotonic_rows` rows; above, an isotonic curve where it proves better.

    Of weak scores even some thousand rows draw a curve that follows noise (simulated: slopes of 0.76 to 0.84), so the
    curve must have the lower log loss in cross-validation, by more than two standard errors. And where the line is not
    told from none by Wald's test at 5 %, nothing is changed: its two coefficients are estimated from fewer rows than
    the model, and would move every probability by noise. Errors and folds are of groups: rows of one repeat each other.

    Args:
        log_odds: of a model that has not seen these rows, shape (n,).
        label: 0 or 1, shape (n,).
        group: shape (n,).
        isotonic_rows: from so many rows on the curve is free.
    """
    beta = _line(log_odds, label)
    line = Calibration("sigmoid", np.empty(0), floats(rounded(beta)))
    if _wald(beta, log_odds, label, group) < CHI_SQUARED:
        line = Calibration("identity", np.empty(0), np.empty(0))
    if len(label) < isotonic_rows or len(np.unique(log_odds)) < 3:
        return line
    gain = np.zeros(len(label))
    fold = fold_of(group, FOLDS)
    for at in range(FOLDS):
        rest, own = fold != at, fold == at
        if not 0 < label[rest].sum() < rest.sum() or len(np.unique(log_odds[rest])) < 3:
            return line
        straight = Calibration("sigmoid", np.empty(0), _line(log_odds[rest], label[rest]))
        curve = _isotonic(log_odds[rest], label[rest])
        gain[own] = _losses(straight, log_odds[own], label[own]) - _losses(curve, log_odds[own], label[own])
    error = np.sqrt((_sums(gain - gain.mean(), group) ** 2).sum()) / len(gain)
    is_better = gain.mean() > 2 * error
    return _isotonic(log_odds, label) if is_better else line


def _wald(beta: Floats, log_odds: Floats, label: Floats, group: Integers) -> float:
    """Wald's statistic of a line against none (0, 1), errors between groups."""
    matrix = np.stack([np.ones(len(label)), log_odds], axis=1)
    probability = expit(matrix @ beta)
    information = (matrix * (probability * (1 - probability))[:, None]).T @ matrix
    scores = np.stack([_sums(column * (label - probability), group) for column in matrix.T], axis=1)
    meat = scores.T @ scores * len(scores) / max(len(scores) - 1, 1)
    moved = information @ (beta - np.array([0.0, 1.0]))
    # Scores that are all equal, or a single group, tell no line from none: the pseudo-inverse leaves them out.
    return float(moved @ np.linalg.pinv(meat, rcond=1e-9, hermitian=True) @ moved)


def _sums(values: Floats, group: Integers) -> Floats:
    _, codes = np.unique(group, return_inverse=True)
    return np.asarray(np.bincount(codes, weights=values), dtype=np.float64)


def _losses(calibration: Calibration, log_odds: Floats, label: Floats) -> Floats:
    predictor = calibration.apply(log_odds)
    found: Floats = np.logaddexp(0, predictor) - label * predictor
    return found


def _line(log_odds: Floats, label: Floats) -> Floats:
    """Platt's sigmoid (1999), with his targets, which keep it finite where the scores separate the outcomes."""
    wins = label.sum()
    target = np.where(label > 0, (wins + 1) / (wins + 2), 1 / (len(label) - wins + 2))
    matrix = np.stack([np.ones(len(label)), log_odds], axis=1)
    # A prior that the slope is 1: without any spread of the scores nothing else would say.
    ridge, centre = np.array([1e-9, 0.1]), np.array([0.0, 1.0])
    level = np.log(target.mean() / (1 - target.mean()))
    beta = np.array([level, 0.0])
    for _ in range(STEPS):
        probability = expit(matrix @ beta)
        gradient = matrix.T @ (target - probability) - ridge * (beta - centre)
        information = (matrix * (probability * (1 - probability))[:, None]).T @ matrix + np.diag(ridge)
        step = np.linalg.solve(information, gradient)
        size = float(np.abs(step).max())
        beta = beta + step * min(1.0, 3.0 / max(size, 1e-12))
        if size < 1e-10:
            break
    # A score that orders the wrong way round is worth nothing, not its opposite.
    return beta if beta[1] > 0 else np.array([level, 0.0])


def _isotonic(log_odds: Floats, label: Floats) -> Calibration:
    """Pool adjacent violators over equal-mass steps (Zadrozny and Elkan 2002), straight lines between their centres.

    Each step's rate is drawn to the mean by one record, so that no probability is 0 or 1.
    """
    order = np.argsort(log_odds, kind="stable")
    score, won = log_odds[order], label[order]
    steps = int(np.clip(len(won) // STEP_ROWS, 3, MAXIMUM_STEPS))
    # Equal scores stay in one step.
    edges = np.searchsorted(score, score[np.arange(1, steps) * len(score) // steps], side="left")
    edges = np.unique(np.concatenate([[0], edges, [len(score)]]))
    blocks: list[tuple[float, float, float]] = []  # rows, wins, sum of scores
    for low, high in itertools.pairwise(edges):
        blocks.append((float(high - low), float(won[low:high].sum()), float(score[low:high].sum())))
        while len(blocks) > 1 and blocks[-2][1] * blocks[-1][0] >= blocks[-1][1] * blocks[-2][0]:
            last = blocks.pop()
            first = blocks.pop()
            blocks.append((first[0] + last[0], first[1] + last[1], first[2] + last[2]))
    rows, wins, sums = (floats(column) for column in zip(*blocks, strict=True))
    rate = np.maximum.accumulate((wins + won.mean()) / (rows + 1))
    return Calibration("isotonic", floats(rounded(sums / rows)), floats(rounded(np.log(rate / (1 - rate)))))
