"""The statistics of the forecast: oracles, cases by hand, and distributions against their moments."""

import numpy as np
import pytest
from scipy import optimize
from segment_signals.statistics.arrays import Floats
from segment_signals.statistics.compound import NewDeals, OpenDeals, draw_new, draw_open, with_odds
from segment_signals.statistics.forecast_accuracy import (
    absolute_percentage_error,
    error_floor,
    excess_variance,
    is_within,
    mean_of_overlapping,
    parts_of_ratio,
    pinball_loss,
)
from segment_signals.statistics.logistic import design, fit_logistic
from segment_signals.statistics.shrinkage import shrunken_ratios
from segment_signals.statistics.win_hazard import Followed, States, exposures, fit_win_hazard
from sklearn.linear_model import LogisticRegression


def test_one_category_by_hand() -> None:
    # 3 of 10 with hardly any prior: log odds ln(0.3 / 0.7), variance 1 / (10 x 0.3 x 0.7).
    fit = fit_logistic(design([np.zeros(1, dtype=np.int64)], [1], [1e-9]), np.array([3.0]), np.array([10.0]))
    assert fit.coefficients[0] == pytest.approx(np.log(3 / 7), abs=1e-7)
    assert (fit.root @ fit.root.T)[0, 0] == pytest.approx(1 / 2.1, rel=1e-6)


def test_logistic_equals_scikit_learn() -> None:
    rng = np.random.default_rng(3)
    first, second = rng.integers(0, 4, 200), rng.integers(0, 3, 200)
    trials = rng.integers(1, 30, 200).astype(np.float64)
    successes = rng.binomial(trials.astype(int), 0.1 + 0.2 * (first == 2)).astype(np.float64)
    precision = 0.7
    fit = fit_logistic(design([first, second], [4, 3], [precision, precision]), successes, trials)
    one_hot = np.concatenate([np.eye(4)[first], np.eye(3)[second]], axis=1)
    oracle = LogisticRegression(C=1 / precision, fit_intercept=False, tol=1e-12, max_iter=10_000)
    oracle.fit(
        np.concatenate([one_hot, one_hot]),
        np.repeat([1, 0], 200),
        sample_weight=np.concatenate([successes, trials - successes]),
    )
    assert fit.coefficients == pytest.approx(oracle.coef_[0], abs=1e-5)
    # The root's square is the inverse of the curvature, here by finite differences of the gradient.
    curvature = optimize.approx_fprime(
        fit.coefficients,
        lambda beta: precision * beta + one_hot.T @ (trials / (1 + np.exp(-one_hot @ beta)) - successes),
        1e-6,
    )
    assert fit.root @ fit.root.T == pytest.approx(np.linalg.inv(curvature), rel=1e-3, abs=1e-6)


def test_no_trials_give_the_prior() -> None:
    fit = fit_logistic(design([np.zeros(2, dtype=np.int64)], [1], [4.0]), np.zeros(2), np.zeros(2))
    assert fit.coefficients == pytest.approx([0.0])
    assert fit.root == pytest.approx(np.array([[0.5]]))


def states(count: int = 1) -> States:
    nothing = np.zeros(count, dtype=np.int64)
    return States(np.arange(count), nothing, nothing, nothing, nothing, nothing, (count, 1, 1, 1, 1, 1))


def followed(rows: list[tuple[int, int, int, int, float]]) -> Followed:
    """Rows of exit week, closed, won, followed weeks and deals, all of state 0."""
    weeks, closed, won, seen, count = (np.array(column) for column in zip(*rows, strict=True))
    return Followed(np.zeros(len(rows), dtype=np.int64), weeks, closed, won, seen, count.astype(np.float64))


def test_exposures_by_hand() -> None:
    # 4 won in week 1; 2 lost in week 6; 3 lost in week 6, of which only 5 weeks are known; 1 open for 60 weeks.
    at_risk, closed, won, weight = exposures(
        1, followed([(1, 1, 1, 10, 4), (6, 1, 0, 10, 2), (6, 1, 0, 5, 3), (53, 0, 0, 60, 1)])
    )
    # Bands of weeks 1, 2, 3, 4, 5-6, 7-8, 9-10, 11-14, 15-20, 21-26, 27-39 and 40-52.
    assert at_risk[:, 0].tolist() == [10, 6, 6, 6, 2 * 2 + 3 * 1 + 2, 2, 2, 4, 6, 6, 13, 13]
    assert closed[:, 0].tolist() == [4, 0, 0, 0, 2, 0, 0, 0, 0, 0, 0, 0]
    assert won[:, 0].tolist() == [4] + 11 * [0]
    month = 365.25 / 12 / 7
    assert weight == pytest.approx((4 * 1 + 6 * month) / 83)


