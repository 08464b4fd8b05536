"""The signals of churn risk: the registry of models, today's risks, what they are made of, and how good they are."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date

import numpy as np
import pyarrow as pa

from segment_signals.learning import (
    Columns,
    Examples,
    Feature,
    Rules,
    Scores,
    Trained,
    columns_of,
    quality,
    registry,
    train,
)
from segment_signals.learning.contributions import CONTRIBUTIONS_SCHEMA, contribution_rows
from segment_signals.learning.days import day_of, days_of
from segment_signals.learning.examples import Refusal, Target, name_hashes
from segment_signals.learning.quality import Metric
from segment_signals.learning.quality_rows import (
    ALL,
    QUALITY_SCHEMA,
    Judged,
    Row,
    quality_row,
    segment_rows,
    whole_rows,
)
from segment_signals.statistics.arrays import Bools, Floats, Integers

NAME = "churn_risk"
RISK_SCHEMA = pa.schema(
    [
        ("as_of_date", pa.date32()),
        ("account_id", pa.string()),
        ("currency", pa.string()),
        ("arr_amount", pa.decimal128(18, 2)),
        ("probability", pa.float64()),
        ("risk_band", pa.string()),
        ("arr_at_risk_amount", pa.float64()),
        ("days_to_renewal", pa.int64()),
        ("renewal_stratum", pa.string()),
        ("model_version", pa.string()),
        ("reason", pa.string()),
        ("caveat", pa.string()),
    ]
)
STRATA = ((0, "any month"), (60, "renewal within 60 days"), (180, "renewal in 61 to 180 days"))
LATER, UNKNOWN = "renewal later", "renewal unknown"
Seed = Sequence[tuple[str, str, str, str, str]]


@dataclass(frozen=True)
class Landmarks:
    """Rows of the mart churn_features, sorted by day and account. `dimensions`: its segments, told apart only."""

    rows: pa.Table
    features: tuple[Feature, ...]
    dimensions: tuple[str, ...]
    labels: Mapping[str, str]

    @classmethod
    def of(cls, rows: pa.Table, seed: Seed, dimensions: Sequence[str]) -> "Landmarks":
        """Landmarks from the mart, the seed `churn_score_features` and the names of the dimensions."""
        features = tuple(Feature(name, group, kind, known) for name, _, group, kind, known in seed)
        ordered = rows.sort_by([("landmark_date", "ascending"), ("account_id", "ascending")])
        return cls(ordered, features, tuple(dimensions), {name: label for name, label, *_ in seed})

    def where(self, mask: Bools) -> "Landmarks":
        """The rows of a mask."""
        return replace(self, rows=self.rows.filter(pa.array(mask)))

    def flag(self, name: str) -> Bools:
        """A boolean column (n,)."""
        return np.asarray(self.rows[name].to_numpy(zero_copy_only=False), dtype=bool)

    def number(self, name: str) -> Floats:
        """A column of numbers (n,), NaN for NULL."""
        return np.asarray(self.rows[name].cast(pa.float64()).to_numpy(), dtype=np.float64)

    @property
    def at(self) -> Integers:
        """Day (n,), days since 1970-01-01."""
        return days_of(self.rows["landmark_date"])

    def columns(self) -> Columns:
        """The features' columns."""
        return columns_of(self.rows, self.features)

    def examples(self) -> Examples:
        """Rows to learn from, grouped by account."""
        account = name_hashes(self.rows["account_id"])
        return Examples(account, account, self.at, self.number("outcome"), self.columns())


def churn_models(
    landmarks: Landmarks,
    as_of: date,
    parameters: Mapping[str, float],
    thresholds: Mapping[str, float],
    definitions_hash: str,
) -> pa.Table:
    """Train on every month end whose window is over, and say how good that was out of time.

    Args:
        landmarks: of the mart churn_features.
        as_of: day of training.
        parameters: the seed `retention_parameters`.
        thresholds: the seed `evidence_thresholds`.
        definitions_hash: of the definitions in force.

    Returns:
        Table of `MODELS_SCHEMA`, one row. Unless the intervals of its skill over the base rate and of its AUC over
        chance lie above both, a model is refused as `no_skill`.
    """
    rules = replace(
        Rules.of(thresholds),
        minimum_entities=int(parameters["churn_minimum_customers"]),
        minimum_conversions=int(parameters["churn_minimum_notices"]),
    )
    # The mart leaves the outcome NULL until nothing can replace a loss of the window any more.
    known = landmarks.where(~landmarks.flag("has_given_notice") & ~np.isnan(landmarks.number("outcome")))
    examples = known.examples()
    target = Target(
        NAME,
        "Churn risk",
        "customer",
        "notice",
        "gives notice of churn or contraction",
        int(parameters["churn_horizon_days"]),
        definitions_hash,
        landmarks.labels,
    )
    trained = train(examples, known.features, target, day_of(as_of), rules)
    closed = examples.take(trained.closed)
    metrics, rows = _tested(trained, known, closed, parameters, int(thresholds["minimum_n"]))
    row = registry.registry_row(
        target, trained, closed, as_of, metrics=metrics, quality_rows=rows, refusal=_no_skill(trained, metrics)
    )
    return pa.Table.from_pylist([row], schema=registry.MODELS_SCHEMA)


