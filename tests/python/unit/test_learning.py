"""The shared core of lead score and churn risk, on worlds whose truth is known."""

import json
import re
from dataclasses import replace
from itertools import permutations

import numpy as np
import pyarrow as pa
import pytest
from scipy.special import expit
from segment_signals.learning import (
    CATEGORY,
    Categories,
    Examples,
    Feature,
    Rules,
    Target,
    columns_of,
    quality,
    registry,
    train,
)
from segment_signals.learning.boosting import Boosting, fit_boosting
from segment_signals.learning.calibration import fit_calibration
from segment_signals.learning.card import model_card
from segment_signals.learning.days import date_of
from segment_signals.learning.encoding import fit_encoder
from segment_signals.learning.leakage import alarms, rank_auc, single_auc
from segment_signals.learning.regression import fit_regression
from segment_signals.learning.splits import deployment_split, evaluation_split, fold_of, is_closed
from segment_signals.learning.training import _crossed, _fits
from segment_signals.scoring.scores import _against

H = 60
TARGET = Target("lead_score", "Lead score", "lead", "conversion", "converts", H, "abc", {"visits": "Visits"})
FEATURES = (
    Feature("visits", "engagement"),
    Feature("recency", "engagement"),
    Feature("size", "fit"),
    Feature("industry", "fit", CATEGORY),
)
SHARES = (0.3, 0.3, 0.2, 0.1, 0.1)


