"""Lead scores from the marts' rows: bad input is refused with its reason, and the composite stands."""

from datetime import date, timedelta

import numpy as np
import pyarrow as pa
import pytest
from segment_signals.learning import registry
from segment_signals.learning.examples import name_hashes
from segment_signals.scoring.inputs import calendar_of, feature_table
from segment_signals.scoring.models import lead_models
from segment_signals.scoring.quality import _pql, model_quality
from segment_signals.scoring.scores import account_scores, lead_score_history, score_contributions

SEED = [
    ("visits", "Visits", "engagement", "number", "score_time"),
    ("size", "Employees", "fit", "number", "score_time"),
    ("industry", "Industry", "fit", "category", "score_time"),
]
BANDS = [
    *(("composite", band, bound) for band, bound in (("hot", 80.0), ("warm", 60.0), ("cool", 40.0), ("cold", 0.0))),
    *(("probability", band, bound) for band, bound in (("high", 0.4), ("medium", 0.2), ("low", 0.0))),
    ("pql", "qualified", 60.0),
    ("pql", "not_qualified", 0.0),
]
THRESHOLDS = {
    "minimum_n": 20,
    "model_training_days": 730,
    "model_maximum_age_days": 400,
    "model_maximum_psi": 0.25,
    "model_minimum_slope": 0.8,
    "model_maximum_slope": 1.25,
    "model_folds": 5,
    "composite_fit_weight": 0.3,
    "composite_intent_weight": 0.4,
    "composite_engagement_weight": 0.3,
    "account_people_points": 5,
    "account_senior_points": 5,
    "pql_horizon_days": 60,
}
FIRST = date(2024, 1, 1)
MONTH_ENDS = [
    (date(2024 + month // 12, month % 12 + 1, 28) + timedelta(4)).replace(day=1) - timedelta(1) for month in range(24)
]
AS_OF = MONTH_ENDS[-1]


def marts(leads=6000, seed=1):
    """Rows of lead_features, each lead on one score date; outcomes of windows that are over."""
    rng = np.random.default_rng(seed)
    visits, size = rng.poisson(1.5, leads).astype(float), np.round(rng.lognormal(4, 1, leads))
    industry = rng.choice(["a", "b", "c"], leads)
    log_odds = -2 + 0.6 * visits + 0.3 * (np.log(size + 1) - 4) + np.where(industry == "b", 0.8, 0)
    at = np.sort(rng.integers(0, 24, leads))
    day = [MONTH_ENDS[month] for month in at]
    outcome = (rng.random(leads) < 1 / (1 + np.exp(-log_odds))).astype(int)
    return {
        "snapshot_date": day,
        "person_id": [f"p{row:05d}" for row in range(leads)],
        "split_group": [f"g{row // 2:05d}" for row in range(leads)],
        "account_id": [f"g{row // 2:05d}" for row in range(leads)],
        "visits": visits,
        "size": size,
        "industry": list(industry),
        "seniority": ["other"] * leads,
        "stage": ["lead"] * leads,
        "outcome": [int(won) if d + timedelta(90) <= AS_OF else None for won, d in zip(outcome, day, strict=True)],
        "is_dated": [True] * leads,
    }


def calendar():
    quarters = [date(2024, 12, 31), *(MONTH_ENDS[month] for month in (14, 17, 20, 23))]
    return calendar_of(
        pa.table(
            {
                "snapshot_date": pa.array(MONTH_ENDS, pa.date32()),
                "is_current": [day == AS_OF for day in MONTH_ENDS],
                "is_month_end": [True] * 24,
                "is_scored": [month >= 11 for month in range(24)],
                "trained_on_date": pa.array(
                    [max((q for q in quarters if q <= day), default=quarters[0]) for day in MONTH_ENDS], pa.date32()
                ),
                "horizon_days": [90] * 24,
            }
        )
    )


def points_of(rows):
    n = len(rows["person_id"])
    return pa.table(
        {
            "snapshot_date": pa.array(rows["snapshot_date"], pa.date32()),
            "person_id": rows["person_id"],
            "composite_band": ["cool"] * n,
            "pql_band": ["not_qualified"] * n,
            "disqualifier": pa.array([None] * n, pa.string()),
            "fit_score": [50.0] * n,
            "intent_score": [40.0] * n,
            "engagement_score": [60.0] * n,
            "composite_score": [49.0] * n,
            "pql_score": [0.0] * n,
        }
    )


OUTCOMES = pa.table({"person_id": pa.array([], pa.string()), "won_date": pa.array([], pa.date32())})


def signals(rows, seed=SEED, late=()):
    """The registry, the scores, the contributions and the quality of these rows."""
    table = pa.table({**rows, "snapshot_date": pa.array(rows["snapshot_date"], pa.date32())})
    features, points, days = feature_table(table, seed), points_of(rows), calendar()
    models = lead_models(features, days, THRESHOLDS, list(late), BANDS, "opportunity", "hash")
    history = lead_score_history(features, points, days, models, BANDS, THRESHOLDS)
    contributions = score_contributions(features, points, days, models, THRESHOLDS)
    quality = model_quality(features, points, days, models, history, OUTCOMES, BANDS, THRESHOLDS)
    accounts = account_scores(history, features, BANDS, THRESHOLDS)
    return models.to_pylist(), history.to_pylist(), contributions.to_pylist(), quality.to_pylist(), accounts.to_pylist()


@pytest.fixture(scope="module")
def plain():
    return signals(marts())


def test_every_open_lead_has_a_probability_a_band_and_a_version(plain):
    models, history, *_ = plain
    assert all(row["probability"] is not None for row in history)
    # Chance alone may move the mean of one model by more than a point: that is said, and the probability stands.
    assert {row["reason"] for row in history} <= {None, "model_miscalibrated"}
    assert {row["probability_band"] for row in history} == {"low", "medium", "high"}
    assert {row["model_version"] for row in history} <= {row["model_version"] for row in models}
    for row in history:
        assert (row["probability"] >= 0.4) == (row["probability_band"] == "high")


def test_contributions_add_up_for_model_and_composite(plain):
    _, history, contributions, *_ = plain
    today = {row["person_id"]: row for row in history if row["as_of_date"] == AS_OF}
    sums = {}
    for row in contributions:
        key = row["entity_id"], row["model_version"]
        sums[key] = sums.get(key, 0.0) + row["contribution"]
    assert len(sums) == 2 * len(today)
    for person, row in today.items():
        odds = np.log(row["probability"] / (1 - row["probability"]))
        assert sums[person, row["model_version"]] == pytest.approx(odds, abs=1e-9)
        assert sums[person, "composite"] == pytest.approx(row["composite_score"], abs=1e-9)


def test_quality_has_model_and_composite_side_by_side(plain):
    quality = plain[3]
    backtest = {
        (row["model_name"], row["metric"]): row
        for row in quality
        if row["split"] == "backtest" and row["dimension"] == "all"
    }
    assert backtest["lead_score", "roc_auc"]["value"] > 0.65
    assert backtest["composite", "roc_auc"]["value"] == pytest.approx(0.5)
    assert backtest["lead_score", "roc_auc"]["n"] == backtest["composite", "roc_auc"]["n"]
    assert ("composite", "brier") not in backtest
    months = {row["segment"] for row in quality if row["dimension"] == "score_month"}
    assert len(months) == 10
    assert any(row["dimension"] == "industry" and row["metric"] == "false_negative_rate:high" for row in quality)
    for row in quality:
        assert row["low"] is None or row["low"] <= row["value"] <= row["high"]


def test_earlier_scores_do_not_change_when_later_months_come():
    rows = marts()
    whole = signals(rows)
    day = MONTH_ENDS[17]
    kept = [at for at, when in enumerate(rows["snapshot_date"]) if when <= day]
    past = {name: [values[at] for at in kept] for name, values in rows.items()}
    past["outcome"] = [
        won if when + timedelta(90) <= day else None
        for won, when in zip(past["outcome"], past["snapshot_date"], strict=True)
    ]
    early = signals(past)
    on_day = [[row for row in found[1] if row["as_of_date"] == day] for found in (whole, early)]
    assert on_day[0] == on_day[1]
    assert len(on_day[0]) > 100


def constant(rows):
    n = len(rows["person_id"])
    return {**rows, "visits": [1.0] * n, "size": [1.0] * n, "industry": ["a"] * n}


def outcomes(rows, every):
    """Every so-many-th lead converts; 0: none does."""
    known = rows["outcome"]
    converted = [int(every > 0 and at % every == 0) for at in range(len(known))]
    return {**rows, "outcome": [None if won is None else new for won, new in zip(known, converted, strict=True)]}


@pytest.mark.parametrize(
    ("rows", "reason", "word"),
    [
        (lambda: outcomes(marts(), 1), "single_outcome", "nothing to tell apart"),
        (lambda: outcomes(marts(), 0), "single_outcome", "nothing to tell apart"),
        (lambda: marts(50), "too_few_records", "1000 leads"),
        (lambda: outcomes(marts(), 100), "too_few_conversions", "120 conversions"),
        (lambda: constant(marts()), "no_features", "differs"),
        (lambda: leaking(marts()), "leakage", "size"),
    ],
    ids=["all converted", "none converted", "50 leads", "few conversions", "constant features", "a label that leaks"],
)
def test_refusal_stands_in_the_row_and_the_composite_beside_it(rows, reason, word):
    models, history, contributions, _, accounts = signals(rows())
    assert {row["reason"] for row in models} >= {reason}
    today = [row for row in history if row["as_of_date"] == AS_OF]
    assert today
    for row in today:
        assert row["probability"] is None
        assert row["model_version"] is None
        assert row["reason"] == reason
        assert word in row["caveat"]
        assert row["composite_score"] == 49.0
    assert {row["model_version"] for row in contributions} == {"composite"}
    assert all(row["probability_low"] is None and row["composite_score"] >= 49 for row in accounts)
    assert "## Refused" in models[-1]["card"]


def leaking(rows):
    rng = np.random.default_rng(3)
    known = [0 if won is None else won for won in rows["outcome"]]
    return {**rows, "size": list(np.array(known) * 10 + rng.normal(0, 1, len(known)))}


def test_a_category_never_seen_and_half_of_a_feature_missing_are_scored():
    rows = marts()
    rows["industry"] = [
        "new" if day == AS_OF else name for day, name in zip(rows["snapshot_date"], rows["industry"], strict=True)
    ]
    rows["size"] = [None if at % 2 else value for at, value in enumerate(rows["size"])]
    today = [row for row in signals(rows)[1] if row["as_of_date"] == AS_OF]
    assert all(0 < row["probability"] < 1 for row in today)


def test_a_column_that_nobody_declared_is_looked_at_by_its_name():
    rows = marts()
    rows["last_activity"] = list(np.random.default_rng(1).choice(["call", "mail"], len(rows["person_id"])))
    models, *_ = signals(rows, late=["^last_"])
    assert models[-1]["reason"] == "leakage"
    assert "last_activity" in models[-1]["caveat"]


def test_a_model_whose_examples_are_old_is_flagged_and_still_scores():
    rows = marts()
    kept = [at for at, when in enumerate(rows["snapshot_date"]) if when <= MONTH_ENDS[9] or when == AS_OF]
    old = {name: [values[at] for at in kept] for name, values in rows.items()}
    today = [row for row in signals(old)[1] if row["as_of_date"] == AS_OF]
    assert {row["reason"] for row in today} == {"model_too_old"}
    assert all(row["probability"] is not None for row in today)


def test_drifted_scores_are_flagged():
    rows = marts()
    rows["visits"] = [
        8.0 if day == AS_OF else value for day, value in zip(rows["snapshot_date"], rows["visits"], strict=True)
    ]
    today = [row for row in signals(rows)[1] if row["as_of_date"] == AS_OF]
    assert {row["reason"] for row in today} == {"model_drifted"}


def test_the_range_of_an_account_holds_its_best_lead(plain):
    _, history, _, _, accounts = plain
    best = {}
    for row in history:
        if row["as_of_date"] == AS_OF:
            best[row["account_id"]] = max(best.get(row["account_id"], 0), row["probability"])
    assert len(accounts) == len(best)
    for row in accounts:
        assert row["probability_low"] == pytest.approx(best[row["account_id"]])
        assert row["probability_low"] <= row["probability_high"] <= 1
        assert row["composite_score"] == 49 + 5 * (row["open_lead_count"] - 1)


def test_the_precision_of_the_pql_score_is_that_of_its_band_from_its_first_day():
    """30 leads qualify in the second month and 6 are won in time; an early and a late win are none of them."""
    dates, people, qualified = [], [], []
    for lead in range(60):
        for month in (12, 13, 18):
            dates.append(MONTH_ENDS[month])
            people.append(f"p{lead:02d}")
            qualified.append(lead < 30 and month >= 13)
    history = pa.table(
        {
            "as_of_date": pa.array(dates, pa.date32()),
            "person_id": people,
            "pql_band": ["qualified" if yes else "not_qualified" for yes in qualified],
        }
    )
    wins = {f"p{lead:02d}": MONTH_ENDS[13] + timedelta(60) for lead in range(6)}
    wins |= {"p06": MONTH_ENDS[13] - timedelta(1), "p07": MONTH_ENDS[13] + timedelta(61)}
    wins |= {"p40": MONTH_ENDS[12], "p41": MONTH_ENDS[12] + timedelta(61)}
    outcomes = pa.table({"person_id": list(wins), "won_date": pa.array(list(wins.values()), pa.date32())})
    found = {row["metric"]: row for row in _pql(history, outcomes, BANDS, THRESHOLDS, 20)}
    assert (found["precision"]["value"], found["precision"]["n"]) == (6 / 30, 30)
    # From the month before: p06 and p40 in time; the six wins lie 60 days after the next month end, and too late.
    assert (found["won_share_not_qualified"]["value"], found["won_share_not_qualified"]["n"]) == (2 / 60, 60)


def test_a_person_has_the_same_number_among_other_people():
    names = pa.chunked_array([["b", "a", None, "b"]])
    numbers = name_hashes(names)
    assert numbers[0] == numbers[3] == name_hashes(pa.chunked_array([["0", "b"]]))[1]
    assert len(set(numbers.tolist())) == 3


def test_the_registry_holds_what_scored(plain):
    models, *_ = plain
    for row in models:
        if row["model"] is not None:
            assert registry.version("lead_score", row["trained_on_date"], row["model"]) == row["model_version"]
            assert row["model_version"] in row["card"]
            assert "Why a record has its score" in row["card"]