def _no_skill(trained: Trained, metrics: Sequence[Metric]) -> Refusal | None:
    """Why a trained model is of no use out of time; None where it is, or where there is none."""
    if trained.model is None:
        return None
    found = {metric.name: metric for metric in metrics}
    skill, auc = found.get("log_loss_skill"), found.get("roc_auc")
    if skill is None or auc is None:
        return Refusal("no_skill", "Out of time nobody gave notice, or everybody did: the model cannot be tested.")
    if skill.low <= 0 or auc.low <= 0.5:
        return Refusal(
            "no_skill",
            "Out of time the model is not above the base rate: log loss skill "
            f"{skill.value:.3f} ({skill.low:.3f} to {skill.high:.3f}), AUC {auc.value:.2f} ({auc.low:.2f} to "
            f"{auc.high:.2f}). Nobody is ranked.",
        )
    return None


def _tested(
    trained: Trained, known: Landmarks, closed: Examples, parameters: Mapping[str, float], minimum: int
) -> tuple[list[Metric], list[Row]]:
    """Metrics of the test out of time, and the rows of `model_quality`: all, by renewal stratum, by segment."""
    if trained.tested is None:
        return [], []
    at = trained.tested.rows
    test = closed.take(at)
    kept = known.rows.take(pa.array(trained.closed[at]))
    arr = np.asarray(kept["arr_amount"].cast(pa.float64()).to_numpy(), dtype=np.float64)
    bands = {"high": parameters["churn_high_band"], "medium": parameters["churn_medium_band"]}
    of = Judged(None, NAME, trained.tested.split, trained.tested.probability, test.label, test.group, bands, True)
    metrics = quality.measure(of.score, of.label, of.group, bands, is_probability=True)
    rows = list(whole_rows(of, minimum))
    share = parameters["churn_capacity_share"]
    for metric in at_capacity(of.score, of.label, of.group, arr, test.at, share):
        rows.append(quality_row(of, ALL, ALL, metric, minimum))
    strata = strata_of(np.asarray(kept["days_to_renewal"].cast(pa.float64()).to_numpy(), dtype=np.float64))
    rows.extend(segment_rows(of, "renewal", strata, minimum))
    for name in known.dimensions:
        rows.extend(segment_rows(of, name, [str(segment) for segment in kept[name].to_pylist()], minimum))
    return metrics, rows


def at_capacity(
    probability: Floats, label: Floats, group: Integers, arr: Floats, at: Integers, share: float
) -> list[Metric]:
    """What a team sees that can look after a share of the customers at every month end.

    precision_at_capacity: of those with the highest probability, the share that gave notice. revenue_captured: of the
    yearly revenue of all that gave notice (all of it, also where only a part goes), the share that is theirs, where
    customers are ranked by probability x revenue; revenue_captured_by_size: where they are ranked by revenue alone;
    revenue_captured_by_chance: the share that as many customers of any kind would hold. Limits are a bootstrap by
    customer.
    """
    called, weighted, largest = (np.zeros(len(label), dtype=bool) for _ in range(3))
    chance = np.zeros(len(label))
    for day in np.unique(at):
        rows = np.flatnonzero(at == day)
        size = int(np.ceil(share * len(rows)))
        called[rows[np.argsort(-probability[rows], kind="stable")[:size]]] = True
        weighted[rows[np.argsort(-(probability * arr)[rows], kind="stable")[:size]]] = True
        largest[rows[np.argsort(-arr[rows], kind="stable")[:size]]] = True
        chance[rows] = size / len(rows)
    lost = arr * (label > 0)
    parts = np.stack([called & (label > 0), called, lost, lost * weighted, lost * largest, lost * chance])
    parts = parts.astype(np.float64)
    _, codes = np.unique(group, return_inverse=True)
    sums = np.stack([np.bincount(codes, weights=part) for part in parts], axis=1)
    rng = np.random.Generator(np.random.PCG64(20260101))
    drawn = rng.poisson(1.0, (999, len(sums))).astype(np.float64) @ sums
    found = []
    for name, top, bottom in (
        ("precision_at_capacity", 0, 1),
        ("revenue_captured", 3, 2),
        ("revenue_captured_by_size", 4, 2),
        ("revenue_captured_by_chance", 5, 2),
    ):
        total = parts[bottom].sum()
        if total <= 0:
            continue
        value = float(parts[top].sum() / total)
        if name == "revenue_captured_by_chance":
            # What chance holds on average: it has no error of its own.
            found.append(Metric(name, value, np.nan, np.nan, int((parts[bottom] > 0).sum())))
            continue
        ratios = drawn[:, top] / np.where(drawn[:, bottom] > 0, drawn[:, bottom], np.nan)
        low, high = (float(limit) for limit in np.nanquantile(ratios, [0.025, 0.975]))
        found.append(Metric(name, value, min(low, value), max(high, value), int((parts[bottom] > 0).sum())))
    return found