def world(n, seed=1, interaction=0.0, noise=False):
    """Examples in 24 months, and their true probabilities."""
    rng = np.random.default_rng(seed)
    visits = rng.poisson(1.0, n).astype(float)
    recency = rng.exponential(20, n)
    recency[rng.random(n) < 0.1] = np.nan
    size = rng.lognormal(4, 1, n)
    industry = rng.choice(5, n, p=SHARES)
    log_odds = -1.2 + 0.5 * np.minimum(visits, 3) - 0.02 * np.nan_to_num(recency, nan=40) + 0.4 * (np.log(size) - 4)
    log_odds += np.array([0, 0.5, -0.4, 0.8, -0.9])[industry] + interaction * (visits > 1) * (industry < 2)
    probability = expit(log_odds)
    label = (rng.random(n) < probability).astype(float)
    if noise:
        label = rng.permutation(label)
    columns = {
        "visits": visits,
        "recency": recency,
        "size": size,
        "industry": Categories(industry, ("a", "b", "c", "d", "e")),
    }
    at = np.sort(rng.integers(0, 24, n)) * 30
    return Examples(np.arange(n), np.arange(n) // 2, at, label, columns), probability


@pytest.fixture(scope="module")
def plain():
    examples, probability = world(12000)
    return examples, probability, train(examples, FEATURES, TARGET, 10_000, Rules())


def test_champion_is_close_to_the_best_that_is_possible(plain):
    fresh, probability = world(60000, seed=2)
    scores = plain[2].model.score(fresh.columns)
    assert plain[2].model.kind == "logistic"
    assert rank_auc(probability, fresh.label) - rank_auc(scores.probability, fresh.label) < 0.01
    found = {m.name: m for m in quality.measure(scores.probability, fresh.label, fresh.group, {}, True)}
    assert 0.9 < found["calibration_slope"].value < 1.1


def test_blocks_add_up_to_the_log_odds_of_the_probability(plain):
    scores = plain[2].model.score(plain[0].columns)
    total = sum(scores.blocks.values())
    assert set(scores.blocks) == {"base", "engagement", "fit", "calibration"}
    np.testing.assert_allclose(total, np.log(scores.probability / (1 - scores.probability)), atol=1e-9)


def test_challenger_is_adopted_where_features_interact_and_its_blocks_add_up():
    examples, _ = world(30000, interaction=1.8)
    trained = train(examples, FEATURES, TARGET, 10_000, Rules())
    assert trained.model.kind == "boosting"
    scores = trained.model.score(examples.columns)
    np.testing.assert_allclose(
        sum(scores.blocks.values()), np.log(scores.probability / (1 - scores.probability)), atol=1e-9
    )


def test_training_again_gives_the_same_bytes_and_the_stored_model_the_same_scores(plain):
    examples, _, trained = plain
    again = train(examples, FEATURES, TARGET, 10_000, Rules())
    text = registry.to_json(trained.model)
    assert registry.to_json(again.model) == text
    read = registry.from_json(text)
    assert registry.to_json(read) == text
    np.testing.assert_array_equal(
        read.score(examples.columns).probability, trained.model.score(examples.columns).probability
    )


def test_trees_that_only_ask_what_is_missing_can_be_stored():
    examples, _ = world(4000)
    rng = np.random.default_rng(8)
    missing = rng.random(4000) < np.where(examples.label > 0, 0.7, 0.2)
    size = np.where(missing, np.nan, 1.0)
    with_size = with_column(examples, "size", size)
    encoder = fit_encoder(with_size.columns, FEATURES, Rules())
    found = fit_boosting(encoder, with_size.columns, with_size.label)
    read = Boosting.from_json(json.loads(json.dumps(found.to_json(), allow_nan=False)))
    np.testing.assert_array_equal(read.log_odds(with_size.columns), found.log_odds(with_size.columns))
    assert found.log_odds(with_size.columns)[missing].mean() > found.log_odds(with_size.columns)[~missing].mean()


def test_a_stored_model_of_another_kind_is_refused():
    with pytest.raises(ValueError, match="Train it again"):
        registry.from_json('{"format":0}')


def test_a_stored_text_that_its_version_does_not_name_is_refused(plain):
    text = registry.to_json(plain[2].model)
    version = registry.version("lead_score", date_of(1), text)
    assert registry.to_json(registry.read(text, version)) == text
    with pytest.raises(ValueError, match="not the one"):
        registry.read(text.replace('"format":1', '"format": 1'), version)


@pytest.mark.parametrize(("part", "value"), [("left", 0), ("right", 10_000), ("column", 99), ("cover", None)])
def test_a_stored_tree_that_leads_nowhere_is_refused(part, value):
    examples, _ = world(1000)
    encoder = fit_encoder(examples.columns, FEATURES, Rules())
    stored = fit_boosting(encoder, examples.columns, examples.label).to_json()
    assert len(Boosting.from_json(stored).trees) == len(stored["trees"])
    if value is None:
        stored["trees"][3][part].pop()
    else:
        stored["trees"][3][part][0] = value
    with pytest.raises(ValueError, match="leads nowhere"):
        Boosting.from_json(stored)


def test_rows_after_the_day_of_training_change_nothing():
    examples, _ = world(20000)
    day = 500
    known = examples.where(examples.at + H <= day)
    late = train(examples, FEATURES, TARGET, day, Rules())
    early = train(known, FEATURES, TARGET, day, Rules())
    assert registry.to_json(late.model) == registry.to_json(early.model)


def test_splits_keep_time_and_embargo_and_no_row_leaves_because_its_group_comes_back():
    examples, _ = world(5000)
    split = evaluation_split(examples.at, H, Rules())
    assert examples.at[split.earlier].max() + H <= examples.at[split.test].min()
    assert examples.at[split.training].max() < examples.at[split.calibration].min()
    known = examples.at + H <= examples.at[split.test].min()
    assert np.array_equal(np.sort(split.earlier), np.flatnonzero(known))
    later = deployment_split(examples.at, Rules())
    assert np.array_equal(np.sort(later.earlier), np.arange(5000))


def test_what_is_said_of_a_group_is_learned_from_others():
    examples, _ = world(6000)
    group = examples.group % 300
    examples = Examples(examples.entity, group, examples.at, examples.label, examples.columns)
    fold = fold_of(group, 5)
    split = evaluation_split(examples.at, H, Rules())
    own = split.earlier[fold[split.earlier] == 2]
    label = examples.label.copy()
    label[own] = 1 - label[own]
    asked = split.test[fold[split.test] == 2]
    said = []
    for labels in (examples.label, label):
        rows = relabelled(examples, labels)
        fit, _ = _fits(FEATURES, Rules(), 4.0)
        said.append(_crossed(fit, rows, split, fold, 5))
    np.testing.assert_array_equal(said[0][asked], said[1][asked])
    others = split.test[fold[split.test] != 2]
    assert np.abs(said[0][others] - said[1][others]).min() > 0


def monthly(entities, seed, base, large, months, stay, window):
    """A row per entity and month until it converts; half of them are in large accounts, which differ by `large`.

    Stationary: whoever came in the `stay` months before the first is there, too. Gives the rows and the true
    probability that each converts in the `window` months after it.
    """
    rng = np.random.default_rng(seed)
    is_large = rng.random(entities) < 0.5
    number = np.arange(entities)
    account = np.where(is_large, rng.integers(0, entities // 60, entities), entities + number // 2)
    came, visits = rng.integers(-stay, months, entities), rng.poisson(1.0, entities).astype(float)
    hazard = expit(base + 0.5 * np.minimum(visits, 3) + large * is_large)
    converts = came + rng.geometric(hazard)
    found = []
    for month in range(months):
        live = np.flatnonzero((came <= month) & (converts > month) & (month - came < stay))
        found.append((live, np.full(len(live), month * 30), (converts[live] <= month + window).astype(float)))
    entity, at, label = (np.concatenate(part) for part in zip(*found, strict=True))
    columns = {"visits": visits[entity], "size": rng.lognormal(4, 1, entities)[entity]}
    return Examples(entity, account[entity], at, label, columns), 1 - (1 - hazard[entity]) ** window


@pytest.mark.parametrize("seed", [11, 12])
def test_probabilities_come_true_where_leads_leave_when_they_convert_and_accounts_differ(seed):
    # Whoever is still there later has not converted: to drop the earlier rows of groups that come back would keep
    # those that did, of small accounts, and calibration would take that for the truth.
    examples, truth = monthly(6000, seed, -1.6, -1.0, 24, 12, 2)
    features = (Feature("visits", "engagement"), Feature("size", "fit"))
    day = 22 * 30
    trained = train(examples, features, TARGET, day, Rules())
    now = examples.at == day
    said = trained.model.score(examples.where(now).columns).probability
    assert abs(said.mean() - truth[now].mean()) <= 0.01
    closed = trained.closed[trained.tested.rows]
    assert abs(trained.tested.probability.mean() - truth[closed].mean()) <= 0.015


def test_risks_of_a_thousand_customers_with_some_250_notices_come_true():
    examples, truth = monthly(1000, 3, -4.0, -0.6, 24, 36, 3)
    features = (Feature("visits", "engagement"), Feature("size", "fit"))
    assert 150 < len(np.unique(examples.entity[examples.label > 0])) < 350
    day = 21 * 30
    trained = train(examples, features, replace(TARGET, horizon_days=90), day, Rules(minimum_entities=500))
    now = examples.at == day
    said = trained.model.score(examples.where(now).columns).probability
    assert abs(said.mean() - truth[now].mean()) <= 0.01
    log_odds = [np.log(p / (1 - p)) for p in (said, truth[now])]
    assert 0.75 < np.polyfit(log_odds[0], log_odds[1], 1)[0] < 1.35


def test_young_rows_are_neither_yes_nor_no():
    at, label = np.array([0, 40, 41, 0]), np.array([1.0, 0.0, 1.0, np.nan])
    assert is_closed(at, label, 60, 100).tolist() == [True, True, False, False]


def test_shuffled_labels_give_nothing():
    examples, _ = world(12000, noise=True)
    trained = train(examples, FEATURES, TARGET, 10_000, Rules())
    tested = trained.tested
    labels, groups = examples.label[trained.closed[tested.rows]], examples.group[trained.closed[tested.rows]]
    auc = quality.measure(tested.probability, labels, groups, {}, True)[1]
    assert auc.name == "roc_auc"
    assert auc.low - 0.01 < 0.5 < auc.high + 0.01


@pytest.mark.parametrize(
    ("change", "code"),
    [
        (lambda e: e.where(np.arange(len(e)) < 50), "too_few_records"),
        (lambda e: relabelled(e, np.ones(len(e))), "single_outcome"),
        (lambda e: relabelled(e, np.zeros(len(e))), "single_outcome"),
        (lambda e: relabelled(e, (np.arange(len(e)) % 100 == 0).astype(float)), "too_few_conversions"),
        (lambda e: Examples(e.entity, e.group, np.zeros_like(e.at), e.label, e.columns), "too_little_history"),
        (lambda e: with_column(e, "visits", e.label + 0.1), "leakage"),
    ],
)
def test_refusals_say_why(change, code):
    trained = train(change(world(4000)[0]), FEATURES, TARGET, 10_000, Rules())
    assert trained.model is None
    assert trained.refusal.code == code
    assert trained.refusal.sentence.endswith(".") or trained.refusal.sentence.endswith(").")


def test_constant_features_are_refused():
    examples, _ = world(4000)
    constant = {
        f.name: np.ones(4000) if f.kind != CATEGORY else Categories(np.zeros(4000, int), ("a",)) for f in FEATURES
    }
    same = Examples(examples.entity, examples.group, examples.at, examples.label, constant)
    assert train(same, FEATURES, TARGET, 10_000, Rules()).refusal.code == "no_features"


def relabelled(examples, label):
    return Examples(examples.entity, examples.group, examples.at, label, examples.columns)


def with_column(examples, name, values):
    return relabelled(
        Examples(examples.entity, examples.group, examples.at, examples.label, {**examples.columns, name: values}),
        examples.label,
    )


def test_alarm_names_the_leak_by_separation_declaration_and_name():
    examples, _ = world(4000)
    examples = with_column(examples, "tags", examples.label + np.random.default_rng(0).normal(0, 0.3, 4000))
    examples = with_column(examples, "Last Activity", np.random.default_rng(0).normal(0, 1, 4000))
    features = [
        *FEATURES,
        Feature("tags", "other", known=None),
        Feature("Last Activity", "other", known=None),
        Feature("size", "other", known="after_outcome"),
    ]
    found = alarms(examples, features, [r"^last_"], Rules())
    assert [(a.feature, a.rule) for a in found] == [
        ("tags", "separation"),
        ("Last Activity", "name"),
        ("size", "declared"),
    ]
    assert found[0].auc > 0.95


def test_a_level_per_record_is_no_leak():
    examples, _ = world(3000)
    own = Categories(np.arange(3000), tuple(f"{i:05d}" for i in range(3000)))
    assert single_auc(own, examples.label, examples.group) < 0.55


def test_a_level_never_seen_and_a_missing_value_say_nothing(plain):
    examples, _, trained = plain
    known = {
        name: column.take(np.arange(2)) if isinstance(column, Categories) else column[:2]
        for name, column in examples.columns.items()
    }
    strange = {**known, "industry": Categories(np.zeros(2, int), ("never seen",)), "size": np.full(2, np.nan)}
    scores = trained.model.score(strange)
    np.testing.assert_allclose(scores.blocks["fit"], 0, atol=1e-12)
    assert np.isfinite(scores.probability).all()


def test_a_feature_missing_in_half_of_the_sources_is_learned_from_where_it_is():
    examples, _ = world(12000)
    half = examples.columns["size"].copy()
    half[::2] = np.nan
    trained = train(with_column(examples, "size", half), FEATURES, TARGET, 10_000, Rules())
    assert trained.model is not None
    assert np.isfinite(trained.model.score(with_column(examples, "size", half).columns).probability).all()


def test_undated_lists_are_scored_out_of_fold():
    examples, _ = world(6000)
    flat = Examples(examples.entity, examples.group, np.zeros_like(examples.at), examples.label, examples.columns)
    trained = train(flat, FEATURES, TARGET, 0, Rules(), undated=True)
    assert trained.tested.split == "out_of_fold"
    assert len(trained.model.members) == 5
    fold = fold_of(flat.group, 5)
    np.testing.assert_allclose(trained.model.score(flat.columns, fold).probability, trained.tested.probability)


def test_regression_equals_scikit_learn():
    examples, _ = world(3000)
    encoder = fit_encoder(examples.columns, FEATURES, Rules())
    found = fit_regression(encoder, examples.columns, examples.label, 10.0)
    design = encoder.design(examples.columns)
    means = np.nanmean(design, axis=0)
    centred = np.where(np.isnan(design), 0, design - means)
    residual = examples.label - expit(found.intercept + centred @ found.coefficients)
    # At the mode of the posterior its slope is 0: X'(y - p) = penalty x coefficients, and the residuals add up to 0.
    np.testing.assert_allclose(centred.T @ residual, 10.0 * found.coefficients, atol=1e-4)
    assert residual.sum() == pytest.approx(0, abs=1e-4)


def test_trees_equal_scikit_learn_and_their_shares_are_shapley_values():
    from sklearn.ensemble import HistGradientBoostingClassifier

    examples, _ = world(2000, interaction=2.0)
    encoder = fit_encoder(examples.columns, FEATURES, Rules())
    found = fit_boosting(encoder, examples.columns, examples.label)
    design = encoder.tree_design(examples.columns)
    oracle = HistGradientBoostingClassifier(
        max_leaf_nodes=8, max_iter=120, min_samples_leaf=20, l2_regularization=1, early_stopping=False, random_state=0
    ).fit(design, examples.label)
    np.testing.assert_allclose(found.log_odds(examples.columns), oracle.decision_function(design), atol=1e-6)

    # One tree, one record: the mean over all orders in which the groups become known.
    one = Boosting(encoder, 0.0, found.trees[:1])
    tree, row = found.trees[0], design[7]
    names = [group for _, group, _ in encoder.tree_columns()]

    def expected(node, known):
        column = tree.column[node]
        if column < 0:
            return tree.value[node]
        left, right = tree.left[node], tree.right[node]
        if names[column] in known:
            missing = np.isnan(row[column])
            goes_left = bool(tree.missing_left[node]) if missing else row[column] <= tree.threshold[node]
            return expected(left if goes_left else right, known)
        share = tree.cover[left] / (tree.cover[left] + tree.cover[right])
        return share * expected(left, known) + (1 - share) * expected(right, known)

    groups = one.groups()
    for group in groups:
        orders = list(permutations(groups))
        gains = [
            expected(0, {*order[: order.index(group)], group}) - expected(0, set(order[: order.index(group)]))
            for order in orders
        ]
        assert one.contributions(examples.columns)[group][7] == pytest.approx(np.mean(gains), abs=1e-12)


def test_calibration_is_a_line_below_a_thousand_rows_and_monotone_above():
    rng = np.random.default_rng(3)
    score = rng.normal(0, 1.5, 6000)
    label = (rng.random(6000) < expit(0.5 * score - 1)).astype(float)
    line = fit_calibration(score[:900], label[:900], np.arange(900), 1000)
    assert line.kind == "sigmoid"
    assert line.to[1] == pytest.approx(0.5, abs=0.15)
    assert fit_calibration(score, label, np.arange(6000), 1000).kind == "sigmoid"  # a line is the truth here
    label = (rng.random(6000) < 0.1 + 0.5 / (1 + np.exp(-3 * score))).astype(float)  # flat at both ends
    curve = fit_calibration(score, label, np.arange(6000), 1000)
    assert curve.kind == "isotonic"
    assert (np.diff(curve.to) >= 0).all()
    assert abs(expit(curve.apply(score)).mean() - label.mean()) < 0.02
    wrong = fit_calibration(-score[:900], label[:900], np.arange(900), 1000)
    assert wrong.to[1] == 0.0


def test_metrics_by_hand():
    score = np.array([0.9, 0.8, 0.4, 0.3, 0.2])
    label = np.array([1.0, 0.0, 1.0, 0.0, 0.0])
    found = {m.name: m for m in quality.measure(score, label, np.arange(5), {"hot": 0.5}, True)}
    assert found["roc_auc"].value == pytest.approx(5 / 6)
    assert found["pr_auc"].value == pytest.approx((1 + 2 / 3) / 2)
    assert found["false_positive_rate:hot"].value == pytest.approx(1 / 3)
    assert found["false_negative_rate:hot"].value == pytest.approx(1 / 2)
    assert found["brier"].value == pytest.approx((0.01 + 0.64 + 0.36 + 0.09 + 0.04) / 5)
    assert found["brier_skill"].value == pytest.approx(1 - 0.228 / 0.24)
    assert found["log_loss"].value == pytest.approx(-np.log([0.9, 0.2, 0.4, 0.7, 0.8]).mean())
    for metric in found.values():
        assert not metric.low > metric.value
        assert not metric.high < metric.value


def test_intervals_cover_the_truth_and_noise_band_holds():
    rng = np.random.default_rng(5)
    inside = {"roc_auc": 0, "log_loss": 0, "calibration_slope": 0, "ece": 0}
    truth = world(200000, seed=9)
    best = {m.name: m.value for m in quality.measure(truth[1], truth[0].label, truth[0].group, {}, True)}
    rounds = 120
    for _ in range(rounds):
        rows = rng.integers(0, 200000, 1500)
        found = {m.name: m for m in quality.measure(truth[1][rows], truth[0].label[rows], np.arange(1500), {}, True)}
        for name in ("roc_auc", "log_loss", "calibration_slope"):
            inside[name] += found[name].low <= best[name] <= found[name].high
        inside["ece"] += found["ece"].value <= found["ece_noise"].high
    for name, count in inside.items():
        assert count / rounds > 0.88, name


def repeated(rng, leads=500):
    """Scores that come true, of leads seen at eight score dates: the scores differ a little, the outcome does not."""
    log_odds = rng.normal(-1, 1, leads)
    label = (rng.random(leads) < expit(log_odds)).astype(float)
    seen = rng.integers(1, 9, leads)
    lead = np.repeat(np.arange(leads), seen)
    return expit(log_odds[lead]), label[lead], lead


def test_intervals_and_noise_bands_hold_where_leads_are_seen_again_and_again():
    rng = np.random.default_rng(15)
    truth = repeated(rng, 200_000)
    best = {m.name: m.value for m in quality.measure(*truth, {}, True)}
    inside = dict.fromkeys(("pr_auc", "calibration_in_the_large", "ece", "bins", "none"), 0)
    rounds = 150
    for _ in range(rounds):
        score, label, lead = repeated(rng)
        found = {m.name: m for m in quality.measure(score, label, lead, {}, True)}
        inside["pr_auc"] += found["pr_auc"].low <= best["pr_auc"] <= found["pr_auc"].high
        large = found["calibration_in_the_large"]
        inside["calibration_in_the_large"] += large.low <= 0 <= large.high
        inside["ece"] += found["ece"].value <= found["ece_noise"].high
        bins = quality.calibration_bins(score, label, lead)
        inside["bins"] += np.mean([b.low <= b.score <= b.high for b in bins])
        # Nothing is to be corrected: at 5 % the test may say otherwise in one of twenty.
        inside["none"] += fit_calibration(np.log(score / (1 - score)), label, lead, 10_000).kind == "identity"
    for name, count in inside.items():
        assert count / rounds > 0.88, (name, count / rounds)


def test_rows_that_are_alone_in_their_group_have_the_band_of_independent_rows():
    examples, probability = world(4000, seed=21)
    alone = {m.name: m for m in quality.measure(probability, examples.label, np.arange(4000), {}, True)}
    twice = np.repeat(np.arange(4000), 2)
    double = {m.name: m for m in quality.measure(probability[twice], examples.label[twice], twice, {}, True)}
    for name in ("ece_noise", "pr_auc", "calibration_in_the_large"):
        width = [found[name].high - found[name].low for found in (alone, double)]
        assert width[1] == pytest.approx(width[0], rel=0.03), name


def test_calibration_in_the_large_by_hand():
    found = quality.measure(np.array([0.5, 0.3, 0.1]), np.array([1.0, 0.0, 0.0]), np.arange(3), {}, True)
    large = next(m for m in found if m.name == "calibration_in_the_large")
    assert large.value == pytest.approx(0.3 - 1 / 3)
    assert large.low < large.value < large.high


def test_stability_is_noise_for_the_same_scores_and_large_for_others():
    rng = np.random.default_rng(6)
    scores = rng.random(2000)
    same = {m.name: m for m in quality.stability(scores, rng.random(2000))}
    assert same["psi"].value < same["psi_noise"].high * 1.2
    moved = {m.name: m for m in quality.stability(scores, rng.random(2000) ** 3)}
    assert moved["psi"].value > 0.25


def test_card_tells_the_newcomer(plain):
    examples, _, trained = plain
    card = model_card(TARGET, "v", trained, examples.take(trained.closed), date_of(10_000))
    assert "| engagement | Visits | 0 |" in card
    assert "They add up" in card
    assert "Challenger (boosted trees)" in card


def test_the_worked_record_of_the_card_adds_up_to_a_probability_of_the_model(plain):
    examples, _, trained = plain
    card = model_card(TARGET, "v", trained, examples.take(trained.closed), date_of(10_000))
    worked = card[card.index("## One lead worked through") : card.index("## Data")]
    steps = [row.split(" | ") for row in re.findall(r"^\| (\w+ \| [+-].*) \|$", worked, re.MULTILINE)]
    assert (steps[0][0], steps[-1][0]) == ("base", "calibration")
    total = sum(float(step[1]) for step in steps)
    assert total == pytest.approx(float(steps[-1][2]), abs=0.0005 * len(steps))
    assert float(steps[-1][3].rstrip("%")) == pytest.approx(100 * expit(total), abs=0.2)
    newest = examples.take(trained.closed[np.argsort(examples.at[trained.closed], kind="stable")[-2000:]])
    below = trained.model.probability(newest.columns) < expit(total) - 1e-6
    assert below.mean() == pytest.approx(0.9, abs=0.01)


def test_card_says_whether_the_probabilities_came_true(plain):
    examples, _, trained = plain
    rows = trained.closed[trained.tested.rows]
    label, group = examples.label[rows], examples.group[rows]
    for shift, told in ((0.0, "The probabilities came true"), (0.1, "The probabilities did not come true")):
        metrics = quality.measure(np.clip(trained.tested.probability + shift, 0, 0.99), label, group, {}, True)
        card = model_card(TARGET, "v", trained, examples.take(trained.closed), date_of(1), metrics)
        assert told in card


@pytest.mark.parametrize(("shift", "reason"), [(0.0, None), (0.05, "model_miscalibrated")])
def test_scores_of_a_model_whose_probabilities_did_not_come_true_say_so(shift, reason):
    examples, probability = world(12000)
    metrics = quality.measure(np.clip(probability + shift, 0, 0.999), examples.label, examples.group, {}, True)
    rows = [{"metric": m.name, "value": m.value, "low": m.low, "high": m.high, "n": m.n} for m in metrics]
    model = {
        "last_example_date": date_of(1000),
        "calibration_slope": None,
        "calibration_slope_low": None,
        "calibration_slope_high": None,
        "test_metrics": json.dumps([{**row, "dimension": "all"} for row in rows]),
        "reference_scores": None,
    }
    found, sentence = _against(model, 1010, probability, {"model_maximum_age_days": 400})
    assert found == reason
    assert sentence is None or sentence.startswith("The probabilities did not come true: their mean is")


def test_columns_of_a_table_take_blanks_as_missing():
    table = pa.table({"visits": [1, None], "industry": ["b", ""]})
    found = columns_of(table, [Feature("visits", "x"), Feature("industry", "x", CATEGORY)])
    assert np.isnan(found["visits"][1])
    assert found["industry"].levels == ("b",)
    assert found["industry"].codes.tolist() == [0, -1]
