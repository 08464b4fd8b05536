"""Velocity: the worked example, exact lever effects, and the coverage of its interval."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from segment_signals.statistics.velocity import Levers, lever_effects, log_velocity_variance, sample_covariance


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


def test_log_variance_by_hand() -> None:
    # Wins 25, amounts mean 100 sd 50, cycles mean 40 sd 20, correlation 0.5 over all 25 wins:
    # 1/25 + 2500/(25*10000) + 400/(25*1600) - 2*25*500/(25*25*100*40) = 0.04 + 0.01 + 0.01 - 0.01 = 0.05.
    variance = log_velocity_variance(*(np.array([value]) for value in (25, 25, 100, 2500, 25, 40, 400, 500, 25)))
    assert variance[0] == pytest.approx(0.05, abs=1e-15)


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


@pytest.mark.parametrize("expected_wins", [30, 100])
def test_interval_covers_the_true_velocity(expected_wins: int) -> None:
    """At least 93 % coverage from 30 expected wins on, with log-normal amounts that go with longer cycles."""
    draws = np.random.default_rng(20260101)
    rounds, win_rate, z = 4_000, 0.25, 1.959963984540054
    true_amount, true_cycle = np.exp(9 + 0.8**2 / 2), np.exp(3.8 + 0.5**2 / 2)
    truth = expected_wins * true_amount / true_cycle
    covered = 0
    for _ in range(rounds):
        opened = draws.poisson(expected_wins / win_rate)
        wins = draws.binomial(opened, win_rate)
        shared = draws.normal(size=wins)
        amount = np.exp(9 + 0.8 * shared)
        cycle = np.exp(3.8 + 0.5 * (0.4 * shared + np.sqrt(1 - 0.16) * draws.normal(size=wins)))
        velocity = levers(opened, wins / opened, amount.mean(), cycle.mean()).velocity_per_day()[0]
        variance = log_velocity_variance(
            *(
                np.array([value])
                for value in (
                    wins,
                    wins,
                    amount.mean(),
                    amount.var(ddof=1),
                    wins,
                    cycle.mean(),
                    cycle.var(ddof=1),
                    np.cov(amount, cycle)[0, 1],
                    wins,
                )
            )
        )[0]
        covered += abs(np.log(velocity / truth)) <= z * np.sqrt(variance)
    coverage = covered / rounds
    two_standard_errors = 2 * np.sqrt(0.93 * 0.07 / rounds)
    assert coverage >= 0.93 - two_standard_errors, coverage