def test_probabilities_by_hand() -> None:
    # Half of the deals close every week, three quarters of the closes are wins, and so many that no prior is felt.
    rows = [
        (week, 1, int(won), 3, 2e6 * 0.5**week * share) for week in (1, 2, 3) for won, share in ((1, 0.75), (0, 0.25))
    ]
    fit = fit_win_hazard(states(), followed([*rows, (53, 0, 0, 3, 2e6 / 8)]))
    chance = fit.probabilities(states(), np.array([0.0, 1.0, 1.5, 3.0]))[0]
    # 0.75 (1 - 0.5^weeks)
    assert chance == pytest.approx([0, 0.375, 0.75 * (1 - 0.5**1.5), 0.75 * 0.875], abs=2e-3)
    drawn = fit.drawn_probabilities(states(), np.array([3.0]), np.random.default_rng(1), 500)[0, 0]
    assert drawn.mean() == pytest.approx(chance[3], abs=1e-3)
    assert 0 < drawn.std() < 0.01


def test_hazard_finds_the_stage_that_wins() -> None:
    rng = np.random.default_rng(5)
    count = 4_000
    stage = rng.integers(0, 2, count)
    week = rng.geometric(np.where(stage == 0, 0.05, 0.2))
    won = (rng.random(count) < np.where(stage == 0, 0.3, 0.6)).astype(np.int64)
    fit = fit_win_hazard(
        states(2), Followed(stage, np.minimum(week, 53), (week <= 20) * 1, won, np.full(count, 20), np.ones(count))
    )
    found = fit.probabilities(states(2), np.array([8.0]))[:, 0]
    assert found == pytest.approx([0.3 * (1 - 0.95**8), 0.6 * (1 - 0.8**8)], abs=0.03)


def open_deals(count: int = 300) -> OpenDeals:
    rng = np.random.default_rng(11)
    return OpenDeals(rng.uniform(0.02, 0.6, count), rng.lognormal(9, 1, count), rng.uniform(0, 0.5, count))


@pytest.mark.parametrize("singly", [0, 40, 300])
def test_open_deals_have_their_mean_and_variance(singly: int) -> None:
    deals = open_deals()
    total = draw_open(deals, 0.0, 0.0, np.random.default_rng(1), 20_000, singly)
    variance = deals.variances().sum()
    assert total.mean() == pytest.approx(deals.expected(), abs=4 * np.sqrt(variance / 20_000))
    assert total.var() == pytest.approx(variance, rel=0.05)


def test_shared_uncertainty_moves_the_sum_by_its_share() -> None:
    deals = open_deals(5_000)
    total = draw_open(deals, 0.2, 0.1, np.random.default_rng(1), 20_000, 50)
    own = deals.variances().sum() / deals.expected() ** 2
    assert total.std() / total.mean() == pytest.approx(np.sqrt(own + 0.2**2 + 0.1**2), rel=0.06)


def test_one_giant_deal_is_won_or_not() -> None:
    deals = OpenDeals(np.full(50, 0.3), np.array([1e9, *49 * [1e4]]), np.zeros(50))
    total = draw_open(deals, 0.0, 0.0, np.random.default_rng(1), 4_000, 10)
    assert (total > 1e9).mean() == pytest.approx(0.3, abs=0.03)
    assert np.median(total) < 1e6


@pytest.mark.parametrize("expected", [3.0, 60.0, 900.0])
def test_new_deals_are_a_compound_poisson_sum(expected: float) -> None:
    rng = np.random.default_rng(2)
    amounts = rng.lognormal(9, 0.8, 200)
    deals = NewDeals(expected, 0.0, amounts, rng.uniform(0.1, 1, 200), 0.0)
    total = draw_new(deals, rng, 20_000)
    mean, square = deals.moments()
    assert total.mean() == pytest.approx(expected * mean, rel=0.03)
    # Above 400 deals the number is Poisson and the sum given the number is gamma: the same two moments.
    assert total.var() == pytest.approx(expected * square, rel=0.06)


def test_nothing_comes_of_nothing() -> None:
    rng = np.random.default_rng(1)
    empty = np.zeros(0)
    assert draw_open(OpenDeals(empty, empty, empty), 0.1, 0.1, rng, 5, 10).tolist() == 5 * [0]
    assert draw_open(OpenDeals(np.array([0.5]), np.array([0.0]), empty[:1]), 0, 0, rng, 3, 10).tolist() == 3 * [0]
    assert draw_new(NewDeals(0.0, 0.0, empty, empty, 0.0), rng, 5).tolist() == 5 * [0]


def test_odds_by_hand() -> None:
    # 0.2 has odds 1/4; three times that is 3/4, a probability of 3/7.
    assert with_odds(np.array([0.2]), np.array([3.0]))[0] == pytest.approx(3 / 7)


def test_accuracy_by_hand() -> None:
    actual, forecast = np.array([100.0, 200.0, 0.0]), np.array([110.0, 150.0, 5.0])
    assert absolute_percentage_error(actual, forecast)[:2].tolist() == pytest.approx([0.10, 0.25])
    assert np.isnan(absolute_percentage_error(actual, forecast)[2])
    # The sum of errors over the sum of actuals, and the sum of forecasts over it, less 1.
    assert parts_of_ratio(np.abs(actual - forecast), actual).mean() == pytest.approx(65 / 300)
    assert parts_of_ratio(forecast - actual, actual).mean() == pytest.approx(-35 / 300)
    # Above by 10 at level 0.1: 0.9 x 10; below by 50: 0.1 x 50.
    assert pinball_loss(actual, forecast, 0.1)[:2].tolist() == pytest.approx([9.0, 5.0])
    assert pinball_loss(actual, forecast, 0.5)[:2].tolist() == pytest.approx([5.0, 25.0])
    assert is_within(actual, np.array([100.0, 201, 0]), np.array([100.0, 300, 1])).tolist() == [True, False, True]


