"""Velocity: the worked example, exact lever effects, and the coverage of its interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_signals.statistics.velocity import (
    LEVERS,
    DealSums,
    Levers,
    estimate_velocity,
    lever_effect_margins,
    lever_effects,
    relative_variance,
    sample_covariance,
    scenario_factor,
    velocity_interval,
    velocity_limit_without_wins,
)


def levers(count: float, rate: float, amount: float, days: float) -> Levers:
    return Levers(np.array([count]), np.array([rate]), np.array([amount]), np.array([days]))


@pytest.mark.parametrize(
    ("better", "expected"),
    [
        ((50, 0.22, 18_000, 45), 4_400.00),
        ((57.5, 0.22, 18_000, 45), 5_060.00),
        ((50, 0.253, 18_000, 45), 5_060.00),
        ((50, 0.22, 20_700, 45), 5_060.00),
        ((50, 0.22, 18_000, 38.25), 5_176.47),
        ((57.5, 0.253, 20_700, 38.25), 7_872.76),
    ],
)
def test_worked_example(better: tuple[float, float, float, float], expected: float) -> None:
    assert levers(*better).velocity_per_day()[0] == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize(
    ("moved", "expected"),
    [
        (["qualified_count"], 5_060.00),
        (["win_rate"], 5_060.00),
        (["mean_deal_amount"], 5_060.00),
        (["mean_cycle_days"], 5_176.47),
        (LEVERS, 7_872.76),
    ],
)
def test_worked_example_as_scenarios(moved: list[str], expected: float) -> None:
    assert 4_400 * scenario_factor(15, moved) == pytest.approx(expected, abs=0.005)


@pytest.mark.parametrize("days", [0.0, np.nan, -3.0])
def test_no_velocity_without_a_positive_cycle(days: float) -> None:
    assert np.isnan(levers(50, 0.22, 18_000, days).velocity_per_day()[0])


positive = st.floats(min_value=1e-3, max_value=1e6)


@given(st.tuples(positive, positive, positive, positive), st.tuples(positive, positive, positive, positive))
def test_effects_add_up_to_the_change(
    before: tuple[float, float, float, float], after: tuple[float, float, float, float]
) -> None:
    previous, current = levers(*before), levers(*after)
    effects = lever_effects(previous, current)
    total = effects.qualified_count + effects.win_rate + effects.mean_deal_amount + effects.mean_cycle_days
    change = current.velocity_per_day() - previous.velocity_per_day()
    scale = max(current.velocity_per_day()[0], previous.velocity_per_day()[0])
    assert total[0] == pytest.approx(change[0], abs=1e-9 * scale)


def test_one_lever_alone_has_the_whole_effect() -> None:
    effects = lever_effects(levers(50, 0.22, 18_000, 45), levers(50, 0.22, 18_000, 38.25))
    # 4,400 to 5,176.47 a day through the cycle alone.
    assert effects.mean_cycle_days[0] == pytest.approx(776.4706, abs=1e-4)
    assert (effects.qualified_count[0], effects.win_rate[0], effects.mean_deal_amount[0]) == (0, 0, 0)


def test_relative_variance_by_hand() -> None:
    # Wins 25, amounts mean 100 sd 50, cycles mean 40 sd 20, correlation 0.5 over all 25 wins:
    # 2500/(25*10000) + 400/(25*1600) - 2*25*500/(25*25*100*40) = 0.01 + 0.01 - 0.01 = 0.01.
    variance = relative_variance(*(np.array([value]) for value in (25, 100, 2500, 25, 40, 400, 500, 25)))
    assert variance[0] == pytest.approx(0.01, abs=1e-15)


def test_interval_by_hand() -> None:
    # 10 wins: exact Poisson limits 4.7954 and 18.3904. Without any spread of A / L they are the limits of V.
    plain = velocity_interval(1000.0, 10, 0.0, 9)
    assert (float(plain.low), float(plain.high)) == pytest.approx((479.54, 1839.04), abs=0.01)
    # With variance 0.01 and t(9) = 2.2622: below sqrt(ln(10/4.7954)^2 + 0.22622^2) = sqrt(0.54022 + 0.05117).
    spread = velocity_interval(1000.0, 10, 0.01, 9)
    assert float(spread.low) == pytest.approx(1000 * np.exp(-np.sqrt(0.54022 + 0.05117)), rel=1e-4)


def test_without_a_win_there_is_a_limit() -> None:
    # -ln 0.025 = 3.6889 wins at 200 a day each.
    assert velocity_limit_without_wins(200.0) == pytest.approx(737.776, abs=0.001)
    population = sums_of([100.0, 300.0] * 20, [1.0] * 40, 200)
    nothing = estimate_velocity(sums_of([], [], 60), population)
    assert (nothing.per_day[0], nothing.low[0]) == (0, 0)
    assert nothing.high[0] == pytest.approx(737.776, abs=0.001)


def test_few_wins_take_the_spread_of_the_population() -> None:
    # Population: 50 wins, half at 100 and half at 300, all 10 days: variance of ln(A/L) of one win 10,204 / 200^2.
    population = sums_of([100.0, 300.0] * 25, [10.0] * 50, 200)
    one = estimate_velocity(sums_of([150.0], [10.0], 60), population)
    assert one.per_day[0] == pytest.approx(15)
    expected = velocity_interval(15.0, 1, 10_204.08163 / 40_000, 49)
    assert (one.low[0], one.high[0]) == pytest.approx((float(expected.low), float(expected.high)), rel=1e-9)
    # Five wins have a spread of their own: none.
    five = estimate_velocity(sums_of([150.0] * 5, [10.0] * 5, 60), population)
    assert five.low[0] == pytest.approx(75 * 1.6235 / 5, rel=1e-4)


def sums_of(amounts: list[float], cycles: list[float], qualified: int) -> DealSums:
    a, c = np.array(amounts), np.array(cycles)
    values = (qualified, len(a), len(a), a.sum(), (a**2).sum(), len(c), c.sum(), (c**2).sum())
    pairs = (len(a), a.sum(), c.sum(), (a * c).sum())
    return DealSums(*(np.array([value], dtype=np.float64) for value in (*values, *pairs)))


def test_sample_covariance_equals_numpy() -> None:
    draws = np.random.default_rng(7).normal(size=(2, 30))
    got = sample_covariance(
        np.array([(draws[0] * draws[1]).sum()]),
        draws[0].sum(keepdims=True),
        draws[1].sum(keepdims=True),
        np.array([30]),
    )
    assert got[0] == pytest.approx(np.cov(draws)[0, 1], abs=1e-12)
    assert np.isnan(sample_covariance(np.array([1.0]), np.array([1.0]), np.array([1.0]), np.array([1]))[0])


@pytest.mark.parametrize("expected_wins", [10, 30, 100])
def test_interval_covers_the_true_velocity(expected_wins: int) -> None:
    """At least 93 % coverage at every number of wins that is shown, with amounts that go with longer cycles."""
    draws = np.random.default_rng(20260101)
    rounds, win_rate = 3_000, 0.25
    true_amount, true_cycle = np.exp(9 + 0.8**2 / 2), np.exp(3.8 + 0.5**2 / 2)
    truth = expected_wins * true_amount / true_cycle
    covered = []
    for _ in range(rounds):
        opened = draws.poisson(expected_wins / win_rate)
        wins = draws.binomial(opened, win_rate)
        shared = draws.normal(size=wins)
        amount = np.exp(9 + 0.8 * shared)
        cycle = np.exp(3.8 + 0.5 * (0.4 * shared + np.sqrt(1 - 0.16) * draws.normal(size=wins)))
        sums = sums_of(list(amount), list(cycle), opened)
        found = estimate_velocity(sums, sums)
        covered.append(found.low[0] <= truth <= found.high[0])
    assert np.mean(covered) >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / rounds), np.mean(covered)


def test_effect_margin_by_hand() -> None:
    # Both periods 400 opportunities, 100 wins, amounts 80 or 120 (variance 400 * 100 / 99), every cycle 10 days:
    # V = 1000. var ln A = 404.04 / (100 * 100^2) = 0.00040404. Nothing changed, so only w^2 var d is left:
    # 1000 * t(99) * sqrt(2 * 0.00040404) = 1000 * 1.98422 * 0.028427 = 56.405.
    same = sums_of([80.0, 120.0] * 50, [10.0] * 100, 400)
    margins = lever_effect_margins(same, same, same, same)
    assert margins.mean_deal_amount[0] == pytest.approx(56.405, abs=0.001)
    assert margins.mean_cycle_days[0] == 0
    # 1 / 400 for the count, 0.75 / 100 for the rate.
    assert margins.qualified_count[0] == pytest.approx(1000 * 1.98422 * np.sqrt(2 / 400), rel=1e-5)
    assert margins.win_rate[0] == pytest.approx(1000 * 1.98422 * np.sqrt(2 * 0.0075), rel=1e-5)


def test_few_wins_take_the_population_for_the_margin_too() -> None:
    population = sums_of([80.0, 120.0] * 50, [10.0] * 100, 400)
    few = sums_of([100.0] * 4, [10.0] * 4, 16)
    assert lever_effect_margins(few, few, population, population).mean_deal_amount[0] == pytest.approx(
        40 * 1.98422 * np.sqrt(2 * 0.00040404 * 25), rel=1e-4
    )


@pytest.mark.parametrize("expected_wins", [30, 100])
def test_effect_intervals_cover_the_true_contributions(expected_wins: int) -> None:
    """93 % or more for every lever, where all four have changed and the amount goes with the cycle."""
    draws = np.random.default_rng(20260102)
    rounds = 2_000

    def worlds(wins: float, rate: float, size: float, length: float) -> tuple[DealSums, Levers]:
        columns = []
        for _ in range(rounds):
            opened = draws.poisson(wins / rate)
            won = max(draws.binomial(opened, rate), 2)
            shared = draws.normal(size=won)
            amount = np.exp(size + 0.8 * shared)
            cycle = np.exp(length + 0.5 * (0.4 * shared + np.sqrt(1 - 0.16) * draws.normal(size=won)))
            columns.append(
                [opened, won, won, amount.sum(), (amount**2).sum(), won, cycle.sum(), (cycle**2).sum(), won,
                 amount.sum(), cycle.sum(), (amount * cycle).sum()]
            )  # fmt: skip
        truth = levers(wins / rate, rate, np.exp(size + 0.32), np.exp(length + 0.125))
        return DealSums(*np.array(columns, dtype=np.float64).T), truth

    previous, before = worlds(expected_wins, 0.25, 9.0, 3.8)
    current, after = worlds(expected_wins * 1.3, 0.3, 9.2, 3.6)
    effects = lever_effects(previous.levers, current.levers)
    margins = lever_effect_margins(previous, current, previous, current)
    true = lever_effects(before, after)
    for lever in LEVERS:
        off = np.abs(getattr(effects, lever) - getattr(true, lever)[0])
        covered = np.mean(off <= getattr(margins, lever))
        assert covered >= 0.93 - 2 * np.sqrt(0.93 * 0.07 / rounds), (lever, covered)