def strata_of(days_to_renewal: Floats) -> list[str]:
    """The renewal stratum of each row."""
    found = np.full(len(days_to_renewal), LATER, dtype=object)
    for bound, name in reversed(STRATA):
        found[days_to_renewal <= bound] = name
    found[np.isnan(days_to_renewal)] = UNKNOWN
    return [str(name) for name in found]


def churn_quality(models: pa.Table) -> pa.Table:
    """How good the churn risk was out of time: rows of `model_quality`, of `QUALITY_SCHEMA`."""
    rows = [
        {**row, "model_version": model["model_version"]}
        for model in models.to_pylist()
        for row in json.loads(model["test_metrics"])
    ]
    return pa.Table.from_pylist(rows, schema=QUALITY_SCHEMA)


def _scored(landmarks: Landmarks, models: pa.Table) -> tuple[Landmarks, Mapping[str, object], Scores | None, Bools]:
    """Today's customers, the model, what it says of those that have not given notice, and which those are."""
    today = landmarks.where(landmarks.flag("is_current"))
    (model,) = models.to_pylist()
    open_rows = ~today.flag("has_given_notice")
    if model["model"] is None or not open_rows.any():
        return today, model, None, open_rows
    return today, model, registry.from_json(str(model["model"])).score(today.where(open_rows).columns()), open_rows


def churn_risk(
    landmarks: Landmarks, models: pa.Table, as_of: date, currency: str, parameters: Mapping[str, float]
) -> pa.Table:
    """The risk of every customer of the as-of date: table of `RISK_SCHEMA`; NULL with a reason where there is none."""
    today, model, scores, open_rows = _scored(landmarks, models)
    n = today.rows.num_rows
    probability = np.full(n, np.nan)
    if scores is not None:
        probability[open_rows] = scores.probability
    days, arr = today.number("days_to_renewal"), today.number("arr_amount")
    told = "It has given notice already: nothing is left to predict."
    bounds = [parameters["churn_high_band"], parameters["churn_medium_band"], 0.0]
    band = np.select([probability >= bound for bound in bounds], ["high", "medium", "low"], default="")
    columns = {
        "as_of_date": [as_of] * n,
        "account_id": today.rows["account_id"].to_pylist(),
        "currency": [currency] * n,
        "arr_amount": today.rows["arr_amount"].to_pylist(),
        "probability": _optional(probability),
        "risk_band": [name or None for name in band.tolist()],
        "arr_at_risk_amount": _optional(probability * arr),
        "days_to_renewal": [None if np.isnan(day) else int(day) for day in days],
        "renewal_stratum": strata_of(days),
        "model_version": [model["model_version"] if is_open else None for is_open in open_rows],
        "reason": [model["reason"] if is_open else "notice_given" for is_open in open_rows],
        "caveat": [model["caveat"] if is_open else told for is_open in open_rows],
    }
    return pa.Table.from_pydict(columns, schema=RISK_SCHEMA)


def churn_contributions(landmarks: Landmarks, models: pa.Table, as_of: date) -> pa.Table:
    """What each risk is made of, log-odds that add up: table of `CONTRIBUTIONS_SCHEMA`."""
    today, model, scores, open_rows = _scored(landmarks, models)
    if scores is None:
        return CONTRIBUTIONS_SCHEMA.empty_table()
    accounts = today.where(open_rows).rows["account_id"].combine_chunks().cast(pa.string())
    return contribution_rows(as_of, str(model["model_version"]), accounts, scores.blocks)


def _optional(values: Floats) -> list[float | None]:
    return [None if np.isnan(value) else float(value) for value in values]