def test_pinball_loss_is_least_at_the_quantile() -> None:
    sample = np.random.default_rng(4).lognormal(0, 1, 20_001)
    loss = [pinball_loss(sample, np.full(len(sample), at), 0.9).mean() for at in np.quantile(sample, [0.85, 0.9, 0.95])]
    assert loss[1] < min(loss[0], loss[2])


def perfect_forecast_error(wins: float, variation: float) -> float:
    """Mean absolute percentage error of the best constant forecast of a compound Poisson sum, simulated."""
    rng = np.random.default_rng(8)
    shape = variation**-2
    counts = rng.poisson(wins, 40_000)
    sums: Floats = rng.gamma(np.maximum(counts, 1e-9) * shape, 1 / shape)
    sums = sums[counts > 0]
    return min(float(np.mean(np.abs(sums - at) / sums)) for at in wins * np.linspace(0.8, 1.05, 26))


@pytest.mark.parametrize(("wins", "variation"), [(40, 0.5), (60, 1.0), (100, 1.5)])
def test_floor_of_the_error(wins: float, variation: float) -> None:
    # Methods, section 7: about 15 % at these numbers of wins.
    floor = error_floor(wins, wins * (1 + variation**2), wins)
    assert floor == pytest.approx(np.sqrt(2 / np.pi * (1 + variation**2) / wins))
    assert 0.13 < floor < 0.155
    assert perfect_forecast_error(wins, variation) == pytest.approx(floor, abs=0.015)


def test_floor_shrinks_with_what_is_booked() -> None:
    assert error_floor(100, 400, 200) == pytest.approx(error_floor(100, 400, 100) / 2)
    assert np.isnan(error_floor(0, 0, 0))


def test_excess_variance_by_hand() -> None:
    # Squares 100, 100, 400 less variances of 50 each, less half of the square root of 6 x 50^2, over 3 x 100^2.
    found = excess_variance(np.array([110.0, 90, 120]), np.full(3, 100.0), np.full(3, 50.0), 3)
    assert found == pytest.approx((450 - 25 * np.sqrt(6)) / 30_000)
    assert excess_variance(np.array([101.0, 99, 100]), np.full(3, 100.0), np.full(3, 50.0), 3) == 0
    assert excess_variance(np.array([110.0]), np.full(1, 100.0), np.full(1, 50.0), 3) == 0


def test_shrunken_ratios_by_hand() -> None:
    # Scatter: (20^2 - 100 + 20^2 - 100) / (2 x 100^2) = 0.03, a prior of 33.3 wins.
    mean, error = shrunken_ratios(np.array([120.0, 80.0]), np.array([100.0, 100.0]))
    assert mean == pytest.approx([153.333 / 133.333, 113.333 / 133.333], rel=1e-4)
    assert error == pytest.approx(1 / np.sqrt(133.333), rel=1e-4)
    assert shrunken_ratios(np.array([101.0, 99.0]), np.array([100.0, 100.0]))[0].tolist() == [1, 1]


def test_the_mean_of_windows_side_by_side_has_the_t_interval() -> None:
    # Mean 4, standard deviation 2: t with three degrees of freedom is 3.182446.
    mean, low, high = mean_of_overlapping(np.array([2.0, 6.0, np.nan, 3.0, 5.0]), 1)
    spread = np.sqrt(10 / 3)
    assert (mean, low, high) == pytest.approx((4.0, 4 - 3.182446 * spread / 2, 4 + 3.182446 * spread / 2))


@pytest.mark.parametrize(("count", "run"), [(2, 1), (8, 3), (5, 2)])
def test_fewer_than_three_windows_have_no_interval(count: int, run: int) -> None:
    mean, low, high = mean_of_overlapping(np.arange(count, dtype=np.float64), run)
    assert mean == (count - 1) / 2
    assert np.isnan([low, high]).all()
    assert np.isnan(mean_of_overlapping(np.array([np.nan]), 1)).all()


@pytest.mark.parametrize(("count", "run"), [(12, 1), (4, 1), (11, 2), (10, 3)])
def test_intervals_of_overlapping_windows_hold_the_mean(count: int, run: int) -> None:
    # Differences of absolute errors of two forecasts, whose windows are so many months long and a month apart.
    rng = np.random.default_rng(count)
    months = rng.normal(size=(2, 4_000, count + run - 1))
    sums = np.stack([months[:, :, at : at + run].sum(axis=2) for at in range(count)], axis=2)
    losses = 0.5 * (np.abs(sums[0]) - np.abs(sums[1]))  # equally good: the truth is 0
    limits = np.array([mean_of_overlapping(row, run)[1:] for row in losses])
    covered = ((limits[:, 0] <= 0) & (limits[:, 1] >= 0)).mean()
    assert 0.93 <= covered <= 0.97
