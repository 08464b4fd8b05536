"""Retention: coverage of the intervals of NRR and GRR, and the churn risk beside the best that is possible."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
from segment_signals.learning import quality, registry
from segment_signals.learning.leakage import rank_auc
from segment_signals.retention.churn import Landmarks, churn_contributions, churn_models
from segment_signals.retention.revenue import revenue_retention
from segment_signals.statistics.arrays import Floats, Integers

from certification.engine import Warehouse, frame
from certification.retention_worlds import CHURN, DAYS, LAST_DAY, build, day, truth, world
from certification.targets import Target, exact, mean

TOPIC = "9. Churn and retention"
CUSTOMERS = 6_000
WORLDS = 3
CELLS = 1_000
SIZES = (50, 100, 300)
CHURN_RATES = (0.03, 0.12)
SPREADS = (0.6, 1.0)


def certify(warehouse: Warehouse, scale: float = 1) -> list[Target]:
    """Coverage over a grid of cells, bounds, and the churn risk out of sample.

    Args:
        warehouse: compiled project.
        scale: of the numbers of replicates.
    """
    return [*_coverage(warehouse, round(CELLS * scale)), *_churn(warehouse, max(round(WORLDS * scale), 1))]


def _coverage(warehouse: Warehouse, cells: int) -> list[Target]:
    """Cells of n customers from populations whose retention is known, through the signal itself."""
    draws = np.random.default_rng(20260701)
    hits: dict[str, list[Floats]] = {"nrr": [], "grr": []}
    worst, is_bounded = {"nrr": 1.0, "grr": 1.0}, True
    for n in SIZES:
        for churn in CHURN_RATES:
            for spread in SPREADS:
                true = _population(draws, 2_000_000, churn, spread)
                found = frame(_told(warehouse, *_population(draws, n * cells, churn, spread), n))
                is_bounded &= bool((found["grr"].le(1) & found["grr"].le(found["nrr"] + 1e-12)).all())
                for name, closing in (("nrr", true[1]), ("grr", np.minimum(*true))):
                    value = closing.sum() / true[0].sum()
                    covers = found[f"{name}_low"].le(value) & found[f"{name}_high"].ge(value)
                    hits[name].append(covers.to_numpy(dtype=np.float64))
                    worst[name] = min(worst[name], float(covers.mean()))
    grid = "over a grid of 50 to 300 customers, 3 and 12 % churn, even and uneven sizes"
    targets = []
    for name, label in (("nrr", "NRR"), ("grr", "GRR")):
        covered = mean(np.concatenate(hits[name]))
        targets.append(Target(TOPIC, f"coverage of 95 % intervals of {label}, {grid}", covered, lower=0.93, upper=0.97))
        targets.append(
            Target(TOPIC, f"the same in the cell of the grid where it is lowest, {label}", exact(worst[name]))
        )
    what = "cells whose GRR is at most 1 and at most NRR"
    return [*targets, Target(TOPIC, what, exact(float(is_bounded)), lower=1.0)]


def _population(draws: np.random.Generator, n: int, churn: float, spread: float) -> tuple[Floats, Floats]:
    """Yearly revenue of customers at the beginning and at the end, in cents."""
    opening = np.round(np.exp(9 + spread * draws.standard_normal(n)), 2)
    chance = draws.random(n)
    grows = 1 + draws.exponential(0.3, n)
    factor = np.select([chance < churn, chance < churn + 0.08, chance < churn + 0.23], [0.0, 0.6, grows], default=1.0)
    return opening, np.round(opening * factor, 2)


def _told(warehouse: Warehouse, opening: Floats, closing: Floats, n: int) -> pa.Table:
    cells = len(opening) // n
    cell = np.repeat(np.arange(cells), n)
    names = pa.array(cell).cast(pa.string())
    accounts = pa.table(
        {
            "period_grain": pa.repeat("quarter", len(cell)),
            "period_start": pa.array([date(2025, 7, 1)] * len(cell)),
            "window_name": pa.repeat("trailing_year", len(cell)),
            "account_id": pa.array(np.arange(len(cell))).cast(pa.string()),
            "lead_source": names,
            "opening_arr_amount": pa.array(opening),
            "closing_arr_amount": pa.array(closing),
        }
    )

    def sums(values: Floats) -> Floats:
        return np.bincount(cell, weights=values, minlength=cells)

    has_left = (closing == 0).astype(np.float64)
    counts = {
        "churned_count": sums(has_left),
        **{f"{kind}_count": np.zeros(cells) for kind in ("expanded", "contracted", "new", "reactivated", "excluded")},
        "opening_count": np.full(cells, n),
        "closing_count": n - sums(has_left),
    }
    amounts = {
        "opening_arr_amount": sums(opening),
        "closing_arr_amount": sums(closing),
        "kept_arr_amount": sums(np.minimum(opening, closing)),
        "cohort_arr_amount": sums(closing),
        **{f"{kind}_amount": np.zeros(cells) for kind in ("new", "expansion", "contraction", "churn", "reactivation")},
    }
    inputs = pa.table(
        {
            "period_grain": pa.repeat("quarter", cells),
            "period_start": pa.array([date(2025, 7, 1)] * cells),
            "dimension": pa.repeat("lead_source", cells),
            "segment": pa.array(np.arange(cells)).cast(pa.string()),
            "window_name": pa.repeat("trailing_year", cells),
            "window_months": pa.array([12] * cells),
            **{name: pa.array(values.astype(np.int64)) for name, values in counts.items()},
            **{name: pa.array(np.round(values, 2)).cast(pa.decimal128(18, 2)) for name, values in amounts.items()},
            "suppressed_reason": pa.nulls(cells, pa.string()),
            "directional_reason": pa.nulls(cells, pa.string()),
            "directional_caveat": pa.nulls(cells, pa.string()),
        }
    )
    return revenue_retention(inputs, accounts, "USD", warehouse.thresholds, warehouse.caveats)


def _churn(warehouse: Warehouse, worlds: int) -> list[Target]:
    """Train on a world, ask of another one drawn alike."""
    parameters = dict(
        warehouse.connection.sql("select parameter, value from definitions.retention_parameters").fetchall()
    )
    gaps, slopes, optimal, recovered = [], [], [], []
    for at in range(worlds):
        landmarks = _landmarks(warehouse, 20260710 + 10 * at, CUSTOMERS)
        models = churn_models(landmarks, LAST_DAY, parameters, warehouse.thresholds, "certified")
        (model,) = models.to_pylist()
        if model["model"] is None:
            gaps.append(1.0)
            continue
        fresh_world = world(CUSTOMERS, 20260715 + 10 * at)
        build(warehouse, fresh_world, CHURN)
        fresh = _of(warehouse)
        fresh = fresh.where(~fresh.flag("has_given_notice") & ~np.isnan(fresh.number("outcome")))
        asked = Landmarks(fresh.rows, fresh.features, (), fresh.labels)
        scores = _score(models, asked)
        customer, on = _keys(asked)
        best, label = truth(fresh_world, customer, on), asked.number("outcome")
        optimal.append(rank_auc(best, label))
        gaps.append(optimal[-1] - rank_auc(scores, label))
        metrics = {m.name: m for m in quality.measure(scores, label, customer, {}, is_probability=True)}
        slopes.append(metrics["calibration_slope"].value)
        today = _of(warehouse)
        parts = frame(churn_contributions(today, models, LAST_DAY))
        usage = parts[parts["feature_group"] == "usage"].set_index("entity_id")["contribution"]
        number = usage.index.str[1:].astype(int).to_numpy()
        fallen = fresh_world.onset[number] <= DAYS - 60
        recovered.append(float(rank_auc(usage.to_numpy(), fallen.astype(np.float64))))
    drawn = f"{worlds} pairs of worlds of {CUSTOMERS:,} customers"
    told = [
        (f"AUC of the true probabilities less that of the churn risk, fresh customers, {drawn}", gaps, None, 0.015),
        ("AUC of the true probabilities, for comparison", optimal, None, None),
        ("calibration slope of the churn risk, fresh customers", slopes, 0.9, 1.1),
        ("planted falls of usage told by the contribution of usage (AUC)", recovered, 0.95, None),
    ]
    moved = Target(
        TOPIC, "month ends whose features an event after them moves", exact(_moved(warehouse)), upper=0, form=".0f"
    )
    return [*(Target(TOPIC, what, mean(of), lower, upper, form=".4f") for what, of, lower, upper in told), moved]


def _landmarks(warehouse: Warehouse, seed: int, customers: int) -> Landmarks:
    build(warehouse, world(customers, seed), CHURN)
    return _of(warehouse)


def _of(warehouse: Warehouse) -> Landmarks:
    seed = warehouse.connection.sql(
        "select feature, label, feature_group, kind, known from definitions.churn_score_features"
    ).fetchall()
    return Landmarks.of(warehouse.table("select * from marts.churn_features"), seed, [])


def _keys(landmarks: Landmarks) -> tuple[Integers, Integers]:
    """Customer and day of the window of each row."""
    ids = landmarks.rows["account_id"].to_pylist()
    first = (day(0) - date(1970, 1, 1)).days
    return np.array([int(name[1:]) for name in ids], dtype=np.int64), landmarks.at - first


def _score(models: pa.Table, landmarks: Landmarks) -> Floats:
    return registry.from_json(models["model"][0].as_py()).score(landmarks.columns()).probability


def _moved(warehouse: Warehouse) -> float:
    """Rows of churn_features of a past as-of date that change when three more months have happened."""
    drawn = world(800, 20260799)
    past = LAST_DAY - timedelta(days=92)
    query = f"select * exclude (is_current, outcome) from marts.churn_features where landmark_date <= date '{past}'"
    build(warehouse, drawn, CHURN, past)
    warehouse.connection.execute(f"create or replace temporary table before as {query}")
    build(warehouse, drawn, CHURN)
    # A month that was not over on the earlier as-of date is a month end later.
    over = "landmark_date in (select landmark_date from before)"
    kept = f"select * exclude (is_current, outcome) from marts.churn_features where {over}"
    ((count,),) = warehouse.connection.sql(
        f"select count(*) from ((from before where landmark_date in (select landmark_date from ({kept}))) "
        f"except ({kept}))"
    ).fetchall()
    return float(count)
